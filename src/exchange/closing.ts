import type { ExchangeLimits } from './limits.ts'

/**
 * Nothing more will be asked of a remote that has closed: we can close as well
 */
export const CLOSE = 1
/**
 * The remote did not do its part in time
 */
export const GIVE_UP = 2

export interface ClosingState {
  /**
   * If nothing that we asked for is still to come
   */
  settled: boolean
  /**
   * If everything that the remote has asked for is answered
   */
  answered: boolean
  /**
   * If, beside that, every promised body is sent
   */
  idle: boolean
}

/**
 * How far both sides are on their way to the end of the exchange
 */
export class Closing {
  /**
   * If nothing new is taken from the application
   */
  public begun = false
  /**
   * If the remote closed before we began to
   */
  public byRemote = false
  /**
   * If our CLOSE is on its way
   */
  public sent = false
  /**
   * If the remote's CLOSE has come
   */
  public received = false
  /**
   * If nothing is left to be said or heard
   */
  public over = false

  readonly #limits: ExchangeLimits
  #quietFor = 0

  constructor (limits: ExchangeLimits) {
    this.#limits = limits
  }

  begin (): void {
    if (!this.begun) {
      this.begun = true
      this.byRemote = this.received
      this.onProgress()
    }
  }

  /**
   * Something went out, or came in before we began to close: from then on what
   * comes is no progress, as the remote could send a byte now and then for ever
   */
  onProgress (): void {
    this.#quietFor = 0
  }

  /**
   * Some time has passed, in ms, in which we did not hold the remote back
   */
  tick (ms: number, state: ClosingState): typeof CLOSE | typeof GIVE_UP | undefined {
    this.#quietFor += ms

    if (this.over) {
      // only the end of the stream is missing
      return this.#quietFor >= this.#limits.closeTimeout ? GIVE_UP : undefined
    }

    if (this.begun) {
      if (!state.settled || !state.answered) {
        // these have time-outs of their own
        this.onProgress()
      }

      return this.#quietFor >= this.#limits.closeTimeout ? GIVE_UP : undefined
    }

    if (this.received) {
      // an original, which answers on until we have closed
      return state.settled && state.idle && this.#quietFor >= this.#limits.quietTimeout ? CLOSE : undefined
    }
  }
}
