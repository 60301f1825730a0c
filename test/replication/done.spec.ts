import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { block, blocks, grownTo, hashesOf, memoryStore } from '../fixtures/blocks.ts'
import { stopNodes } from '../fixtures/nodes.ts'
import { createReplica, eventsOf, nextEvent, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { ScriptedNode } from '../fixtures/replication.ts'
import { runs } from '../fixtures/runs.ts'
import { laps } from '../fixtures/slicing.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { ReplicateOptions, ReplicateResult, Store } from '../../src/index.ts'
import type { Replica, ReplicaInit } from '../fixtures/replicas.ts'
import type { ReplicatingPeer } from '../fixtures/replication.ts'

const NAMES = 'abcdefghijkl'.split('')
const BLOCKS = Object.fromEntries(NAMES.map((name, i) => [name, block(i, 50 + i)]))

/**
 * A time-out that no test lives long enough for
 */
const NEVER = 100_000

/**
 * A store that has these, in this order
 */
async function storeOf (...names: string[]): Promise<Store> {
  const store = await memoryStore()

  for (const name of names) {
    await put(store, name)
  }

  return store
}

async function put (store: Store, name: string): Promise<void> {
  const { hash, bytes } = BLOCKS[name]
  await store.put(hash, bytes)
}

async function has (store: Store, ...names: string[]): Promise<void> {
  expect(await hashesOf(store)).to.deep.equal(names.map(name => BLOCKS[name].hash).sort())
}

async function wantsOf ({ metrics }: Replica): Promise<number | undefined> {
  return metrics.calculated.get('libp2p_hash_exchange_wants')?.()
}

/**
 * Failures as `name of the block: name of the error`
 */
function failures (peer: ReplicatingPeer, { failed }: ReplicateResult): string[] {
  return failed.map(({ hash, error }) => `${peer.namesOf([hash])[0]}: ${error.name}`)
}

describe('the way to done', () => {
  let remote: ScriptedNode

  beforeEach(async () => {
    remote = await ScriptedNode.create(BLOCKS)
  })

  afterEach(async () => {
    await Promise.all([stopReplicas(), stopNodes()])
  })

  /**
   * One of ours. Nothing happens because time passes, unless a test says so.
   */
  async function create (init: ReplicaInit = {}): Promise<Replica> {
    return createReplica({ ...init, limits: { ...PATIENT, beginTimeout: NEVER, ...init.limits } })
  }

  /**
   * The cursor that is kept for the remote
   */
  async function cursor ({ store }: Replica): Promise<number | undefined> {
    return (await store.cursor(remote.node.peerId.toString()))?.sequence
  }

  async function keepCursor ({ store }: Replica, logId: string, sequence: number): Promise<void> {
    await store.setCursor(remote.node.peerId.toString(), { logId, sequence })
  }

  const replicate: ScriptedNode['replicate'] = async (...args) => remote.replicate(...args)

  interface Opened {
    here: Replica
    peer: ReplicatingPeer
    result: Promise<ReplicateResult>
  }

  /**
   * An exchange that we have opened. The remote has not said anything.
   */
  async function opened (options?: ReplicateOptions, init?: ReplicaInit): Promise<Opened> {
    const here = await create(init)

    return { here, ...await remote.replicate(here, options) }
  }

  /**
   * One that the remote has opened. We take from it unless it is said otherwise.
   */
  async function accepted (init?: ReplicaInit): Promise<{ here: Replica, peer: ReplicatingPeer }> {
    const here = await create({ accept: () => true, ...init })

    return { here, peer: await remote.open(here) }
  }

  describe('the beginning', () => {
    it('is our ID with that of our log, at once', async () => {
      const { here, peer } = await opened({})
      await peer.hears(`ID ${here.store.logId}`)
      expect(peer.messages[0].hashes[0]).to.equal(here.peer.toString())

      const other = await remote.open(here)
      await other.hears(`ID ${here.store.logId}`)

      // and nothing that depends on the remote
      await peer.pause()
      expect(peer.said).to.have.lengthOf(1)
    })

    it('is SINCE with the cursor that was kept for the log of the remote', async () => {
      const here = await create()
      await keepCursor(here, 'log', 7)

      const { peer } = await remote.replicate(here)
      peer.identify('log')
      await peer.hears('SINCE 7')
    })

    it('is SINCE -1 for another log than the last time', async () => {
      const here = await create()
      await keepCursor(here, 'another log', 7)

      const { peer } = await remote.replicate(here)
      peer.identify('log')
      await peer.hears('SINCE -1')
    })

    it('is SINCE with what replicate() was told, whatever was kept', async () => {
      for (const since of [-1, 3]) {
        const here = await create()
        await keepCursor(here, 'log', 7)

        const { peer } = await remote.replicate(here, { since })
        peer.identify('log')
        await peer.hears(`SINCE ${since}`)
      }
    })

    it('is SINCE -1 at once when the first message is no ID', async () => {
      const { peer } = await opened({})
      peer.offer(undefined, 'a')
      await peer.hears('SINCE -1')
      expect(peer.saidOf('SINCE')).to.have.lengthOf(1)
    })

    it('is SINCE -1 when nothing has come for a while', async () => {
      const { peer } = await opened({}, { limits: { beginTimeout: 300 } })
      await peer.pause()
      expect(peer.saidOf('SINCE')).to.be.empty()
      await peer.hears('SINCE -1')
    })

    it('is SINCE again when the ID comes late', async () => {
      const here = await create({ limits: { beginTimeout: 50 } })
      await keepCursor(here, 'log', 7)

      const { peer } = await remote.replicate(here)
      await peer.hears('SINCE -1')
      peer.identify('log')
      await peer.hears('SINCE 7')
    })

    it('is the empty REQUEST and no SINCE for who takes nothing', async () => {
      const pushing = await opened({ mode: 'push' })
      await pushing.peer.hears('DONE')
      pushing.peer.identify('log')

      const accepting = await accepted({ accept: undefined })
      await accepting.peer.hears('DONE')
      accepting.peer.identify('log')

      await pushing.peer.pause()
      expect(pushing.peer.said).to.deep.equal([`ID ${pushing.here.store.logId}`, 'DONE'])
      expect(accepting.peer.said).to.deep.equal([`ID ${accepting.here.store.logId}`, 'DONE'])
    })

    it('waits for the application to say if it accepts', async () => {
      for (const accepts of [true, false]) {
        const gate = Promise.withResolvers<boolean>()
        const { here, peer } = await accepted({ accept: async () => gate.promise })

        peer.identify('log')
        peer.offer(1, 'a')
        await peer.pause()
        expect(peer.said).to.deep.equal([`ID ${here.store.logId}`])

        gate.resolve(accepts)
        await peer.hears(accepts ? 'SINCE -1' : 'DONE')
        expect(peer.saidOf('SINCE', 'DONE')).to.have.lengthOf(1)
      }
    })

    it('forgets what was offered before the application refused', async () => {
      const gate = Promise.withResolvers<boolean>()
      const { peer } = await accepted({ accept: async () => gate.promise })

      peer.identify('log')
      peer.offer(1, 'a')
      peer.listEnd(1)
      await peer.pause()
      gate.resolve(false)
      await peer.hears('DONE')
      await peer.pause()
      expect(peer.saidOf('REQUEST', 'SEEN')).to.be.empty()
    })
  })

  describe('our list', () => {
    it('starts on SINCE, after that sequence, and ends with a marker', async () => {
      const { peer } = await opened({}, { store: await storeOf('a', 'b', 'c') })

      peer.identify('log')
      await peer.pause()
      expect(peer.saidOf('AVAILABLE', 'END')).to.be.empty()

      peer.since(1)
      await peer.hears('END 3')
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['AVAILABLE 3: b c', 'END 3'])
    })

    it('starts from the beginning when no SINCE has come for a while', async () => {
      const { peer } = await opened({}, { store: await storeOf('a', 'b'), limits: { beginTimeout: 300 } })

      peer.identify('log')
      await peer.pause()
      expect(peer.saidOf('AVAILABLE', 'END')).to.be.empty()

      await peer.hears('END 2')
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['AVAILABLE 2: a b', 'END 2'])
    })

    it('starts again on every later SINCE, whatever its value', async () => {
      const { peer } = await accepted({ store: await storeOf('a', 'b', 'c') })

      peer.identify('log')

      for (const [i, since] of [2, 0, 0, -1, 3, 1].entries()) {
        peer.since(since)
        await peer.hears('END 3', i + 1)
      }

      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal([
        'AVAILABLE 3: c', 'END 3',
        'AVAILABLE 3: a b c', 'END 3',
        'AVAILABLE 3: a b c', 'END 3',
        'AVAILABLE 3: a b c', 'END 3',
        'END 3',
        'AVAILABLE 3: b c', 'END 3'
      ])
    })

    it('starts again after the one that no SINCE had asked for', async () => {
      const { peer } = await accepted({ store: await storeOf('a', 'b'), limits: { beginTimeout: 50 } })

      peer.identify('log')
      await peer.hears('END 2')
      peer.since(1)
      await peer.hears('AVAILABLE 2: b')
      await peer.hears('END 2', 2)
    })

    it('is cut short by another SINCE, and has no end then', async () => {
      const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let asked = 0
      const { peer } = await accepted({
        store: await storeOf('a', 'b', 'c'),
        allow: async (_, hash) => {
          if (hash === BLOCKS.b.hash) {
            await gates[asked++]?.promise
          }

          return hash != null
        }
      })

      await peer.meet()
      peer.since(-1)
      await peer.pause()
      peer.since(1)
      await peer.pause()
      gates[0].resolve()
      await peer.pause()
      expect(peer.saidOf('AVAILABLE', 'END')).to.be.empty()
      gates[1].resolve()
      await peer.hears('END 3')
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['AVAILABLE 3: b c', 'END 3'])
    })

    it('starts from the beginning where the remote has heard of more than there is', async () => {
      const { peer } = await accepted({ store: await storeOf('a', 'b') })

      await peer.meet()
      peer.since(3)
      await peer.hears('AVAILABLE 2: a b')
      await peer.hears('END 2')
    })

    it('says of every message where its last hash stands', async () => {
      const store = await memoryStore()

      for (const { hash, bytes } of blocks(1000, 2500, 50)) {
        await store.put(hash, bytes)
      }

      await store.delete(block(1000 + 1999, 50).hash)

      const { peer } = await accepted({ store })
      await peer.meet()
      peer.since(-1)
      await peer.hears('END 2500')

      const places = new Map<string, number>()
      for await (const { hash, sequence } of store.since(0)) {
        places.set(hash, sequence)
      }

      const lists = peer.messages.filter(({ type, hashes }) => type === 'AVAILABLE' && hashes.length > 0)
      expect(lists.map(({ hashes }) => hashes.length)).to.deep.equal([1000, 1000, 499])
      expect(lists.map(({ sequence }) => sequence - 1)).to.deep.equal(lists.map(({ hashes }) => places.get(hashes.at(-1) ?? '')))
      expect(lists.flatMap(({ hashes }) => hashes)).to.deep.equal([...places.keys()])
    })

    it('ends with what the remote may read', async () => {
      const readable = new Map([['a', false], ['b', true], ['c', false]].map(([name, may]) => [BLOCKS[name as string].hash, may === true]))
      const { peer } = await accepted({
        store: await storeOf('a', 'b', 'c'),
        allow: (_, hash) => readable.get(hash ?? '') ?? false
      })

      await peer.meet()
      peer.since(-1)
      await peer.hears('END 2')
      expect(peer.saidOf('AVAILABLE')).to.deep.equal(['AVAILABLE 2: b'])

      // nothing beyond what it knows
      peer.since(2)
      await peer.hears('END 2', 2)

      readable.set(BLOCKS.b.hash, false)
      peer.since(-1)
      await peer.hears('END -1')
      expect(peer.saidOf('AVAILABLE')).to.have.lengthOf(1)
    })

    it('of a store without anything ends at once', async () => {
      const { peer } = await accepted()

      await peer.meet()
      peer.since(-1)
      await peer.hears('END -1')
    })

    it('is empty and moves no cursor where nothing is offered', async () => {
      const { peer } = await opened({ mode: 'pull' }, { store: await storeOf('a', 'b') })

      await peer.meet()
      peer.since(-1)
      // not 2: the remote would never ask for these again
      await peer.hears('END -1')
      expect(peer.saidOf('AVAILABLE')).to.be.empty()
    })

    it('is empty for who wants nothing, at once, and moves no cursor', async () => {
      const { peer } = await accepted({ store: await storeOf('a', 'b'), limits: { beginTimeout: 50 } })

      await peer.meet()
      peer.wantNothing()
      await peer.hears('END -1')

      // also when the time for a SINCE is over
      await new Promise(resolve => { setTimeout(resolve, 100) })
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['END -1'])

      // who joins there wants it after all
      peer.since(0)
      await peer.hears('END 2')
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['END -1', 'AVAILABLE 2: a b', 'END 2'])
    })

    it('breaks off when the remote says that it wants nothing', async () => {
      const gate = Promise.withResolvers<void>()
      const { peer, result } = await opened({ mode: 'push' }, {
        store: await storeOf('a', 'b', 'c'),
        limits: { beginTimeout: 30 },
        allow: async (_, hash) => {
          if (hash === BLOCKS.c.hash) {
            await gate.promise
          }

          return hash != null
        }
      })

      peer.identify('log')
      // it began without a SINCE
      await new Promise(resolve => { setTimeout(resolve, 100) })
      peer.wantNothing()
      await peer.pause()
      // one question at a time: otherwise a remote could have thousands asked
      gate.resolve()
      await peer.hears('END -1')
      await peer.pause()
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['END -1'])

      await peer.complete(0)
      expect(await result).to.deep.include({ confirmed: true })
    })

    it('has no late item where it is ours to close', async () => {
      const { here, peer, result } = await opened({ mode: 'push' }, { store: await storeOf('a') })

      await peer.meet()
      peer.since(-1)
      await peer.hears('END 1')
      await put(here.store, 'b')
      await peer.pause()
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['AVAILABLE 1: a', 'END 1'])

      await peer.complete(0)
      expect(await result).to.deep.include({ confirmed: true })
    })

    it('goes on where the remote closes, without what came from there', async () => {
      const { here, peer } = await accepted({ store: await storeOf('a') })

      await peer.meet()
      peer.since(-1)
      await peer.hears('END 1')
      await put(here.store, 'b')
      await peer.hears('AVAILABLE 2: b')

      peer.offer(1, 'c')
      await peer.answer(['c'])
      await grownTo(here.store, 3)
      await put(here.store, 'd')
      await peer.hears('AVAILABLE 4: d')
      // and a list that is asked for again has all
      peer.since(1)
      await peer.hears('END 4')
      expect(peer.saidOf('AVAILABLE', 'END').slice(2)).to.deep.equal(['AVAILABLE 2: b', 'AVAILABLE 4: d', 'AVAILABLE 4: b c d', 'END 4'])
    })
  })

  describe('what is taken', () => {
    it('is what is lacking', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { store: await storeOf('a') })

      await peer.meet()
      peer.offer(3, 'a', 'b', 'c')
      expect(await peer.answer(['a', 'b', 'c'])).to.deep.equal(['b', 'c'])
      await peer.complete(3)

      expect(await result).to.deep.equal({
        received: { hashes: 2, bytes: BLOCKS.b.bytes.length + BLOCKS.c.bytes.length },
        sent: { hashes: 0, bytes: 0 },
        failed: [],
        ignored: 0,
        confirmed: true
      })
      await has(here.store, 'a', 'b', 'c')
      expect(await cursor(here)).to.equal(3)
    })

    it('is followed by the empty REQUEST when the list has ended and all is stored, after the last SEEN', async () => {
      const gate = Promise.withResolvers<void>()
      const { peer, result } = await opened({ mode: 'pull' }, {
        store: wrapStore(await storeOf(), {
          async put (hash, source) {
            await gate.promise
            return this.put(hash, source)
          }
        })
      })

      await peer.meet()
      peer.offer(1, 'a')
      peer.offer(2, 'b')
      void peer.serve('a', 'b')
      peer.listEnd(2)
      await peer.hears('REQUEST b')
      await peer.pause()
      expect(peer.saidOf('DONE', 'SEEN')).to.be.empty()
      gate.resolve()
      await peer.hears('DONE')
      expect(peer.saidOf('DONE', 'SEEN').slice(-2)).to.deep.equal(['SEEN 2', 'DONE'])

      await peer.complete(2)
      await result
    })

    it('is not followed by the empty REQUEST before the list has ended', async () => {
      const { peer } = await opened({ mode: 'pull' })

      await peer.meet()
      peer.offer(1, 'a')
      await peer.answer(['a'])
      await peer.hears('SEEN 1')
      await peer.pause()
      expect(peer.saidOf('DONE')).to.be.empty()
      peer.listEnd(4)
      await peer.hears('DONE')
      // the end of the log is dealt with as well
      expect(peer.saidOf('DONE', 'SEEN')).to.deep.equal(['SEEN 1', 'SEEN 4', 'DONE'])
    })

    it('is not done before the cursor is kept, and that is before SEEN', async () => {
      const gate = Promise.withResolvers<void>()
      const { peer } = await opened({ mode: 'pull' }, {
        store: wrapStore(await storeOf(), {
          async setCursor (peer, cursor) {
            await gate.promise
            return this.setCursor(peer, cursor)
          }
        })
      })

      await peer.meet()
      peer.offer(1, 'a')
      await peer.answer(['a'])
      peer.listEnd(1)
      await peer.pause()
      expect(peer.saidOf('DONE', 'SEEN')).to.be.empty()
      gate.resolve()
      await peer.hears('DONE')
      expect(peer.saidOf('DONE', 'SEEN')).to.deep.equal(['SEEN 1', 'DONE'])
    })

    it('is done when nothing was offered', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await peer.meet()
      await peer.complete(9)
      expect(await result).to.deep.include({ confirmed: true, received: { hashes: 0, bytes: 0 } })
      expect(await cursor(here)).to.equal(9)
    })

    it('is named where it fails, and the cursor stays before it', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await peer.meet()
      peer.offer(1, 'a')
      peer.offer(3, 'b', 'c')
      peer.offer(6, 'd', 'e', 'f')
      peer.offer(7, 'g')
      peer.listEnd(7)

      // d and e are not found, f is something else
      await peer.until(() => peer.hashesOf('REQUEST' as any).length === 7)
      const requests = peer.messages.filter(({ type }) => type === 'REQUEST').length

      for (let i = 0; i < requests; i++) {
        await peer.answer(['a', 'b', 'c', 'f', 'g'], { f: BLOCKS.a.bytes })
      }

      await peer.hears('DONE')
      await peer.complete(7)

      const outcome = await result
      expect(failures(peer, outcome)).to.have.members(['d: NotFoundError', 'e: NotFoundError', 'f: HashMismatchError'])
      expect(outcome).to.deep.include({ confirmed: true })
      await has(here.store, 'a', 'b', 'c', 'g')
      expect(await cursor(here)).to.equal(3)
      expect(peer.saidOf('SEEN').at(-1)).to.equal('SEEN 3')
    })

    it('is asked for again the next time where it has failed', async () => {
      const here = await create()
      const first = await remote.replicate(here, { mode: 'pull' })

      await first.peer.meet()
      first.peer.offer(1, 'a')
      await first.peer.answer(['a'])
      first.peer.offer(2, 'b')
      await first.peer.answer()
      await first.peer.complete(2)
      expect(failures(first.peer, await first.result)).to.deep.equal(['b: NotFoundError'])

      const second = await remote.replicate(here, { mode: 'pull' })
      second.peer.identify('log')
      await second.peer.hears('SINCE 1')
      second.peer.offer(2, 'b')
      await second.peer.answer(['b'])
      await second.peer.complete(2)
      expect(await second.result).to.deep.include({ failed: [], ignored: 0, confirmed: true })
      expect(await cursor(here)).to.equal(2)
    })

    it('may come again in a later announcement, and be had then', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await peer.meet()
      peer.offer(1, 'a')
      await peer.answer()
      peer.offer(2, 'a')
      await peer.answer(['a'])
      await peer.complete(2)
      expect(failures(peer, await result)).to.deep.equal(['a: NotFoundError'])
      await has(here.store, 'a')
      // the next list begins with it: that is more careful than needed
      expect(await cursor(here)).to.equal(undefined)
    })

    it('is not what the application refuses, and the cursor passes that', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { want: async (_, hash) => hash !== BLOCKS.b.hash })

      await peer.meet()
      peer.offer(2, 'a', 'b')
      expect(await peer.answer(['a', 'b'])).to.deep.equal(['a'])
      await peer.complete(2)
      expect(await result).to.deep.include({ failed: [], ignored: 0, confirmed: true })
      await has(here.store, 'a')
      expect(await cursor(here)).to.equal(2)
    })

    it('is nothing that is no name of a block', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await peer.meet()
      peer.rpc({ type: 'AVAILABLE' as any, hashes: ['', 'x', '__proto__', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG', BLOCKS.a.hash.toUpperCase()], sequence: 6 })
      await peer.complete(5)
      expect(await result).to.deep.include({ failed: [], ignored: 5, confirmed: true })
      expect(peer.saidOf('REQUEST')).to.be.empty()
      expect(await cursor(here)).to.equal(5)
    })

    it('is forgotten when so much fails that the exchange ends', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { limits: { maxFailed: 1 } })

      await peer.meet()
      peer.offer(1, 'a')
      await peer.answer(['a'], { a: BLOCKS.b.bytes })
      await peer.pause()
      peer.offer(5, 'a', 'b', 'c', 'd')
      await expect(result).to.eventually.be.rejected.with.property('name', 'LimitError')
      expect(await wantsOf(here)).to.equal(0)
    })

    it('is up to the end of what was offered: the end of a list without sequence moves no cursor', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await peer.meet()
      await peer.complete(-1)
      expect(await result).to.deep.include({ confirmed: true })
      expect(await cursor(here)).to.equal(undefined)
    })

    it('has no cursor where the remote keeps no log', async () => {
      const { here, peer } = await opened({ mode: 'pull' })

      peer.identify('')
      peer.offer(3, 'a')
      await peer.answer(['a'])
      await grownTo(here.store, 1)
      await peer.pause()
      expect(peer.saidOf('SEEN')).to.be.empty()
      expect(await cursor(here)).to.equal(undefined)
    })

    it('is counted from a list that began without our SINCE, and from the one that our SINCE begins', async () => {
      const gate = Promise.withResolvers<void>()
      const { here, peer } = await accepted({
        store: wrapStore(await storeOf(), {
          async cursor (peer) {
            await gate.promise
            return this.cursor(peer)
          }
        })
      })

      // the remote did not wait for us
      peer.identify('log')
      peer.offer(1, 'a')
      await peer.hears('REQUEST a')
      gate.resolve()
      await peer.hears('SINCE -1')
      // more of its list that was on its way
      peer.offer(2, 'b')
      peer.listEnd(2)
      await peer.hears('REQUEST b')
      peer.hashes([BLOCKS.a.hash, 1])
      peer.hashes([BLOCKS.b.hash, 2])
      peer.body(2, 2, BLOCKS.b.bytes)
      await grownTo(here.store, 1)
      await peer.pause()
      // a is still to come, so that no cursor may pass it
      expect(await cursor(here)).to.equal(undefined)
      peer.body(2, 1, BLOCKS.a.bytes)
      await peer.hears('SEEN 2')
    })

    it('is counted from our SINCE where something failed of a list that began without it', async () => {
      const gate = Promise.withResolvers<void>()
      const { here, peer } = await accepted({
        store: wrapStore(await storeOf(), {
          async cursor (peer) {
            await gate.promise
            return this.cursor(peer)
          }
        })
      })

      peer.identify('log')
      peer.offer(1, 'a')
      await peer.answer()
      await peer.pause()
      gate.resolve()
      await peer.hears('SINCE -1')
      // more of its list that was on its way
      peer.offer(2, 'b')
      await peer.answer(['b'])
      await grownTo(here.store, 1)
      await peer.pause()
      expect(await cursor(here) ?? 0).to.equal(0)

      peer.offer(1, 'a')
      await peer.answer(['a'])
      peer.offer(2, 'b')
      peer.listEnd(2)
      await peer.hears('DONE')
      expect(await cursor(here)).to.equal(2)
    })
  })

  describe('what is announced after our empty REQUEST', () => {
    it('is ignored where it is ours to close: it adds no want and moves no cursor', async () => {
      const { here, peer, result } = await opened()

      await peer.meet()
      peer.offer(1, 'a')
      await peer.answer(['a'])
      peer.listEnd(1)
      await peer.hears('DONE')
      expect((await peer.message(RPCType.REQUEST, 2)).sequence - 1).to.equal(1)
      peer.offer(2, 'b')
      peer.listEnd(3)
      await peer.pause()
      expect(peer.saidOf('REQUEST', 'SEEN')).to.deep.equal(['REQUEST a', 'SEEN 1'])
      expect(await cursor(here)).to.equal(1)

      await peer.complete(4)
      expect(await result).to.deep.include({ confirmed: true, received: { hashes: 1, bytes: BLOCKS.a.bytes.length } })
      expect(await cursor(here)).to.equal(1)
      await has(here.store, 'a')
    })

    it('is taken where the remote closes, and followed by another empty REQUEST', async () => {
      const { here, peer } = await accepted()

      await peer.meet()
      peer.listEnd(0)
      await peer.hears('DONE')
      peer.offer(1, 'a')
      await peer.answer()
      await peer.answer(['a'])
      await peer.hears('DONE', 2)
      expect(peer.said.slice(-3)).to.deep.equal(['REQUEST a', 'SEEN 1', 'DONE'])
      expect(peer.messages.filter(({ type }) => type === RPCType.REQUEST).map(({ sequence }) => sequence - 1)).to.deep.equal([0, -1, 1])
      await has(here.store, 'a')
    })

    it('is followed by another one when all of it is here already', async () => {
      const { peer } = await accepted({ store: await storeOf('a') })

      await peer.meet()
      peer.listEnd(0)
      await peer.hears('DONE')
      peer.offer(1, 'a')
      await peer.hears('SEEN 1')
      await peer.pause()
      // not before the first one is answered: a remote could have thousands sent
      expect(peer.saidOf('DONE')).to.have.lengthOf(1)
      await peer.answer()
      await peer.hears('DONE', 2)
      expect(peer.saidOf('SEEN', 'DONE').slice(-2)).to.deep.equal(['SEEN 1', 'DONE'])
    })
  })

  describe('CLOSE', () => {
    it('comes after all that a remote has asked for that answers nothing, and has ended its stream', async () => {
      const { peer, result } = await opened({ mode: 'push' }, { store: await storeOf('a') })

      result.catch(() => {})
      await peer.hears('DONE')
      peer.listEnd(0)
      peer.wantNothing()
      // that of the second must wait for the first, and this for an answer
      peer.ask('a')
      peer.ask('a')
      peer.close()
      peer.finish()
      await peer.hears('HASHES a', 2)
      await peer.hears('CLOSE')
    })

    it('is not waited for, for ever, of a remote that answers nothing', async () => {
      const { peer, result } = await opened({ mode: 'push' }, { store: await storeOf('a'), limits: { requestTimeout: 200 } })

      await peer.hears('DONE')
      peer.listEnd(0)
      peer.wantNothing()
      peer.ask('a')
      peer.ask('a')
      peer.close()
      await expect(result).to.eventually.be.rejectedWith('Nothing came from the remote for 200 ms').with.property('name', 'TimeoutError')
    })

    it('leaves us the time to send, also where it crosses our empty REQUEST, or the remote has ended its stream', async () => {
      for (const ends of [false, true]) {
        const { peer, result } = await opened({ mode: 'push' }, {
          store: wrapStore(await storeOf('a'), {
            async * get (hash) {
              // longer than an answer may take
              await new Promise(resolve => { setTimeout(resolve, 500) })
              yield * this.get(hash)
            }
          }),
          limits: { requestTimeout: 200 }
        })

        result.catch(() => {})

        if (!ends) {
          peer.identify('log')
        }

        await peer.hears('DONE')
        peer.ask('a')
        peer.close()

        if (ends) {
          peer.finish()
        }

        await peer.bodyOf(1)
        await peer.hears('CLOSE')
      }
    })

    const steps = {
      since: (peer: ReplicatingPeer) => { peer.since(-1) },
      'the end of its list': (peer: ReplicatingPeer) => { peer.listEnd(0) },
      'the empty REQUEST': (peer: ReplicatingPeer) => { peer.wantNothing() },
      'the answer to ours': async (peer: ReplicatingPeer) => { await peer.answer() }
    }

    function * orders<T> (of: T[]): Generator<T[]> {
      if (of.length === 0) {
        yield []
      }

      for (const first of of) {
        for (const rest of orders(of.filter(other => other !== first))) {
          yield [first, ...rest]
        }
      }
    }

    for (const mode of ['sync', 'pull', 'push'] as const) {
      it(`waits for all that the remote has to say, in any order (${mode})`, async () => {
        const here = await create({ store: await storeOf('a') })

        for (const order of orders(Object.keys(steps) as Array<keyof typeof steps>)) {
          const at = (step: keyof typeof steps): number => order.indexOf(step)

          // who has asked for a list is not done before; and before its own has
          // ended there is nothing of ours to answer
          if (at('the empty REQUEST') < at('since') || (mode !== 'push' && at('the answer to ours') < at('the end of its list'))) {
            continue
          }

          const { peer, result } = await replicate(here, { mode })
          await peer.meet()

          for (const step of order) {
            await peer.pause()
            expect(peer.saidOf('CLOSE'), `before ${step} of ${order.join(', ')}`).to.be.empty()
            await steps[step](peer)
          }

          await peer.hears('CLOSE')
          peer.close()
          expect(await result).to.deep.include({ confirmed: true })
        }
      })
    }

    it('waits for our list to end', async () => {
      const gate = Promise.withResolvers<boolean>()
      const { peer, result } = await opened({}, { allow: async () => gate.promise })

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      peer.wantNothing()
      await peer.hears('DONE')
      await peer.pause()
      expect(peer.saidOf('END', 'CLOSE')).to.be.empty()
      gate.resolve(true)
      await peer.hears('CLOSE')
      expect(peer.saidOf('END', 'CLOSE')).to.deep.equal(['END -1', 'CLOSE'])
      peer.close()
      await result
    })

    it('waits for all answers and bodies to be sent', async () => {
      const lookup = Promise.withResolvers<void>()
      const body = Promise.withResolvers<void>()
      const { peer, result } = await opened({ mode: 'push' }, {
        store: wrapStore(await storeOf('a', 'b'), {
          async sequence (hash) {
            if (hash === BLOCKS.a.hash) {
              await lookup.promise
            }

            return this.sequence(hash)
          },
          async * get (hash) {
            await body.promise
            yield * this.get(hash)
          }
        })
      })

      await peer.meet()
      peer.since(-1)
      await peer.hears('END 2')
      peer.ask('a', 'b', 'c')
      peer.wantNothing()
      peer.listEnd(0)
      await peer.answer()
      await peer.pause()
      expect(peer.saidOf('HASHES', 'CLOSE')).to.be.empty()
      lookup.resolve()
      await peer.hears('HASHES a b')
      await peer.pause()
      expect(peer.saidOf('CLOSE')).to.be.empty()
      body.resolve()
      await peer.hears('CLOSE')
      peer.close()

      expect(await result).to.deep.equal({
        received: { hashes: 0, bytes: 0 },
        sent: { hashes: 2, bytes: BLOCKS.a.bytes.length + BLOCKS.b.bytes.length },
        failed: [],
        ignored: 0,
        confirmed: true
      })
    })

    it('waits for the empty REQUEST that follows another SINCE or REQUEST', async () => {
      const { peer, result } = await opened({}, { store: await storeOf('a') })

      await peer.meet()
      peer.since(-1)
      await peer.hears('END 1')
      // it is done, but goes on before we are
      peer.wantNothing()
      peer.since(-1)
      await peer.hears('END 1', 2)
      peer.listEnd(0)
      await peer.answer()
      await peer.pause()
      expect(peer.saidOf('CLOSE')).to.be.empty()
      peer.ask('a')
      await peer.bodyOf(1)
      await peer.pause()
      expect(peer.saidOf('CLOSE')).to.be.empty()
      peer.wantNothing()
      await peer.hears('CLOSE')
      peer.close()
      expect(await result).to.deep.include({ sent: { hashes: 1, bytes: BLOCKS.a.bytes.length }, confirmed: true })
    })

    it('is not ours to send first where the remote has opened the exchange', async () => {
      const { here, peer } = await accepted()
      const synced = nextEvent(here, 'synced')

      await peer.meet()
      peer.since(-1)
      void peer.serve()
      peer.listEnd(0)
      await peer.hears('DONE')
      peer.wantNothing()
      expect(await synced).to.deep.include({ confirmed: true })
      await peer.pause()
      expect(peer.saidOf('CLOSE')).to.be.empty()
      peer.close()
      await peer.hears('CLOSE')
      peer.finish()
      await peer.ended
    })

    it('that comes too early is not the end', async () => {
      const here = await create({ store: await storeOf('a') })
      const { peer, result } = await remote.replicate(here)

      await peer.meet()
      peer.since(-1)
      peer.offer(1, 'b')
      await peer.answer(['b'])
      await peer.hears('SEEN 1')
      peer.close()
      await peer.hears('CLOSE')

      // another exchange goes on where this one ended
      const next = await remote.accept()
      next.identify('log')
      await next.hears('SINCE 1')
      next.since(-1)
      await next.hears('END 2')
      next.ask('a')
      await next.bodyOf(1)
      await next.complete(1)

      // the totals are of both
      expect(await result).to.deep.equal({
        received: { hashes: 1, bytes: BLOCKS.b.bytes.length },
        sent: { hashes: 1, bytes: BLOCKS.a.bytes.length },
        failed: [],
        ignored: 0,
        confirmed: true
      })
    })

    it('that comes too early again and again has a name', async () => {
      const here = await create()
      const result = here.service.replicate(remote.node.getMultiaddrs())

      for (let i = 0; i < 5; i++) {
        const peer = await remote.accept()
        peer.identify('log')
        peer.close()
      }

      await expect(result).to.eventually.be.rejected.with.property('name', 'RemoteClosedError')
    })
  })

  describe('live', () => {
    it('is synced each time that both have nothing outstanding', async () => {
      const { here, peer, result } = await opened({ live: true }, { store: await storeOf('a') })
      const synced = eventsOf(here, 'synced')

      void peer.serve('b', 'c')
      await peer.meet()
      peer.since(-1)
      await peer.hears('END 1')
      peer.listEnd(0)
      await peer.hears('DONE')
      expect(synced).to.be.empty()
      let next = nextEvent(here, 'synced')
      peer.wantNothing()
      expect(await next).to.deep.include({ received: { hashes: 0, bytes: 0 } })

      // of the remote
      next = nextEvent(here, 'synced')
      peer.offer(1, 'b')
      await peer.hears('DONE', 2)
      expect(await next).to.deep.include({ received: { hashes: 1, bytes: BLOCKS.b.bytes.length } })

      // here
      next = nextEvent(here, 'synced')
      await put(here.store, 'd')
      await peer.hears('AVAILABLE 3: d')
      await peer.pause()
      expect(synced).to.have.lengthOf(2)
      peer.ask('d')
      await peer.bodyOf(3)
      await peer.pause()
      expect(synced).to.have.lengthOf(2)
      peer.wantNothing()
      expect(await next).to.deep.include({ sent: { hashes: 1, bytes: BLOCKS.d.bytes.length } })

      // what is here already is soon done
      next = nextEvent(here, 'synced')
      peer.offer(2, 'a')
      await next
      expect(synced).to.have.lengthOf(4)
      expect(peer.saidOf('CLOSE')).to.be.empty()

      peer.close()
      expect(await result).to.deep.equal({
        received: { hashes: 1, bytes: BLOCKS.b.bytes.length },
        sent: { hashes: 1, bytes: BLOCKS.d.bytes.length },
        failed: [],
        ignored: 0,
        confirmed: true
      })
    })

    it('is not synced while what was put in the last moment is fetched', async () => {
      const { here, peer } = await opened({ live: true })
      const synced = eventsOf(here, 'synced')

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      await peer.hears('DONE')
      await peer.hears('END -1')
      await put(here.store, 'a')
      await peer.hears('AVAILABLE 1: a')

      // it was sent before it knew of that
      peer.wantNothing(0)
      await peer.pause()
      expect(synced).to.be.empty()
      const next = nextEvent(here, 'synced')
      peer.ask('a')
      await peer.bodyOf(1)
      peer.wantNothing(0)
      await peer.pause()
      expect(synced).to.be.empty()
      peer.wantNothing(1)
      expect(await next).to.deep.include({ sent: { hashes: 1, bytes: BLOCKS.a.bytes.length } })
    })

    it('has not confirmed what was announced since', async () => {
      const { here, peer, result } = await opened({ live: true })

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      peer.wantNothing()
      await nextEvent(here, 'synced')
      await put(here.store, 'a')
      await peer.hears('AVAILABLE 1: a')
      peer.close()
      await peer.hears('CLOSE')

      // so it goes on
      const next = await remote.accept()
      void next.serve()
      await next.meet()
      next.since(-1)
      await next.hears('END 1')
      next.ask('a')
      next.listEnd(0)
      next.wantNothing()
      await nextEvent(here, 'synced')
      next.close()
      expect(await result).to.deep.include({ confirmed: true, sent: { hashes: 1, bytes: BLOCKS.a.bytes.length } })
    })

    it('ends when nobody wants it any more, and who does not want it has what came until then', async () => {
      const controller = new AbortController()
      const { here, peer, result } = await opened({ live: true, signal: controller.signal })
      const brief = here.service.replicate(remote.node.peerId)

      await peer.meet()
      peer.since(-1)
      await peer.hears('SINCE -1')
      controller.abort()
      await expect(result).to.eventually.be.rejected.with.property('name', 'AbortError')
      await peer.complete(0)
      expect(await brief).to.deep.include({ confirmed: true })
      peer.finish()
      await peer.ended
    })
  })

  describe('joining', () => {
    /**
     * Ends the list that was asked for last, of so many
     */
    async function endList (peer: ReplicatingPeer, lists: number, sequence: number): Promise<void> {
      await peer.until(() => peer.saidOf('SINCE').length === lists)
      peer.listEnd(sequence)
    }

    it('an open exchange is done when that is, and has told again what there is', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await peer.meet()
      peer.offer(1, 'a')
      await peer.answer(['a'])
      await peer.hears('SEEN 1')
      const second = here.service.replicate(remote.node.peerId, { mode: 'pull' })
      await peer.pause()
      // what was put before the call may not have been in this one
      peer.listEnd(1)
      await peer.hears('SINCE 1')
      await peer.complete(1)

      expect(await result).to.deep.include({ received: { hashes: 1, bytes: BLOCKS.a.bytes.length }, confirmed: true })
      // from when it joined
      expect(await second).to.deep.include({ received: { hashes: 0, bytes: 0 }, confirmed: true })
      expect(peer.saidOf('SINCE')).to.have.lengthOf(2)
    })

    it('one that is in sync is done when what was put before is there', async () => {
      const { here, peer, result } = await opened({ live: true })

      result.catch(() => {})
      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      peer.wantNothing()
      await nextEvent(here, 'synced')

      await put(here.store, 'a')
      let done = false
      const second = here.service.replicate(remote.node.peerId, { mode: 'push' }).finally(() => { done = true })
      await peer.hears('AVAILABLE 1: a')
      await peer.pause()
      expect(done).to.be.false()
      peer.ask('a')
      await peer.bodyOf(1)
      peer.wantNothing(1)
      expect(await second).to.deep.include({ confirmed: true, sent: { hashes: 1, bytes: BLOCKS.a.bytes.length } })
    })

    it('one that the remote has opened is done when what was put before is there', async () => {
      const { here, peer } = await accepted()

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      peer.wantNothing()
      await nextEvent(here, 'synced')

      await put(here.store, 'a')
      let done = false
      const second = here.service.replicate(remote.node.peerId).finally(() => { done = true })
      await peer.hears('AVAILABLE 1: a')
      await endList(peer, 2, 0)
      await peer.pause()
      expect(done).to.be.false()
      peer.ask('a')
      await peer.bodyOf(1)
      peer.wantNothing(1)
      expect(await second).to.deep.include({ confirmed: true, sent: { hashes: 1, bytes: BLOCKS.a.bytes.length } })
    })

    it('one whose list has ended announces what was put since', async () => {
      const { here, peer, result } = await opened()

      await peer.meet()
      peer.since(-1)
      await peer.hears('END -1')
      await put(here.store, 'a')
      await peer.pause()
      expect(peer.saidOf('AVAILABLE')).to.be.empty()
      const second = here.service.replicate(remote.node.peerId)
      await peer.hears('AVAILABLE 1: a')

      // nobody has joined for that
      await put(here.store, 'b')
      peer.listEnd(0)
      await endList(peer, 2, 0)
      await peer.answer()
      peer.wantNothing(-1)
      await peer.pause()
      expect(peer.saidOf('CLOSE')).to.be.empty()
      peer.ask('a')
      await peer.bodyOf(1)
      peer.wantNothing(1)
      await peer.hears('CLOSE')
      peer.close()
      await result
      expect(await second).to.deep.include({ confirmed: true, sent: { hashes: 1, bytes: BLOCKS.a.bytes.length } })
      expect(peer.saidOf('AVAILABLE')).to.deep.equal(['AVAILABLE 1: a'])
    })

    it('one whose list has ended announces what was put since when it becomes live', async () => {
      const controller = new AbortController()
      const { here, peer, result } = await opened()

      await peer.meet()
      peer.since(-1)
      await peer.hears('END -1')
      await put(here.store, 'a')
      await peer.pause()
      expect(peer.saidOf('AVAILABLE')).to.be.empty()
      const second = here.service.replicate(remote.node.peerId, { mode: 'pull', live: true, signal: controller.signal })
      await peer.hears('AVAILABLE 1: a')
      controller.abort()
      await expect(second).to.eventually.be.rejected.with.property('name', 'AbortError')
      peer.listEnd(0)
      await peer.until(() => peer.saidOf('SINCE').length === 2)
      await peer.complete(0)
      await result
    })

    it('one that we closed waits for its end and opens another', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await peer.meet()
      peer.listEnd(1)
      await peer.hears('DONE')
      const second = here.service.replicate(remote.node.peerId, { mode: 'pull' })
      await peer.pause()
      await peer.complete(1)
      await result

      const next = await remote.accept()
      next.identify('log')
      await next.hears('SINCE 1')
      await next.complete(1)
      expect(await second).to.deep.include({ confirmed: true })
    })

    it('one that offers nothing lists now, if the remote has asked', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { store: await storeOf('a') })

      await peer.meet()
      peer.since(-1)
      await peer.hears('END -1')
      const second = here.service.replicate(remote.node.peerId, { mode: 'push' })
      await peer.hears('END 1')
      expect(peer.saidOf('AVAILABLE')).to.deep.equal(['AVAILABLE 1: a'])

      void peer.serve()
      peer.listEnd(0)
      await peer.hears('DONE')
      // of the list that was empty
      peer.wantNothing(-1)
      await peer.pause()
      expect(peer.saidOf('CLOSE')).to.be.empty()
      peer.ask('a')
      await peer.bodyOf(1)
      peer.wantNothing(1)
      await peer.hears('CLOSE')
      peer.close()
      await result
      expect(await second).to.deep.include({ sent: { hashes: 1, bytes: BLOCKS.a.bytes.length }, confirmed: true })
    })

    it('one that offers nothing lists nothing, if the remote wants nothing', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { store: await storeOf('a') })

      await peer.meet()
      peer.wantNothing()
      await peer.hears('END -1')
      const second = here.service.replicate(remote.node.peerId)
      await peer.pause()
      peer.listEnd(0)
      await peer.until(() => peer.saidOf('SINCE').length === 2)
      await peer.complete(0)
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['END -1'])
      await result
      expect(await second).to.deep.include({ sent: { hashes: 0, bytes: 0 }, confirmed: true })
    })

    it('a live one is done when that is, again', async () => {
      const { here, peer } = await opened({ live: true, mode: 'pull' })
      const modes: ReplicateOptions[] = [{ mode: 'pull' }, { mode: 'push' }, { mode: 'sync' }, { mode: 'pull', since: -1 }, { since: 0 }]

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      peer.wantNothing()
      await nextEvent(here, 'synced')

      for (const options of modes) {
        const asked = peer.saidOf('SINCE').length
        const result = here.service.replicate(remote.node.peerId, options)

        if (options.mode !== 'push') {
          let settled = false
          result.finally(() => { settled = true }).catch(() => {})
          await peer.until(() => peer.saidOf('SINCE').length > asked)
          await peer.pause()
          expect(settled).to.be.false()
          peer.listEnd(0)
        }

        expect(await result, JSON.stringify(options)).to.deep.include({ confirmed: true })
      }
    })

    it('one on which something has failed asks for that again', async () => {
      const { here, peer } = await accepted()

      await peer.meet()
      peer.offer(2, 'a', 'b')
      await peer.answer(['a'])
      peer.listEnd(2)
      await peer.hears('DONE')
      await peer.answer()

      const result = here.service.replicate(remote.node.peerId, { mode: 'pull' })
      await peer.hears('SINCE -1', 2)
      peer.offer(2, 'a', 'b')
      expect(await peer.answer(['b'])).to.deep.equal(['b'])
      peer.listEnd(2)
      await peer.hears('DONE', 2)
      await peer.answer()
      peer.wantNothing()
      expect(await result).to.deep.equal({ received: { hashes: 1, bytes: BLOCKS.b.bytes.length }, sent: { hashes: 0, bytes: 0 }, failed: [], ignored: 0, confirmed: true })
      expect(await cursor(here)).to.equal(2)

      // there is nothing that has failed any more
      const again = here.service.replicate(remote.node.peerId, { mode: 'pull' })
      await peer.hears('SINCE 2')
      peer.listEnd(2)
      void peer.serve()
      expect(await again).to.deep.include({ failed: [], ignored: 0, confirmed: true })
    })

    it('one on which something fails again says so', async () => {
      const { here, peer } = await accepted()

      await peer.meet()
      peer.offer(2, 'a', 'b')
      await peer.answer(['a', 'b'], { a: BLOCKS.c.bytes })
      peer.listEnd(2)
      await peer.hears('DONE')
      await peer.answer()

      const result = here.service.replicate(remote.node.peerId, { mode: 'pull' })
      await peer.hears('SINCE -1', 2)
      peer.offer(2, 'a', 'b')
      peer.listEnd(2)
      await peer.hears('DONE', 2)
      await peer.answer()
      peer.wantNothing()
      // it is not even asked for
      expect(failures(peer, await result)).to.deep.equal(['a: HashMismatchError'])
      expect(await cursor(here)).to.equal(undefined)
    })

    it('with since does not ask for less than another call waits for, before anything is asked for', async () => {
      const { here, peer } = await opened({ mode: 'pull' })
      const second = here.service.replicate(remote.node.peerId, { mode: 'pull', since: 3 })

      second.catch(() => {})
      await laps(20)
      await peer.meet()
      await peer.pause()
      expect(peer.saidOf('SINCE')).to.deep.equal(['SINCE -1'])
    })

    it('with since does not ask for less than another call waits for, while a list is on its way', async () => {
      const here = await create()
      await keepCursor(here, 'log', 1)
      const { peer } = await replicate(here, { mode: 'pull' })

      await peer.meet()

      for (const since of [-1, undefined]) {
        here.service.replicate(remote.node.peerId, { mode: 'pull', since }).catch(() => {})
      }

      await peer.pause()
      peer.listEnd(2)
      await peer.until(() => peer.saidOf('SINCE').length > 1)
      expect(peer.saidOf('SINCE')).to.deep.equal(['SINCE 1', 'SINCE -1'])
    })

    it('with since does not let the cursor pass what was not asked for, when all is', async () => {
      const { here, peer } = await opened({ mode: 'pull', live: true, since: 3 })

      await peer.meet()
      await peer.hears('SINCE 3')
      peer.listEnd(3)
      await peer.pause()
      const second = here.service.replicate(remote.node.peerId, { mode: 'pull', since: -1 })
      second.catch(() => {})
      await peer.hears('SINCE -1')
      peer.offer(1, 'a')
      await peer.hears('REQUEST a')
      await peer.pause()
      expect(await cursor(here)).to.equal(undefined)
      expect(peer.saidOf('SEEN')).to.be.empty()
      await peer.answer()
      await peer.answer(['a'])
      await peer.hears('SEEN 1')
      expect(await cursor(here)).to.equal(1)
    })

    it('with since leaves the cursor that is being kept', async () => {
      const keeping = Promise.withResolvers<void>()
      const keepOn = Promise.withResolvers<void>()
      const { here, peer } = await opened({ mode: 'pull', live: true }, {
        store: wrapStore(await storeOf(), {
          async setCursor (peer, cursor) {
            keeping.resolve()
            await keepOn.promise

            return this.setCursor(peer, cursor)
          }
        })
      })

      await peer.meet()
      peer.offer(2, 'a')
      await peer.answer(['a'])
      peer.listEnd(2)
      await keeping.promise
      here.service.replicate(remote.node.peerId, { mode: 'pull', since: 100 }).catch(() => {})
      await peer.hears('SINCE 100')
      keepOn.resolve()
      await peer.hears('SEEN 2')
      peer.listEnd(100)
      await peer.pause()
      expect(peer.saidOf('SEEN')).to.deep.equal(['SEEN 2'])
      expect(await here.store.cursor(remote.node.peerId.toString())).to.deep.equal({ logId: 'log', sequence: 2 })
    })

    it('with since asks again, but not before the list that is on its way has ended', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      await keepCursor(here, 'log', 1)
      peer.identify('log')
      await peer.hears('SINCE 1')
      const second = here.service.replicate(remote.node.peerId, { mode: 'pull', since: -1 })
      await peer.pause()
      expect(peer.saidOf('SINCE')).to.have.lengthOf(1)
      // it has nothing to do with the second one
      peer.listEnd(2)
      await peer.hears('SINCE -1')
      await peer.pause()
      expect(peer.saidOf('DONE')).to.be.empty()

      peer.offer(1, 'a')
      await peer.answer(['a'])
      await peer.complete(2)
      await result
      expect(await second).to.deep.include({ received: { hashes: 1, bytes: BLOCKS.a.bytes.length }, confirmed: true })
    })

    it('one of the remote from which nothing was taken asks for its list, and does not take its empty one for it', async () => {
      const { here, peer } = await accepted({ accept: undefined })

      peer.identify('log')
      await peer.answer()
      peer.wantNothing()
      await peer.hears('HASHES')
      const result = here.service.replicate(remote.node.peerId, { mode: 'pull' })
      await peer.pause()
      expect(peer.saidOf('SINCE')).to.be.empty()
      // the end of the empty list, as we wanted nothing
      peer.listEnd(-1)
      await peer.hears('SINCE -1')
      await peer.pause()
      expect(peer.saidOf('DONE')).to.have.lengthOf(1)

      peer.offer(1, 'a')
      await peer.answer(['a'])
      peer.listEnd(1)
      await peer.hears('DONE', 2)
      await peer.answer()
      expect(await result).to.deep.include({ received: { hashes: 1, bytes: BLOCKS.a.bytes.length }, confirmed: true })
      expect(await cursor(here)).to.equal(1)
    })

    it('one that the remote closes opens another', async () => {
      const { here, peer } = await accepted()

      await peer.meet()
      const result = here.service.replicate(remote.node.peerId, { mode: 'pull' })
      await peer.pause()
      peer.close()
      await peer.hears('CLOSE')

      const next = await remote.accept()
      await next.meet()
      await next.complete(0)
      expect(await result).to.deep.include({ confirmed: true })
    })
  })

  describe('of two exchanges', () => {
    it('that of the lower ID is kept, the other one is drained', async () => {
      const here = await create({ store: await storeOf('a'), accept: () => true })
      const { peer: ours, result } = await remote.replicate(here)
      const theirs = await remote.open(here)
      const [kept, drained] = here.peer.toString() < remote.node.peerId.toString() ? [ours, theirs] : [theirs, ours]

      // before they know of each other
      drained.identify('log')
      await drained.hears('SINCE -1')
      drained.offer(2, 'b', 'c')
      await drained.hears('REQUEST b c')
      kept.identify('log')
      await kept.hears('SINCE -1')

      // nothing new on the one
      drained.since(-1)
      drained.offer(3, 'd')
      await drained.pause()
      expect(drained.saidOf('AVAILABLE', 'END')).to.be.empty()
      expect(drained.saidOf('REQUEST')).to.have.lengthOf(1)
      expect(drained.saidOf('CLOSE')).to.be.empty()
      // but what was asked for, both ways; it is not found here
      drained.ask('a')
      await drained.bodyOf(1)
      await drained.answer(['b'])
      await drained.hears('CLOSE')
      drained.close()
      drained.finish()
      await drained.ended

      // the rest on the other
      kept.since(-1)
      void kept.serve('c', 'd')
      kept.offer(3, 'b', 'c', 'd')
      await kept.hears('REQUEST c d')
      kept.listEnd(3)

      if (kept === theirs) {
        // our call joins it now
        await kept.until(() => kept.saidOf('SINCE').length === 2)
        kept.listEnd(3)
      }

      await kept.hears('DONE')
      kept.wantNothing()

      if (kept === ours) {
        await kept.hears('CLOSE')
        kept.close()
      }

      const { received, sent, failed, confirmed } = await result
      expect(received.hashes).to.equal(3)
      expect(sent.hashes).to.equal(1)
      expect(failed).to.be.empty()
      expect(confirmed).to.be.true()
      await has(here.store, 'a', 'b', 'c', 'd')
      expect(await cursor(here)).to.equal(3)
    })

    it('of one side the later is kept', async () => {
      const { here, peer: first } = await accepted()
      first.identify('log')
      await first.hears('SINCE -1')
      const second = await remote.open(here)
      second.identify('log')
      await first.hears('CLOSE')
      await second.hears('SINCE -1')
      first.close()
      first.finish()
      await first.ended
      expect(second.saidOf('CLOSE')).to.be.empty()
    })

    it('what could not be had of the drained one is had of the other, and fails once', async () => {
      const { here, peer: first } = await accepted()
      const failed: string[] = []

      here.service.addEventListener('failed', ({ detail }) => { failed.push(`${first.namesOf([detail.hash])[0]}: ${detail.error.name}`) })
      await first.meet()
      first.offer(2, 'a', 'b')
      await first.hears('REQUEST a b')
      const kept = await remote.open(here)
      await kept.meet()
      kept.offer(2, 'a', 'b')
      kept.listEnd(2)
      await kept.pause()
      await first.answer(['a', 'b'], { a: BLOCKS.c.bytes, b: BLOCKS.c.bytes })
      await kept.hears('REQUEST a b')
      await kept.answer(['a'])
      await kept.hears('DONE')
      expect(failed).to.deep.equal(['b: NotFoundError'])
      await has(here.store, 'a')
    })

    it('what the drained one offers, and is not asked for, is no reason to give up what the other is asked for', async () => {
      const looking = Promise.withResolvers<boolean>()
      let asked = 0
      const { here, peer: first } = await accepted({
        want: () => asked++ < 2 ? looking.promise : true,
        limits: { requestTimeout: 200 }
      })
      const failed = eventsOf(here, 'failed')

      await first.meet()
      first.offer(2, 'a', 'b')
      await first.pause()
      const kept = await remote.open(here)
      await kept.meet()
      await kept.pause()
      looking.resolve(true)
      await first.pause()
      kept.offer(2, 'a', 'b')
      await kept.hears('REQUEST a b')
      kept.hashes([BLOCKS.a.hash, 1], [BLOCKS.b.hash, 2])
      // a never comes
      await nextEvent(here, 'failed')
      kept.body(2, 2, BLOCKS.b.bytes)
      await grownTo(here.store, 1)
      await has(here.store, 'b')
      expect(failed.map(({ hash }: any) => hash)).to.deep.equal([BLOCKS.a.hash])
    })

    it('one that is drained does not wait for ever for a remote that does not answer', async () => {
      const { here, peer: first } = await accepted({ limits: { stallTimeout: 200, closeTimeout: 100 } })
      await first.meet()
      first.listEnd(0)
      // never answered
      await first.hears('DONE')
      const second = await remote.open(here)
      second.identify('log')
      await second.hears('SINCE 0')
      await first.ended
      expect(here.service.exchanges).to.have.lengthOf(1)
    })
  })

  describe('a table that is too small', () => {
    it('asks again when the list has ended and half of it has come', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { limits: { maxWanted: 4 } })

      await peer.meet()
      peer.offer(3, 'a', 'b', 'c')
      await peer.hears('REQUEST a b c')
      peer.offer(5, 'd', 'e')
      peer.offer(6, 'f')
      await peer.hears('REQUEST d')
      const hashes = peer.hashesNamed(['a', 'b', 'c'])
      peer.hashes(...hashes.map((hash, i): [string, number] => [hash, i + 1]))
      peer.body(2, 1, BLOCKS.a.bytes)
      peer.body(2, 2, BLOCKS.b.bytes)
      peer.body(2, 3, BLOCKS.c.bytes)
      await peer.hears('SEEN 3')
      // the list has not ended
      await peer.pause()
      expect(peer.saidOf('SINCE')).to.have.lengthOf(1)
      peer.listEnd(6)
      // that of the last message before e, not that of d
      await peer.hears('SINCE 3')
      expect(await cursor(here)).to.equal(3)

      peer.offer(5, 'd', 'e')
      peer.offer(6, 'f')
      await peer.hears('REQUEST e')
      await peer.hears('REQUEST f')
      peer.hashes([BLOCKS.d.hash, 4])
      peer.body(2, 4, BLOCKS.d.bytes)
      peer.hashes([BLOCKS.e.hash, 5])
      peer.hashes([BLOCKS.f.hash, 6])
      peer.body(2, 5, BLOCKS.e.bytes)
      peer.body(2, 6, BLOCKS.f.bytes)
      peer.listEnd(6)
      await peer.hears('DONE')
      peer.hashes()
      peer.wantNothing()
      await peer.hears('CLOSE')
      peer.close()

      expect(await result).to.deep.include({ failed: [], ignored: 0, confirmed: true })
      await has(here.store, 'a', 'b', 'c', 'd', 'e', 'f')
      expect(await cursor(here)).to.equal(6)
    })

    it('does not ask again before half of it has come', async () => {
      const { peer } = await opened({ mode: 'pull' }, { limits: { maxWanted: 2 } })

      await peer.meet()
      peer.offer(3, 'a', 'b', 'c')
      peer.listEnd(3)
      await peer.hears('REQUEST a b')
      await peer.pause()
      expect(peer.saidOf('SINCE', 'DONE')).to.deep.equal(['SINCE -1'])
      peer.hashes([BLOCKS.a.hash, 1], [BLOCKS.b.hash, 2])
      peer.body(2, 1, BLOCKS.a.bytes)
      await peer.hears('SINCE -1', 2)
    })

    it('asks again from what was dropped, not from what failed before', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { limits: { maxWanted: 3 } })

      await peer.meet()
      peer.offer(1, 'a')
      peer.offer(2, 'b')
      peer.offer(5, 'c', 'd', 'e')
      peer.listEnd(5)
      // a is not found
      void peer.serve('b', 'c', 'd', 'e')
      await peer.hears('SINCE 2')
      peer.offer(5, 'c', 'd', 'e')
      peer.listEnd(5)
      await peer.hears('DONE')
      peer.wantNothing()
      await peer.hears('CLOSE')
      peer.close()

      expect(failures(peer, await result)).to.deep.equal(['a: NotFoundError'])
      await has(here.store, 'b', 'c', 'd', 'e')
      expect(await cursor(here)).to.equal(undefined)
    })

    it('has room for what it remembers already', async () => {
      const { peer } = await opened({ mode: 'pull' }, { limits: { maxWanted: 2 } })

      await peer.meet()
      peer.offer(3, 'a', 'b', 'c')
      peer.listEnd(3)
      await peer.hears('REQUEST a b')
      peer.hashes([BLOCKS.a.hash, 1], [BLOCKS.b.hash, 2])
      peer.body(2, 1, BLOCKS.a.bytes)
      await peer.hears('SINCE -1', 2)
      // b is still to come
      peer.offer(3, 'a', 'b', 'c')
      await peer.hears('REQUEST c')
    })

    it('does not let the cursor pass what was on its way when it asked again, and fails then', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { limits: { maxWanted: 2 } })

      await peer.meet()
      peer.offer(3, 'a', 'b', 'c')
      peer.listEnd(3)
      await peer.hears('REQUEST a b')
      peer.hashes([BLOCKS.a.hash, 1], [BLOCKS.b.hash, 2])
      peer.body(2, 1, BLOCKS.a.bytes)
      await peer.hears('SINCE -1', 2)
      peer.offer(3, 'a', 'b', 'c')
      await peer.hears('REQUEST c')
      peer.hashes([BLOCKS.c.hash, 3])
      peer.body(2, 3, BLOCKS.c.bytes)
      await grownTo(here.store, 2)
      peer.begin(2, 2, BLOCKS.b.bytes)
      peer.error(2)
      peer.listEnd(3)
      await peer.hears('DONE')
      peer.hashes()
      peer.wantNothing()
      await peer.hears('CLOSE')
      peer.close()

      expect(failures(peer, await result)).to.deep.equal(['b: RemoteError'])
      await has(here.store, 'a', 'c')
      expect(await cursor(here)).to.equal(undefined)
    })

    it('does not take what was put meanwhile for the list that it asks for', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' }, { limits: { maxWanted: 2 } })

      await peer.meet()
      peer.offer(1, 'a')
      peer.offer(3, 'b', 'c')
      peer.offer(5, 'd', 'e')
      peer.listEnd(5)
      expect(await peer.answer(['a'])).to.deep.equal(['a'])
      await peer.answer(['b'])
      await peer.hears('SINCE 1')
      // it was put when the list had ended, and announced before SINCE came
      peer.offer(6, 'f')
      await peer.answer(['f'])
      await grownTo(here.store, 3)
      await peer.pause()
      // c, d and e are not here
      expect(await cursor(here)).to.equal(1)

      peer.offer(3, 'b', 'c')
      peer.offer(5, 'd', 'e')
      peer.offer(6, 'f')
      peer.listEnd(6)
      expect(await peer.answer(['c'])).to.deep.equal(['c'])
      await peer.answer(['d'])
      // the last one before e, not that of f
      await peer.hears('SINCE 3')
      expect(await cursor(here)).to.equal(3)
      peer.offer(6, 'd', 'e', 'f')
      await peer.answer(['e'])
      await peer.complete(6)

      expect(await result).to.deep.include({ failed: [], ignored: 0, confirmed: true })
      await has(here.store, 'a', 'b', 'c', 'd', 'e', 'f')
      expect(await cursor(here)).to.equal(6)
    })

    it('of any size brings all, whatever the size of the messages', async function () {
      this.timeout(600_000)

      await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }), fc.nat(3), async (maxWanted, sizes, late) => {
        const here = await create({ limits: { maxWanted } })
        const { peer, result } = await remote.replicate(here, { mode: 'pull' })
        let end = NAMES.length - late

        /**
         * As ours lists: the log after a sequence, and what is put after that
         */
        const list = (since: number): void => {
          let position = Math.max(0, since)

          for (let i = 0; position < end; i++) {
            const next = Math.min(end, position + sizes[i % sizes.length])
            peer.offer(next, ...NAMES.slice(position, next))
            position = next
          }

          peer.listEnd(end)

          if (end < NAMES.length) {
            peer.offer(++end, NAMES[end - 1])
          }
        }

        void peer.serve(...NAMES)
        peer.identify('log')

        for (let lists = 0; lists < 20 && peer.saidOf('DONE').length === 0; lists++) {
          await peer.until(() => peer.saidOf('SINCE').length > lists || peer.saidOf('DONE').length > 0)

          if (peer.saidOf('SINCE').length > lists) {
            list(Number(peer.saidOf('SINCE')[lists].split(' ')[1]))
          }
        }

        peer.wantNothing()
        await peer.hears('CLOSE')
        peer.close()
        expect(await result).to.deep.include({ failed: [], ignored: 0, confirmed: true })

        const kept = await cursor(here) ?? 0
        const missing = await Promise.all(NAMES.map(async name => !(await here.store.has(BLOCKS[name].hash))))
        // what came after our empty REQUEST is for the next time
        expect(missing.indexOf(true) === -1 || missing.indexOf(true) >= kept, 'the cursor has not passed what is missing').to.be.true()
        expect(missing.slice(0, NAMES.length - late), 'all that was there when it began').to.not.include(true)
      }), { numRuns: runs(20, 200) })
    })
  })

  describe('a remote that does not keep to the rules', () => {
    it('says nothing', async () => {
      const { result } = await opened({}, { limits: { beginTimeout: 50, quiet: 100 } })

      // it is taken for an original that has nothing to say
      expect(await result).to.deep.include({ confirmed: false })
    })

    it('says who it is and nothing else', async () => {
      const { peer, result } = await opened({}, { limits: { stallTimeout: 200 } })

      peer.identify('log')
      await expect(result).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    })

    it('says everything but that it is done', async () => {
      const { peer, result } = await opened({}, { limits: { stallTimeout: 200 } })

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      await expect(result).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    })

    it('says everything but an answer', async () => {
      const { peer, result } = await opened({}, { limits: { stallTimeout: 200 } })

      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      peer.wantNothing()
      await expect(result).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    })

    it('says everything but CLOSE', async () => {
      const { peer, result } = await opened({}, { limits: { closeTimeout: 100 } })

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)
      peer.wantNothing()
      await peer.hears('CLOSE')
      await expect(result).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    })

    it('opens an exchange and leaves it at that, when we join it', async () => {
      const { here, peer } = await accepted({ limits: { stallTimeout: 200 } })

      await peer.meet()
      await expect(here.service.replicate(remote.node.peerId)).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    })

    it('is not given up while it repeats what it has seen, as it waits for others', async () => {
      const { peer, result } = await opened({}, { limits: { stallTimeout: 400 } })

      void peer.serve()
      await peer.meet()
      peer.since(-1)
      peer.listEnd(0)

      for (let i = 0; i < 8; i++) {
        await new Promise(resolve => { setTimeout(resolve, 100) })
        peer.seen(0)
      }

      await peer.complete(0)
      expect(await result).to.deep.include({ confirmed: true })
    })

    it('goes on after its CLOSE', async () => {
      for (const lie of [
        (peer: ReplicatingPeer) => { peer.offer(2, 'b') },
        (peer: ReplicatingPeer) => { peer.listEnd(2) },
        (peer: ReplicatingPeer) => { peer.wantNothing() },
        (peer: ReplicatingPeer) => { peer.since(-1) }
      ]) {
        const { peer, result } = await opened()

        void peer.serve()
        await peer.meet()
        peer.since(-1)
        peer.close()
        lie(peer)
        await expect(result).to.eventually.be.rejected.with.property('name', 'ProtocolError')
      }
    })

    it('ends its list over and over', async () => {
      const { here, peer, result } = await opened({ mode: 'pull' })

      void peer.serve('a')
      peer.listEnd(3)
      await peer.meet()
      peer.listEnd(3)
      peer.listEnd(-1)
      peer.offer(2, 'a')
      peer.listEnd(1)
      peer.listEnd(2)
      await peer.hears('DONE')
      peer.wantNothing()
      await peer.hears('CLOSE')
      peer.close()
      expect(await result).to.deep.include({ confirmed: true })
      await has(here.store, 'a')
    })

    it('floods us with what has to be answered', async () => {
      const { peer, result } = await opened({}, { store: await storeOf('a', 'b') })

      void peer.serve()
      await peer.meet()

      for (let i = 0; i < 2000; i++) {
        peer.wantNothing()
        peer.since(i % 4 - 1)
      }

      peer.wantNothing()
      peer.listEnd(0)
      await peer.hears('CLOSE')
      peer.close()
      expect(await result).to.deep.include({ confirmed: true })
      expect(peer.saidOf('HASHES')).to.have.lengthOf(2001)
      // each list is cut short by the next SINCE, or it has an end
      expect(peer.saidOf('END').length).to.be.within(1, 2001)
    })

    it('says that it wants nothing over and over, and is told only once that there is nothing', async () => {
      const { peer, result } = await opened({ mode: 'push' }, { store: await storeOf('a') })

      void peer.serve()
      peer.identify('log')

      for (let i = 0; i < 100; i++) {
        peer.wantNothing()
      }

      peer.listEnd(0)
      await peer.hears('CLOSE')
      peer.close()
      await result
      expect(peer.saidOf('AVAILABLE', 'END')).to.deep.equal(['END -1'])
    })

    it('says anything at all, and replicate() is settled', async function () {
      this.timeout(1_200_000)

      const say = fc.oneof(
        fc.record({ what: fc.constant('offer' as const), sequence: fc.integer({ min: -1, max: 9 }), names: fc.subarray(NAMES.slice(0, 4)) }),
        fc.record({ what: fc.constantFrom('since' as const, 'seen' as const, 'listEnd' as const), sequence: fc.integer({ min: -1, max: 9 }) }),
        fc.record({ what: fc.constant('ask' as const), names: fc.subarray(NAMES.slice(0, 4)) }),
        fc.record({ what: fc.constantFrom('identify' as const, 'wantNothing' as const, 'answer' as const, 'pause' as const, 'answer' as const, 'wantNothing' as const, 'listEnd' as const) }),
        fc.record({ what: fc.constantFrom('close' as const, 'complete' as const, 'finish' as const, 'reset' as const) })
      )
      const init = {
        limits: { beginTimeout: 20, quiet: 40, stallTimeout: 80, requestTimeout: 40, closeTimeout: 40, quietTimeout: 40, maxWanted: 3 }
      }

      await fc.assert(fc.asyncProperty(
        fc.constantFrom('sync' as const, 'pull' as const, 'push' as const),
        fc.boolean(),
        fc.array(say, { maxLength: 15 }),
        async (mode, identified, script) => {
          const here = await create({ ...init, store: await storeOf('a', 'e') })
          const { peer, result } = await remote.replicate(here, { mode })

          if (identified) {
            peer.identify('log')
          }

          for (const { what, sequence = 0, names = [] } of script as Array<{ what: string, sequence?: number, names?: string[] }>) {
            switch (what) {
              case 'offer': peer.offer(sequence, ...names); break
              case 'since': peer.since(sequence); break
              case 'seen': peer.seen(sequence); break
              case 'listEnd': peer.listEnd(sequence); break
              case 'ask': peer.ask(...names); break
              case 'identify': peer.identify('log'); break
              case 'wantNothing': peer.wantNothing(); break
              case 'answer': void peer.answer(NAMES.slice(0, 3)); break
              case 'pause': await laps(3); break
              case 'close': peer.close(); break
              case 'finish': peer.finish(); break
              case 'reset': peer.reset(new Error('Broken')); break
              default: peer.complete(0).catch(() => {})
            }
          }

          // others are opened where it has closed: nothing is said there
          const settled = await result.then(() => 'resolved', err => err.name)
          expect(settled).to.be.a('string')
          const exchanges = here.service.exchanges.length
          await here.node.stop()
          expect(exchanges, 'nothing is left behind').to.equal(0)
        }
      ), { numRuns: runs(30, 300), timeout: 15_000 })
    })
  })
})
