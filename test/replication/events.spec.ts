import { expect } from 'aegir/chai'
import { block, blocks, grownTo, memoryStore, putBlocks } from '../fixtures/blocks.ts'
import { createReplica, eventsOf, nextEvent, stopReplicas } from '../fixtures/replicas.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { ReplicateProgressEvents } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Replica } from '../fixtures/replicas.ts'

const KIB = 1024

/**
 * Gives the first half of each block and then nothing, until it is let go on
 */
async function slowly (blocks: Block[], halves: () => void, goOn: Promise<void>): Promise<Replica> {
  const below = await memoryStore(blocks)

  return createReplica({
    store: wrapStore(below, {
      async * get (hash) {
        for await (const bytes of below.get(hash)) {
          yield bytes.subarray(0, bytes.length / 2)
          halves()
          await goOn
          yield bytes.subarray(bytes.length / 2)
        }
      }
    }),
    limits: { serveTimeout: 20_000, stallTimeout: 20_000 }
  })
}

/**
 * What is left of a replica that nobody needs any more
 */
async function expectNothingLeft ({ service, metrics }: Replica): Promise<void> {
  expect(service.exchanges).to.be.empty()
  expect(await metrics.calculated.get('libp2p_hash_exchange_exchanges')?.()).to.equal(0)
  expect(await metrics.calculated.get('libp2p_hash_exchange_wants')?.()).to.equal(0)
}

describe('metrics of replication', () => {
  afterEach(stopReplicas)

  it('are bytes and hashes by direction, and failures by their names', async () => {
    const own = blocks(0, 5, 100)
    const others = blocks(10, 7, 200)
    const below = await memoryStore(others)
    const there = await createReplica({
      store: wrapStore(below, {
        async * get (hash) {
          if (hash === others[0].hash) {
            yield new Uint8Array(200)
          } else if (hash === others[1].hash) {
            throw new Error('The disk is broken')
          } else {
            yield * below.get(hash)
          }
        }
      }),
      accept: () => true
    })
    const here = await createReplica({ store: await memoryStore(own) })

    await here.service.replicate(there.addresses)

    expect(here.metrics.counted.get('libp2p_hash_exchange_bytes_total')).to.deep.equal({ sent: 500, received: 1000 })
    expect(here.metrics.counted.get('libp2p_hash_exchange_hashes_total')).to.deep.equal({ sent: 5, received: 5 })
    expect(here.metrics.counted.get('libp2p_hash_exchange_failures_total')).to.deep.equal({ HashMismatchError: 1, RemoteError: 1 })
    // it has sent what was wrong as well
    expect(there.metrics.counted.get('libp2p_hash_exchange_bytes_total')).to.deep.equal({ sent: 1200, received: 500 })
    expect(there.metrics.counted.get('libp2p_hash_exchange_hashes_total')).to.deep.equal({ sent: 6, received: 5 })
    expect(there.metrics.counted.get('libp2p_hash_exchange_failures_total')).to.deep.equal({})
  })

  it('are the open exchanges and what is wanted', async () => {
    const gate = Promise.withResolvers<void>()
    const halves = Promise.withResolvers<void>()
    const there = await slowly(blocks(0, 40, KIB), halves.resolve, gate.promise)
    const here = await createReplica({ limits: { requestTimeout: 20_000 } })
    const replicated = here.service.replicate(there.addresses)

    await halves.promise

    expect(await here.metrics.calculated.get('libp2p_hash_exchange_exchanges')?.()).to.equal(1)
    expect(await there.metrics.calculated.get('libp2p_hash_exchange_exchanges')?.()).to.equal(1)
    expect(await here.metrics.calculated.get('libp2p_hash_exchange_wants')?.()).to.equal(40)
    expect(await there.metrics.calculated.get('libp2p_hash_exchange_wants')?.()).to.equal(0)

    gate.resolve()
    await replicated
    await expectNothingLeft(here)
  })
})

