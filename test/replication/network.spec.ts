import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect } from 'aegir/chai'
import { MAX_SOURCES } from '../../src/constants.ts'
import { Fifo } from '../../src/exchange/fifo.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { block, blocks, grownTo, hashesOf, memoryStore, putBlocks, wrongIn } from '../fixtures/blocks.ts'
import { thenHang } from '../fixtures/content.ts'
import { line, Network, randomGraph, ring, seeded } from '../fixtures/network.ts'
import { stopNodes } from '../fixtures/nodes.ts'
import { createReplica, eventsOf, failureNames, nextEvent, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { ScriptedNode } from '../fixtures/replication.ts'
import { runs } from '../fixtures/runs.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Store } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Edges } from '../fixtures/network.ts'
import type { Replica } from '../fixtures/replicas.ts'

const KIB = 1024

/**
 * How much more than the least possible may cross the wire
 */
const MAX_RATIO = 1.2

type Get = (store: Store, hash: string) => AsyncIterable<Uint8Array>

/**
 * A store that keeps what it says and has a way of its own to give it
 */
function giving (store: Store, get: Get): Store {
  return wrapStore(store, { get: (hash) => get(store, hash) })
}

/**
 * What a replica has sent: bodies and their bytes
 */
function sentBy ({ metrics }: Replica): { hashes: number, bytes: number } {
  return {
    hashes: metrics.counted.get('libp2p_hash_exchange_hashes_total')?.sent ?? 0,
    bytes: metrics.counted.get('libp2p_hash_exchange_bytes_total')?.sent ?? 0
  }
}

describe('replication with many peers', () => {
  afterEach(async () => { await Promise.all([stopReplicas(), stopNodes()]) })

  it('fetches each of the blocks that many peers announce once', async () => {
    const offered = blocks(0, 1000, 4 * KIB)
    const peers = await Promise.all([1, 2, 3, 4].map(async () => createReplica({ store: await memoryStore(offered) })))
    const here = await createReplica()

    const results = await Promise.all(peers.map(async ({ addresses }) => here.service.replicate(addresses, { mode: 'pull' })))

    expect(await hashesOf(here.store)).to.deep.equal(offered.map(({ hash }) => hash).sort())
    expect(await wrongIn(here.store)).to.be.empty()

    const sum = (values: number[]): number => values.reduce((sum, value) => sum + value, 0)
    const sent = peers.map(sentBy)

    expect(sum(sent.map(({ hashes }) => hashes))).to.equal(1000)
    expect(sum(sent.map(({ bytes }) => bytes))).to.equal(1000 * 4 * KIB)
    // both sides count the same
    expect(results.map(({ received }) => received)).to.deep.equal(sent)
    expect(results.flatMap(({ failed }) => failed)).to.be.empty()
    expect(results.every(({ confirmed }) => confirmed)).to.be.true()

    // with four lists, and over the wire
    expect(sum(peers.map(({ metrics }) => metrics.sent))).to.be.below(1000 * 4 * KIB * MAX_RATIO)
  })

  it('waits for what comes from another peer before it is done with one', async () => {
    const offered = blocks(0, 50)
    const gate = Promise.withResolvers<void>()
    const slow = await createReplica({
      store: giving(await memoryStore(offered), async function * (store, hash) {
        await gate.promise
        yield * store.get(hash)
      }),
      limits: { serveTimeout: 20_000 }
    })
    const fast = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ limits: { requestTimeout: 20_000 } })

    const fromSlow = here.service.replicate(slow.addresses, { mode: 'pull' })
    await new Promise<void>(resolve => { slow.service.addEventListener('exchange', () => { resolve() }) })
    // by now all is requested from the slow one
    let listed = (): void => {}
    const wasListed = new Promise<void>(resolve => { listed = resolve })
    const fromFast = here.service.replicate(fast.addresses, {
      mode: 'pull',
      onProgress: (event) => {
        if (event.type === 'hash-exchange:replicate:listed') {
          listed()
        }
      }
    })

    await wasListed
    gate.resolve()

    const results = await Promise.all([fromSlow, fromFast])

    expect(results.map(({ received }) => received.hashes).reduce((a, b) => a + b)).to.equal(50)
    expect(await hashesOf(here.store)).to.have.lengthOf(50)
  })

  it('asks one for the rest that has stalled with what others have as well', async () => {
    const shared = blocks(1000, 128)
    const offered = [...shared, block(5000)]
    const waking = Promise.withResolvers<void>()
    const stalling = await createReplica({
      store: giving(await memoryStore(offered), async function * (store, hash) {
        await waking.promise
        yield * store.get(hash)
      }),
      limits: PATIENT
    })
    const other = await createReplica({ store: await memoryStore(shared), limits: PATIENT })
    const here = await createReplica({ limits: { ...PATIENT, stallTimeout: 500 } })

    // all that the other has, so that the rest has to wait
    const fromStalling = here.service.replicate(stalling.addresses, { mode: 'pull' })
    await nextEvent(stalling, 'exchange')
    const fromOther = here.service.replicate(other.addresses, { mode: 'pull' })
    await grownTo(here.store, shared.length)
    waking.resolve()

    const results = await Promise.all([fromStalling, fromOther])
    expect(results.flatMap(({ failed }) => failed)).to.be.empty()
    expect(await hashesOf(here.store)).to.have.lengthOf(offered.length)
  })

  it('does not remember again what waits for a slow one each time that another one leaves', async () => {
    const many = blocks(1000, 1000)
    const here = await createReplica({ limits: { ...PATIENT, beginTimeout: 60_000 } })
    const named = Object.fromEntries(many.map((block, i) => [`${i}`, block]))
    const [slow, other] = await Promise.all([ScriptedNode.create(named), ScriptedNode.create(named)])
    const push = Fifo.prototype.push
    let longest = 0

    // nothing else shows how much waits
    Fifo.prototype.push = function (item: any) {
      push.call(this, item)
      longest = Math.max(longest, item?.want == null ? 0 : this.length)
    }

    try {
      const { peer } = await slow.replicate(here, { mode: 'pull' })
      await peer.meet()
      peer.offer(many.length, ...Object.keys(named))
      await peer.message(RPCType.REQUEST, 1)

      for (let i = 0; i < 3; i++) {
        const { peer, result } = await other.replicate(here, { mode: 'pull' })
        await peer.meet()
        peer.offer(many.length, ...Object.keys(named))
        await peer.message(RPCType.REQUEST, 1)
        peer.stream.abort(new Error('Gone'))
        await expect(result).to.eventually.be.rejected()
      }
    } finally {
      Fifo.prototype.push = push
    }

    expect(longest).to.be.within(1, many.length)
  })

  interface Faulty {
    here: Replica
    faulty: Replica
    good: Replica
    /**
     * What came of the faulty one, and of the good one
     */
    results: Promise<[any, any]>
  }

  /**
   * Replicates from a peer that is faulty and from one that is not. Both have
   * all, but the faulty one offers it first and so is asked for it.
   */
  async function withFaulty (offered: Block[], get: Get, limits = {}): Promise<Faulty> {
    const gate = Promise.withResolvers<void>()
    const offeredByBoth = Promise.withResolvers<void>()
    const faulty = await createReplica({
      store: giving(await memoryStore(offered), async function * (...args) {
        await offeredByBoth.promise
        yield * get(...args)
      }),
      limits
    })
    const good = await createReplica({
      store: await memoryStore(offered),
      allow: async () => {
        await gate.promise
        return true
      }
    })
    const here = await createReplica()

    const fromFaulty = here.service.replicate(faulty.addresses, {
      mode: 'pull',
      onProgress: ({ type }) => {
        if (type === 'hash-exchange:replicate:offered') {
          gate.resolve()
        }
      }
    })
    const fromGood = here.service.replicate(good.addresses, {
      mode: 'pull',
      onProgress: ({ type }) => {
        if (type === 'hash-exchange:replicate:offered') {
          offeredByBoth.resolve()
        }
      }
    })

    return { here, faulty, good, results: Promise.allSettled([fromFaulty, fromGood]) }
  }

  /**
   * All is there, and nothing counts as failed that came in the end
   */
  async function expectAll ({ here, results }: Faulty, offered: Block[]): Promise<void> {
    const [, fromGood] = await results

    expect(fromGood).to.have.nested.property('value.failed').that.is.empty()
    expect(fromGood).to.have.nested.property('value.confirmed', true)
    expect(await hashesOf(here.store)).to.deep.equal(offered.map(({ hash }) => hash).sort())
    expect(await wrongIn(here.store)).to.be.empty()
  }

  it('fetches from another peer what one does not send', async () => {
    const offered = blocks(0, 100, 4 * KIB)
    const stalled = new Set(offered.slice(3, 6).map(({ hash }) => hash))
    const gets: string[] = []

    const test = await withFaulty(offered, (store, hash) => {
      gets.push(hash)
      return stalled.has(hash) ? thenHang() : store.get(hash) as AsyncIterable<Uint8Array>
    // it is us who must lose patience
    }, { serveTimeout: 60_000, unreadTimeout: 60_000 })

    await expectAll(test, offered)
    expect(gets).to.include.members([...stalled])
    expect(sentBy(test.good).hashes).to.be.at.least(stalled.size)
  })

  it('does not wait for a peer that sends nothing once for each block', async () => {
    const offered = blocks(0, 100, 4 * KIB)
    let gets = 0

    await expectAll(await withFaulty(offered, () => {
      gets++
      return thenHang()
    }, { serveTimeout: 60_000, unreadTimeout: 60_000 }), offered)

    // what it could be asked for at once, and once more
    expect(gets).to.be.at.most(2 * MAX_SOURCES)
  })

  it('fetches from another peer what one cannot read any more', async () => {
    const offered = blocks(0, 100, 4 * KIB)
    const broken = new Set(offered.slice(0, 10).map(({ hash }) => hash))

    const test = await withFaulty(offered, async function * (store, hash) {
      if (broken.has(hash)) {
        yield new Uint8Array(100)
        throw new Error('The disk is broken')
      }

      yield * store.get(hash)
    })

    await expectAll(test, offered)

    const [fromFaulty, fromGood] = await test.results

    expect(fromFaulty.value.failed).to.be.empty()
    expect(fromFaulty.value.received.hashes + fromGood.value.received.hashes).to.equal(100)
    expect(fromGood.value.received.hashes).to.be.at.least(broken.size)
  })

  it('fetches from another peer what is wrong, and asks the first one no more for it', async () => {
    const offered = blocks(0, 100, 4 * KIB)
    const wrong = new Set(offered.slice(0, 5).map(({ hash }) => hash))
    const given: string[] = []

    const test = await withFaulty(offered, async function * (store, hash) {
      given.push(hash)

      if (wrong.has(hash)) {
        yield block(123_456, 4 * KIB).bytes
      } else {
        yield * store.get(hash)
      }
    })

    await expectAll(test, offered)

    const [fromFaulty, fromGood] = await test.results

    expect(fromFaulty.value.failed).to.be.empty()
    expect(fromGood.value.received.hashes).to.be.at.least(wrong.size)
    expect(given.filter(hash => wrong.has(hash)).sort()).to.deep.equal([...wrong].sort())
  })

  it('leaves a peer that lies all the time, and has all from another one', async () => {
    const offered = blocks(0, 300, KIB)
    const lie = block(123_456, KIB).bytes

    const test = await withFaulty(offered, async function * () { yield lie })

    await expectAll(test, offered)

    const [fromFaulty, fromGood] = await test.results

    expect(fromFaulty).to.have.nested.property('reason.name', 'UntrustedPeerError')
    expect(fromGood.value.received.hashes).to.equal(300)
  })

  it('fetches from another peer what one leaves with', async () => {
    const offered = blocks(0, 300, 4 * KIB)
    const midBody = Promise.withResolvers<void>()
    let given = 0

    const test = await withFaulty(offered, async function * (store, hash) {
      if (++given < 50) {
        yield * store.get(hash)
      } else {
        yield new Uint8Array(100)
        midBody.resolve()
        yield * thenHang()
      }
    }, { serveTimeout: 60_000 })

    await midBody.promise
    await test.faulty.node.stop()

    await expectAll(test, offered)

    const [fromFaulty, fromGood] = await test.results

    expect(fromFaulty).to.have.property('status', 'rejected')
    expect(fromGood.value.received.hashes).to.be.above(300 - 50)
  })

  it('says what could not be had from anybody', async () => {
    const offered = blocks(0, 20)
    const lost = offered[7].hash
    const get: Get = async function * (store, hash) {
      if (hash === lost) {
        throw new Error('The disk is broken')
      }

      yield * store.get(hash)
    }

    const peers = await Promise.all([0, 1].map(async () => createReplica({ store: giving(await memoryStore(offered), get) })))
    const here = await createReplica()
    const failed = eventsOf(here, 'failed')
    const results = await Promise.all(peers.map(async ({ addresses }) => here.service.replicate(addresses, { mode: 'pull' })))

    expect(here.store.size).to.equal(19)

    for (const result of results) {
      expect(result.failed.map(({ hash }) => hash)).to.deep.equal([lost])
      expect(failureNames(result.failed)).to.deep.equal({ RemoteError: 1 })
    }

    // once for each peer that offered it
    expect(failed.map(({ hash }) => hash)).to.deep.equal([lost, lost])
    expect(new Set(failed.map(({ peer }) => peer.toString()))).to.have.property('size', 2)
  })

  it('announces on what arrives, but not to those from whom it came', async () => {
    const looked: string[] = []
    const firstStore = await memoryStore()

    const [first, middle, last] = await Promise.all([
      // what is announced to it is looked up
      wrapStore(firstStore, {
        has: async (hash) => {
          looked.push(hash)
          return firstStore.has(hash)
        }
      }),
      memoryStore(),
      memoryStore()
    ].map(async store => createReplica({ store: await store, accept: () => true })))

    const controller = new AbortController()
    const { signal } = controller
    const onSynced = nextEvent(first, 'synced')
    const live = [
      first.service.replicate(middle.addresses, { live: true, signal }),
      last.service.replicate(middle.addresses, { live: true, signal })
    ]

    await onSynced

    // some that go all the way, and one that comes back
    const there = blocks(0, 50)
    const back = block(50)

    await putBlocks(firstStore, there)
    await grownTo(last.store, 50)
    await last.store.put(back.hash, back.bytes)
    await grownTo(firstStore, 51)

    expect(await hashesOf(last.store)).to.deep.equal(await hashesOf(firstStore))
    expect(looked).to.deep.equal([back.hash])
    expect(middle.metrics.counted.get('libp2p_hash_exchange_hashes_total')).to.deep.equal({ received: 51, sent: 51 })

    controller.abort()
    await Promise.allSettled(live)
  })
})

