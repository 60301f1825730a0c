import type { ExchangeLimits } from './limits.ts'

/**
 * Tells how time passes, in even steps. It does not look at the time of day, so
 * that nothing is late because the machine slept.
 */
export class Clock {
  readonly #ms: number
  readonly #onTick: (ms: number) => void
  #timer?: ReturnType<typeof setInterval>
  #stopped = false

  constructor (limits: ExchangeLimits, onTick: (ms: number) => void) {
    const { serveTimeout, requestTimeout, rateWindow, unreadTimeout, closeTimeout, quietTimeout } = limits
    const shortest = Math.min(serveTimeout, requestTimeout, rateWindow, unreadTimeout, closeTimeout, quietTimeout)

    // a time-out is late by a quarter at most, and one of seconds by a second
    this.#ms = Math.max(5, Math.min(1000, shortest / 4))
    this.#onTick = onTick
  }

  start (): void {
    if (this.#timer == null && !this.#stopped) {
      this.#timer = setInterval(() => { this.#onTick(this.#ms) }, this.#ms)
      // it keeps no process alive; in browsers it is a number
      this.#timer.unref?.()
    }
  }

  /**
   * For good
   */
  stop (): void {
    this.#stopped = true
    clearInterval(this.#timer)
  }
}
