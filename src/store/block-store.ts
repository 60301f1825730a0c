import { InvalidParametersError, NotFoundError } from '@libp2p/interface'
import { logger } from '@libp2p/logger'
import { TypedEventEmitter } from 'main-event'
import { checkNames } from '../check-names.ts'
import { MAX_SKETCH_CELLS, SKETCH_CELLS } from '../constants.ts'
import { checkBlockHash, multihashOf, parseBlockHash } from './block-hash.ts'
import { BlockLog } from './block-log.ts'
import { Cursors } from './cursors.ts'
import { MemoryBlocks, MemoryRecords } from './memory.ts'
import { Records } from './records.ts'
import { Turns } from './turns.ts'
import { WatchedSource } from './watched-source.ts'
import type { StoreDatastore } from './records.ts'
import type { BlockSource, Store, StoreCursor, StoreEntry, StoreEvents, StoreSketch } from './store.ts'
import type { AbortOptions, Logger } from '@libp2p/interface'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'

/**
 * What a store needs of its blockstore
 */
export type StoreBlockstore = Pick<Blockstore, 'get' | 'put' | 'has' | 'delete'>

export interface BlockStoreOptions {
  /**
   * What the keys in the datastore begin with. Two stores that are open at the
   * same time must not share both the datastore and the prefix.
   *
   * @default '/hash-exchange'
   */
  prefix?: string

  /**
   * How many cells the sketch has, by which is found where the store differs from
   * that of a peer, without a list of all hashes: one difference takes about 1.4 of
   * them, so that the default is enough for 23,000. Each takes 28 bytes.
   *
   * @default 32768
   */
  cells?: number

  /**
   * Where it is told what was found out about the blocks and the log
   *
   * @default logger('libp2p:hash-exchange:store')
   */
  log?: Logger
}

export interface BlockStoreParts {
  /**
   * Where the blocks are, under CIDs of version 1 of raw bytes. It must be open,
   * and can have other blocks as well. Several CIDs have their bytes in one buffer:
   * it must not transfer that.
   */
  blockstore: StoreBlockstore

  /**
   * Where the log and the cursors are. It must be open, and can have other records
   * as well.
   */
  datastore: StoreDatastore
}

/**
 * Both a blockstore and a datastore, or neither for a store in memory
 */
export type BlockStoreInit = BlockStoreOptions & (BlockStoreParts | { [Key in keyof BlockStoreParts]?: undefined })

const OPTIONS: Record<keyof BlockStoreInit, true> = { blockstore: true, datastore: true, prefix: true, cells: true, log: true }

/**
 * Makes a store of a blockstore and a datastore, or opens it again. It reads all
 * of the log, and keeps at most 60 bytes in memory for each hash, and the cells.
 * Without both all of it is in memory, and lost with the process; blocks of more than
 * 16 KiB are kept there and given as they are, and must not be changed or transferred.
 *
 * A put is written in this order: the block, a page of the log. So whenever the
 * process is killed, each hash of the log has its block, and what was not finished
 * can be put again. The methods throw what the blockstore and the datastore throw.
 *
 * Throws InvalidParametersError, and StoreCorruptError if the log cannot be
 * read.
 *
 * @example
 *
 * ```ts
 * import { LevelBlockstore } from 'blockstore-level'
 * import { LevelDatastore } from 'datastore-level'
 * import { blockStore } from 'libp2p-hash-exchange'
 *
 * const blockstore = new LevelBlockstore('./blocks')
 * const datastore = new LevelDatastore('./data')
 *
 * await blockstore.open()
 * await datastore.open()
 *
 * const store = await blockStore({ blockstore, datastore })
 * const inMemory = await blockStore()
 * ```
 */
