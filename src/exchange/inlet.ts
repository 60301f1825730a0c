import type { Source } from 'it-stream-types'

/**
 * Takes what an iterable gives, until its end or until it is interrupted, also
 * while it gives nothing
 */
export class Inlet<T> {
  #interrupt?: (err: Error) => void
  #interrupted?: Error

  interrupt (err: Error): void {
    this.#interrupted = err
    this.#interrupt?.(err)
  }

  async * read (source: Source<T>): AsyncGenerator<T> {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()

    try {
      while (true) {
        const { done, value } = await this.#next(iterator)

        if (done === true) {
          return
        }

        yield value
      }
    } finally {
      // it may be in the middle of something, and nobody reads it any more
      Promise.resolve(iterator.return?.()).catch(() => {})
    }
  }

  /**
   * Not a race: with a promise that lives as long as the exchange, that would
   * keep every chunk alive
   */
  async #next (iterator: Iterator<T> | AsyncIterator<T>): Promise<IteratorResult<T>> {
    if (this.#interrupted != null) {
      throw this.#interrupted
    }

    return new Promise((resolve, reject) => {
      this.#interrupt = reject
      Promise.resolve(iterator.next()).then(resolve, reject)
    })
  }
}
