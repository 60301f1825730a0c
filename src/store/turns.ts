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
  async take<T> (key: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last.get(key)
    const turn = wait(before, signal).then(task)

    // those that follow wait for both, as this one may have been given up
    const last = Promise.allSettled([before, turn]).then(() => {
      if (this.#last.get(key) === last) {
        this.#last.delete(key)
      }
    })
    this.#last.set(key, last)

    return turn
  }
}

async function wait (before?: Promise<unknown>, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()

  if (before != null) {
    await raceSignal(before, signal)
  }
}