export async function blockStore (init: BlockStoreInit = {}): Promise<Store> {
  checkNames('option', init ?? {}, Object.keys(OPTIONS))

  const { prefix = '/hash-exchange', cells = SKETCH_CELLS, log = logger('libp2p:hash-exchange:store') } = init ?? {}
  // one that was to be given and is not there must not be lost with the process
  const inMemory = init != null && !('blockstore' in init) && !('datastore' in init)

  const { blockstore, datastore }: BlockStoreInit = inMemory ? { blockstore: new MemoryBlocks(), datastore: new MemoryRecords() } : init ?? {}

  checkMethods('blockstore', blockstore, ['get', 'put', 'has', 'delete'])
  checkMethods('datastore', datastore, ['get', 'put', 'has', 'delete'])

  if (typeof prefix !== 'string' || !/^(\/[^/]+)+$/.test(prefix)) {
    throw new InvalidParametersError(`The prefix must be names with a "/" before each, not ${JSON.stringify(prefix)}`)
  }

  if (!Number.isSafeInteger(cells) || cells < 1 || cells > MAX_SKETCH_CELLS) {
    throw new InvalidParametersError(`cells must be a whole number from 1 to ${MAX_SKETCH_CELLS}, not ${String(cells)}`)
  }

  const records = new Records(datastore, prefix)

  return new BlockStore(blockstore, await BlockLog.open(records, log, cells), new Cursors(records), log)
}

class BlockStore extends TypedEventEmitter<StoreEvents> implements Store {
  readonly #blockstore: StoreBlockstore
  readonly #log: BlockLog
  readonly #cursors: Cursors
  readonly #logger: Logger
  /**
   * The changes of a hash wait for each other. A blockstore of files would mix
   * up two blocks that are put under one hash.
   */
  readonly #turns = new Turns()

  constructor (blockstore: StoreBlockstore, log: BlockLog, cursors: Cursors, logger: Logger) {
    super()

    this.#blockstore = blockstore
    this.#log = log
    this.#cursors = cursors
    this.#logger = logger
  }

  get logId (): string {
    return this.#log.id
  }

  get size (): number {
    return this.#log.size
  }

  get lastSequence (): number {
    return this.#log.lastSequence
  }

  get sketch (): StoreSketch {
    return this.#log.sketch
  }

  has (hash: string, options?: AbortOptions): boolean {
    return this.sequence(hash, options) != null
  }

  sequence (hash: string, options?: AbortOptions): number | undefined {
    options?.signal?.throwIfAborted()
    const multihash = multihashOf(hash)

    return multihash == null ? undefined : this.#log.sequence(multihash)
  }

  get (hash: string, options: AbortOptions = {}): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
    const cid = parseBlockHash(hash)

    if (cid == null || this.#log.sequence(cid.multihash.bytes) == null) {
      return notFound(hash, options)
    }

    // a generator: it gives nothing, and throws nothing, before it is read
    const source = this.#blockstore.get(cid, options)