describe('automatic replication', () => {
  afterEach(stopReplicas)

  it('goes on when the peer comes back', async () => {
    const offered = blocks(0, 20)
    const privateKey = await generateKeyPair('Ed25519')
    const here = await createReplica({ autoReplicate: () => true })
    const create = async (): Promise<Replica> => {
      const there = await createReplica({ privateKey, store, identified: true })
      // only the other one opens exchanges
      await there.node.dial(here.addresses)
      return there
    }

    const store = await memoryStore(offered.slice(0, 10))
    const there = await create()

    await grownTo(here.store, 10)
    await there.node.stop()
    await putBlocks(store, offered.slice(10))
    await create()
    await grownTo(here.store, 20)

    expect(await hashesOf(here.store)).to.deep.equal(await hashesOf(store))
  })

  it('begins anew when an exchange fails', async () => {
    const store = await memoryStore(blocks(0, 10))
    const here = await createReplica({ autoReplicate: () => true })
    const there = await createReplica({ store, identified: true })
    let exchanges = 0

    there.service.addEventListener('exchange', ({ detail: ex }) => {
      if (++exchanges === 1) {
        ex.abort(new Error('Not today'))
      }
    })

    await there.node.dial(here.addresses)
    // after a second
    await grownTo(here.store, 10)

    expect(exchanges).to.equal(2)
  })

  it('is with those that are selected, and only as long as they are connected', async () => {
    const selected = await createReplica({ store: await memoryStore(blocks(0, 5)), identified: true })
    const other = await createReplica({ store: await memoryStore(blocks(5, 5)), identified: true })
    const asked: string[] = []
    const here = await createReplica({
      autoReplicate: async peer => {
        asked.push(peer.toString())
        return peer.equals(selected.peer)
      }
    })

    await other.node.dial(here.addresses)
    await selected.node.dial(here.addresses)
    await grownTo(here.store, 5)

    expect(asked.sort()).to.deep.equal([selected, other].map(({ peer }) => peer.toString()).sort())
    expect(await hashesOf(here.store)).to.deep.equal(await hashesOf(selected.store))
    expect(here.service.exchanges.map(({ remotePeer }) => remotePeer?.toString())).to.deep.equal([selected.peer.toString()])

    const closed = new Promise(resolve => { here.service.exchanges[0].addEventListener('close', resolve) })
    await here.node.hangUp(selected.peer)
    await closed

    expect(here.service.exchanges).to.be.empty()
  })
})

