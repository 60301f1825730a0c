import { BaseBlockstore } from 'blockstore-core'
import type { AbortOptions } from '@libp2p/interface'
import type { Blockstore, InputPair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'

/**
 * Shows the blocks that were put, as long as they are at hand
 */
export class WatchedBlockstore extends BaseBlockstore {
  readonly #below: Blockstore
  readonly #onPut: (cid: CID, bytes: Uint8Array) => void

  constructor (below: Blockstore, onPut: (cid: CID, bytes: Uint8Array) => void) {
    super()

    this.#below = below
    this.#onPut = onPut
  }

  async put (cid: CID, block: InputPair['bytes'], options?: AbortOptions): Promise<CID> {
    if (!(block instanceof Uint8Array)) {
      // large, and comes in parts
      return this.#below.put(cid, block, options)
    }

    // IndexedDB would keep the whole buffer of the network that a view is a part of
    const bytes = block.byteLength === block.buffer.byteLength ? block : block.slice()

    await this.#below.put(cid, bytes, options)
    this.#onPut(cid, bytes)

    return cid
  }

  get (cid: CID, options?: AbortOptions): ReturnType<Blockstore['get']> {
    return this.#below.get(cid, options)
  }

  async has (cid: CID, options?: AbortOptions): Promise<boolean> {
    return this.#below.has(cid, options)
  }

  async delete (cid: CID, options?: AbortOptions): Promise<void> {
    await this.#below.delete(cid, options)
  }
}
