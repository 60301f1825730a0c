/**
 * How far the remote may send ahead of what was read here, where the stream itself
 * holds nobody back. Both sides count all bytes from the beginning.
 */
export class ReadWindow {
  readonly #bytes: number
  #read = 0
  // up to where the remote may send, once it knows of this
  #granted?: number

  /**
   * @param bytes - how many bytes may be on their way or wait here
   */
  constructor (bytes: number) {
    this.#bytes = bytes
  }

  /**
   * If what comes is still what the remote was allowed to send, or the few messages
   * that it may always send
   */
  get open (): boolean {
    return this.#granted != null && this.#read < this.#granted + this.#bytes
  }

  onRead (bytes: number): void {
    this.#read += bytes
  }

  /**
   * How many bytes more the remote may send: all of the window at first, later what
   * was read since, a quarter of it at a time, so that it hears of it while it can
   * still go on
   */
  grant (begins = false): number | undefined {
    if (this.#granted == null && !begins) {
      return
    }

    const more = this.#read + this.#bytes - (this.#granted ?? 0)

    if (begins || more >= this.#bytes / 4) {
      this.#granted = (this.#granted ?? 0) + more
      return more
    }
  }
}

/**
 * How many bytes the remote lets us send. One that never said so is held back by
 * the stream.
 */
export class Credit {
  #sent = 0
  #granted?: number

  /**
   * If only what is short may still be sent
   */
  get spent (): boolean {
    return this.#granted != null && this.#sent >= this.#granted
  }

  grant (bytes: number): void {
    this.#granted = (this.#granted ?? 0) + bytes
  }

  spend (bytes: number): void {
    this.#sent += bytes
  }
}
