import { expect } from 'aegir/chai'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { identity } from 'multiformats/hashes/identity'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { blockHash } from '../../src/index.ts'
import { block, blocks, hashesOf, memoryStore, wrongIn } from '../fixtures/blocks.ts'
import { content, thenHang } from '../fixtures/content.ts'
import { createReplica, failureNames, nextEvent, stopReplicas } from '../fixtures/replicas.ts'
import { SetClock } from '../fixtures/timers.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Store, StoreEntry } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Replica } from '../fixtures/replicas.ts'

function hashes (blocks: Block[]): string[] {
  return blocks.map(({ hash }) => hash).sort()
}

/**
 * How many hashes a replica wants
 */
async function wants ({ metrics }: Replica): Promise<number> {
  return await metrics.calculated.get('libp2p_hash_exchange_wants')?.() ?? NaN
}

/**
 * A store that also lists what it does not have, and has listed so much of it
 */
function listing (store: Store, hashes: Iterable<string>, count: number): { store: Store, listed: number } {
  const result = { store, listed: 0 }

  result.store = wrapStore(store, {
    async * since (sequence: number): AsyncGenerator<StoreEntry> {
      let next = 0

      for (const hash of hashes) {
        if (++next > sequence) {
          result.listed++
          yield { hash, sequence: next }
        }
      }
    }
  })
  Object.defineProperty(result.store, 'lastSequence', { value: count })

  return result
}

describe('what one peer may add in a day', () => {
  afterEach(stopReplicas)

  const offered = blocks(0, 10, 1000)

  it('has no limit, if nothing else is said', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica()

    expect(await here.service.replicate(there.addresses)).to.have.nested.property('received.bytes', 10_000)
  })

  it('is not exceeded, not even by parts', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ maxBytes: 4500 })
    const result = await here.service.replicate(there.addresses)

    expect(result.received).to.deep.equal({ hashes: 4, bytes: 4000 })
    expect(failureNames(result.failed)).to.deep.equal({ PeerQuotaError: 6 })
    expect(here.store.size).to.equal(4)
    expect(await wrongIn(here.store)).to.be.empty()

    // it counts on
    const again = await here.service.replicate(there.addresses)

    expect(again.received.hashes).to.equal(0)
    expect(failureNames(again.failed)).to.deep.equal({ PeerQuotaError: 6 })
  })

  it('stops a large block before it has come to its end', async () => {
    // more than may be on its way before the remote hears of it
    const large = block(0, 16 * 1024 * 1024)
    const there = await createReplica({ store: await memoryStore([large]) })
    const here = await createReplica({ maxBytes: 1024 * 1024 })
    const result = await here.service.replicate(there.addresses)

    expect(failureNames(result.failed)).to.deep.equal({ PeerQuotaError: 1 })
    expect(here.store.size).to.equal(0)
    expect(there.metrics.counted.get('libp2p_hash_exchange_bytes_total')).to.not.have.property('sent')
  })

  it('is what each peer may add', async () => {
    const [first, second] = await Promise.all([0, 1].map(async () => createReplica({ store: await memoryStore(offered) })))
    const here = await createReplica({ maxBytes: 5000 })

    const result = await here.service.replicate(first.addresses)
    expect(result.received.bytes).to.equal(5000)

    // the rest comes from the other one
    expect(await here.service.replicate(second.addresses)).to.have.property('failed').that.is.empty()
    expect(await hashesOf(here.store)).to.deep.equal(hashes(offered))
  })
})

