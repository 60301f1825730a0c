import { expect } from 'aegir/chai'
import { MemoryBlockstore } from 'blockstore-core'
import { IDBBlockstore } from 'blockstore-idb'
import { MemoryDatastore } from 'datastore-core'
import { IDBDatastore } from 'datastore-idb'
import { Key } from 'interface-datastore/key'
import all from 'it-all'
import { parseBlockHash } from '../../src/store/block-hash.ts'
import { blockStore } from '../../src/store/block-store.ts'
import { MemoryBlocks, MemoryRecords } from '../../src/store/memory.ts'
import { collect, text, thenHang, WatchedSource, WatchedSyncSource } from '../fixtures/content.ts'
import { WatchedController } from '../fixtures/timers.ts'
import { recordEvents } from './events.ts'
import { blockOf, hashOf, range } from './hashes.ts'
import { testBlockStore } from './suite.ts'
import type { StoreBlockstore } from '../../src/store/block-store.ts'
import type { Store } from '../../src/store/store.ts'
import type { CID } from 'multiformats/cid'

for (const [name, Blocks, Records] of [
  ['memory', MemoryBlocks, MemoryRecords],
  ['memory of blockstore-core', MemoryBlockstore, MemoryDatastore]
] as const) {
  testBlockStore(name, async () => {
    const blockstore = new Blocks()
    const datastore = new Records()

    return {
      open: async () => ({ blockstore, datastore, close: async () => {} }),
      destroy: async () => {}
    }
  })
}

if (globalThis.indexedDB != null) {
  testBlockStore('IndexedDB', async () => {
    const name = `store-${Math.random()}`
    const blockstore = new IDBBlockstore(`${name}-blocks`)
    const datastore = new IDBDatastore(`${name}-data`)
    const close = async (): Promise<void> => {
      await blockstore.close()
      await datastore.close()
    }

    return {
      open: async () => {
        await blockstore.open()
        await datastore.open()

        return { blockstore, datastore, close }
      },
      destroy: async () => {
        await blockstore.destroy()
        await datastore.destroy()
      }
    }
  })
}

/**
 * What stands in for a blockstore, and errs like one of files: whatever goes
 * wrong is another error, without the one that was
 */
class FileLikeBlockstore extends MemoryBlockstore {
  getting?: Error
  putting?: Error
  holds = true
  asked = 0

