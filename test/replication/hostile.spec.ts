import { expect } from 'aegir/chai'
import { block, blocks, hashesOf, memoryStore } from '../fixtures/blocks.ts'
import { thenHang } from '../fixtures/content.ts'
import { stopNodes } from '../fixtures/nodes.ts'
import { createReplica, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { ScriptedNode } from '../fixtures/replication.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Replica } from '../fixtures/replicas.ts'

const BLOCKS = Object.fromEntries('abcdefgh'.split('').map((name, i) => [name, block(i)]))

async function wants ({ metrics }: Replica): Promise<number | undefined> {
  return metrics.calculated.get('libp2p_hash_exchange_wants')?.()
}

/**
 * Resolves when so many hashes are wanted
 */
async function offeredTo (replica: Replica, count: number): Promise<void> {
  while (await wants(replica) !== count) {
    await new Promise(resolve => { setTimeout(resolve, 5) })
  }
}

describe('a hostile peer', () => {
  let remote: ScriptedNode

  beforeEach(async () => {
    remote = await ScriptedNode.create(BLOCKS)
  })

  afterEach(async () => {
    await Promise.all([stopReplicas(), stopNodes()])
  })

  it('has one list made at a time, however often it asks', async () => {
    const store = await memoryStore(blocks(0, 2000))
    let open = 0
    let most = 0
    let asked = 0
    const here = await createReplica({
      store: wrapStore(store, {
        since: async function * (sequence: number) {
          most = Math.max(most, ++open)

          try {
            yield * store.since(sequence)
          } finally {
            open--
          }
        }
      }),
      allow: async () => {
        asked++
        return true
      },
      limits: PATIENT
    })
    const peer = await remote.open(here)

    peer.identify('log')

    for (let i = 0; i < 500; i++) {
      peer.since(-1)
    }

    await peer.hears('END 2000')

    expect(most).to.equal(1)
    // far from one for each SINCE: most were cut short before they began
    expect(asked).to.be.below(50)
  })

  it('has the store asked once for each block, and not before its turn', async () => {
    const store = await memoryStore(Object.values(BLOCKS))
    const gets: string[] = []
    const here = await createReplica({
      store: wrapStore(store, {
        get: (hash) => {
          gets.push(hash)
          return gets.length <= 2 ? thenHang(new Uint8Array(1)) : store.get(hash)
        }
      }),
      limits: { ...PATIENT, maxSources: 2 }
    })
    const peer = await remote.open(here)

    peer.identify('log')
    peer.ask(...Object.keys(BLOCKS))
    await peer.until(() => peer.bodyFrames.length >= 2)

    expect(peer.mapping).to.have.lengthOf(8)
    expect(gets).to.have.lengthOf(2)

    // the others follow where these are not wanted any more
    peer.error(-2, peer.bodyFrames[0].sequence)
    peer.error(-3, peer.bodyFrames[1].sequence)
    await peer.until(() => peer.bodyFrames.filter(({ type }) => type === 'END').length >= 6)

    expect(gets.sort()).to.deep.equal(Object.values(BLOCKS).map(({ hash }) => hash).sort())
  })

  it('does not find out how much there is that it may not read', async () => {
    const here = await createReplica({ store: await memoryStore(blocks(0, 37)), allow: () => false, limits: PATIENT })
    const peer = await remote.open(here)

    peer.identify('log')

    for (const sequence of [36, 37, 38, 1000]) {
      peer.since(sequence)
      // the same that it has said itself
      await peer.hears(`END ${sequence}`)
    }

    expect(peer.saidOf('AVAILABLE')).to.be.empty()
  })

  it('does not keep us from what an honest one has, with a body that never ends', async () => {
    const offered = blocks(0, 50)
    const drip = async function * (): AsyncGenerator<Uint8Array> {
      while (true) {
        yield new Uint8Array(64)
        await new Promise(resolve => { setTimeout(resolve, 20) })
      }
    }
    const faulty = await createReplica({ store: wrapStore(await memoryStore(offered), { get: drip }), limits: PATIENT })
    const good = await createReplica({ store: await memoryStore(offered), limits: PATIENT })
    // fast enough for all time-outs but the one of what never comes to its end
    const here = await createReplica({ limits: { ...PATIENT, stallTimeout: 500, minBodyRate: 1 } })
    const hostage = here.service.replicate(faulty.addresses)
    hostage.catch(() => {})

    await offeredTo(here, 50)
    await here.service.replicate(good.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(offered.map(({ hash }) => hash).sort())
  })

  it('has no more remembered by opening several exchanges', async () => {
    const here = await createReplica({ accept: () => true, limits: { ...PATIENT, maxWanted: 3, beginTimeout: 20 } })

    // none of them says that it has a log, so none takes the place of another
    const peers = await Promise.all([remote.open(here), remote.open(here)])

    for (const [i, names] of ['abc', 'def'].entries()) {
      peers[i].identify('')
      await peers[i].hears('SINCE -1')
      peers[i].offer(3, ...names.split(''))
      await peers[i].pause()
    }

    expect(await wants(here)).to.equal(3)
  })

  it('cannot send a block without an end', async () => {
    const big = block(1, 3_000_000)
    const there = await createReplica({ store: await memoryStore([big]), limits: PATIENT })
    const here = await createReplica({ limits: { ...PATIENT, maxBlockBytes: 2_000_000 } })
    const { failed } = await here.service.replicate(there.addresses)

    expect(failed.map(({ error }) => error.name)).to.deep.equal(['LimitError'])
    expect(here.store.size).to.equal(0)
  })

  it('does not wait for a store that hangs in the middle of a large block', async () => {
    const big = block(1, 3_000_000)
    const below = await memoryStore()
    const there = await createReplica({ store: await memoryStore([big]), limits: PATIENT })
    const here = await createReplica({
      store: wrapStore(below, {
        put: async (hash, source) => {
          await (source as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().next()
          return new Promise(() => {})
        }
      }),
      limits: { ...PATIENT, storeTimeout: 200 }
    })
    const { failed } = await here.service.replicate(there.addresses)

    expect(failed.map(({ error }) => error.name)).to.deep.equal(['StoreError'])
  })

  it('is not waited for where the application does not answer', async () => {
    const there = await createReplica({ store: await memoryStore(blocks(0, 3)), limits: PATIENT })
    const here = await createReplica({ want: async () => new Promise(() => {}), limits: { ...PATIENT, serveTimeout: 100 } })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected.with.property('name', 'TimeoutError')
  })
})
