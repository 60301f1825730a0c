import { expect } from 'aegir/chai'
import all from 'it-all'
import { parseBlockHash } from '../../src/store/block-hash.ts'
import { blockStore } from '../../src/store/block-store.ts'
import { collect } from '../fixtures/content.ts'
import { recordEvents } from './events.ts'
import { blockOf, hashOf, range } from './hashes.ts'
import type { StoreBlockstore } from '../../src/store/block-store.ts'
import type { StoreDatastore } from '../../src/store/records.ts'
import type { Store } from '../../src/store/store.ts'
import type { CID } from 'multiformats/cid'

/**
 * A blockstore and a datastore, both open
 */
export interface Below {
  blockstore: StoreBlockstore
  datastore: StoreDatastore
  close(): Promise<void>
}

function cidOf (index: number): CID {
  return parseBlockHash(hashOf(index)) as CID
}

async function * asyncChunks (index: number): AsyncGenerator<Uint8Array> {
  for (const byte of blockOf(index)) {
    yield Uint8Array.of(byte)
  }
}

async function read (store: Store, index: number): Promise<Uint8Array> {
  return collect(store.get(hashOf(index)) as AsyncIterable<Uint8Array>)
}

async function putAll (store: Store, indexes: number[]): Promise<void> {
  for (const index of indexes) {
    await store.put(hashOf(index), blockOf(index))
  }
}

/**
 * @param name - of what is below
 * @param create - makes a place for both, and returns what opens them, any number of times
 */
