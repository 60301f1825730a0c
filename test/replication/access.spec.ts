import { expect } from 'aegir/chai'
import { createLibp2p } from 'libp2p'
import { hashExchange } from '../../src/index.ts'
import { block, blocks, grownTo, hashesOf, memoryStore } from '../fixtures/blocks.ts'
import { createReplica, nextEvent, stopReplicas } from '../fixtures/replicas.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Store } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'

function hashes (blocks: Block[]): string[] {
  return blocks.map(({ hash }) => hash).sort()
}

/**
 * What a store is asked for the sake of a peer
 */
async function watchedStore (blocks: Block[] = []): Promise<{ store: Store, asked: string[] }> {
  const below = await memoryStore(blocks)
  const asked: string[] = []
  const asks = <K extends 'has' | 'sequence'> (name: K) => async (hash: string): Promise<any> => {
    asked.push(hash)
    return below[name](hash)
  }

  return { store: wrapStore(below, { has: asks('has'), sequence: asks('sequence') }), asked }
}

describe('who may read', () => {
  afterEach(stopReplicas)

  const all = blocks(0, 10)
  const open = all.filter((_, i) => i % 3 === 0)
  const secret = all.filter((_, i) => i % 3 !== 0)

  it('is everybody everything, if nothing else is said', async () => {
    const there = await createReplica({ store: await memoryStore(all) })
    const here = await createReplica()

    await here.service.replicate(there.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes(all))
  })

  it('is decided for each hash', async () => {
    const questions: Array<[string, string | undefined]> = []
    const there = await createReplica({
      store: await memoryStore(all),
      allow: async (peer, hash) => {
        questions.push([peer.toString(), hash])
        return open.some(block => block.hash === hash)
      }
    })
    const here = await createReplica()
    const result = await here.service.replicate(there.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes(open))
    // what is refused was not even offered
    expect(result.failed).to.be.empty()
    expect(result.confirmed).to.be.true()
    expect(questions.every(([peer]) => peer === here.peer.toString())).to.be.true()
    // first if all may be read, then each hash for the list, and again those that are asked for
    expect(questions[0][1]).to.be.undefined()
    expect(questions).to.have.lengthOf(1 + all.length + open.length)
  })

  it('is not asked for each hash of a list where all may be read', async () => {
    const questions: Array<string | undefined> = []
    const there = await createReplica({
      store: await memoryStore(all),
      allow: (peer, hash) => {
        questions.push(hash)
        return true
      }
    })
    const here = await createReplica()

    await here.service.replicate(there.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes(all))
    expect(questions.filter(hash => hash == null)).to.have.lengthOf(1)
    // those that were requested
    expect(questions).to.have.lengthOf(1 + all.length)
  })

  it('cannot be told from what is there', async () => {
    const there = await createReplica({
      store: await memoryStore(all),
      allow: (peer, hash) => open.some(block => block.hash === hash)
    })
    const here = await createReplica()
    const ex = await here.service.open(there.addresses)
    const missing = block(999)

    const [refused, absent] = await Promise.all([secret[0], missing].map(async ({ hash }) => {
      const err = await ex.get(hash).then(() => undefined, (err: Error) => err)

      return { name: err?.name, message: err?.message.replace(hash, '') }
    }))

    expect(refused).to.have.property('name', 'NotFoundError')
    expect(refused).to.deep.equal(absent)
    await expect(ex.get(open[0].hash)).to.eventually.have.property('hash', open[0].hash)

    ex.abort()
  })

  it('cannot be told from where the list ends', async () => {
    // the last two are secret
    const there = await createReplica({
      store: await memoryStore(),
      allow: (peer, hash) => hash != null && hash !== all[8].hash && hash !== all[9].hash
    })
    const here = await createReplica()

    for (const { hash, bytes } of all) {
      await there.store.put(hash, bytes)
    }

    await here.service.replicate(there.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes(all.slice(0, 8)))
    expect(await here.store.cursor(there.peer.toString())).to.deep.equal({ logId: there.store.logId, sequence: 8 })
  })

  it('does not see what is put later and refused', async () => {
    const there = await createReplica({
      allow: (peer, hash) => open.some(block => block.hash === hash)
    })
    const { store, asked } = await watchedStore()
    const here = await createReplica({ store })
    const controller = new AbortController()
    const onSynced = nextEvent(here, 'synced')
    const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })

    await onSynced

    for (const { hash, bytes } of all) {
      await there.store.put(hash, bytes)
    }

    await grownTo(here.store, open.length)

    expect(asked.filter(hash => secret.some(block => block.hash === hash))).to.be.empty()

    controller.abort()
    await expect(live).to.eventually.be.rejected()
  })

  it('may be allowed later, and asked for again', async () => {
    let allowed = false
    const there = await createReplica({
      store: await memoryStore(all),
      allow: (peer, hash) => allowed || open.some(block => block.hash === hash)
    })
    const here = await createReplica()

    await here.service.replicate(there.addresses)
    allowed = true
    await here.service.replicate(there.addresses)
    expect(here.store.size).to.be.below(all.length)

    await here.service.replicate(there.addresses, { since: -1 })
    expect(await hashesOf(here.store)).to.deep.equal(hashes(all))
  })

  it('ends the exchange if it cannot be decided', async () => {
    const there = await createReplica({
      store: await memoryStore(all),
      allow: async () => { throw new Error('The list of friends is lost') }
    })
    const here = await createReplica()

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected()
    expect(here.store.size).to.equal(0)
  })
})