describe('metrics that fail', () => {
  afterEach(stopReplicas)

  it('end the exchange by name, for small and for large blocks', async () => {
    for (const size of [100, 300_000]) {
      const there = await createReplica({ store: await memoryStore(blocks(0, 3, size)) })
      const here = await createReplica()

      here.metrics.failure = new RangeError('No more of it can be counted')
      await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected.with.property('name', 'RangeError')
    }
  })
})

describe('events of replication', () => {
  afterEach(stopReplicas)

  it('tell what was received, what failed, and when both have the same', async () => {
    const others = blocks(0, 10, 100)
    const own = blocks(20, 3, 50)
    const below = await memoryStore(others)
    const there = await createReplica({
      store: wrapStore(below, {
        async * get (hash) {
          if (hash === others[4].hash) {
            throw new Error('The disk is broken')
          }

          yield * below.get(hash)
        }
      }),
      accept: () => true
    })
    const here = await createReplica({ store: await memoryStore(own) })
    const received = eventsOf(here, 'received')
    const failed = eventsOf(here, 'failed')
    const synced = eventsOf(here, 'synced')
    const receivedThere = eventsOf(there, 'received')
    const syncedThere = eventsOf(there, 'synced')

    const result = await here.service.replicate(there.addresses)
    const without = others.filter((_, i) => i !== 4)

    expect(received.map(({ hash, bytes }) => [hash, bytes]).sort()).to.deep.equal(without.map(({ hash }) => [hash, 100]).sort())
    expect(received.every(({ peer }) => peer.equals(there.peer))).to.be.true()
    expect(failed.map(({ peer, hash, error }) => [peer.toString(), hash, error.name])).to.deep.equal([[there.peer.toString(), others[4].hash, 'RemoteError']])
    expect(synced).to.deep.equal([{ peer: there.peer, ...result }])
    expect(result).to.deep.equal({
      received: { hashes: 9, bytes: 900 },
      sent: { hashes: 3, bytes: 150 },
      failed: [{ hash: others[4].hash, error: failed[0].error }],
      ignored: 0,
      confirmed: true
    })

    expect(receivedThere.map(({ hash }) => hash).sort()).to.deep.equal(own.map(({ hash }) => hash).sort())
    expect(syncedThere).to.have.lengthOf(1)
    expect(syncedThere[0]).to.deep.include({ received: { hashes: 3, bytes: 150 }, sent: { hashes: 9, bytes: 900 }, failed: [], confirmed: true })
  })

  it('are dispatched when what was received is in the store', async () => {
    const there = await createReplica({ store: await memoryStore(blocks(0, 20)) })
    const here = await createReplica()
    const had: Array<Promise<boolean>> = []

    here.service.addEventListener('received', ({ detail: { hash } }) => { had.push((async () => here.store.has(hash))()) })
    await here.service.replicate(there.addresses)

    expect(await Promise.all(had)).to.deep.equal(Array(20).fill(true))
  })

  it('tell each time that both have the same, live', async () => {
    const there = await createReplica({ store: await memoryStore(blocks(0, 5)) })
    const here = await createReplica()
    const synced = eventsOf(here, 'synced')
    const controller = new AbortController()
    let next = nextEvent(here, 'synced')
    const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })

    await next

    for (let i = 1; i <= 3; i++) {
      next = nextEvent(here, 'synced')
      const { hash, bytes } = block(100 + i)
      await there.store.put(hash, bytes)
      await next
    }

    expect(synced.map(({ received }) => received.hashes)).to.deep.equal([5, 6, 7, 8])
    expect(synced.every(({ confirmed }) => confirmed)).to.be.true()

    controller.abort()
    await expect(live).to.eventually.be.rejected()
  })
})

