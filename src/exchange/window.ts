/**
 * How far the remote may send ahead of what was read here, where the stream itself
 * holds nobody back
 */
export class ReadWindow {
  readonly #bytes: number
  // read, and not told to the remote
  #read = 0

  /**
   * @param bytes - how many bytes may be on their way or wait here
   */
  constructor (bytes: number) {
    this.#bytes = bytes
  }

  /**
   * How many bytes more the remote may send, if it is to be told now: a quarter of
   * the window at a time, so that it hears of it while it can still go on
   */
  onRead (bytes: number): number | undefined {
    this.#read += bytes

    if (this.#read >= this.#bytes / 4) {
      const read = this.#read
      this.#read = 0
      return read
    }
  }
}

/**
 * How many bytes the remote lets us send. One that never said so is held back by
 * the stream.
 */
export class Credit {
  #left = Infinity

  /**
   * If only what is short may still be sent
   */
  get spent (): boolean {
    return this.#left <= 0
  }

  grant (bytes: number): void {
    this.#left = this.#left === Infinity ? bytes : this.#left + bytes
  }

  spend (bytes: number): void {
    this.#left -= bytes
  }
}
