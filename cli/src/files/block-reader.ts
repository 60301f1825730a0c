import { createHash } from 'node:crypto'
import { blockHash } from 'libp2p-hash-exchange'
import { identity } from 'multiformats/hashes/identity'
import { CommandError, CorruptBlockError, MissingBlockError } from '../errors.ts'
import type { Store } from 'libp2p-hash-exchange'
import type { CID } from 'multiformats/cid'

const SHA2_256 = 0x12

/**
 * Reads blocks of a store and checks each one against its hash
 */
export class BlockReader {
  readonly #store: Store
  readonly #signal?: AbortSignal

  constructor (store: Store, signal?: AbortSignal) {
    this.#store = store
    this.#signal = signal
  }

  /**
   * A block, at once. Throws MissingBlockError and CorruptBlockError.
   */
  async get (cid: CID): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []

    for await (const chunk of this.stream(cid)) {
      chunks.push(chunk)
    }

    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
  }

  /**
   * A block as it is read. That it is not what it should be is known, and thrown,
   * in the place of its end.
   */
  async * stream (cid: CID): AsyncGenerator<Uint8Array> {
    const { code, digest } = cid.multihash

    if (code === identity.code) {
      // its content is in its name
      yield digest
      return
    }

    if (code !== SHA2_256) {
      throw new CommandError(`The block ${cid} has a hash that is not sha2-256, which can't be checked.`)
    }

    const hash = createHash('sha256')

    for await (const chunk of this.#read(blockHash(cid))) {
      hash.update(chunk)
      yield chunk
    }

    if (!hash.digest().equals(digest)) {
      throw new CorruptBlockError(blockHash(cid))
    }
  }

  async * #read (hash: string): AsyncGenerator<Uint8Array> {
    try {
      yield * this.#store.get(hash, { signal: this.#signal })
    } catch (err: any) {
      this.#signal?.throwIfAborted()

      // blockstores of files say that it is not there whatever happens
      if (err?.name === 'NotFoundError' && !(await this.#store.has(hash))) {
        throw new MissingBlockError(hash)
      }

      throw err
    }
  }
}
