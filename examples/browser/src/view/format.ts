const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']
const numbers = new Intl.NumberFormat('en-GB')

/**
 * '1.2 MB', in decimal units
 */
export function formatBytes (bytes: number): string {
  let value = bytes
  let unit = 0

  // 999.5 would be shown as 1000
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }

  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`
}

export function formatRate (bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

export function formatCount (count: number): string {
  return numbers.format(count)
}

/**
 * '1 block', '1,234 blocks'
 */
export function plural (count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

export function formatDuration (seconds: number): string {
  if (seconds < 60) {
    return `${Math.max(1, Math.ceil(seconds))} s`
  }

  const minutes = Math.ceil(seconds / 60)

  if (minutes < 60) {
    return `${minutes} min`
  }

  if (minutes < 24 * 60) {
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  }

  return 'more than a day'
}

/**
 * The beginning and the end of a CID or peer ID
 */
export function shorten (id: string): string {
  return id.length <= 20 ? id : `${id.slice(0, 4)}…${id.slice(-8)}`
}

/**
 * What an action was rejected with, as a sentence
 */
export function messageOf (err: unknown): string {
  const message = err instanceof Error ? err.message : String(err)

  return message === '' ? 'That failed, and the browser did not say why.' : message
}
