import { sha256 } from '@noble/hashes/sha2.js'
import { expect } from 'aegir/chai'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import * as Digest from 'multiformats/hashes/digest'
import { blockHash, blockStore } from '../../src/index.ts'
import { block, grownTo, memoryStore } from '../fixtures/blocks.ts'
import { content } from '../fixtures/content.ts'
import { createReplica, failureNames, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Store } from '../../src/index.ts'
import type { CID } from 'multiformats'

const MIB = 1024 * 1024
const SIZE = 100 * MIB
const CHUNK = content(1, MIB)

/**
 * The most that may be on its way: what the two streams and the exchange buffer,
 * and what noise and yamux are at
 */
const MAX_ON_ITS_WAY = 16 * MIB

/**
 * Chunks that all differ. The last byte of them may be wrong.
 */
function * chunks (wrong = false): Generator<Uint8Array> {
  for (let at = 0; at < SIZE; at += MIB) {
    const chunk = CHUNK.slice()
    new DataView(chunk.buffer).setUint32(0, at)

    if (wrong && at + MIB === SIZE) {
      chunk[MIB - 1] ^= 1
    }

    yield chunk
  }
}

function hashOfChunks (): string {
  const hasher = sha256.create()

  for (const chunk of chunks()) {
    hasher.update(chunk)
  }

  return blockHash(Digest.create(0x12, hasher.digest()))
}

/**
 * Takes what it is given slowly and keeps none of it
 */
class CountingBlockstore extends MemoryBlockstore {
  taken = 0
  /**
   * The most that had been given and was not taken
   */
  behind = 0
  readonly put: any
  readonly #sizes = new Map<string, number>()

  constructor (given: () => number) {
    super()

    this.put = async (cid: CID, source: AsyncIterable<Uint8Array>) => {
      let size = 0

      for await (const chunk of source) {
        this.behind = Math.max(this.behind, given() - this.taken)
        this.taken += chunk.byteLength
        size += chunk.byteLength

        // the other side could be far ahead by now
        if (this.taken % (4 * MIB) < chunk.byteLength) {
          await new Promise(resolve => setTimeout(resolve, 5))
        }
      }

      this.#sizes.set(cid.toString(), size)

      return cid
    }
  }

  has (cid: CID): boolean {
    return this.#sizes.has(cid.toString())
  }

  get stored (): number[] {
    return [...this.#sizes.values()]
  }
}

describe('a large block that is put here while it comes', () => {
  afterEach(stopReplicas)

  for (const live of [false, true]) {
    it(`holds up nothing${live ? ' that comes later' : ''}`, async () => {
      const large = block(1, 12 * MIB)
      const opened = Promise.withResolvers<void>()
      const goOn = Promise.withResolvers<void>()
      const stored = await memoryStore([large])
      const there = await createReplica({
        store: wrapStore(stored, {
          async * get (hash) {
            opened.resolve()
            await goOn.promise
            yield * stored.get(hash)
          }
        }),
        limits: PATIENT
      })
      const here = await createReplica({ limits: PATIENT })
      const controller = new AbortController()
      const replicated = here.service.replicate(there.addresses, { mode: 'pull', live, signal: controller.signal })

      await opened.promise
      await here.store.put(large.hash, large.bytes)
      goOn.resolve()

      if (!live) {
        expect(await replicated).to.deep.include({ confirmed: true, failed: [] })
        return
      }

      await there.store.put(block(2).hash, block(2).bytes)
      await grownTo(here.store, 2)
      controller.abort()
      await expect(replicated).to.eventually.be.rejected.with.property('name', 'AbortError')
    })
  }
})

describe('a block of 100 MiB', () => {
  let hash: string

  before(() => { hash = hashOfChunks() })

  afterEach(stopReplicas)

  async function replicate (wrong: boolean): Promise<{ blockstore: CountingBlockstore, store: Store, result: any }> {
    let given = 0
    const empty = await memoryStore([{ hash, bytes: new Uint8Array() }])
    const there = await createReplica({
      store: wrapStore(empty, {
        async * get () {
          for (const chunk of chunks(wrong)) {
            given += chunk.byteLength
            yield chunk
          }
        }
      })
    })
    const blockstore = new CountingBlockstore(() => given)
    const store = await blockStore({ blockstore, datastore: new MemoryDatastore() })
    const here = await createReplica({ store, limits: { maxHeldBlockBytes: MIB, maxUnstoredBytes: MIB } })
    const result = await here.service.replicate(there.addresses)

    return { blockstore, store, result }
  }

  it('is stored as it comes, and never held in memory', async () => {
    const { blockstore, store, result } = await replicate(false)

    expect(result.received).to.deep.equal({ hashes: 1, bytes: SIZE })
    expect(result.failed).to.be.empty()
    expect(blockstore.stored).to.deep.equal([SIZE])
    expect(blockstore.behind).to.be.within(1, MAX_ON_ITS_WAY)
    expect(await store.has(hash)).to.be.true()
  })

  it('is stored nowhere if it is wrong', async () => {
    const { blockstore, store, result } = await replicate(true)

    expect(failureNames(result.failed)).to.deep.equal({ HashMismatchError: 1 })
    expect(result.received).to.deep.equal({ hashes: 0, bytes: 0 })
    expect(result.confirmed).to.be.true()
    // it took all of it, and had to give it back
    expect(blockstore.taken).to.equal(SIZE)
    expect(blockstore.stored).to.be.empty()
    expect(await store.has(hash)).to.be.false()
    expect(store.size).to.equal(0)
  })
})
