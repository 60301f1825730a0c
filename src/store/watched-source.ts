import { InvalidParametersError } from '@libp2p/interface'
import { raceSignal } from 'race-signal'
import type { BlockSource } from './store.ts'

type ChunkSource = Exclude<BlockSource, Uint8Array>

/**
 * Content on its way into a blockstore. Blockstores throw errors of their own
 * when a source fails: this one keeps what it threw.
 */
export class WatchedSource {
  /**
   * What is given to the blockstore: chunks are asked for as it takes them
   */
  readonly content: AsyncIterable<Uint8Array>

  /**
   * What the source threw, if it did
   */
  failure?: { error: unknown }

  readonly #source: ChunkSource
  readonly #signal?: AbortSignal
  #iterator?: Iterator<Uint8Array> | AsyncIterator<Uint8Array>
  #ended = false

  /**
   * Throws InvalidParametersError
   */
  constructor (source: ChunkSource, signal?: AbortSignal) {
    if (!isIterable(source)) {
      throw new InvalidParametersError('The source of a block must be a Uint8Array, or an iterable or async iterable of Uint8Arrays')
    }

    this.#source = source
    this.content = this.#read()
    this.#signal = signal
  }

  /**
   * Tells the source that nobody reads on, unless it has come to its end
   */
  release (): void {
    try {
      if (!this.#ended) {
        this.#ended = true

        // nobody waits for it, nor has anybody an interest left in its errors
        Promise.resolve(this.#open().return?.()).catch(() => {})
      }
    } catch {}
  }

  async * #read (): AsyncGenerator<Uint8Array> {
    try {
      for (const iterator = this.#open(); ;) {
        // a promise, also of what an iterator gives that is not async
        const { done, value } = await raceSignal((async () => iterator.next())(), this.#signal)

        if (done === true) {
          this.#ended = true
          return
        }

        if (!(value instanceof Uint8Array)) {
          throw new InvalidParametersError(`The source of a block gave ${typeof value === 'object' ? 'an object' : `a ${typeof value}`} instead of a Uint8Array`)
        }

        yield value
      }
    } catch (error) {
      this.failure = { error }
      throw error
    } finally {
      this.release()
    }
  }

  #open (): Iterator<Uint8Array> | AsyncIterator<Uint8Array> {
    this.#iterator ??= Symbol.asyncIterator in this.#source
      ? this.#source[Symbol.asyncIterator]()
      : this.#source[Symbol.iterator]()

    return this.#iterator
  }
}

function isIterable (source: unknown): source is ChunkSource {
  return typeof source === 'object' && source != null && (Symbol.asyncIterator in source || Symbol.iterator in source)
}