describe('who may add', () => {
  afterEach(stopReplicas)

  const offered = blocks(0, 20)

  for (const mode of ['sync', 'push'] as const) {
    it(`is nobody, if nothing else is said, and costs nothing (${mode})`, async () => {
      const { store, asked } = await watchedStore(blocks(100, 5))
      const here = await createReplica({ store, want: () => { throw new Error('Nobody must ask') } })
      const there = await createReplica({ store: await memoryStore(offered) })
      const result = await there.service.replicate(here.addresses, { mode })

      expect(here.store.size).to.equal(5)
      // it may read, as everybody may
      expect(there.store.size).to.equal(mode === 'sync' ? 25 : 20)
      expect(result.sent).to.deep.equal({ hashes: 0, bytes: 0 })
      expect(result.confirmed).to.be.true()
      expect(asked.filter(hash => offered.some(block => block.hash === hash))).to.be.empty()
    })
  }

  it('costs nothing live, either', async () => {
    const { store, asked } = await watchedStore()
    const here = await createReplica({ store })
    const there = await createReplica({ store: await memoryStore(offered) })
    const controller = new AbortController()
    const synced = nextEvent(there, 'synced')
    const live = there.service.replicate(here.addresses, { live: true, signal: controller.signal })

    await synced
    const one = block(100)
    await there.store.put(one.hash, one.bytes)

    // one of its own goes the other way, after whatever there was
    const other = block(101)
    await here.store.put(other.hash, other.bytes)
    await grownTo(there.store, 22)

    expect(here.store.size).to.equal(1)
    expect(asked).to.not.include(one.hash)

    controller.abort()
    await expect(live).to.eventually.be.rejected()
  })

  it('is decided for each peer', async () => {
    const friend = await createReplica({ store: await memoryStore(blocks(0, 5)) })
    const stranger = await createReplica({ store: await memoryStore(blocks(5, 5)) })
    const here = await createReplica({ accept: async (peer) => peer.equals(friend.peer) })

    await friend.service.replicate(here.addresses)
    await stranger.service.replicate(here.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes(blocks(0, 5)))
  })

  it('is who gets any answer that is true', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const friends = new Map([[there.peer.toString(), { name: 'a friend' }]])
    const here = await createReplica({ accept: (peer) => friends.get(peer.toString()) as any })

    expect(await there.service.replicate(here.addresses)).to.deep.include({ failed: [], confirmed: true })
    expect(await hashesOf(here.store)).to.deep.equal(hashes(offered))
  })

  it('is nobody if it cannot be decided', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      store: await memoryStore(blocks(100, 5)),
      accept: async () => { throw new Error('The list of friends is lost') }
    })

    const result = await there.service.replicate(here.addresses)

    expect(result.confirmed).to.be.true()
    expect(here.store.size).to.equal(5)
    expect(there.store.size).to.equal(25)
  })

  it('waits for a decision', async () => {
    const decision = Promise.withResolvers<boolean>()
    const asked = Promise.withResolvers<void>()
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      accept: async () => {
        asked.resolve()
        return decision.promise
      }
    })

    const replicated = there.service.replicate(here.addresses)

    await asked.promise
    expect(here.store.size).to.equal(0)
    decision.resolve(true)
    await replicated

    expect(here.store.size).to.equal(20)
  })

  it('is whoever is named in replicate(), and only for what it does', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica()

    // to push is not to take
    await here.service.replicate(there.addresses, { mode: 'push' })
    expect(here.store.size).to.equal(0)

    await here.service.replicate(there.addresses, { mode: 'pull' })
    expect(here.store.size).to.equal(20)
  })

  it('is those with whom it replicates by itself', async () => {
    const friend = await createReplica({ store: await memoryStore(blocks(0, 5)) })
    const stranger = await createReplica({ store: await memoryStore(blocks(5, 5)) })
    const here = await createReplica({ autoReplicate: (peer) => peer.equals(friend.peer) })

    await friend.service.replicate(here.addresses)
    await stranger.service.replicate(here.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes(blocks(0, 5)))
  })
})

