import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect } from 'aegir/chai'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { blockStore } from '../../src/index.ts'
import { block, blocks, grownTo, hashesOf, hashOfBlock, memoryStore, putBlocks, wrongIn } from '../fixtures/blocks.ts'
import { createReplica, eventsOf, nextEvent, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { delayedBy, ReplicatorNode, twoPeers } from '../fixtures/replicator-node.ts'
import { runs } from '../fixtures/runs.ts'
import { cutInto, laps } from '../fixtures/slicing.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { ReplicateMode, ReplicateOptions, ReplicateResult, ReplicationInit, Store } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Replica, ReplicaInit } from '../fixtures/replicas.ts'
import type { Slicing } from '../fixtures/slicing.ts'

const NOTHING = { hashes: 0, bytes: 0 }

function totals (blocks: Block[]): { hashes: number, bytes: number } {
  return { hashes: blocks.length, bytes: blocks.reduce((sum, { bytes }) => sum + bytes.length, 0) }
}

async function expectSame (...stores: Store[]): Promise<void> {
  const [first, ...others] = await Promise.all(stores.map(async store => hashesOf(store)))

  others.forEach(hashes => { expect(hashes).to.deep.equal(first) })
  expect((await Promise.all(stores.map(wrongIn))).flat()).to.be.empty()
}

async function expectHas (store: Store, blocks: Block[]): Promise<void> {
  expect(await hashesOf(store)).to.deep.equal(blocks.map(({ hash }) => hash).sort())
}

/**
 * Nothing that a remote has up to our cursor for it may be missing here
 */
async function expectCursorHolds (here: Store, there: Store, peer: string): Promise<void> {
  const cursor = await here.cursor(peer)

  if (cursor == null || cursor.logId !== there.logId) {
    return
  }

  for await (const { hash, sequence } of there.since(0)) {
    if (sequence <= cursor.sequence) {
      expect(await here.has(hash), `${hash}, which is ${sequence} of the remote's log, though the cursor is ${cursor.sequence}`).to.be.true()
    }
  }
}

describe('replication of two', () => {
  const common = blocks(0, 3)
  const ours = blocks(10, 5, 1000)
  const theirs = blocks(20, 4, 70_000)

  afterEach(stopReplicas)

  /**
   * Nothing happens because time passes
   */
  async function create (init: ReplicaInit): Promise<Replica> {
    return createReplica({ ...init, limits: { ...PATIENT, beginTimeout: 60_000, quiet: 60_000, ...init.limits } })
  }

  /**
   * Two nodes, of which the second takes from the first
   */
  async function pair (here: ReplicaInit = {}, there: ReplicaInit = {}): Promise<[Replica, Replica]> {
    return [
      await create({ store: await memoryStore([...common, ...ours]), ...here }),
      await create({ store: await memoryStore([...theirs, ...common]), accept: () => true, ...there })
    ]
  }

  describe('one after the other', () => {
    it('sync: both have all, and know', async () => {
      const [here, there] = await pair()
      const synced = nextEvent(there, 'synced')

      expect(await here.service.replicate(there.addresses)).to.deep.equal({
        received: totals(theirs),
        sent: totals(ours),
        failed: [],
        ignored: 0,
        confirmed: true
      })
      expect(await synced).to.deep.equal({
        peer: here.peer,
        received: totals(ours),
        sent: totals(theirs),
        failed: [],
        ignored: 0,
        confirmed: true
      })
      await expectSame(here.store, there.store)
      await expectHas(here.store, [...common, ...ours, ...theirs])
    })

    it('pull: we have all', async () => {
      const [here, there] = await pair()

      expect(await here.service.replicate(there.addresses, { mode: 'pull' })).to.deep.equal({ received: totals(theirs), sent: NOTHING, failed: [], ignored: 0, confirmed: true })
      await expectHas(here.store, [...common, ...ours, ...theirs])
      await expectHas(there.store, [...common, ...theirs])

      // what was not offered then is the next time
      await here.service.replicate(there.addresses)
      await expectSame(here.store, there.store)
    })

    it('push: they have all', async () => {
      const [here, there] = await pair()

      expect(await here.service.replicate(there.addresses, { mode: 'push' })).to.deep.equal({ received: NOTHING, sent: totals(ours), failed: [], ignored: 0, confirmed: true })
      await expectHas(here.store, [...common, ...ours])
      await expectHas(there.store, [...common, ...ours, ...theirs])

      await here.service.replicate(there.addresses)
      await expectSame(here.store, there.store)
    })

    it('who accepts nothing has nothing, and can get it', async () => {
      const [here, there] = await pair({}, { accept: undefined })

      expect(await here.service.replicate(there.addresses)).to.deep.equal({ received: totals(theirs), sent: NOTHING, failed: [], ignored: 0, confirmed: true })
      await expectHas(there.store, [...common, ...theirs])

      expect(await there.service.replicate(here.peer)).to.deep.equal({ received: totals(ours), sent: NOTHING, failed: [], ignored: 0, confirmed: true })
      await expectSame(here.store, there.store)
    })

    it('goes on where the last time has ended', async () => {
      const [here, there] = await pair()

      await here.service.replicate(there.addresses)
      // what came from us is not offered to us, but once in the next list
      expect(await here.store.cursor(there.peer.toString())).to.deep.equal({ logId: there.store.logId, sequence: theirs.length + common.length })
      expect(await here.service.replicate(there.addresses)).to.deep.equal({ received: NOTHING, sent: NOTHING, failed: [], ignored: 0, confirmed: true })
      expect(await here.store.cursor(there.peer.toString())).to.deep.equal({ logId: there.store.logId, sequence: theirs.length + common.length + ours.length })
      expect(await there.store.cursor(here.peer.toString())).to.include({ logId: here.store.logId })

      // what is offered is what was put since: of the rest not even that is asked
      const asked: string[] = []
      const wants = await create({
        store: wrapStore(here.store, {
          async has (hash) {
            asked.push(hash)
            return this.has(hash)
          }
        })
      })
      await wants.store.setCursor(there.peer.toString(), await here.store.cursor(there.peer.toString()) ?? { logId: '', sequence: 0 })
      const late = block(99)
      await there.store.put(late.hash, late.bytes)
      expect(await wants.service.replicate(there.addresses)).to.deep.include({ received: totals([late]), sent: NOTHING })
      expect(asked).to.deep.equal([late.hash])
    })

    it('again and again, with more each time', async () => {
      const [here, there] = await pair()

      for (let i = 0; i < 5; i++) {
        const [first, second, third] = blocks(200 + 3 * i, 3)
        await putBlocks(here.store, [first])
        await putBlocks(there.store, [second, third])
        const result = await here.service.replicate(there.addresses)

        expect(result).to.deep.equal(i === 0
          ? { received: totals([...theirs, second, third]), sent: totals([...ours, first]), failed: [], ignored: 0, confirmed: true }
          : { received: totals([second, third]), sent: totals([first]), failed: [], ignored: 0, confirmed: true })
      }

      await expectSame(here.store, there.store)
    })
  })

  describe('both at once', () => {
    // how many turns the second one is late: from before either knows of the
    // other to when the first has ended
    const TURNS = [0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 20, 30]

    async function atOnce (first: Replica, second: Replica, turns: number, modes: [ReplicateMode, ReplicateMode]): Promise<[ReplicateResult, ReplicateResult]> {
      // so that the time it takes to connect does not matter
      await first.node.dial(second.addresses)
      const one = first.service.replicate(second.peer, { mode: modes[0] })
      await laps(turns)
      const two = second.service.replicate(first.peer, { mode: modes[1] })

      return Promise.all([one, two])
    }

    for (const lowerFirst of [true, false]) {
      it(`one exchange is kept, and the totals are of both: the ${lowerFirst ? 'lower' : 'higher'} ID begins`, async () => {
        for (const turns of TURNS) {
          const [here, there] = await pair({ accept: () => true })
          const [first, second] = (here.peer.toString() < there.peer.toString()) === lowerFirst ? [here, there] : [there, here]
          const [one, two] = await atOnce(first, second, turns, ['sync', 'sync'])

          await expectSame(here.store, there.store)

          for (const result of [one, two]) {
            expect(result, `${turns} turns later`).to.deep.include({ failed: [], confirmed: true })
          }

          // the first one was there all the time
          expect({ received: one.received, sent: one.sent }, `${turns} turns later`).to.deep.equal(first === here
            ? { received: totals(theirs), sent: totals(ours) }
            : { received: totals(ours), sent: totals(theirs) })

          // and what the second had seen of it is the same from the other side
          expect(two.received.hashes, `${turns} turns later`).to.be.at.most(one.sent.hashes)
          expect(two.sent.hashes, `${turns} turns later`).to.be.at.most(one.received.hashes)

          if (turns === 0) {
            expect({ received: two.received, sent: two.sent }).to.deep.equal({ received: one.sent, sent: one.received })
          }
        }
      })
    }

    it('each does what its own mode says, where nobody accepts anything', async () => {
      const modes: ReplicateMode[] = ['sync', 'pull', 'push']

      for (const mine of modes) {
        for (const yours of modes) {
          for (const turns of [0, 3, 8]) {
            const [here, there] = await pair({}, { accept: undefined })
            const what = `${mine} and ${yours}, ${turns} turns later`
            const [one, two] = await atOnce(here, there, turns, [mine, yours])

            expect([one, two].map(({ confirmed, failed }) => [confirmed, failed]), what).to.deep.equal([[true, []], [true, []]])

            // who does not ask gets nothing
            await expectHas(here.store, [...common, ...ours, ...(one.received.hashes > 0 ? theirs : [])])
            await expectHas(there.store, [...common, ...theirs, ...(two.received.hashes > 0 ? ours : [])])

            if (mine === 'push') {
              expect(one.received, what).to.deep.equal(NOTHING)
            }

            if (yours === 'push') {
              expect(two.received, what).to.deep.equal(NOTHING)
            }

            // who asks gets what is offered. In an exchange that the other one has
            // opened all is, so this is not the other way round
            if (mine !== 'push' && yours !== 'pull') {
              expect(one.received, what).to.deep.equal(totals(theirs))
            }

            if (yours !== 'push' && mine !== 'pull') {
              expect(two.received, what).to.deep.equal(totals(ours))
            }
          }
        }
      }
    })

    it('live: both are synced over one exchange, and stay so', async () => {
      const [here, there] = await pair({ accept: () => true })
      const controller = new AbortController()
      const results = [here, there].map(async ({ service }, i) => service.replicate([there, here][i].addresses, { live: true, signal: controller.signal }))

      await Promise.all([grownTo(here.store, 12), grownTo(there.store, 12)])

      for (let i = 0; i < 5; i++) {
        const late = blocks(300 + 2 * i, 2)
        await here.store.put(late[0].hash, late[0].bytes)
        await there.store.put(late[1].hash, late[1].bytes)
        await Promise.all([grownTo(here.store, 14 + 2 * i), grownTo(there.store, 14 + 2 * i)])
      }

      await expectSame(here.store, there.store)
      expect([here.service.exchanges.length, there.service.exchanges.length]).to.deep.equal([1, 1])
      controller.abort()
      await Promise.all(results.map(async result => { await expect(result).to.eventually.be.rejected() }))
    })
  })

  describe('joining', () => {
    it('an open exchange opens none', async () => {
      const gate = Promise.withResolvers<void>()
      const [here, there] = await pair({}, {
        store: wrapStore(await memoryStore([...theirs, ...common]), {
          async * get (hash) {
            await gate.promise
            yield * this.get(hash)
          }
        })
      })
      const opened = eventsOf(there, 'exchange')
      const first = here.service.replicate(there.addresses, { mode: 'pull' })
      await nextEvent(there, 'exchange')
      const second = here.service.replicate(there.peer, { mode: 'pull' })
      await laps(10)
      const third = here.service.replicate(there.peer, { mode: 'sync' })
      await laps(10)
      gate.resolve()

      const results = await Promise.all([first, second, third])
      expect(results.map(({ confirmed }) => confirmed)).to.deep.equal([true, true, true])
      expect(results.map(({ received }) => received)).to.deep.equal([totals(theirs), totals(theirs), totals(theirs)])
      expect(results[2].sent).to.deep.equal(totals(ours))
      await expectSame(here.store, there.store)
      expect(opened).to.have.lengthOf(1)
    })

    it('that of the remote', async () => {
      const [here, there] = await pair({}, { accept: undefined })
      const opened = [...eventsOf(here, 'exchange')]
      const controller = new AbortController()
      const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })

      await nextEvent(here, 'synced')
      expect(await there.service.replicate(here.peer, { mode: 'pull' })).to.deep.equal({ received: totals(ours), sent: NOTHING, failed: [], ignored: 0, confirmed: true })
      await expectSame(here.store, there.store)
      expect(opened).to.be.empty()
      controller.abort()
      await expect(live).to.eventually.be.rejected.with.property('name', 'AbortError')
    })

    it('one that is in sync brings what was put there before, however short', async () => {
      const [here, there] = await pair()
      const controller = new AbortController()
      const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })
      await nextEvent(here, 'synced')

      for (const [from, to] of [[there, here], [here, there]]) {
        for (let i = 0; i < 5; i++) {
          const more = blocks(1000 + 50 * i + from.addresses.length * 500, 50)

          await Promise.all(more.map(async ({ hash, bytes }) => from.store.put(hash, bytes)))
          expect(await to.service.replicate(from.peer, { mode: i % 2 === 0 ? 'sync' : 'pull' })).to.deep.include({ failed: [], confirmed: true })
          expect(to.store.size).to.equal(from.store.size)
        }
      }

      controller.abort()
      await expect(live).to.eventually.be.rejected.with.property('name', 'AbortError')
    })
  })

  describe('a remote that has forgotten', () => {
    it('all: another log is asked from the beginning', async () => {
      const privateKey = await generateKeyPair('Ed25519')
      const [here, there] = await pair({}, { privateKey })
      await here.service.replicate(there.addresses)
      await there.node.stop()

      const wiped = await create({ privateKey, store: await memoryStore(blocks(50, 2)), accept: () => true })
      // our cursor for the other log would be beyond its end
      expect((await here.store.cursor(wiped.peer.toString()))?.sequence).to.be.above(2)
      expect(await here.service.replicate(wiped.addresses)).to.deep.include({
        received: totals(blocks(50, 2)),
        sent: totals([...common, ...ours, ...theirs]),
        confirmed: true
      })
      await expectSame(here.store, wiped.store)
      expect(await here.store.cursor(wiped.peer.toString())).to.include({ logId: wiped.store.logId })
    })

    it('its datastore: the blocks are there, but in no log', async () => {
      const privateKey = await generateKeyPair('Ed25519')
      const blockstore = new MemoryBlockstore()
      const store = await blockStore({ blockstore, datastore: new MemoryDatastore() })
      await putBlocks(store, [...theirs, ...common])
      const [here, there] = await pair({}, { privateKey, store })
      await here.service.replicate(there.addresses)
      await there.node.stop()

      const forgetful = await create({ privateKey, store: await blockStore({ blockstore, datastore: new MemoryDatastore() }), accept: () => true })
      expect(forgetful.store.size).to.equal(0)
      expect(await here.service.replicate(forgetful.addresses)).to.deep.include({ sent: totals([...common, ...ours, ...theirs]), confirmed: true })
      await expectSame(here.store, forgetful.store)
    })

    it('our own datastore: what is here in no log is asked for again', async () => {
      const privateKey = await generateKeyPair('Ed25519')
      const blockstore = new MemoryBlockstore()
      const store = await blockStore({ blockstore, datastore: new MemoryDatastore() })
      await putBlocks(store, ours)
      const [here, there] = await pair({ privateKey, store })
      await here.service.replicate(there.addresses)
      await here.node.stop()

      const forgetful = await create({ privateKey, store: await blockStore({ blockstore, datastore: new MemoryDatastore() }) })
      expect(await forgetful.service.replicate(there.addresses)).to.deep.include({ received: totals([...common, ...ours, ...theirs]), confirmed: true })
      await expectSame(forgetful.store, there.store)
    })
  })

  describe('what changes', () => {
    it('a late item of the one that closes is had the next time', async () => {
      const late = block(99)
      const [here, there] = await pair()
      let put: Promise<unknown> | undefined

      there.store.addEventListener('put', () => { put ??= here.store.put(late.hash, late.bytes) })
      await here.service.replicate(there.addresses)
      await put
      await expectHas(there.store, [...common, ...ours, ...theirs])
      expect(await here.service.replicate(there.addresses)).to.deep.include({ sent: totals([late]), received: NOTHING })
      await expectSame(here.store, there.store)
    })

    it('a late item of the other one is had now or the next time', async () => {
      const late = blocks(90, 9)
      const [here, there] = await pair()
      const puts: Array<Promise<unknown>> = []

      // while it sends, and when it is done
      for (const { store } of [here, there]) {
        store.addEventListener('put', () => {
          const next = late.pop()

          if (next != null) {
            puts.push(there.store.put(next.hash, next.bytes))
          }
        })
      }

      const first = await here.service.replicate(there.addresses)
      await Promise.all(puts)
      await expectCursorHolds(here.store, there.store, there.peer.toString())
      const second = await here.service.replicate(there.addresses)
      expect(first.received.hashes + second.received.hashes).to.equal(theirs.length + 9)
      await expectSame(here.store, there.store)
    })

    it('what we did not want we can want later', async () => {
      let refused = new Set(theirs.slice(1).map(({ hash }) => hash))
      const [here, there] = await pair({ want: async (_, hash) => !refused.has(hash) })

      expect(await here.service.replicate(there.addresses)).to.deep.equal({ received: totals(theirs.slice(0, 1)), sent: totals(ours), failed: [], ignored: 0, confirmed: true })
      await expectHas(here.store, [...common, ...ours, theirs[0]])

      refused = new Set()
      // the cursor has passed it
      expect(await here.service.replicate(there.addresses)).to.deep.include({ received: NOTHING, confirmed: true })
      expect(await here.service.replicate(there.addresses, { since: -1 })).to.deep.include({ received: totals(theirs.slice(1)), sent: NOTHING, confirmed: true })
      await expectSame(here.store, there.store)
    })

    it('what was deleted here can be had again', async () => {
      const [here, there] = await pair()
      await here.service.replicate(there.addresses)
      await here.store.delete(theirs[1].hash)
      await here.store.delete(common[1].hash)

      expect(await here.service.replicate(there.addresses)).to.deep.include({ received: NOTHING, confirmed: true })
      expect(await here.service.replicate(there.addresses, { since: -1 })).to.deep.include({ received: totals([theirs[1], common[1]]), confirmed: true })
      await expectSame(here.store, there.store)
    })

    it('what was deleted there is gone there', async () => {
      const [here, there] = await pair()
      await there.store.delete(theirs[0].hash)
      await here.service.replicate(there.addresses)
      await expectSame(here.store, there.store)
      await expectHas(here.store, [...common, ...ours, ...theirs.slice(1)])
    })

    it('what was deleted there while it was offered has failed', async () => {
      const [here, there] = await pair({}, {
        store: wrapStore(await memoryStore(theirs), {
          async sequence (hash) {
            await this.delete(theirs[0].hash)
            return this.sequence(hash)
          }
        })
      })
      const result = await here.service.replicate(there.addresses, { mode: 'pull' })

      expect(result.failed.map(({ hash, error }) => [hash, error.name])).to.deep.equal([[theirs[0].hash, 'NotFoundError']])
      expect(result).to.deep.include({ received: totals(theirs.slice(1)), confirmed: true })
      // the cursor has not passed it; as it is not offered any more, it does now
      expect(await here.service.replicate(there.addresses, { mode: 'pull' })).to.deep.include({ failed: [], confirmed: true })
      expect(await here.store.cursor(there.peer.toString())).to.include({ sequence: there.store.lastSequence })
    })

    it('a block that is gone behind its back has failed, and is not offered any more', async () => {
      const blockstore = new MemoryBlockstore()
      const store = await blockStore({ blockstore, datastore: new MemoryDatastore() })
      await putBlocks(store, theirs)
      const [here, there] = await pair({}, { store })

      for await (const { cid } of blockstore.getAll()) {
        if (cid.toString() === theirs[2].hash) {
          await blockstore.delete(cid)
        }
      }

      const { failed, received } = await here.service.replicate(there.addresses)
      expect(failed.map(({ hash }) => hash)).to.deep.equal([theirs[2].hash])
      expect(received).to.deep.equal(totals([theirs[0], theirs[1], theirs[3]]))
      expect(await here.service.replicate(there.addresses)).to.deep.include({ failed: [], confirmed: true })
      await expectSame(here.store, there.store)
    })

    it('what we may not read we can read later', async () => {
      let secret = new Set(theirs.slice(0, 2).map(({ hash }) => hash))
      const [here, there] = await pair({}, { allow: (_, hash) => hash != null && !secret.has(hash) })

      // as if it were not there
      expect(await here.service.replicate(there.addresses)).to.deep.equal({ received: totals(theirs.slice(2)), sent: totals(ours), failed: [], ignored: 0, confirmed: true })
      const exchange = await here.service.open(there.addresses)
      const asked = await Promise.allSettled([theirs[0].hash, block(77).hash].map(async hash => exchange.get(hash)))
      expect(asked.map(({ reason }: any) => reason.name)).to.deep.equal(['NotFoundError', 'NotFoundError'])
      expect(asked.map(({ reason }: any) => reason.message.replace(/".*"/, ''))).to.satisfy(([one, other]: string[]) => one === other)
      await exchange.close()

      secret = new Set()
      expect(await here.service.replicate(there.addresses)).to.deep.include({ received: NOTHING })
      expect(await here.service.replicate(there.addresses, { since: -1 })).to.deep.include({ received: totals(theirs.slice(0, 2)), confirmed: true })
      await expectSame(here.store, there.store)
    })
  })

  describe('an end before the end', () => {
    it('abort midway, then again', async () => {
      const [here, there] = await pair()
      const controller = new AbortController()
      here.store.addEventListener('put', () => { controller.abort() }, { once: true })

      await expect(here.service.replicate(there.addresses, { signal: controller.signal })).to.eventually.be.rejected.with.property('name', 'AbortError')
      await expectCursorHolds(here.store, there.store, there.peer.toString())
      await expectCursorHolds(there.store, here.store, here.peer.toString())
      expect(await here.service.replicate(there.addresses)).to.deep.include({ confirmed: true })
      await expectSame(here.store, there.store)
    })

    it('a remote that is stopped midway and comes again', async () => {
      const privateKey = await generateKeyPair('Ed25519')
      const [here, there] = await pair({}, { privateKey })
      let stopped: Promise<unknown> | undefined
      there.store.addEventListener('put', () => { stopped ??= Promise.resolve(there.node.stop()) })

      const failed = await here.service.replicate(there.addresses).then(() => undefined, err => err.name)
      // a reset, or a connection that was closed
      expect(failed).to.be.oneOf(['StreamResetError', 'ConnectionClosedError'])
      await stopped

      const again = await create({ privateKey, store: there.store, accept: () => true })
      expect(await here.service.replicate(again.addresses)).to.deep.include({ confirmed: true })
      await expectSame(here.store, there.store)
    })
  })

  describe('whatever happens', () => {
    interface Side {
      /**
       * Which of the blocks it has
       */
      has: number[]
      /**
       * Whether it calls replicate(), how, and after how many turns
       */
      call?: { mode: ReplicateMode, turns: number, since?: number, abortAfter?: number }
      accepts: boolean
      maxWanted: number
      /**
       * What its store does wrong: at which operation, counted from 0
       */
      faults: { lookup: number, source: number, put: number }
      /**
       * What is put during the sync, after how many turns
       */
      late: Array<{ index: number, turns: number }>
      wires: Array<{ there: number[], back: number[], cut: number, turns: number }>
    }

    const EMPTY = { hash: hashOfBlock(new Uint8Array(0)), bytes: new Uint8Array(0) }
    const SIZES = [5, 100, 70_000, 300_000]
    const ALL = [EMPTY, ...Array.from({ length: 11 }, (_, i) => block(500 + i, SIZES[i % SIZES.length]))]
    const indices = fc.subarray(ALL.map((_, i) => i))
    const turns = fc.oneof(fc.nat(3), fc.nat(40))
    const never = fc.constant(Infinity)
    const delays = fc.array(fc.nat(6), { minLength: 1, maxLength: 4 })

    const side = fc.record<Side>({
      has: indices,
      call: fc.option(fc.record({
        mode: fc.constantFrom<ReplicateMode>('sync', 'pull', 'push'),
        turns,
        since: fc.option(fc.constantFrom(-1, 0), { nil: undefined }),
        abortAfter: fc.option(fc.nat(60), { nil: undefined, freq: 1 })
      }), { nil: undefined, freq: 3 }),
      accepts: fc.boolean(),
      maxWanted: fc.constantFrom(1, 2, 3, 5, 1000),
      faults: fc.record({
        lookup: fc.oneof(never, fc.nat(5)),
        source: fc.oneof(never, fc.nat(5)),
        put: fc.oneof(never, fc.nat(5))
      }),
      late: fc.array(fc.record({ index: fc.nat(ALL.length - 1), turns }), { maxLength: 3 }),
      wires: fc.array(fc.record({ there: delays, back: delays, cut: fc.constantFrom(1, 7, 1000, 1_000_000), turns }), { minLength: 1, maxLength: 3 })
    })

    /**
     * A store that fails once in each way
     */
    function faulty (store: Store, { lookup, source, put }: Side['faults']): { store: Store, below: Store, mend(): void } {
      const count = { lookup: 0, source: 0, put: 0 }
      let mended = false
      const fails = (what: keyof typeof count, at: number): boolean => !mended && count[what]++ === at

      return {
        mend: () => { mended = true },
        below: store,
        store: wrapStore(store, {
          async sequence (hash) {
            if (fails('lookup', lookup)) {
              throw new Error('Faulty lookup')
            }

            return this.sequence(hash)
          },
          async * get (hash) {
            for await (const chunk of this.get(hash)) {
              yield chunk.subarray(0, chunk.length / 2)

              if (fails('source', source)) {
                throw new Error('Faulty source')
              }

              yield chunk.subarray(chunk.length / 2)
            }
          },
          async put (hash, content) {
            if (fails('put', put)) {
              throw new Error('Faulty put')
            }

            return this.put(hash, content)
          }
        })
      }
    }

    const quiet: Side = {
      has: [],
      accepts: false,
      maxWanted: 1,
      faults: { lookup: Infinity, source: Infinity, put: Infinity },
      late: [],
      wires: [{ there: [0], back: [0], cut: 1, turns: 0 }]
    }

    /**
     * The remote keeps an exchange of its own of which we have not heard, and
     * closes each that we open
     */
    const unheard: [[Side, Side], boolean] = [[
      { ...quiet, call: { mode: 'sync', turns: 0 }, wires: [{ ...quiet.wires[0], there: [1], turns: 17 }, ...quiet.wires] },
      { ...quiet, call: { mode: 'sync', turns: 18 } }
    ], true]

    function slicing (cut: number, turns: number[]): Slicing {
      return (source) => cutInto([cut])(delayedBy(turns)(source))
    }

    it('both have the same in the end, and no cursor passes what is missing', async function () {
      this.timeout(1_800_000)

      const peers = await twoPeers()

      await fc.assert(fc.asyncProperty(fc.tuple(side, side), fc.boolean(), async (sides, lowerIsFirst) => {
        const stores = await Promise.all(sides.map(async ({ has, faults }) => faulty(await memoryStore(has.map(i => ALL[i])), faults)))
        const nodes = sides.map(({ accepts, maxWanted, wires }, i) => {
          const init: Partial<ReplicationInit> = { accept: () => accepts, limits: { ...PATIENT, maxWanted, beginTimeout: 60_000 } }
          const node = new ReplicatorNode(peers[lowerIsFirst ? i : 1 - i], { ...init, store: stores[i].store })

          // every byte on its own takes too long for what is large
          node.wires.push(...wires.map(({ there, back, cut, turns }) => ({
            there: cut > 100 ? slicing(cut, there) : delayedBy(there),
            back: cut > 100 ? slicing(cut, back) : delayedBy(back),
            turns
          })))

          return node
        })
        const [first, second] = nodes
        first.other = second
        second.other = first

        const call = async (i: number, { mode, turns, since, abortAfter }: NonNullable<Side['call']>): Promise<ReplicateResult | undefined> => {
          const controller = new AbortController()
          const options: ReplicateOptions = { mode, since, signal: controller.signal }

          await laps(turns)

          if (abortAfter != null) {
            void laps(abortAfter).then(() => { controller.abort() })
          }

          return nodes[i].replicator.replicate(nodes[1 - i].peer, options).catch(err => {
            // the other one may have been aborted
            expect(err.name).to.be.oneOf(['AbortError', 'StreamResetError', 'UnexpectedEndError'], err.stack)
            expect(sides.some(({ call }) => call?.abortAfter != null), err.stack).to.be.true()
            return undefined
          })
        }

        const calls = sides.map(async (side, i) => side.call == null ? undefined : call(i, side.call))
        const puts = sides.flatMap(({ late }, i) => late.map(async ({ index, turns }) => {
          await laps(turns)
          await stores[i].below.put(ALL[index].hash, ALL[index].bytes)
        }))

        const results = await Promise.all(calls)
        await Promise.all(puts)

        // after each call, whatever had happened
        await expectCursorHolds(first.store, second.store, second.id)
        await expectCursorHolds(second.store, first.store, first.id)
        expect((await Promise.all(stores.map(async ({ below }) => wrongIn(below)))).flat()).to.be.empty()

        for (const [i, result] of results.entries()) {
          const { call, faults } = sides[i]
          const other = sides[1 - i]

          // what was there at the beginning and did not fail by name is here
          if (call != null && call.mode !== 'push' && result != null && other.call?.mode !== 'pull') {
            const failed = new Set(result.failed.map(({ hash }) => hash))

            for (const index of other.has) {
              const { hash } = ALL[index]
              expect(failed.has(hash) || await nodes[i].store.has(hash), `${hash} after ${call.mode}`).to.be.true()
            }

            if (Math.min(faults.put, other.faults.lookup, other.faults.source) === Infinity) {
              expect(result.failed, 'nothing fails by itself').to.be.empty()
            }
          }

          if (result != null) {
            expect(result.confirmed).to.be.true()
          }
        }

        // then nothing fails any more
        stores.forEach(({ mend }) => { mend() })
        const accept = sides[1].accepts
        const options: ReplicateOptions = {}
        expect(await first.replicator.replicate(second.peer, options)).to.deep.include({ failed: [], confirmed: true })

        if (!accept) {
          await second.replicator.replicate(first.peer, options)
        }

        await expectSame(first.store, second.store)
        expect(first.store.size).to.equal(new Set(sides.flatMap(({ has, late }) => [...has, ...late.map(({ index }) => index)])).size)
        await expectCursorHolds(first.store, second.store, second.id)
        await expectCursorHolds(second.store, first.store, first.id)
        expect([first.replicator.table.size, second.replicator.table.size], 'wants that are left').to.deep.equal([0, 0])
        nodes.forEach(node => { node.stop() })
      }), { numRuns: runs(25, 2000, 10), timeout: 20_000, examples: [unheard] })
    })
  })
})
