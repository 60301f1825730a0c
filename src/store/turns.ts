import { raceSignal } from 'race-signal'

/**
 * Runs tasks that have the same key one after the other, in the order in which
 * they came
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /**
   * How many keys have tasks
   */
  get size (): number {
    return this.#last.size
  }

  /**
   * Rejects with the reason of the signal if that is aborted before the task has
   * begun, and with what the task rejects
   */
  take<T> (key: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) {
      return Promise.reject(signal.reason)
    }

    const before = this.#last.get(key)
    const turn = before == null ? task() : raceSignal(before, signal).then(task)
    const end = (): void => {
      if (this.#last.get(key) === last) {
        this.#last.delete(key)
      }
    }
    // those that follow wait for both, as this one may have been given up
    const last = (before == null ? turn : Promise.allSettled([before, turn])).then(end, end)

    this.#last.set(key, last)

    return turn
  }
}
