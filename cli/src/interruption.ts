import { setMaxListeners } from 'node:events'
import { constants } from 'node:os'
import { InterruptedError } from './errors.ts'
import { SIGNALLED } from './exit-codes.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

type Signal = typeof SIGNALS[number]

/**
 * Listens for Ctrl-C and its like: the first one tells the command to end
 * cleanly, the second one ends the process at once
 */
export class Interruption {
  readonly #controller = new AbortController()
  readonly #onFirst: (signal: Signal) => void
  #exitCode?: number

  constructor (onFirst: (signal: Signal) => void) {
    this.#onFirst = onFirst
    // everything that waits listens to it
    setMaxListeners(Infinity, this.signal)
  }

  get signal (): AbortSignal {
    return this.#controller.signal
  }

  /**
   * With which code to end, if a signal came
   */
  get exitCode (): number | undefined {
    return this.#exitCode
  }

  start (): void {
    SIGNALS.forEach(signal => { process.on(signal, this.#onSignal) })
  }

  stop (): void {
    SIGNALS.forEach(signal => { process.off(signal, this.#onSignal) })
  }

  readonly #onSignal = (signal: Signal): void => {
    if (this.#exitCode != null) {
      process.exit(this.#exitCode)
    }

    this.#exitCode = SIGNALLED + constants.signals[signal]
    this.#onFirst(signal)
    this.#controller.abort(new InterruptedError())
  }
}