describe('what is wanted', () => {
  afterEach(stopReplicas)

  const offered = blocks(0, 20)
  const wanted = offered.filter((_, i) => i % 4 === 0)

  it('is all that is not here, if nothing else is said', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ store: await memoryStore(offered.slice(0, 5)) })
    const result = await here.service.replicate(there.addresses)

    expect(result.received.hashes).to.equal(15)
  })

  it('is asked for each hash that is not here', async () => {
    const questions: Array<[string, string]> = []
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      store: await memoryStore(offered.slice(0, 5)),
      want: async (peer, hash) => {
        questions.push([peer.toString(), hash])
        return wanted.some(block => block.hash === hash)
      }
    })

    const result = await here.service.replicate(there.addresses)

    expect(result.failed).to.be.empty()
    expect(result.confirmed).to.be.true()
    expect(await hashesOf(here.store)).to.deep.equal(hashes([...new Set([...offered.slice(0, 5), ...wanted])]))
    expect(questions.map(([, hash]) => hash).sort()).to.deep.equal(hashes(offered.slice(5)))
    expect(questions.every(([peer]) => peer === there.peer.toString())).to.be.true()
    // what is refused does not hold the cursor back
    expect(await here.store.cursor(there.peer.toString())).to.deep.equal({ logId: there.store.logId, sequence: 20 })
  })

  it('may change, and is asked again from the beginning', async () => {
    let all = false
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ want: (peer, hash) => all || wanted.some(block => block.hash === hash) })

    await here.service.replicate(there.addresses)
    all = true
    await here.service.replicate(there.addresses)
    expect(here.store.size).to.equal(wanted.length)

    await here.service.replicate(there.addresses, { since: -1 })
    expect(here.store.size).to.equal(20)
  })

  it('keeps away what was deleted', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const deleted = new Set<string>()
    const here = await createReplica({ want: (peer, hash) => !deleted.has(hash) })

    await here.service.replicate(there.addresses)
    deleted.add(offered[3].hash)
    await here.store.delete(offered[3].hash)
    await here.service.replicate(there.addresses, { since: -1 })
    expect(here.store.size).to.equal(19)

    deleted.clear()
    await here.service.replicate(there.addresses, { since: -1 })
    expect(here.store.size).to.equal(20)
  })

  it('ends the exchange by name if it cannot be decided', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ want: async () => { throw new Error('The list of wishes is lost') } })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejectedWith('The list of wishes is lost')
    expect(here.store.size).to.equal(0)
  })
})

describe('the identify service', () => {
  async function start (init: object): Promise<void> {
    const node = await createLibp2p({ services: { hashExchange: hashExchange({ store: await memoryStore(), ...init }) } })

    await node.stop()
  }

  it('is needed for automatic replication only', async () => {
    await start({ accept: () => true })
    await expect(start({ autoReplicate: () => true })).to.eventually.be.rejected.with.property('name', 'UnmetServiceDependenciesError')
  })
})