describe('progress of replication', () => {
  afterEach(stopReplicas)

  it('tells each step, with bytes and totals', async () => {
    const others = blocks(0, 30, KIB)
    const own = blocks(100, 3, KIB)
    const there = await createReplica({ store: await memoryStore(others), accept: () => true })
    const here = await createReplica({ store: await memoryStore(own) })
    const events: ReplicateProgressEvents[] = []

    await here.service.replicate(there.addresses, { onProgress: event => { events.push(event) } })

    const types = events.map(({ type }) => type.replace('hash-exchange:replicate:', ''))
    const of = (type: string): any[] => events.filter((_, i) => types[i] === type).map(({ detail }) => detail)

    expect(types[0]).to.equal('open')
    expect(types.at(-1)).to.equal('synced')
    expect(events.every(({ detail }) => detail.peer.equals(there.peer))).to.be.true()

    expect(of('open')[0]).to.deep.include({ wanted: 0, settled: 0, received: { hashes: 0, bytes: 0 }, sent: { hashes: 0, bytes: 0 }, receiving: 0, listed: false })
    expect(of('offered')[0]).to.deep.include({ wanted: 30, settled: 0 })
    expect(of('listed')[0]).to.deep.include({ wanted: 30, listed: true })

    expect(of('received').map(({ hash, bytes }) => [hash, bytes]).sort()).to.deep.equal(others.map(({ hash }) => [hash, KIB]).sort())
    // each tells one more
    expect(of('received').map(({ received }) => received)).to.deep.equal(others.map((_, i) => ({ hashes: i + 1, bytes: (i + 1) * KIB })))
    expect(of('sent').map(({ hash, bytes }) => [hash, bytes]).sort()).to.deep.equal(own.map(({ hash }) => [hash, KIB]).sort())
    expect(of('sent').map(({ sent }) => sent.bytes)).to.deep.equal([KIB, 2 * KIB, 3 * KIB])
    expect(of('synced')).to.have.lengthOf(1)
    expect(of('synced')[0]).to.deep.include({ wanted: 30, settled: 30, received: { hashes: 30, bytes: 30 * KIB }, sent: { hashes: 3, bytes: 3 * KIB }, receiving: 0, listed: true })
    expect(of('failed')).to.be.empty()
  })

  it('tells what failed', async () => {
    const below = await memoryStore(blocks(0, 10))
    const there = await createReplica({
      store: wrapStore(below, { async * get () { yield new Uint8Array(10) } })
    })
    const here = await createReplica()
    const failed: any[] = []

    await here.service.replicate(there.addresses, {
      onProgress: ({ type, detail }) => {
        if (type === 'hash-exchange:replicate:failed') {
          failed.push(detail)
        }
      }
    })

    expect(failed.map(({ error }) => error.name)).to.deep.equal(Array(10).fill('HashMismatchError'))
    expect(failed.map(({ settled }) => settled)).to.deep.equal(Array.from({ length: 10 }, (_, i) => i + 1))
  })

  it('tells bytes of what has not come to its end', async () => {
    const gate = Promise.withResolvers<void>()
    const there = await slowly(blocks(0, 1, 128 * KIB), () => {}, gate.promise)
    const here = await createReplica({ limits: { requestTimeout: 20_000 } })
    const half = Promise.withResolvers<any>()

    const replicated = here.service.replicate(there.addresses, {
      onProgress: ({ type, detail }) => {
        if (type === 'hash-exchange:replicate:bytes' && detail.receiving > 0) {
          half.resolve(detail)
        }
      }
    })

    const progress = await half.promise

    expect(progress).to.deep.include({ wanted: 1, settled: 0, received: { hashes: 0, bytes: 0 } })
    // not each time that some come is told
    expect(progress.receiving).to.be.within(1, 64 * KIB)

    gate.resolve()
    await replicated
  })

  it('is what one call has had, where several use one exchange', async () => {
    const there = await createReplica({ store: await memoryStore(blocks(0, 10, KIB)) })
    const here = await createReplica()
    const controller = new AbortController()
    let synced = nextEvent(here, 'synced')
    const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })

    await synced
    // there is nothing left for this one
    expect(await here.service.replicate(there.addresses)).to.deep.include({ received: { hashes: 0, bytes: 0 }, confirmed: true })

    synced = nextEvent(here, 'synced')
    await putBlocks(there.store, blocks(50, 1, KIB))
    expect(await synced).to.have.deep.property('received', { hashes: 11, bytes: 11 * KIB })

    controller.abort()
    await expect(live).to.eventually.be.rejected()
  })
})