export function testBlockStore (name: string, create: () => Promise<{ open(): Promise<Below>, destroy(): Promise<void> }>): void {
  describe(`blockStore over ${name}`, () => {
    let place: Awaited<ReturnType<typeof create>>
    let below: Below
    let store: Store

    const open = async ({ blockstore, datastore }: Below): Promise<Store> => blockStore({ blockstore, datastore })

    async function reopen (): Promise<void> {
      await below.close()
      below = await place.open()
      store = await open(below)
    }

    beforeEach(async () => {
      place = await create()
      below = await place.open()
      store = await open(below)
    })

    afterEach(async () => {
      await below.close()
      await place.destroy()
    })

    it('is empty at first', async () => {
      expect(store).to.have.property('size', 0)
      expect(store).to.have.property('lastSequence', 0)
      expect(store.logId).to.match(/^b[a-z2-7]{26}$/)
      expect(await all(store.since(0))).to.be.empty()
      expect(await store.has(hashOf(1))).to.be.false()
      expect(await store.sequence(hashOf(1))).to.be.undefined()
    })

    it('gives back what is put, whatever its source', async () => {
      expect(await store.put(hashOf(1), blockOf(1))).to.equal(1)
      expect(await store.put(hashOf(2), [blockOf(2).subarray(0, 1), blockOf(2).subarray(1)])).to.equal(2)
      expect(await store.put(hashOf(3), asyncChunks(3))).to.equal(3)
      expect(await store.put(hashOf(4), [])).to.equal(4)

      for (const index of [1, 2, 3]) {
        expect(await read(store, index)).to.deep.equal(blockOf(index))
        expect(await store.has(hashOf(index))).to.be.true()
        expect(await store.sequence(hashOf(index))).to.equal(index)
      }

      expect(await read(store, 4)).to.have.lengthOf(0)
      expect(store).to.have.property('size', 4)
      expect(store).to.have.property('lastSequence', 4)
    })

    it('tells the blocks that were put after a sequence', async () => {
      const events = recordEvents(store)

      for (const index of [3, 1, 2]) {
        await store.put(hashOf(index), blockOf(index))
      }

      const entries = [
        { hash: hashOf(3), sequence: 1 },
        { hash: hashOf(1), sequence: 2 },
        { hash: hashOf(2), sequence: 3 }
      ]

      expect(await all(store.since(-1))).to.deep.equal(entries)
      expect(await all(store.since(1))).to.deep.equal(entries.slice(1))
      expect(await all(store.since(3))).to.be.empty()
      expect(events).to.deep.equal(entries.map(({ hash, sequence }) => `put ${sequence} ${hash}`))
    })

    it('keeps a block that is put twice', async () => {
      await store.put(hashOf(1), blockOf(1))
      await store.put(hashOf(2), blockOf(2))

      const events = recordEvents(store)

      expect(await store.put(hashOf(1), blockOf(1))).to.equal(1)
      expect(events).to.be.empty()
      expect(store).to.have.property('size', 2)
      expect(store).to.have.property('lastSequence', 2)
    })

    it('puts one block for many that put it at the same time', async () => {
      const events = recordEvents(store)
      const sequences = await Promise.all(range(0, 20).map(async () => store.put(hashOf(1), asyncChunks(1))))

      expect(new Set(sequences)).to.deep.equal(new Set([1]))
      expect(events).to.have.lengthOf(1)
      expect(await read(store, 1)).to.deep.equal(blockOf(1))
    })

    it('stores nothing of a source that throws', async () => {
      const thrown = new RangeError('Half of it')
      const events = recordEvents(store)

      await expect(store.put(hashOf(1), (async function * () {
        yield blockOf(1)
        throw thrown
      })())).to.eventually.be.rejected().that.equals(thrown)

      expect(await store.has(hashOf(1))).to.be.false()
      expect(await below.blockstore.has(cidOf(1))).to.be.false()
      expect(events).to.be.empty()
      expect(store).to.have.property('size', 0)

      expect(await store.put(hashOf(1), blockOf(1))).to.equal(1)
    })

    it('deletes', async () => {
      await putAll(store, [1, 2, 3])
      const events = recordEvents(store)

      expect(await store.delete(hashOf(2))).to.be.true()
      expect(await store.delete(hashOf(2))).to.be.false()
      expect(await store.delete(hashOf(4))).to.be.false()

      expect(events).to.deep.equal([`delete 2 ${hashOf(2)}`])
      expect(await store.has(hashOf(2))).to.be.false()
      expect(await below.blockstore.has(cidOf(2))).to.be.false()
      expect((await all(store.since(0))).map(({ sequence }) => sequence)).to.deep.equal([1, 3])
      expect(store).to.have.property('size', 2)
      expect(store).to.have.property('lastSequence', 3)
      await expect(read(store, 2)).to.eventually.be.rejected.with.property('name', 'NotFoundError')
    })

    it('gives a deleted block a new sequence when it is put again, also after all of them were deleted', async () => {
      await putAll(store, [1, 2])
      await store.delete(hashOf(1))
      await store.delete(hashOf(2))
      await reopen()

      expect(store).to.have.property('size', 0)
      expect(store).to.have.property('lastSequence', 2)
      expect(await store.put(hashOf(1), blockOf(1))).to.equal(3)
      expect(await all(store.since(0))).to.deep.equal([{ hash: hashOf(1), sequence: 3 }])
    })

    it('finds out when it is asked for that a block was deleted behind its back', async () => {
      await putAll(store, [1, 2])
      const events = recordEvents(store)

      await below.blockstore.delete(cidOf(1))
      expect(await store.has(hashOf(1))).to.be.true()

      await expect(read(store, 1)).to.eventually.be.rejected.with.property('name', 'NotFoundError')

      expect(events).to.deep.equal([`delete 1 ${hashOf(1)}`])
      expect(await store.has(hashOf(1))).to.be.false()
      expect(await all(store.since(0))).to.deep.equal([{ hash: hashOf(2), sequence: 2 }])
      expect(store).to.have.property('size', 1)
    })

    it('puts a block again that was deleted behind its back', async () => {
      await putAll(store, [1, 2])
      const events = recordEvents(store)

      await below.blockstore.delete(cidOf(1))

      expect(await store.put(hashOf(1), blockOf(1))).to.equal(3)
      expect(events).to.deep.equal([`put 3 ${hashOf(1)}`])
      expect(await all(store.since(0))).to.deep.equal([{ hash: hashOf(2), sequence: 2 }, { hash: hashOf(1), sequence: 3 }])
      expect(store).to.have.property('size', 2)
    })

    it('keeps all when it is opened again', async () => {
      // three pages, the first of them with gaps
      const { logId } = store
      await Promise.all(range(0, 300).map(async index => store.put(hashOf(index), blockOf(index))))
      await Promise.all([0, 5, 130, 299].map(async index => store.delete(hashOf(index))))

      const entries = await all(store.since(0))
      await reopen()

      expect(store).to.have.property('logId', logId)
      expect(store).to.have.property('size', 296)
      expect(store).to.have.property('lastSequence', 300)
      expect(await all(store.since(0))).to.deep.equal(entries)
      expect(await all(store.since(128))).to.deep.equal(entries.filter(({ sequence }) => sequence > 128))
      expect(entries.map(({ hash }) => hash)).to.have.members(range(0, 300).filter(i => ![0, 5, 130, 299].includes(i)).map(hashOf))

      expect(await store.has(hashOf(5))).to.be.false()
      expect(await store.sequence(entries[200].hash)).to.equal(entries[200].sequence)
      expect(await read(store, 200)).to.deep.equal(blockOf(200))
    })

    it('keeps one cursor for each peer', async () => {
      expect(await store.cursor('peer')).to.be.undefined()

      await store.setCursor('peer', { logId: 'a', sequence: 4294967294 })
      await store.setCursor('Peer', { logId: 'b/../', sequence: 2 })
      await store.setCursor('../id', { logId: '', sequence: 0 })
      await store.setCursor('peer', { logId: 'c', sequence: 3 })
      await reopen()

      expect(await store.cursor('peer')).to.deep.equal({ logId: 'c', sequence: 3 })
      expect(await store.cursor('Peer')).to.deep.equal({ logId: 'b/../', sequence: 2 })
      expect(await store.cursor('../id')).to.deep.equal({ logId: '', sequence: 0 })
      expect(store.logId).to.match(/^b[a-z2-7]{26}$/)
    })

    it('keeps the last of many cursors that are set at the same time', async () => {
      await Promise.all(range(0, 20).map(async sequence => store.setCursor('peer', { logId: 'a'.repeat(20 - sequence), sequence })))

      expect(await store.cursor('peer')).to.deep.equal({ logId: 'a', sequence: 19 })
    })
  })
}