const seed = Number(globalThis.process?.env?.SEED ?? Math.floor(Math.random() * 2 ** 31))

describe(`ten nodes (seed ${seed})`, function () {
  this.timeout(runs(60_000, 600_000))

  const NODES = 10
  const OWN = runs(20, 200, 10)
  const SIZE = 16 * KIB
  const ALL = NODES * OWN

  afterEach(stopReplicas)

  /**
   * How many hashes there are in all stores at the beginning, and in the end
   */
  const FIRST = NODES * OWN
  const LAST = NODES * ALL

  async function expectConverged (network: Network): Promise<void> {
    const expected = blocks(0, ALL, SIZE).map(({ hash }) => hash).sort()

    await network.converged(ALL)

    for (const store of network.stores) {
      expect(await hashesOf(store)).to.deep.equal(expected)
      expect(await wrongIn(store)).to.be.empty()
    }
  }

  function report (what: string, network: Network): number {
    const least = (LAST - FIRST) * SIZE
    const ratio = network.sent / least

    // eslint-disable-next-line no-console
    console.info(`      ${what}: ${network.sent.toLocaleString('en')} bytes crossed the wire, ${ratio.toFixed(3)} of the least possible; ${network.bodies} bodies for ${LAST - FIRST}`)

    return ratio
  }

  const GRAPHS: Record<string, () => Edges> = {
    'a line': () => line(NODES),
    'a ring': () => ring(NODES),
    'a random graph': () => randomGraph(NODES, seeded(seed))
  }

  for (const [name, edges] of Object.entries(GRAPHS)) {
    it(`get the same in ${name}, each block once`, async () => {
      const network = await Network.create(NODES, edges(), { own: OWN, blockSize: SIZE })

      await network.startAll()
      await expectConverged(network)

      expect(report(name, network)).to.be.below(MAX_RATIO)
      expect(network.bodies).to.equal(LAST - FIRST)
    })

    it(`get the same in ${name} while some of them are stopped and started again`, async () => {
      const random = seeded(seed + 1)
      const network = await Network.create(NODES, edges(), { own: OWN, blockSize: SIZE })
      const restarts = 6

      await network.startAll()

      for (let i = 1; i <= restarts; i++) {
        await network.reached(FIRST + (LAST - FIRST) * i / (restarts + 2))

        const place = Math.floor(random() * NODES)

        await network.stop(place)

        // it misses something, unless it was what connected the others
        await Promise.race([
          network.reached(network.hashes + OWN),
          new Promise(resolve => setTimeout(resolve, 200))
        ])

        await network.start(place)
      }

      await expectConverged(network)
      report(`${name} with ${restarts} restarts`, network)
    })
  }
})
