const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/**
 * What a terminal would not show but do, escaped
 */
export function printable (text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/**
 * A number of bytes with three digits, as '12.3 MB'
 */
export function formatBytes (bytes: number): string {
  let value = bytes
  let unit = 0

  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }

  return `${value.toFixed(unit === 0 ? 0 : decimals(value))} ${UNITS[unit]}`
}

/**
 * As many as make three digits
 */
function decimals (value: number): number {
  if (value >= 99.95) {
    return 0
  }

  return value >= 9.995 ? 1 : 2
}

/**
 * A time with its two largest units, as '1 h 5 min'
 */
export function formatSeconds (seconds: number): string {
  const rounded = Math.ceil(seconds)

  if (rounded < 60) {
    return `${rounded} s`
  }

  if (rounded < 3600) {
    return `${Math.floor(rounded / 60)} min ${rounded % 60} s`
  }

  return `${Math.floor(rounded / 3600)} h ${Math.floor(rounded % 3600 / 60)} min`
}

/**
 * '1 file', '5,000 files'
 */
export function count (number: number, name: string): string {
  return `${number.toLocaleString('en')} ${name}${number === 1 ? '' : 's'}`
}
