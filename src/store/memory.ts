import { NotFoundError } from '@libp2p/interface'
import { blockHash } from './block-hash.ts'
import type { StoreBlockstore } from './block-store.ts'
import type { StoreDatastore } from './records.ts'
import type { BlockSource } from './store.ts'
import type { Key } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

/**
 * Blocks in memory, by the text under which they were asked for. MemoryBlockstore of
 * blockstore-core makes one for each call, which multiformats puts together of 55
 * pieces: until it is first looked up, such a name takes 1.5 kB and not 80 bytes.
 */
export class MemoryBlocks implements StoreBlockstore {
  readonly #blocks = new Map<string, Uint8Array[]>()

  put (cid: CID, source: BlockSource): CID | Promise<CID> {
    if (source instanceof Uint8Array) {
      this.#blocks.set(blockHash(cid), [source])
      return cid
    }

    return this.#putSource(cid, source)
  }

  get (cid: CID): Generator<Uint8Array> {
    // looked up now, when its name is known, and not when it is read
    return give(cid, this.#blocks.get(blockHash(cid)))
  }

  has (cid: CID): boolean {
    return this.#blocks.has(blockHash(cid))
  }

  delete (cid: CID): void {
    this.#blocks.delete(blockHash(cid))
  }

  async #putSource (cid: CID, source: Exclude<BlockSource, Uint8Array>): Promise<CID> {
    const chunks: Uint8Array[] = []

    for await (const chunk of source) {
      chunks.push(chunk)
    }

    this.#blocks.set(blockHash(cid), chunks)
    return cid
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
