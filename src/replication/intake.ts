import { LimitError, StoreError, toError } from '../errors.ts'
import { joined } from '../exchange/gathered-bytes.ts'
import { Waker } from '../exchange/waker.ts'
import { NOWHERE } from '../placed-set.ts'
import { Deadlines } from './deadlines.ts'
import type { Task } from './deadlines.ts'
import type { ReplicationLimits } from './limits.ts'
import type { Verifier } from './verify.ts'
import type { Store } from '../store/store.ts'
import type { CID } from 'multiformats'

/**
 * Content up to this size is held in memory until all of it has come, then
 * checked and put in one go, which for small blocks is several times as fast
 */
const MAX_JOINED_BYTES = 1024 * 1024

/**
 * How much of such content may be held of all bodies that have not come to their
 * end. More is put as it comes: an original may send a thousand bodies at once.
 */
const MAX_JOINING_BYTES = 16 * 1024 * 1024

/**
 * How many blocks that must be held as a whole to be checked may come at a time:
 * those of four peers of ours, each of which sends 16 at a time
 */
const MAX_WHOLE_BLOCKS = 64

interface StoreWatch {
  late: Promise<never>
  start(): void
  stop(): void
}

/**
 * Who is told what became of content. Not a promise, which would take a tenth of
 * the time of a small block, nor functions for each.
 */
export interface PutOwner {
  onStored(sequence: number): void
  onError(err: Error): void
}

/**
 * Content that is being put
 */
interface Put extends Task {
  hash: string
  bytes: number
  owner: PutOwner
}

/**
 * Checks what comes and puts it into the store
 */
export class Intake {
  readonly #store: Store
  readonly #verifier: Verifier
  readonly #limits: ReplicationLimits
  // held of bodies that have not come to their end
  #joining = 0
  // held of bodies that have, and wait to be put, and of those that are being put
  #complete = 0
  #unstored = 0
  // blocks that must be held as a whole
  #whole = 0
  readonly #room = new Set<Waker>()
  readonly #puts: Deadlines<Put>

  constructor (store: Store, verifier: Verifier, limits: ReplicationLimits) {
    this.#store = store
    this.#verifier = verifier
    this.#limits = limits
    this.#puts = new Deadlines(limits.storeTimeout, (put, err) => { this.#fail(put, err) })
  }

  /**
   * Stores content that comes, after it was checked. Resolves to its sequence.
   * Rejects with HashMismatchError, StoreError, what `onBytes` throws, or
   * the error of the source.
   */
  async take (cid: CID, hash: string, source: AsyncIterator<Uint8Array>, onBytes: (bytes: number) => void): Promise<number> {
    const streams = this.#verifier.streams(cid)

    if (streams) {
      return this.#take(cid, hash, source, onBytes, MAX_JOINED_BYTES)
    }

    while (this.#whole >= MAX_WHOLE_BLOCKS) {
      await this.#nextRoom()
    }

    this.#whole++

    try {
      return await this.#take(cid, hash, source, onBytes, this.#limits.maxHeldBlockBytes, true)
    } finally {
      this.#whole--
      this.#makeRoom()
    }
  }

  async #take (cid: CID, hash: string, source: AsyncIterator<Uint8Array>, onBytes: (bytes: number) => void, max: number, whole = false): Promise<number> {
    const parts: Uint8Array[] = []
    let bytes = 0
    let held = 0

    const next = async (): Promise<Uint8Array | undefined> => {
      // puts end by themselves, so the readers of all bodies can wait for them,
      // and behind them their remotes
      while (this.#complete + this.#unstored >= this.#limits.maxUnstoredBytes) {
        await this.#nextRoom()
      }

      const { done, value } = await source.next()

      if (done === true) {
        return
      }

      bytes += value.length
      onBytes(value.length)

      if (bytes > this.#limits.maxBlockBytes) {
        throw new LimitError(`A block may have ${this.#limits.maxBlockBytes} bytes`)
      }

      return value
    }

    const release = (): void => {
      this.#joining -= held
      held = 0
    }

    try {
      for (let part = await next(); part != null; part = await next()) {
        parts.push(part)
        held += part.length
        this.#joining += part.length

        if (!whole && (bytes > max || this.#joining > MAX_JOINING_BYTES)) {
          return await this.#putParts(cid, hash, parts, next, release)
        }

        if (bytes > max) {
          throw new LimitError(`A block whose hash is not sha2-256 may have ${max} bytes`)
        }
      }
    } finally {
      release()
    }

    return this.#putWhole(cid, hash, joined(parts))
  }

  /**
   * If more content may be put that is here as a whole
   */
  get hasRoom (): boolean {
    return this.#complete + this.#unstored < this.#limits.maxUnstoredBytes
  }