  async put (key: CID, value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<CID> {
    if (this.putting != null) {
      throw this.putting
    }

    try {
      return await super.put(key, value)
    } catch (err) {
      throw new Error(`Put failed: ${String(err)}`)
    }
  }

  async * get (key: CID, options?: { signal?: AbortSignal }): AsyncGenerator<Uint8Array> {
    this.asked++

    if (this.getting != null || options?.signal?.aborted === true) {
      throw this.getting ?? Object.assign(new Error(String(options?.signal?.reason)), { name: 'NotFoundError' })
    }

    yield * super.get(key) as Generator<Uint8Array>
  }

  has (key: CID, options?: { signal?: AbortSignal }): boolean | Promise<boolean> {
    return options?.signal?.aborted !== true && this.holds && super.has(key)
  }
}

describe('blockStore', () => {
  let blockstore: FileLikeBlockstore
  let datastore: MemoryDatastore
  let store: Store

  beforeEach(async () => {
    blockstore = new FileLikeBlockstore()
    datastore = new MemoryDatastore()
    store = await blockStore({ blockstore, datastore })
  })

  async function keys (): Promise<string[]> {
    return (await all(datastore.queryKeys({}))).map(key => key.toString())
  }

  describe('its options', () => {
    it('may leave out both the blockstore and the datastore, and then it is in memory', async () => {
      for (const init of [undefined, {}, { prefix: '/mine', cells: 10 }]) {
        const store = await blockStore(init)

        expect(await store.put(hashOf(1), blockOf(1))).to.equal(1)
        expect(await read(store, hashOf(1))).to.deep.equal([blockOf(1)])
        expect((await blockStore(init)).size).to.equal(0)
      }
    })

    it('has to have a blockstore and a datastore with the methods that it uses', async () => {
      for (const init of [null, { blockstore: undefined, datastore: undefined }, { blockstore }, { datastore }, { blockstore: {}, datastore }, { blockstore, datastore: { get: 1 } }, { blockstore: datastore, datastore: null }]) {
        await expect(blockStore(init as any)).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      }

      await expect(blockStore({ blockstore, datastore: { ...datastore, get: () => {} } as any })).to.be.rejectedWith('it lacks put, has, delete')
      // what was put on a disk would be lost without the log that it is in
      await expect(blockStore({ blockstore } as any)).to.be.rejectedWith('The datastore is missing')
      await expect(blockStore({ datastore } as any)).to.be.rejectedWith('The blockstore is missing')
    })

    it('has to have names that there are: what is misspelt would be a store in memory, or one with the default prefix', async () => {
      await expect(blockStore({ blockstore, datastore, prefx: '/mine' } as any)).to.eventually.be.rejectedWith('There is no option "prefx", only blockstore, datastore, prefix,')
        .and.have.property('name', 'InvalidParametersError')

      await expect(blockStore({ blockStore: blockstore, dataStore: datastore } as any)).to.eventually.be.rejectedWith('There is no option "blockStore", only blockstore, datastore,')
        .and.have.property('name', 'InvalidParametersError')
    })

    it('has to have a prefix that is one', async () => {
      for (const prefix of ['', '/', 'a', '/a/', '/a//b', 1, null]) {
        await expect(blockStore({ blockstore, datastore, prefix: prefix as any })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      }
    })

    it('can have a prefix of its own', async () => {
      const other = await blockStore({ blockstore, datastore, prefix: '/a/b' })
      await other.put(hashOf(1), blockOf(1))
      await other.setCursor('peer', { logId: 'a', sequence: 1 })

      expect(other.logId).to.not.equal(store.logId)
      expect(await store.has(hashOf(1))).to.be.false()
      expect((await keys()).filter(key => key !== '/hash-exchange/id')).to.have.members([
        '/a/b/id',
        '/a/b/log/00000000',
        '/a/b/cursor/bobswk4q'
      ])
    })
  })

  describe('hashes that are none', () => {
    const hashes = ['', 'a', '../id', hashOf(1).toUpperCase(), `${hashOf(1)}a`, `../hash/${hashOf(1)}`, 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKkTYy']

    it('are not there', async () => {
      await store.put(hashOf(1), blockOf(1))

      for (const hash of hashes) {
        expect(await store.has(hash)).to.be.false()
        expect(await store.sequence(hash)).to.be.undefined()
        expect(await store.delete(hash)).to.be.false()
        await expect(read(store, hash)).to.eventually.be.rejected.with.property('name', 'NotFoundError')
      }
    })

    it('cannot be put', async () => {
      const before = await keys()

      for (const hash of hashes) {
        const source = new WatchedSource([blockOf(1)])

        await expect(store.put(hash, source)).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
        expect(source).to.have.property('returned', true)
      }

      expect(await keys()).to.deep.equal(before)
      expect(store).to.have.property('size', 0)
    })
  })

  describe('sources', () => {
    it('are passed on chunk by chunk', async () => {
      const asked: string[] = []
      blockstore.put = async (cid, value) => {
        for await (const chunk of value as AsyncIterable<Uint8Array>) {
          asked.push(`got ${chunk[0]}`)
        }

        return cid
      }

      await store.put(hashOf(1), (function * () {
        asked.push('asked')
        yield Uint8Array.of(1)
        asked.push('asked')
        yield Uint8Array.of(2)
      })())

      expect(asked).to.deep.equal(['asked', 'got 1', 'asked', 'got 2'])
    })

    it('are released when their block is there', async () => {
      const sources = [new WatchedSource([blockOf(1)]), new WatchedSyncSource([blockOf(1)])]
      await store.put(hashOf(1), blockOf(1))

      for (const source of sources) {
        await store.put(hashOf(1), source)
        expect(source).to.have.property('returned', true)
      }

      // one without `return`, and one that cannot be opened
      await store.put(hashOf(1), { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) })
      await store.put(hashOf(1), { [Symbol.asyncIterator]: () => { throw new Error('Closed') } })
    })

    it('are released when the blockstore fails', async () => {
      const failure = new Error('Disk full')
      const source = new WatchedSource([blockOf(1)])
      blockstore.putting = failure

      await expect(store.put(hashOf(1), source)).to.eventually.be.rejected().that.equals(failure)
      expect(source).to.have.property('returned', true)
      expect(store).to.have.property('size', 0)
    })

    it('must give bytes', async () => {
      for (const source of [undefined, null, 'abc', 1, {}, ['abc'], [1], [undefined], [blockOf(1), [1]]]) {
        await expect(store.put(hashOf(1), source as any)).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      }

      expect(await store.has(hashOf(1))).to.be.false()
      expect(await collectNothing(blockstore)).to.be.empty()
    })

    it('may throw anything', async () => {
      for (const thrown of [undefined, 'a string', new TypeError('An error')]) {
        const throwing = { [Symbol.asyncIterator]: () => ({ next: async () => Promise.reject(thrown) }) }
        const reason = await store.put(hashOf(1), throwing).then(() => 'nothing', err => err)

        expect(reason).to.equal(thrown)
      }
    })
  })

  describe('signals', () => {
    const enough = new Error('Enough')

    it('end the wait for a source', async () => {
      const controller = new WatchedController()
      const source = new WatchedSource(thenHang(blockOf(1)))
      const put = store.put(hashOf(1), source, controller)

      await source.wasRead
      controller.abort(enough)

      await expect(put).to.eventually.be.rejected().that.equals(enough)
      expect(source).to.have.property('returned', true)
      expect(controller.listeners).to.equal(0)

      // and does not keep others waiting
      expect(await store.put(hashOf(1), blockOf(1))).to.equal(1)
    })

    it('end the wait for others that put or delete the same block', async () => {
      const controller = new WatchedController()
      const going = Promise.withResolvers<Uint8Array>()
      const first = store.put(hashOf(1), (async function * () { yield going.promise })())
      const second = store.put(hashOf(1), blockOf(1), controller)
      const third = store.delete(hashOf(1), controller)
      const fourth = store.delete(hashOf(1))

      controller.abort(enough)

      await expect(second).to.eventually.be.rejected().that.equals(enough)
      await expect(third).to.eventually.be.rejected().that.equals(enough)
      expect(controller.listeners).to.equal(0)

      // the one that comes after them waits nevertheless
      going.resolve(blockOf(1))
      expect(await first).to.equal(1)
      expect(await fourth).to.be.true()
    })

    it('that are aborted are seen by all methods', async () => {
      const signal = AbortSignal.abort(enough)
      const before = await keys()
      await store.put(hashOf(1), blockOf(1))

      for (const method of [
        () => store.put(hashOf(2), blockOf(2), { signal }),
        () => store.delete(hashOf(1), { signal }),
        async () => store.has(hashOf(1), { signal }),
        async () => store.sequence(hashOf(1), { signal }),
        () => store.cursor('peer', { signal }),
        () => store.setCursor('peer', { logId: 'a', sequence: 1 }, { signal }),
        async () => all(store.get(hashOf(1), { signal })),
        async () => all(store.since(0, { signal }))
      ]) {
        await expect(method()).to.eventually.be.rejected().that.equals(enough)
      }

      expect(await store.has(hashOf(1))).to.be.true()
      expect(await keys()).to.have.lengthOf(before.length + 1)
    })

    it('that are aborted while a block is opened do not make it a lost one', async () => {
      const controller = new AbortController()
      await store.put(hashOf(1), blockOf(1))

      // some make an error of their own of it
      // eslint-disable-next-line require-yield
      blockstore.get = async function * () {
        controller.abort(enough)
        throw Object.assign(new Error('AbortError: Enough'), { name: 'NotFoundError' })
      }

      await expect(read(store, hashOf(1), controller)).to.eventually.be.rejected().that.equals(enough)
      expect(await store.has(hashOf(1))).to.be.true()
    })

    it('end a list', async () => {
      const controller = new AbortController()
      await store.put(hashOf(1), blockOf(1))
      await store.put(hashOf(2), blockOf(2))
      const seen: number[] = []

      await expect((async () => {
        for await (const { sequence } of store.since(0, controller)) {
          seen.push(sequence)
          controller.abort(enough)
        }
      })()).to.eventually.be.rejected().that.equals(enough)

      expect(seen).to.deep.equal([1])
    })
  })

  describe('get', () => {
    it('opens nothing before the first chunk is asked for', async () => {
      await store.put(hashOf(1), blockOf(1))
      const content = store.get(hashOf(1))
      await store.has(hashOf(1))

      expect(blockstore.asked).to.equal(0)
      expect(await collect(content as AsyncIterable<Uint8Array>)).to.deep.equal(blockOf(1))
      expect(blockstore.asked).to.equal(1)
    })

    it('throws what the blockstore throws, and keeps the hash', async () => {
      const events = recordEvents(store)
      await store.put(hashOf(1), blockOf(1))

      for (const failure of [new Error('Disk broken'), Object.assign(new Error('Too many open files'), { name: 'NotFoundError' })]) {
        blockstore.getting = failure
        await expect(read(store, hashOf(1))).to.eventually.be.rejected().that.equals(failure)
      }

      expect(await store.has(hashOf(1))).to.be.true()
      expect(events).to.have.lengthOf(1)
    })

    it('has nothing under a name that only begins as another one does', async () => {
      await store.put(hashOf(1), blockOf(1))

      for (const at of [10, 20, 31, 40, 50, 57]) {
        const digit = hashOf(1)[at] === 'a' ? 'b' : 'a'
        const name = hashOf(1).substring(0, at) + digit + hashOf(1).substring(at + 1)

        expect(parseBlockHash(name), name).to.not.be.undefined()
        expect(await store.has(name)).to.be.false()
        await expect(read(store, name)).to.eventually.be.rejected.with.property('name', 'NotFoundError')
        expect(await store.delete(name)).to.be.false()
      }

      expect(await store.has(hashOf(1))).to.be.true()
      expect(await read(store, hashOf(1))).to.have.lengthOf(1)
    })

    it('does not give blocks that are not in the log', async () => {
      await blockstore.put(parseBlockHash(hashOf(1)) as CID, blockOf(1))

      await expect(read(store, hashOf(1))).to.eventually.be.rejected.with.property('name', 'NotFoundError')
      expect(blockstore.asked).to.equal(0)
    })

    it('removes a lost hash soon after the error where blocks are given at once', async () => {
      const blockstore = new MemoryBlockstore()
      const store = await blockStore({ blockstore, datastore: new MemoryDatastore() })
      const removed = new Promise(resolve => { store.addEventListener('delete', resolve, { once: true }) })
      await store.put(hashOf(1), blockOf(1))
      await blockstore.delete(parseBlockHash(hashOf(1)) as CID)

      await expect(read(store, hashOf(1))).to.eventually.be.rejected.with.property('name', 'NotFoundError')
      await removed
      expect(await store.has(hashOf(1))).to.be.false()
    })

    it('removes a lost hash once for all that ask for it, and says so', async () => {
      const lines: any[] = []
      const log: any = Object.assign(() => {}, { error: (...args: any[]) => { lines.push(args) } })
      store = await blockStore({ blockstore, datastore, log })
      const events = recordEvents(store)
      await store.put(hashOf(1), blockOf(1))
      blockstore.holds = false
      blockstore.getting = Object.assign(new Error('ENOENT'), { name: 'NotFoundError' })

      const outcomes = await Promise.allSettled(range(0, 5).map(async () => all(store.get(hashOf(1)))))

      expect(outcomes.map((outcome: any) => outcome.reason.name)).to.deep.equal(Array(5).fill('NotFoundError'))
      expect(events).to.deep.equal([`put 1 ${hashOf(1)}`, `delete 1 ${hashOf(1)}`])
      expect(lines).to.have.lengthOf(1)
      expect(lines[0]).to.include(hashOf(1))
      expect(store).to.have.property('size', 0)
    })
  })

  describe('the order of things', () => {
    it('is: the block, the log, the event, the sequence', async () => {
      const order: string[] = []
      const { put } = datastore
      const stored = blockstore.put.bind(blockstore)

      blockstore.put = async (...args) => {
        order.push('block')
        return stored(...args)
      }
      datastore.put = (...args) => {
        order.push(args[0].toString().split('/')[2])
        return put.apply(datastore, args)
      }
      store.addEventListener('put', () => {
        order.push(`event of ${store.lastSequence}, ${store.size}`)
      })

      order.push(`sequence ${await store.put(hashOf(1), blockOf(1))}`)

      expect(order).to.deep.equal(['block', 'log', 'event of 1, 1', 'sequence 1'])
    })

    it('is that of the sequences for events', async () => {
      const events = recordEvents(store)

      await Promise.all(range(0, 500).map(async index => store.put(hashOf(index), blockOf(index))))

      expect(events.map(event => Number(event.split(' ')[1]))).to.deep.equal(range(1, 500))
    })

    it('of what is done to one hash is that in which it was asked for', async () => {
      const results = await Promise.all([
        store.put(hashOf(1), (async function * () { yield text('slow') })()),
        store.delete(hashOf(1)),
        store.delete(hashOf(1)),
        store.put(hashOf(1), blockOf(1)),
        store.put(hashOf(1), text('not this one'))
      ])

      expect(results).to.deep.equal([1, true, false, 2, 2])
      expect(await collect(store.get(hashOf(1)) as AsyncIterable<Uint8Array>)).to.deep.equal(blockOf(1))
    })

    it('does not make one hash wait for another', async () => {
      const going = Promise.withResolvers<Uint8Array>()
      const slow = store.put(hashOf(1), (async function * () { yield going.promise })())

      expect(await store.put(hashOf(2), blockOf(2))).to.equal(1)
      going.resolve(blockOf(1))
      expect(await slow).to.equal(2)
    })
  })

  describe('cursors', () => {
    it('must be some', async () => {
      for (const cursor of [{}, { logId: 1, sequence: 1 }, { logId: 'a', sequence: 1.5 }, { logId: 'a', sequence: '1' }, { logId: 'a', sequence: Infinity }]) {
        await expect(store.setCursor('peer', cursor as any)).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      }

      await expect(store.setCursor(1 as any, { logId: 'a', sequence: 1 })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      expect(await store.cursor('peer')).to.be.undefined()
    })

    it('that cannot be read are like none', async () => {
      await store.setCursor('peer', { logId: 'a', sequence: 1 })

      for (const value of ['', '{', 'null', '{"logId":"a"}', '[]']) {
        await datastore.put(new Key('/hash-exchange/cursor/bobswk4q'), text(value))
        expect(await store.cursor('peer')).to.be.undefined()
      }
    })
  })
})

async function read (store: Store, hash: string, options?: { signal: AbortSignal }): Promise<Uint8Array[]> {
  return all(store.get(hash, options))
}

async function collectNothing (blockstore: StoreBlockstore & MemoryBlockstore): Promise<unknown[]> {
  return all(blockstore.getAll())
}
