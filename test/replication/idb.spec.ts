import { expect } from 'aegir/chai'
import { IDBBlockstore } from 'blockstore-idb'
import { IDBDatastore } from 'datastore-idb'
import { blockStore } from '../../src/index.ts'
import { block, blocks, hashesOf, memoryStore, wrongIn } from '../fixtures/blocks.ts'
import { createReplica, failureNames, nextEvent, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Store } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'

const KIB = 1024
function hashes (blocks: Block[]): string[] {
  return blocks.map(({ hash }) => hash).sort()
}

// there is none in Node.js
const inBrowsers = globalThis.indexedDB == null ? describe.skip : describe

// it puts some hundred blocks in a second, so that peers wait for what comes and for what is asked for: all are patient
inBrowsers('a store over IndexedDB', () => {
  let name: string
  let blockstore: IDBBlockstore
  let datastore: IDBDatastore
  let store: Store

  async function open (): Promise<void> {
    blockstore = new IDBBlockstore(`${name}-blocks`)
    datastore = new IDBDatastore(`${name}-data`)
    await blockstore.open()
    await datastore.open()
    store = await blockStore({ blockstore, datastore })
  }

  async function close (): Promise<void> {
    await stopReplicas()
    await blockstore.close()
    await datastore.close()
  }

  beforeEach(async () => {
    name = `replication-${Math.random()}`
    await open()
  })

  afterEach(async () => {
    await close()
    await blockstore.destroy()
    await datastore.destroy()
  })

  it('replicates in both directions', async () => {
    const both = blocks(0, 50, KIB)
    const own = blocks(50, 300, KIB)
    const others = [...blocks(350, 300, KIB), block(1000, 3 * KIB * KIB)]

    for (const { hash, bytes } of [...both, ...own]) {
      await store.put(hash, bytes)
    }

    const there = await createReplica({ store: await memoryStore([...both, ...others]), accept: () => true, limits: PATIENT })
    const here = await createReplica({ store, limits: PATIENT })
    const result = await here.service.replicate(there.addresses)

    expect(result).to.deep.equal({
      received: { hashes: 301, bytes: (300 + 3 * KIB) * KIB },
      sent: { hashes: 300, bytes: 300 * KIB },
      failed: [],
      ignored: 0,
      confirmed: true
    })
    expect(await hashesOf(store)).to.deep.equal(hashes([...both, ...own, ...others]))
    expect(await hashesOf(there.store)).to.deep.equal(await hashesOf(store))
    expect(await wrongIn(store)).to.be.empty()
    expect(await wrongIn(there.store)).to.be.empty()
  })

  it('goes on where it was when it is opened again', async () => {
    const there = await memoryStore(blocks(0, 200, KIB))
    const server = await createReplica({ store: there, limits: PATIENT })

    await (await createReplica({ store, limits: PATIENT })).service.replicate(server.addresses)

    const { logId } = store
    const cursor = await store.cursor(server.peer.toString())

    await close()
    await open()

    expect(store.logId).to.equal(logId)
    expect(await store.cursor(server.peer.toString())).to.deep.equal(cursor)
    expect(cursor).to.deep.equal({ logId: there.logId, sequence: 200 })

    const more = blocks(200, 20, KIB)

    for (const { hash, bytes } of more) {
      await there.put(hash, bytes)
    }

    const here = await createReplica({ store, limits: PATIENT })
    const wanted: number[] = []
    const result = await here.service.replicate((await createReplica({ store: there, limits: PATIENT })).addresses, {
      onProgress: ({ detail }) => { wanted.push(detail.wanted) }
    })

    expect(result.received.hashes).to.equal(20)
    expect(Math.max(...wanted)).to.equal(20)
    expect(await hashesOf(store)).to.deep.equal(await hashesOf(there))
    expect(await wrongIn(store)).to.be.empty()
  })

  it('keeps nothing of what is wrong', async () => {
    const offered = [...blocks(0, 10, KIB), block(10, 2 * KIB * KIB)]
    const below = await memoryStore(offered)
    const there = await createReplica({
      store: wrapStore(below, {
        async * get (hash) {
          for await (const bytes of below.get(hash)) {
            const copy = bytes.slice()
            copy[copy.length - 1] ^= 1
            yield copy
          }
        }
      }),
      limits: PATIENT
    })
    const here = await createReplica({ store, limits: PATIENT })
    const result = await here.service.replicate(there.addresses)

    expect(failureNames(result.failed)).to.deep.equal({ HashMismatchError: 11 })
    expect(store.size).to.equal(0)

    for await (const { cid } of blockstore.getAll()) {
      expect.fail(`${cid} is there`)
    }
  })

  it('replicates live', async () => {
    const there = await createReplica({ accept: () => true, limits: PATIENT })
    const here = await createReplica({ store, limits: PATIENT })
    const controller = new AbortController()
    const synced = nextEvent(here, 'synced')
    const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })

    await synced
    const [one, other] = blocks(0, 2, KIB)
    const come = nextEvent(there, 'received')

    await store.put(one.hash, one.bytes)
    await come
    const gone = nextEvent(here, 'received')
    await there.store.put(other.hash, other.bytes)
    await gone

    expect(await hashesOf(store)).to.deep.equal(hashes([one, other]))
    expect(await hashesOf(there.store)).to.deep.equal(hashes([one, other]))

    controller.abort()
    await expect(live).to.eventually.be.rejected()
  })
})