    return Symbol.asyncIterator in source ? this.#readAsync(hash, cid, source, options) : this.#read(hash, cid, source, options)
  }

  // not async: neither needs another promise
  put (hash: string, source: BlockSource, { signal }: AbortOptions = {}): Promise<number> {
    return source instanceof Uint8Array ? this.#put(hash, source, signal) : this.#putSource(hash, source, signal)
  }

  async delete (hash: string, { signal }: AbortOptions = {}): Promise<boolean> {
    const cid = parseBlockHash(hash)

    return cid != null && this.#turns.take(hash, async () => {
      const sequence = this.#log.sequence(cid.multihash.bytes)

      if (sequence == null) {
        return false
      }

      await this.#remove({ hash, sequence }, cid)
      await this.#blockstore.delete(cid)

      return true
    }, signal)
  }

  since (sequence: number, options?: AbortOptions): AsyncGenerator<StoreEntry> {
    return this.#log.since(sequence, options)
  }

  async cursor (peer: string, options?: AbortOptions): Promise<StoreCursor | undefined> {
    return this.#cursors.get(peer, options)
  }

  async setCursor (peer: string, cursor: StoreCursor, options?: AbortOptions): Promise<void> {
    await this.#cursors.set(peer, cursor, options)
  }

  async #putSource (hash: string, source: Exclude<BlockSource, Uint8Array>, signal?: AbortSignal): Promise<number> {
    const watched = new WatchedSource(source, signal)

    try {
      return await this.#put(hash, watched.content, signal)
    } catch (err) {
      // blockstores make errors of their own of it
      throw watched.failure == null ? err : watched.failure.error
    } finally {
      watched.release()
    }
  }

  async #put (hash: string, content: Uint8Array | AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<number> {
    const cid = checkBlockHash(hash)

    signal?.throwIfAborted()

    if (!this.#turns.begin(hash)) {
      await this.#turns.wait(hash, signal)
    }

    // one method, as each of its own would be a promise more for each small block
    try {
      const multihash = cid.multihash.bytes
      const earlier = this.#log.sequence(multihash)

      if (earlier != null && await this.#blockstore.has(cid)) {
        return earlier
      }

      try {
        await this.#blockstore.put(cid, content, { signal })
      } catch (err) {
        signal?.throwIfAborted()
        throw err
      }

      // one whose block was deleted behind our back gets a new sequence, so that it is announced again
      const sequence = await this.#log.append(multihash, earlier)

      this.safeDispatchEvent('put', { detail: { hash, sequence } })

      return sequence
    } finally {
      this.#turns.end(hash)
    }
  }

  /**
   * What is there at once is also given at once, which is several times as fast
   */
  * #read (hash: string, cid: CID, source: Iterable<Uint8Array>, { signal }: AbortOptions): Generator<Uint8Array> {
    signal?.throwIfAborted()

    try {
      yield * source
    } catch (err: any) {
      signal?.throwIfAborted()

      if (err?.name !== 'NotFoundError') {
        throw err
      }

      this.#isStored(hash, cid).catch(err => { this.#logger.error('could not find out if the block of %s is there - %e', hash, err) })
      throw err
    }
  }

  async * #readAsync (hash: string, cid: CID, source: AsyncIterable<Uint8Array>, { signal }: AbortOptions): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted()

    try {
      yield * source
    } catch (err: any) {
      // blockstores of files say "not found" whatever happens
      signal?.throwIfAborted()

      if (err?.name !== 'NotFoundError' || await this.#isStored(hash, cid)) {
        throw err
      }

      throw new NotFoundError(`The block of "${hash}" is gone`)
    }
  }

  /**
   * If a block that could not be found is there. Otherwise it is removed from
   * the log.
   */
  async #isStored (hash: string, cid: CID): Promise<boolean> {
    return this.#turns.take(hash, async () => {
      if (await this.#blockstore.has(cid)) {
        return true
      }

      const sequence = this.#log.sequence(cid.multihash.bytes)

      if (sequence != null) {
        this.#logger.error('the block of %s is gone, deleted by somebody else', hash)
        await this.#remove({ hash, sequence }, cid)
      }

      return false
    })
  }

  async #remove (entry: StoreEntry, { multihash }: CID): Promise<void> {
    await this.#log.remove(multihash.bytes, entry.sequence)
    this.safeDispatchEvent('delete', { detail: entry })
  }
}

// eslint-disable-next-line require-yield
function * notFound (hash: string, { signal }: AbortOptions): Generator<Uint8Array> {
  signal?.throwIfAborted()
  throw new NotFoundError(`"${hash}" is not in the store`)
}

function checkMethods <T extends object> (name: string, value: T | undefined, methods: string[]): asserts value is T {
  if (value == null) {
    throw new InvalidParametersError(`The ${name} is missing: give a blockstore and a datastore, or neither for a store in memory`)
  }

  const missing = methods.filter(method => typeof (value as Record<string, unknown>)[method] !== 'function')

  if (missing.length > 0) {
    throw new InvalidParametersError(`The ${name} must have the methods ${methods.join(', ')}: it lacks ${missing.join(', ')}`)
  }
}