describe('the end of replication', () => {
  afterEach(stopReplicas)

  /**
   * In the middle of a body
   */
  async function midBody (signal?: AbortSignal, live = false): Promise<{ here: Replica, there: Replica, replicated: Promise<unknown> }> {
    const halves = Promise.withResolvers<void>()
    const there = await slowly(blocks(0, 40, KIB), halves.resolve, new Promise(() => {}))
    const here = await createReplica({ limits: { requestTimeout: 20_000 } })
    const replicated = here.service.replicate(there.addresses, { signal, live })

    replicated.catch(() => {})
    await halves.promise

    return { here, there, replicated }
  }

  it('comes when the signal is aborted', async () => {
    const controller = new AbortController()
    const { here, replicated } = await midBody(controller.signal)

    controller.abort(new Error('Enough'))

    await expect(replicated).to.eventually.be.rejectedWith('Enough')
    await expectNothingLeft(here)
    expect(here.store.size).to.equal(0)
  })

  it('comes at once when the signal was aborted before', async () => {
    const there = await createReplica({ store: await memoryStore(blocks(0, 5)) })
    const here = await createReplica()

    await expect(here.service.replicate(there.addresses, { signal: AbortSignal.abort(new Error('Enough')) })).to.eventually.be.rejectedWith('Enough')
    await expectNothingLeft(here)
    expect(here.store.size).to.equal(0)
  })

  it('does not come for others when the signal of one call is aborted', async () => {
    const there = await createReplica({ store: await memoryStore(blocks(0, 5)) })
    const here = await createReplica()
    const [one, other] = [new AbortController(), new AbortController()]
    const synced = nextEvent(here, 'synced')
    const calls = [one, other].map(async ({ signal }) => here.service.replicate(there.addresses, { live: true, signal }))

    await synced
    one.abort(new Error('Enough'))
    await expect(calls[0]).to.eventually.be.rejectedWith('Enough')

    const more = block(100)
    await there.store.put(more.hash, more.bytes)
    await grownTo(here.store, 6)

    other.abort(new Error('Enough as well'))
    await expect(calls[1]).to.eventually.be.rejectedWith('Enough as well')
    await expectNothingLeft(here)
  })

  for (const live of [false, true]) {
    it(`comes by name when the service is stopped${live ? ', live' : ''}`, async () => {
      const { here, there, replicated } = await midBody(undefined, live)
      const closed = new Promise(resolve => { there.service.exchanges[0].addEventListener('close', resolve) })

      await here.node.stop()

      await expect(replicated).to.eventually.be.rejected.with.property('name', 'AbortError')
      await closed
      await expectNothingLeft(here)
      await expectNothingLeft(there)
    })

    it(`comes by name when the remote is stopped${live ? ', live' : ''}`, async () => {
      const { here, there, replicated } = await midBody(undefined, live)

      await there.node.stop()

      await expect(replicated).to.eventually.be.rejected.with.property('name').that.matches(/^(StreamReset|ConnectionClosed|UnexpectedEnd)Error$/)
      await expectNothingLeft(here)
    })
  }

  it('does not listen to the store any more', async () => {
    const below = await memoryStore()
    let listeners = 0
    const node = await createReplica({
      store: Object.assign(wrapStore(below, {}), {
        addEventListener: (...args: [any, any]) => { listeners++; below.addEventListener(...args) },
        removeEventListener: (...args: [any, any]) => { listeners--; below.removeEventListener(...args) }
      })
    })

    expect(listeners).to.equal(1)
    await node.node.stop()
    expect(listeners).to.equal(0)
  })

  it('comes by name when there is nobody', async () => {
    const there = await createReplica()
    const here = await createReplica()

    await there.node.stop()
    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected()
    await expectNothingLeft(here)
    await here.node.stop()
    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected.with.property('name', 'NotStartedError')
  })
})
