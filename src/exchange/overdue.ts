import { TimeoutError } from '@libp2p/interface'
import { IDLE, ProgressWatch, SLOW } from './progress-watch.ts'
import { ReceivedBody } from './received-body.ts'
import type { Arrivals } from './arrivals.ts'
import type { Fifo } from './fifo.ts'
import type { ExchangeLimits } from './limits.ts'
import type { NumberMap } from '../number-map.ts'
import type { Want } from './want.ts'
import type { Wants } from './wants.ts'

/**
 * What the remote owes us
 */
export interface Owed {
  /**
   * All that is wanted, and may not have been sent
   */
  readonly wants: Wants
  /**
   * What each unanswered REQUEST asked for, the oldest first
   */
  readonly requests: Fifo<Want[]>
  /**
   * What is promised and has not begun
   */
  readonly promised: Pick<NumberMap<Want>, 'values'>
  /**
   * What comes
   */
  readonly arrivals: Arrivals
}

/**
 * Fails what the remote owes us for too long
 */
export class Overdue {
  readonly #owed: Owed
  readonly #limits: ExchangeLimits
  readonly #watch: ProgressWatch

  constructor (owed: Owed, limits: ExchangeLimits) {
    this.#owed = owed
    this.#limits = limits
    this.#watch = new ProgressWatch(limits)
  }

  /**
   * An answer came, or nothing was owed before
   */
  reset (): void {
    this.#watch.reset()
  }

  onBytes (body: ReceivedBody, bytes: number): void {
    this.#watch.onBytes(body, bytes)
  }

  /**
   * Some time has passed in which we did not hold the remote back, in ms. Throws
   * TimeoutError if nothing came for too long and there is nothing that could fail,
   * but an answer that must come.
   */
  tick (ms: number, mustAnswer: boolean): void {
    const [body] = this.#bodies()
    const request = this.#requests()[0]
    const share = body instanceof ReceivedBody ? this.#owed.arrivals.coming.size : 0

    switch (this.#watch.tick(ms, body ?? request, share)) {
      case IDLE: this.#failOldest(mustAnswer); break
      case SLOW: this.#failSlow(body == null ? request : [body]); break
      default:
    }
  }

  #failSlow (head: Array<Want | ReceivedBody> = []): void {
    const err = new TimeoutError(`Less than ${this.#limits.minBodyRate} bytes a second came from the remote`)

    if (this.#owed.arrivals.unknown > 0 && !(head[0] instanceof ReceivedBody)) {
      // nothing can be done about bodies that nobody knows
      throw err
    }

    head.forEach(owed => { this.#fail(owed, err) })
  }

  /**
   * Bodies that somebody wants, in the order in which they were promised
   */
  #bodies (): Array<Want | ReceivedBody> {
    const owed: Array<Want | ReceivedBody> = [...this.#owed.arrivals.coming.values()]

    for (const want of this.#owed.promised.values()) {
      if (want.wanted) {
        owed.push(want)
      }
    }

    return owed.sort((a, b) => a.order - b.order)
  }

  /**
   * The unanswered REQUESTs for something that somebody wants, the oldest first
   */
  #requests (): Want[][] {
    return [...this.#owed.requests].filter(wants => wants.some(({ wanted }) => wanted))
  }

  /**
   * Nothing has come for too long. What is at the head fails; then, as long as
   * nothing comes, twice as much each time, so that the thousands behind it do
   * not take a time-out each.
   */
  #failOldest (mustAnswer: boolean): void {
    const err = new TimeoutError(`Nothing came from the remote for ${this.#limits.requestTimeout} ms`)

    if (this.#owed.arrivals.unknown > 0) {
      // nothing can be done about bodies that nobody knows
      throw err
    }

    const oldest = [
      ...this.#bodies().map(owed => [owed]),
      ...this.#requests(),
      // those for which there was never room
      ...this.#owed.wants.unsent.map(want => [want])
    ]

    if (oldest.length === 0 && mustAnswer) {
      throw err
    }

    for (const owed of oldest.slice(0, Math.pow(2, this.#watch.timeouts - 1)).flat()) {
      this.#fail(owed, err)
    }
  }

  #fail (owed: Want | ReceivedBody, err: Error): void {
    if (owed instanceof ReceivedBody) {
      owed.cancel(err)
    } else {
      this.#owed.wants.fail(owed, err)
    }
  }
}
