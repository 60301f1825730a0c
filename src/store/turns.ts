/**
 * Tasks that have the same key take turns, in the order in which they came
 */
export class Turns {
  // those that wait for the one that has its turn
  readonly #waiting = new Map<string, Array<() => void>>()

  /**
   * How many keys have tasks
   */
  get size (): number {
    return this.#waiting.size
  }

  /**
   * Begins a turn, if no other one goes on. It must be ended.
   */
  begin (key: string): boolean {
    if (this.#waiting.has(key)) {
      return false
    }

    this.#waiting.set(key, NOBODY)
    return true
  }

  end (key: string): void {
    const waiting = this.#waiting.get(key)
    const next = waiting?.shift()

    if (next == null) {
      this.#waiting.delete(key)
    } else {
      next()
    }
  }

  /**
   * Begins a turn when its time has come. Rejects with the reason of the signal if
   * that is aborted before.
   */
  async wait (key: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()

    if (this.begin(key)) {
      return
    }

    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        signal?.removeEventListener('abort', onAbort)
        this.#waiting.set(key, this.#waiting.get(key)?.filter(other => other !== begin) ?? NOBODY)
        reject(signal?.reason)
      }
      const begin = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }

      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.set(key, [...this.#waiting.get(key) ?? [], begin])
    })
  }

  /**
   * Does a task in its turn. Rejects with the reason of the signal if that is
   * aborted before it has begun, and with what the task rejects.
   */
  async take <T> (key: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.wait(key, signal)

    try {
      return await task()
    } finally {
      this.end(key)
    }
  }
}

const NOBODY: Array<() => void> = []