  /**
   * As `take`, of content that is here as a whole. It must not be a view of a
   * larger buffer, which would be kept with it. Throws as well.
   */
  put (cid: CID, hash: string, content: Uint8Array, owner: PutOwner): void {
    const max = this.#verifier.streams(cid) ? this.#limits.maxBlockBytes : Math.min(this.#limits.maxBlockBytes, this.#limits.maxHeldBlockBytes)

    if (content.length > max) {
      throw new LimitError(`A block with this hash may have ${max} bytes`)
    }

    const checked = this.#verifier.check(cid, content)

    if (checked == null) {
      this.#putChecked(hash, content, owner)
    } else {
      const release = (): void => {
        this.#complete -= content.length
        this.#makeRoom()
      }

      this.#complete += content.length
      checked.then(() => {
        release()
        this.#putChecked(hash, content, owner)
      }, err => {
        release()
        owner.onError(err)
      })
    }
  }

  async #putWhole (cid: CID, hash: string, content: Uint8Array): Promise<number> {
    this.#complete += content.length

    try {
      const checked = this.#verifier.check(cid, content)

      if (checked != null) {
        await checked
      }

      while (this.#unstored > 0 && this.#unstored + content.length > this.#limits.maxUnstoredBytes) {
        await this.#nextRoom()
      }
    } finally {
      this.#complete -= content.length
      this.#makeRoom()
    }

    return new Promise((resolve, reject) => { this.#putChecked(hash, content, { onStored: resolve, onError: reject }) })
  }

  #putChecked (hash: string, content: Uint8Array, owner: PutOwner): void {
    const put = { began: 0, place: NOWHERE, hash, bytes: content.length, owner }

    this.#puts.begin(put)
    this.#unstored += put.bytes

    try {
      this.#store.put(hash, content).then(sequence => {
        if (sequence == null) {
          this.#fail(put, noSequence())
        } else if (this.#end(put)) {
          owner.onStored(sequence)
        }
      }, err => { this.#fail(put, err) })
    } catch (err) {
      this.#fail(put, err)
    }
  }

  #fail (put: Put, err: unknown): void {
    if (this.#end(put)) {
      put.owner.onError(storeError(put.hash, toError(err)))
    }
  }

  /**
   * Returns false if it was late, and has ended with that
   */
  #end (put: Put): boolean {
    if (!this.#puts.end(put)) {
      return false
    }

    this.#unstored -= put.bytes
    this.#makeRoom()

    return true
  }

  /**
   * Puts content as it comes. What the store has taken it must give back when
   * the error comes that stands in the place of the end.
   */
  async #putParts (cid: CID, hash: string, parts: Uint8Array[], next: () => Promise<Uint8Array | undefined>, release: () => void): Promise<number> {
    const watch = this.#watch()
    let failure: Error | undefined

    const all = this.#verifier.pass(cid, (async function * () {
      yield * parts.splice(0)
      release()

      for (let part = await next(); part != null; part = await next()) {
        yield part
      }
    })())

    const watched = (async function * () {
      try {
        // the store must not take for ever, the remote has other time-outs
        watch.stop()

        for await (const part of all) {
          watch.start()
          yield part
          watch.stop()
        }

        watch.start()
      } catch (err) {
        failure = toError(err)
        // which the store has to clean up after
        watch.start()
        throw err
      }
    })()

    watch.start()

    try {
      return await this.#put(hash, watched, watch)
    } catch (err) {
      throw failure ?? err
    }
  }

  async #put (hash: string, content: AsyncIterable<Uint8Array>, watch: StoreWatch): Promise<number> {
    try {
      const sequence = await Promise.race([this.#store.put(hash, content), watch.late])

      if (sequence == null) {
        throw noSequence()
      }

      return sequence
    } catch (err) {
      throw storeError(hash, toError(err))
    } finally {
      watch.stop()
    }
  }

  /**
   * A time-out that runs while the store, and nobody else, has something to do
   */
  #watch (): StoreWatch {
    const { storeTimeout } = this.#limits
    const late = Promise.withResolvers<never>()
    let timer: ReturnType<typeof setTimeout> | undefined

    // it may be late when nobody waits any more
    late.promise.catch(() => {})

    return {
      late: late.promise,
      start: () => {
        clearTimeout(timer)
        timer = setTimeout(() => { late.reject(new Error(`it took longer than ${storeTimeout} ms`)) }, storeTimeout)
      },
      stop: () => { clearTimeout(timer) }
    }
  }

  #makeRoom (): void {
    this.#room.forEach(waker => { waker.wake() })
  }

  async #nextRoom (): Promise<void> {
    const waker = new Waker()
    this.#room.add(waker)
    await waker.sleep()
    this.#room.delete(waker)
  }
}

/**
 * A store of the application may do other than its type says
 */
function noSequence (): TypeError {
  return new TypeError('put() must resolve to a sequence')
}

function storeError (hash: string, cause: Error): StoreError {
  return new StoreError(`The store could not put ${hash}: ${cause.message}`, { cause })
}