describe('a peer that sends wrong content', () => {
  afterEach(stopReplicas)

  /**
   * Of these blocks it sends the first ones, and for the others what is something else
   */
  async function liar (offered: Block[], right: number): Promise<{ there: Replica, given: string[] }> {
    const good = new Set(offered.slice(0, right).map(({ hash }) => hash))
    const store = await memoryStore(offered)
    const given: string[] = []

    const there = await createReplica({
      store: wrapStore(store, {
        async * get (hash) {
          given.push(hash)

          if (good.has(hash)) {
            yield * store.get(hash)
          } else {
            yield content(12_345, 100)
          }
        }
      })
    })

    return { there, given }
  }

  it('fails for each of it, and the rest is taken', async () => {
    const offered = blocks(0, 20)
    const { there } = await liar(offered, 15)
    const here = await createReplica()
    const result = await here.service.replicate(there.addresses)

    expect(result.confirmed).to.be.true()
    expect(failureNames(result.failed)).to.deep.equal({ HashMismatchError: 5 })
    expect(result.failed.map(({ hash }) => hash).sort()).to.deep.equal(hashes(offered.slice(15)))
    expect(await hashesOf(here.store)).to.deep.equal(hashes(offered.slice(0, 15)))
  })

  it('is not asked for it again, also when it offers it again', async () => {
    const offered = blocks(0, 20)
    const wrong = new Set(hashes(offered.slice(18)))
    const { there, given } = await liar(offered, 18)
    const here = await createReplica()
    const controller = new AbortController()
    const synced = nextEvent(here, 'synced')
    const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })

    await synced
    const again = nextEvent(here, 'synced')
    await here.service.replicate(there.addresses, { since: -1 })
    await again

    expect(given.filter(hash => wrong.has(hash)).sort()).to.deep.equal([...wrong].sort())

    controller.abort()
    await expect(live).to.eventually.be.rejected()
  })

  it('is left alone when it was too much, and asked again after a while', async () => {
    const offered = blocks(0, 20)
    const { there, given } = await liar(offered, 15)
    const here = await createReplica({
      accept: () => true,
      limits: { maxWrongContents: 4, leaveAlone: 3_600_000 }
    })
    const ask = async (): Promise<void> => {
      await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected.with.property('name', 'UntrustedPeerError')
    }
    const clock = new SetClock()

    try {
      await ask()
      const before = given.length

      // neither when we ask
      await ask()
      clock.jump(3_500_000)
      await ask()
      // nor when it comes
      await there.service.replicate(here.addresses)

      expect(given).to.have.lengthOf(before)

      clock.jump(100_000)
      // it has not learnt
      await ask()

      expect(given.length).to.be.above(before)
    } finally {
      clock.restore()
    }
  })

  it('is left alone for what it sent in several exchanges', async () => {
    const offered = blocks(0, 3)
    const { there } = await liar(offered, 0)
    const here = await createReplica({ limits: { maxWrongContents: 7 } })

    expect(failureNames((await here.service.replicate(there.addresses)).failed)).to.deep.equal({ HashMismatchError: 3 })
    expect(failureNames((await here.service.replicate(there.addresses)).failed)).to.deep.equal({ HashMismatchError: 3 })
    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected.with.property('name', 'UntrustedPeerError')
  })
})

describe('hashes of no use to a store', () => {
  afterEach(stopReplicas)

  it('are ignored, and counted', async () => {
    const good = blocks(0, 5)
    const bytes = new TextEncoder().encode('hello')
    const digest = Digest.create(0x12, content(1, 32))
    const useless = [
      'hello',
      '',
      '__proto__',
      'Bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'.toUpperCase(),
      // content that is its own hash
      CID.createV1(0x55, identity.digest(bytes)).toString(),
      blockHash(identity.digest(bytes)),
      // other names of a block
      CID.createV0(digest).toString(),
      CID.createV1(0x70, digest).toString(),
      `${blockHash(digest)} `,
      // hashes that cannot be checked
      blockHash(Digest.create(0x11, content(2, 20))),
      blockHash(Digest.create(0x13, content(3, 64))),
      blockHash(Digest.create(0x1234567, content(3, 32))),
      // too short, and too long
      blockHash(Digest.create(0x12, content(4, 20))),
      blockHash(Digest.create(0x12, content(5, 64)))
    ]

    // two are the same, and some come twice
    const ignored = new Set(useless).size
    // one that is here all the same
    const other = content(6, 100)
    const known = blockHash(await sha512.digest(other))
    const offered = [...good.map(({ hash }) => hash), ...useless, ...useless.slice(0, 3), known]
    const { store } = listing(await memoryStore(good), offered, offered.length)
    const there = await createReplica({ store })
    // not even where there are hashers: a hash that is its own content says nothing
    // of it, and a digest of another length is none of this function
    const here = await createReplica({ hashers: [identity, sha256] })
    await here.store.put(known, other)
    const synced = nextEvent(here, 'synced')
    const result = await here.service.replicate(there.addresses)

    expect(result.confirmed).to.be.true()
    expect(result.failed).to.be.empty()
    expect(await hashesOf(here.store)).to.deep.equal([...hashes(good), known].sort())
    expect(result.ignored).to.equal(ignored)
    expect(await synced).to.have.property('ignored', ignored)
    // and are not offered again
    expect(await here.store.cursor(there.peer.toString())).to.have.property('sequence', offered.length)

    // nor counted again where it comes again
    expect(await here.service.replicate(there.addresses, { since: -1 })).to.have.property('ignored', ignored)
  })

  it('are counted as far as they are remembered', async () => {
    const useless = Array.from({ length: 1500 }, (_, i) => `useless ${i}`)
    const { store } = listing(await memoryStore(), useless, useless.length)
    const there = await createReplica({ store })
    const here = await createReplica()

    expect(await here.service.replicate(there.addresses)).to.have.property('ignored', 1000)
  })
})

