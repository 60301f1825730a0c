import type { ExchangeLimits } from './limits.ts'

/**
 * Nothing came for too long
 */
export const IDLE = 1
/**
 * What is at the head comes too slowly
 */
export const SLOW = 2

/**
 * Watches what the remote owes us. Time is what `tick` is told: it stands still
 * while we hold the remote back, or while the machine sleeps.
 */
export class ProgressWatch {
  /**
   * How often in a row nothing came for too long
   */
  public timeouts = 0

  readonly #limits: ExchangeLimits
  #idleFor = 0
  // what has been at the head, for how long, and what came meanwhile
  #head: unknown
  #headFor = 0
  #headBytes = 0
  #allBytes = 0

  constructor (limits: ExchangeLimits) {
    this.#limits = limits
  }

  /**
   * Something came, or nothing is owed
   */
  reset (): void {
    this.#idleFor = 0
    this.timeouts = 0
  }

  onBytes (body: unknown, bytes: number): void {
    this.reset()
    this.#allBytes += bytes

    if (body === this.#head) {
      this.#headBytes += bytes
    }
  }

  /**
   * @param ms - how much time has passed
   * @param head - what must come first of all that is owed
   * @param share - among how many bodies the remote divides its bytes if the head is one of them, otherwise 0
   */
  tick (ms: number, head: unknown, share: number): typeof IDLE | typeof SLOW | undefined {
    this.#idleFor += ms
    this.#headFor += ms

    if (head !== this.#head) {
      this.#head = head
      this.#startWindow()
    }

    if (this.#idleFor >= this.#limits.requestTimeout) {
      this.#idleFor = 0
      this.timeouts++
      return IDLE
    }

    if (this.#headFor >= this.#limits.rateWindow) {
      const made = share > 0 ? Math.min(this.#headBytes * share, this.#allBytes) : this.#allBytes
      this.#startWindow()

      if (head != null && made < this.#limits.minBodyRate * this.#limits.rateWindow / 1000) {
        return SLOW
      }
    }
  }

  #startWindow (): void {
    this.#headFor = 0
    this.#headBytes = 0
    this.#allBytes = 0
  }
}
