const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/**
 * Counts files and bytes, and tells how far it is every second
 */
export class Progress {
  files = 0
  bytes = 0

  readonly #did: string
  readonly #say: (text: string) => void
  #totalFiles = 0
  #totalBytes = 0
  #started = performance.now()
  #ended?: number
  #timer?: ReturnType<typeof setInterval>

  /**
   * @param did - what has been done with the files
   */
  constructor (did: string, say: (text: string) => void) {
    this.#did = did
    this.#say = say
  }

  start (totalFiles: number, totalBytes: number): void {
    this.#totalFiles = totalFiles
    this.#totalBytes = totalBytes
    this.#started = performance.now()

    let before = 0

    this.#timer = setInterval(() => {
      const percent = Math.floor(100 * this.bytes / Math.max(this.#totalBytes, 1))

      this.#say(`${this.#did} ${this.files} of ${formatFiles(this.#totalFiles)}, ${formatBytes(this.bytes)} of ${formatBytes(this.#totalBytes)} (${percent} %), ${formatBytes(this.bytes - before)}/s`)
      before = this.bytes
    }, 1000)
  }

  stop (): void {
    clearInterval(this.#timer)
    this.#ended = performance.now()
  }

  toString (): string {
    const seconds = Math.max((this.#ended ?? performance.now()) - this.#started, 1) / 1000

    return `${this.#did} ${formatFiles(this.files)}, ${formatBytes(this.bytes)} in ${seconds.toFixed(1)} s, ${formatBytes(this.bytes / seconds)}/s`
  }
}

export function formatFiles (files: number): string {
  return files === 1 ? '1 file' : `${files} files`
}

export function formatBytes (bytes: number): string {
  let unit = 0

  while (bytes >= 1000 && unit < UNITS.length - 1) {
    bytes /= 1000
    unit++
  }

  return `${unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${UNITS[unit]}`
}