describe('blocks of other hash functions', () => {
  afterEach(stopReplicas)

  async function sha512Block (seed: number, size: number): Promise<Block> {
    const bytes = content(seed, size)

    return { hash: blockHash(await sha512.digest(bytes)), bytes }
  }

  it('are taken where the application gives a hasher', async () => {
    const offered = await Promise.all([1, 2, 3].map(async seed => sha512Block(seed, 1000)))
    const there = await createReplica({ store: await memoryStore([...offered, block(1)]) })
    const here = await createReplica({ hashers: [sha512] })
    const without = await createReplica()

    await here.service.replicate(there.addresses)
    await without.service.replicate(there.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes([...offered, block(1)]))
    expect(await hashesOf(without.store)).to.deep.equal([block(1).hash])
  })

  it('are checked', async () => {
    const [right, wrong] = await Promise.all([sha512Block(1, 1000), sha512Block(2, 1000)])
    const there = await createReplica({ store: await memoryStore([right, { hash: wrong.hash, bytes: content(3, 1000) }]) })
    const here = await createReplica({ hashers: [sha512] })
    const result = await here.service.replicate(there.addresses)

    expect(failureNames(result.failed)).to.deep.equal({ HashMismatchError: 1 })
    expect(await hashesOf(here.store)).to.deep.equal([right.hash])
  })

  it('may be so large as they may be held', async () => {
    const MAX = 200_000
    const [fits, exceeds] = await Promise.all([sha512Block(1, MAX), sha512Block(2, MAX + 1)])
    // of sha2-256 it may have any size
    const other = block(3, 2 * MAX)
    const there = await createReplica({ store: await memoryStore([fits, exceeds, other]) })
    const here = await createReplica({ hashers: [sha512], limits: { maxHeldBlockBytes: MAX } })
    const result = await here.service.replicate(there.addresses)

    expect(failureNames(result.failed)).to.deep.equal({ LimitError: 1 })
    expect(await hashesOf(here.store)).to.deep.equal(hashes([fits, other]))
  })

  it('fail by name where the hasher never answers', async () => {
    const offered = await sha512Block(1, 1000)
    const there = await createReplica({ store: await memoryStore([offered, block(1)]) })
    const here = await createReplica({
      hashers: [{ name: sha512.name, code: sha512.code, digest: sha512.digest.bind(sha512), encode: async () => new Promise(() => {}) } as any],
      limits: { storeTimeout: 200 }
    })
    const result = await here.service.replicate(there.addresses)

    expect(result.failed.map(({ hash, error }) => [hash, error.name, error.message])).to.deep.equal([[offered.hash, 'StoreError', 'The hasher sha2-512 did not answer within 200 ms']])
    expect(await hashesOf(here.store)).to.deep.equal([block(1).hash])
  })

  it('fail by name where the hasher does', async () => {
    const offered = await sha512Block(1, 1000)
    const there = await createReplica({ store: await memoryStore([offered, block(1)]) })
    const here = await createReplica({
      hashers: [{ ...sha512, name: sha512.name, code: sha512.code, digest: sha512.digest.bind(sha512), encode: async () => { throw new Error('No hash today') } } as any]
    })
    const result = await here.service.replicate(there.addresses)

    expect(result.failed.map(({ hash, error }) => [hash, error.message])).to.deep.equal([[offered.hash, 'No hash today']])
    expect(await hashesOf(here.store)).to.deep.equal([block(1).hash])
  })
})

