import { MAX_BATCH_BYTES, MAX_BATCH_HASHES } from '../constants.ts'
import { Fifo } from './fifo.ts'
import { hashLength } from './hashes.ts'
import { SENT, SETTLED, WAITING, Want } from './want.ts'

/**
 * Every hash that was asked for, until its body begins or it is known not to
 * come; and among them, in their order, those that have not been sent
 */
export class Wants {
  readonly #maxHashBytes: number
  readonly #onFailed: (hash: string, error: Error) => void
  readonly #byHash = new Map<string, Want>()
  // those that wait to be sent, and some that do not any more. Not a set: to find
  // the first one of that takes as long as many were removed before it.
  readonly #queue = new Fifo<Want>()
  #waiting = 0

  constructor (maxHashBytes: number, onFailed: (hash: string, error: Error) => void) {
    this.#maxHashBytes = maxHashBytes
    this.#onFailed = onFailed
  }

  /**
   * How many wait to be sent
   */
  get waiting (): number {
    return this.#waiting
  }

  /**
   * Those that wait to be sent, the oldest first
   */
  get unsent (): Want[] {
    return [...this.#queue].filter(({ state }) => state === WAITING)
  }

  /**
   * If somebody waits for any of them
   */
  get anyWanted (): boolean {
    for (const want of this.#byHash.values()) {
      if (want.wanted) {
        return true
      }
    }

    return false
  }

  get (hash: string): Want | undefined {
    return this.#byHash.get(hash)
  }

  /**
   * Joins the want of this hash, if there is one
   */
  add (hash: string): Want {
    let want = this.#byHash.get(hash)

    if (want == null) {
      want = new Want(hash, hashLength(hash, this.#maxHashBytes))
      this.#byHash.set(hash, want)
      this.#queue.push(want)
      this.#waiting++
    }

    return want
  }

  /**
   * Takes up to `room` of those that wait, in batches for one REQUEST each
   */
  * take (room: number): Generator<Want[]> {
    let batch: Want[] = []
    let bytes = 0

    for (let want = this.#queue.peek(); want != null && room > 0; want = this.#queue.peek()) {
      if (want.state !== WAITING) {
        this.#queue.shift()
        continue
      }

      if (batch.length === MAX_BATCH_HASHES || (batch.length > 0 && bytes + want.length > MAX_BATCH_BYTES)) {
        yield batch
        batch = []
        bytes = 0
      }

      this.#queue.shift()
      this.#waiting--
      room--
      want.state = SENT
      want.request = batch
      batch.push(want)
      bytes += want.length
    }

    if (batch.length > 0) {
      yield batch
    }
  }

  /**
   * Its body has begun, or is known not to come
   */
  settle (want: Want): void {
    const waited = want.state === WAITING

    want.state = SETTLED
    this.#byHash.delete(want.hash)

    if (waited) {
      this.#waiting--
      this.#tidy()
    }
  }

  /**
   * Forgets it if nobody wants it any more, unless it was sent: the answer must
   * have been asked for
   */
  release (want: Want): void {
    if (want.state === WAITING && !want.wanted) {
      this.settle(want)
    }
  }

  /**
   * Tells those who wait for it that it will not come. If it was sent it may
   * come all the same, and is refused then.
   */
  fail (want: Want, err: Error): void {
    const { requested } = want

    want.reject(err)
    this.release(want)

    if (requested) {
      this.#onFailed(want.hash, err)
    }
  }

  /**
   * It will not come
   */
  drop (want: Want, err: Error): void {
    this.settle(want)
    this.fail(want, err)
  }

  /**
   * What was given up before it was sent must not stay for ever
   */
  #tidy (): void {
    if (this.#queue.length > 2 * this.#waiting + MAX_BATCH_HASHES) {
      const { unsent } = this

      this.#queue.clear()
      unsent.forEach(want => { this.#queue.push(want) })
    }
  }

  * [Symbol.iterator] (): Generator<Want> {
    yield * this.#byHash.values()
  }
}
