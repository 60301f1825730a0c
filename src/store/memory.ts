import { NotFoundError } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { blockHash } from './block-hash.ts'
import { SmallBytes, copyOf, isSmall } from './small-bytes.ts'
import type { StoreBlockstore } from './block-store.ts'
import type { StoreDatastore } from './records.ts'
import type { Kept } from './small-bytes.ts'
import type { BlockSource } from './store.ts'
import type { Key } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

/**
 * Blocks in memory, by the text under which they were asked for. MemoryBlockstore of
 * blockstore-core makes one for each call, which multiformats puts together of 55
 * pieces: until it is first looked up, such a name takes 1.5 kB and not 80 bytes.
 */
export class MemoryBlocks implements StoreBlockstore {
  readonly #blocks = new Map<string, Kept | Uint8Array[]>()
  readonly #small = new SmallBytes()

  put (cid: CID, source: BlockSource): CID | Promise<CID> {
    if (source instanceof Uint8Array) {
      this.#put(cid, source)
      return cid
    }

    return this.#putSource(cid, source)
  }

  get (cid: CID): Generator<Uint8Array> {
    // looked up now, when its name is known, and not when it is read
    const block = this.#blocks.get(blockHash(cid))

    return give(cid, block == null || Array.isArray(block) ? block : [copyOf(block)])
  }

  has (cid: CID): boolean {
    return this.#blocks.has(blockHash(cid))
  }

  delete (cid: CID): void {
    const hash = blockHash(cid)
    const block = this.#blocks.get(hash)

    if (block != null && !Array.isArray(block)) {
      this.#small.delete(block)
    }

    this.#blocks.delete(hash)
  }

  #put (cid: CID, bytes: Uint8Array): void {
    this.#set(cid, isSmall(bytes.length) ? this.#small.add(bytes) : [bytes])
  }

  async #putSource (cid: CID, source: Exclude<BlockSource, Uint8Array>): Promise<CID> {
    const chunks = new Uint8ArrayList()

    for await (const chunk of source) {
      chunks.append(chunk)
    }

    this.#set(cid, isSmall(chunks.length) ? this.#small.add(chunks.subarray()) : [...chunks])
    return cid
  }

  #set (cid: CID, block: Kept | Uint8Array[]): void {
    const hash = blockHash(cid)
    const earlier = this.#blocks.get(hash)

    this.#blocks.set(hash, block)

    if (earlier != null && !Array.isArray(earlier)) {
      this.#small.delete(earlier)
    }
  }
}

/**
 * Records in memory
 */
export class MemoryRecords implements StoreDatastore {
  readonly #records = new Map<string, Uint8Array>()

  put (key: Key, value: Uint8Array): Key {
    this.#records.set(key.toString(), value)
    return key
  }

  get (key: Key): Uint8Array {
    const value = this.#records.get(key.toString())

    if (value == null) {
      throw new NotFoundError(`${key} is not here`)
    }

    return value
  }

  has (key: Key): boolean {
    return this.#records.has(key.toString())
  }

  delete (key: Key): void {
    this.#records.delete(key.toString())
  }
}

function * give (cid: CID, chunks?: Uint8Array[]): Generator<Uint8Array> {
  if (chunks == null) {
    throw new NotFoundError(`${cid} is not here`)
  }

  yield * chunks
}