describe('how much is remembered', () => {
  afterEach(stopReplicas)

  /**
   * The most hashes that were wanted at a time
   */
  function watchWants (replica: Replica): () => Promise<number> {
    let most = 0
    const look = async (): Promise<void> => { most = Math.max(most, await wants(replica)) }

    replica.service.addEventListener('received', () => { void look() })

    return async () => most
  }

  it('is bounded for one peer, and all is had nevertheless', async () => {
    // announced in several messages
    const offered = blocks(0, 2500)
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ limits: { maxWanted: 300 } })
    const most = watchWants(here)
    const result = await here.service.replicate(there.addresses)

    expect(await hashesOf(here.store)).to.deep.equal(hashes(offered))
    expect(result.received.hashes).to.equal(2500)
    expect(result.failed).to.be.empty()
    expect(result.confirmed).to.be.true()
    expect(await most()).to.be.within(250, 300)
    expect(await here.store.cursor(there.peer.toString())).to.have.property('sequence', 2500)
    // nothing was sent twice
    expect(there.metrics.counted.get('libp2p_hash_exchange_hashes_total')).to.deep.equal({ sent: 2500 })
  })

  it('is bounded for all peers together', async () => {
    const own = [blocks(0, 1500), blocks(1500, 1500), blocks(3000, 1500)]
    const gate = Promise.withResolvers<void>()
    const peers = await Promise.all(own.map(async own => createReplica({
      store: wrapStore(await memoryStore(own), {
        async * get (hash) {
          await gate.promise
          yield * this.get(hash)
        }
      })
    })))
    const here = await createReplica({ limits: { maxWanted: 1200, maxWantedOfAll: 1500 } })
    const most = watchWants(here)
    let listed = 0

    const results = await Promise.all(peers.map(async ({ addresses }) => here.service.replicate(addresses, {
      mode: 'pull',
      onProgress: ({ type }) => {
        // nothing comes before all have offered what they have
        if (type === 'hash-exchange:replicate:listed' && ++listed === peers.length) {
          gate.resolve()
        }
      }
    })))

    expect(await hashesOf(here.store)).to.deep.equal(hashes(own.flat()))
    expect(results.every(({ confirmed }) => confirmed)).to.be.true()
    expect(await most()).to.be.within(1000, 1500)
  })

  it('is forgotten when the peer has gone', async () => {
    const store = await memoryStore(blocks(0, 500))
    const there = await createReplica({
      store: wrapStore(store, { get: () => thenHang() }),
      limits: { serveTimeout: 60_000 }
    })
    const here = await createReplica({ limits: { requestTimeout: 60_000 } })
    const offered = Promise.withResolvers<void>()
    const replicated = here.service.replicate(there.addresses, {
      onProgress: ({ type }) => {
        if (type === 'hash-exchange:replicate:offered') {
          offered.resolve()
        }
      }
    })

    await offered.promise
    expect(await wants(here)).to.equal(500)

    await there.node.stop()
    await expect(replicated).to.eventually.be.rejected()
    expect(await wants(here)).to.equal(0)
  })

  it('is bounded for what has not been looked up: no more is read', async () => {
    const COUNT = 300_000
    const hash = blockHash(Digest.create(0x12, content(1, 32)))
    // all the same, which is not here to find out
    const list = listing(await memoryStore(), Array.from({ length: COUNT }, () => hash), COUNT)
    const there = await createReplica({ store: list.store })
    const gate = Promise.withResolvers<boolean>()
    const began = Promise.withResolvers<void>()
    const store = await memoryStore()
    const here = await createReplica({
      store: wrapStore(store, {
        has: async () => {
          began.resolve()
          return gate.promise
        }
      }),
      limits: { maxUnchecked: 2000, stallTimeout: 10_000, storeTimeout: 10_000 }
    })

    const replicated = here.service.replicate(there.addresses)

    await began.promise
    // until it has not moved for a while
    for (let before = -1; before !== list.listed;) {
      before = list.listed
      await new Promise(resolve => setTimeout(resolve, 100))
    }

    // some megabytes are in buffers on the way, with 60 bytes for each hash
    expect(list.listed).to.be.below(COUNT / 2)

    gate.resolve(true)
    await replicated

    expect(list.listed).to.equal(COUNT)
    expect(await here.store.cursor(there.peer.toString())).to.have.property('sequence', COUNT)
  })

  it('is bounded for what has come and is not stored: no more is read', async () => {
    const SIZE = 64 * 1024
    const COUNT = 400
    const offered = blocks(0, COUNT, SIZE)
    const gate = Promise.withResolvers<void>()
    const below = await memoryStore()
    let putting = 0
    let most = 0
    let began = (): void => {}
    const hasBegun = new Promise<void>(resolve => { began = resolve })
    const here = await createReplica({
      store: wrapStore(below, {
        put: async (hash, source) => {
          putting++
          most = Math.max(most, putting)
          began()
          await gate.promise

          try {
            return await below.put(hash, source)
          } finally {
            putting--
          }
        }
      }),
      limits: { maxUnstoredBytes: 5 * SIZE, maxUnreadBytes: 1024 * 1024, storeTimeout: 10_000, requestTimeout: 10_000, unreadTimeout: 10_000 }
    })
    let given = 0
    const there = await createReplica({
      store: wrapStore(await memoryStore(offered), {
        async * get (hash) {
          given++
          yield * this.get(hash)
        }
      }),
      limits: { serveTimeout: 10_000 }
    })

    const replicated = here.service.replicate(there.addresses)

    await hasBegun

    for (let before = -1; before !== given;) {
      before = given
      await new Promise(resolve => setTimeout(resolve, 100))
    }

    expect(putting).to.equal(5)
    // 400 blocks are 25 MiB
    expect(given).to.be.below(COUNT * 2 / 3)

    gate.resolve()

    expect(await replicated).to.have.nested.property('received.hashes', COUNT)
    expect(most).to.equal(5)
    expect(await wrongIn(below)).to.be.empty()
  })

  it('is bounded for what has failed', async () => {
    const below = await memoryStore(blocks(0, 100))
    const there = await createReplica({
      store: wrapStore(below, { get: () => { throw new Error('The disk is broken') } })
    })
    const here = await createReplica({ limits: { maxFailed: 50 } })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejectedWith('More than 50 hashes of the peer failed')
      .with.property('name', 'LimitError')
  })
})
