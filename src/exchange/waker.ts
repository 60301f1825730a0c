/**
 * Lets one side sleep until another has something for it, however often and
 * whenever it is told so
 */
export class Waker {
  #awake = false
  #sleeper?: () => void

  wake (): void {
    this.#awake = true

    if (this.#sleeper != null) {
      const wakeUp = this.#sleeper
      this.#sleeper = undefined
      wakeUp()
    }
  }

  /**
   * Returns at once if somebody called `wake()` since the last time
   */
  async sleep (): Promise<void> {
    if (!this.#awake) {
      await new Promise<void>(resolve => { this.#sleeper = resolve })
    }

    this.#awake = false
  }
}
