import { expect } from 'aegir/chai'
import { block, blocks, hashesOf, memoryStore } from '../fixtures/blocks.ts'
import { createReplica, eventsOf, failureNames, nextEvent, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { laps } from '../fixtures/slicing.ts'
import { watchRejections } from '../fixtures/unhandled.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { ReplicateResult, Store } from '../../src/index.ts'
import type { Replica } from '../fixtures/replicas.ts'

const offered = blocks(0, 60)

/**
 * A store that puts one after the other, and fails where it is told to
 */
async function failing (fails: (put: number) => boolean): Promise<{ store: Store, puts: number }> {
  const below = await memoryStore()
  const result = { store: below, puts: 0 }

  let last: Promise<unknown> = Promise.resolve()

  result.store = wrapStore(below, {
    put: async (hash, source) => {
      const put = last.then(async () => {
        if (fails(result.puts++)) {
          throw new Error('No space left on device')
        }

        return below.put(hash, source)
      })

      last = put.catch(() => {})

      return put
    }
  })

  return result
}

/**
 * A store whose first put of what comes never ends, once its source has failed
 */
function hangingAfter (below: Store, onRead = (): void => {}): Store {
  let puts = 0

  return wrapStore(below, {
    put: async (hash, source) => {
      if (puts++ > 0) {
        return below.put(hash, source)
      }

      try {
        for await (const chunk of source as AsyncIterable<Uint8Array>) {
          expect(chunk).to.not.be.empty()
          onRead()
        }
      } catch {
        // it is never told
      }

      return new Promise(() => {})
    }
  })
}

/**
 * Begins to take from a peer, and waits until that has offered something
 */
async function takeFrom (here: Replica, { addresses }: Replica): Promise<{ result: Promise<ReplicateResult> }> {
  const offering = Promise.withResolvers<void>()
  const result = here.service.replicate(addresses, {
    mode: 'pull',
    onProgress: ({ type }) => {
      if (type === 'hash-exchange:replicate:offered') {
        offering.resolve()
      }
    }
  })

  await offering.promise

  return { result }
}

describe('a store that fails', () => {
  afterEach(stopReplicas)

  it('fails each hash that it could not put, and keeps the cursor before them', async () => {
    const { store } = await failing(put => put % 10 === 9)
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ store })
    const result = await here.service.replicate(there.addresses)

    expect(result.confirmed).to.be.true()
    expect(failureNames(result.failed)).to.deep.equal({ StoreError: 6 })
    expect(result.failed[0].error.message).to.include('No space left on device')
    expect(result.received.hashes).to.equal(54)
    expect(store.size).to.equal(54)
    expect(await store.cursor(there.peer.toString())).to.be.undefined()

    // and then they are offered again
    expect(await here.service.replicate(there.addresses)).to.have.nested.property('received.hashes', 6)
    expect(await hashesOf(store)).to.deep.equal(offered.map(({ hash }) => hash).sort())
    expect(await store.cursor(there.peer.toString())).to.have.property('sequence', 60)
  })

  it('ends the exchange when it fails 16 times in a row', async () => {
    const { store } = await failing(() => true)
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ store })
    const failed = eventsOf(here, 'failed')
    const closed = new Promise<Error | null>(resolve => {
      there.service.addEventListener('exchange', ({ detail: ex }) => {
        ex.addEventListener('close', ({ detail }) => { resolve(detail) })
      })
    })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejectedWith('No space left on device').with.property('name', 'StoreError')
    expect(failed.length).to.be.at.least(16)
    expect(store.size).to.equal(0)
    // the peer learns that it is over
    expect(await closed).to.be.an('error')
  })

  it('goes on when it does not fail 16 times in a row', async () => {
    const { store } = await failing(put => put % 16 !== 15)
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({ store })
    const result = await here.service.replicate(there.addresses)

    expect(failureNames(result.failed)).to.deep.equal({ StoreError: 57 })
    expect(store.size).to.equal(3)
  })

  it('fails what it does not put in time', async () => {
    const below = await memoryStore()
    const gate = Promise.withResolvers<void>()
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      store: wrapStore(below, {
        put: async (hash, source) => {
          if (hash === offered[20].hash) {
            await gate.promise
          }

          return below.put(hash, source)
        }
      }),
      limits: { storeTimeout: 150 }
    })
    const result = await here.service.replicate(there.addresses)

    expect(result.failed.map(({ hash, error }) => [hash, error.name])).to.deep.equal([[offered[20].hash, 'StoreError']])
    expect(result.failed[0].error.message).to.include('150 ms')
    expect(result.received.hashes).to.equal(59)

    // it was put after all
    const put = new Promise<void>(resolve => { below.addEventListener('put', () => { resolve() }) })
    gate.resolve()
    await put

    expect(await here.service.replicate(there.addresses)).to.have.property('failed').that.is.empty()
    expect(below.size).to.equal(60)
    expect(await below.cursor(there.peer.toString())).to.have.property('sequence', 60)
  })

  it('ends the exchange when it hangs for good', async () => {
    const below = await memoryStore()
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      store: wrapStore(below, { put: async () => new Promise(() => {}) }),
      limits: { storeTimeout: 100 }
    })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected.with.property('name', 'StoreError')
  })

  for (const fails of [false, true]) {
    it(`that is putting what a peer sent when that goes asks another one ${fails ? 'only when it fails' : 'for nothing'}`, async () => {
      const [one] = blocks(0, 1)
      const putting = Promise.withResolvers<void>()
      const putOn = Promise.withResolvers<void>()
      const below = await memoryStore()
      const puts: string[] = []
      const reads: string[] = []

      const store = wrapStore(below, {
        put: async (hash, source) => {
          puts.push(hash)

          if (puts.length > 1) {
            return below.put(hash, source)
          }

          putting.resolve()
          await putOn.promise

          if (fails) {
            throw new Error('Out of order')
          }

          return below.put(hash, source)
        }
      })
      const stored = await memoryStore([one])
      const here = await createReplica({ store, limits: PATIENT })
      const gone = await createReplica({ store: await memoryStore([one]) })
      const other = await createReplica({
        limits: PATIENT,
        store: wrapStore(stored, {
          get: hash => {
            reads.push(hash)

            return stored.get(hash)
          }
        })
      })

      const first = here.service.replicate(gone.addresses, { mode: 'pull' })
      await putting.promise

      const second = await takeFrom(here, other)
      await gone.node.stop()
      await expect(first).to.eventually.be.rejected()
      await laps(20)
      expect(reads).to.be.empty()
      putOn.resolve()

      expect(await second.result).to.deep.include({ confirmed: true, failed: [] })
      expect(puts).to.have.length(fails ? 2 : 1)
      expect(reads).to.have.length(fails ? 1 : 0)
      expect(store.size).to.equal(1)
    })
  }

  it('that is putting what a peer sent when that goes keeps it from being fetched again from one that comes then', async () => {
    const [one] = blocks(0, 1)
    const putting = Promise.withResolvers<void>()
    const putOn = Promise.withResolvers<void>()
    const below = await memoryStore()
    const store = wrapStore(below, {
      put: async (hash, source) => {
        putting.resolve()
        await putOn.promise

        return below.put(hash, source)
      }
    })
    const here = await createReplica({ store, limits: PATIENT })
    const gone = await createReplica({ store: await memoryStore([one]) })
    const other = await createReplica({ store: await memoryStore([one]), limits: PATIENT })

    const first = here.service.replicate(gone.addresses, { mode: 'pull' })
    await putting.promise
    await gone.node.stop()
    await expect(first).to.eventually.be.rejected()

    const second = await takeFrom(here, other)
    putOn.resolve()

    expect(await second.result).to.deep.include({ confirmed: true, failed: [], received: { hashes: 0, bytes: 0 } })
    expect(store.size).to.equal(1)
  })

  it('that never gives back a large block that is wrong is not waited for', async () => {
    const large = block(1, 3_000_000)
    const there = await createReplica({
      store: wrapStore(await memoryStore([large]), {
        * get () {
          yield new Uint8Array(3_000_000)
        }
      })
    })
    const here = await createReplica({ store: hangingAfter(await memoryStore()), limits: { storeTimeout: 200 } })
    const { failed } = await here.service.replicate(there.addresses)

    expect(failureNames(failed)).to.deep.equal({ HashMismatchError: 1 })
  })

  it('that never gives back a large block of which a peer has gone has it from another one', async () => {
    const large = block(1, 3_000_000)
    const gone = await createReplica({
      store: wrapStore(await memoryStore([large]), {
        async * get () {
          yield large.bytes.subarray(0, 2_000_000)
          await new Promise(() => {})
        }
      })
    })
    const reading = Promise.withResolvers<void>()
    const below = await memoryStore()
    const here = await createReplica({ store: hangingAfter(below, reading.resolve), limits: { ...PATIENT, storeTimeout: 200 } })
    const other = await createReplica({ store: await memoryStore([large]), limits: PATIENT })

    const first = here.service.replicate(gone.addresses, { mode: 'pull' })
    await reading.promise

    const second = await takeFrom(here, other)
    await gone.node.stop()
    await expect(first).to.eventually.be.rejected()
    expect(await second.result).to.deep.include({ failed: [], confirmed: true, received: { hashes: 1, bytes: 3_000_000 } })
    expect(below.size).to.equal(1)
  })

  for (const method of ['has', 'cursor', 'setCursor'] as const) {
    it(`ends the exchange when ${method}() never answers, also a live one`, async () => {
      const there = await createReplica({ store: await memoryStore(offered) })
      const here = await createReplica({
        store: wrapStore(await memoryStore(), { [method]: async () => new Promise(() => {}) }),
        limits: { storeTimeout: 200 }
      })

      await expect(here.service.replicate(there.addresses, { live: true })).to.eventually.be.rejectedWith('The store did not answer within 200 ms').with.property('name', 'StoreError')
    })
  }

  it('fails for one hash and later for another leaves no rejection unhandled', async () => {
    const there = await createReplica({ store: await memoryStore(offered) })
    let asked = 0
    const here = await createReplica({
      store: wrapStore(await memoryStore(), {
        has: () => {
          if (asked++ > 0) {
            throw new Error('The disk is gone')
          }

          return Promise.reject(new Error('The disk was gone before'))
        }
      })
    })
    const watch = watchRejections()

    try {
      await expect(here.service.replicate(there.addresses)).to.eventually.be.rejectedWith('The disk is gone').with.property('name', 'StoreError')
      await laps(3)
      watch.check()
    } finally {
      watch.stop()
    }
  })

  it('fails each hash that was put without a sequence, of small and of large blocks', async () => {
    for (const size of [100, 1_500_000]) {
      const there = await createReplica({ store: await memoryStore(blocks(0, 3, size)) })
      const below = await memoryStore()
      const here = await createReplica({
        store: wrapStore(below, {
          put: async (hash, source) => {
            await below.put(hash, source)

            return undefined as unknown as number
          }
        })
      })
      const { failed } = await here.service.replicate(there.addresses)

      expect(failureNames(failed)).to.deep.equal({ StoreError: 3 })
      expect(failed[0].error.message).to.include('put() must resolve to a sequence')
    }
  })

  it('ends the exchange when it cannot say what it has', async () => {
    const below = await memoryStore()
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      store: wrapStore(below, { has: async () => { throw new Error('The disk is gone') } })
    })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejectedWith('The disk is gone').with.property('name', 'StoreError')
  })

  it('ends the exchange when it cannot keep the cursor', async () => {
    const below = await memoryStore()
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      store: wrapStore(below, { setCursor: async () => { throw new Error('Read-only file system') } })
    })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejectedWith('Read-only file system').with.property('name', 'StoreError')
  })

  it('ends the exchange when it has lost the cursor', async () => {
    const below = await memoryStore()
    const there = await createReplica({ store: await memoryStore(offered) })
    const here = await createReplica({
      store: wrapStore(below, { cursor: async () => { throw new Error('The disk is gone') } })
    })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejectedWith('The disk is gone')
  })

  it('ends the exchange when it cannot be listed', async () => {
    const below = await memoryStore(offered)
    const there = await createReplica({
      store: wrapStore(below, {
        // eslint-disable-next-line require-yield
        async * since () { throw new Error('The disk is gone') }
      })
    })
    const here = await createReplica({ accept: () => true })

    await expect(here.service.replicate(there.addresses)).to.eventually.be.rejected()
    // on the other side with its reason
    await expect(there.service.replicate(here.addresses)).to.eventually.be.rejectedWith('The disk is gone')
  })

  it('gives less than it has: that is not taken, and had when it is whole again', async () => {
    const below = await memoryStore(offered)
    let short = true
    const there = await createReplica({
      store: wrapStore(below, {
        async * get (hash) {
          for await (const chunk of below.get(hash)) {
            yield short && hash === offered[7].hash ? chunk.subarray(1) : chunk
          }
        }
      })
    })
    const here = await createReplica()
    const { failed, received } = await here.service.replicate(there.addresses)

    expect(failed.map(({ hash, error }) => [hash, error.name])).to.deep.equal([[offered[7].hash, 'HashMismatchError']])
    expect(received.hashes).to.equal(59)
    expect(here.store.has(offered[7].hash)).to.be.false()

    short = false
    expect(await here.service.replicate(there.addresses)).to.deep.include({ failed: [], received: { hashes: 1, bytes: offered[7].bytes.length } })
  })

  it('does not give what it cannot read', async () => {
    const below = await memoryStore(offered)
    const there = await createReplica({
      store: wrapStore(below, {
        async * get (hash) {
          if (hash === offered[20].hash) {
            throw new Error('The disk is broken')
          }

          yield * below.get(hash)
        },
        sequence: async (hash) => {
          if (hash === offered[21].hash) {
            throw new Error('The disk is broken')
          }

          return below.sequence(hash)
        }
      })
    })
    const here = await createReplica()
    const result = await here.service.replicate(there.addresses)

    expect(result.confirmed).to.be.true()
    expect(Object.fromEntries(result.failed.map(({ hash, error }) => [hash, error.name]))).to.deep.equal({
      [offered[20].hash]: 'RemoteError',
      [offered[21].hash]: 'NotFoundError'
    })
    expect(here.store.size).to.equal(58)
    // the others stay as they are
    expect(await here.store.cursor(there.peer.toString())).to.be.undefined()
  })

  it('may lose a block while it is being sent, and give it later', async () => {
    const below = await memoryStore(offered)
    let gone = true
    const there = await createReplica({
      store: wrapStore(below, {
        async * get (hash) {
          if (gone && hash === offered[20].hash) {
            throw new Error('The disk is broken')
          }

          yield * below.get(hash)
        }
      })
    })
    const here = await createReplica({ accept: () => true })
    const controller = new AbortController()
    const synced = nextEvent(here, 'synced')
    const live = here.service.replicate(there.addresses, { live: true, signal: controller.signal })

    expect(await synced).to.have.property('failed').that.has.lengthOf(1)

    gone = false

    // what is put later does not move the cursor past it
    const arrived = nextEvent(here, 'synced')
    const more = block(100)
    await there.store.put(more.hash, more.bytes)
    await arrived
    controller.abort()
    await expect(live).to.eventually.be.rejected()

    expect(await here.store.cursor(there.peer.toString())).to.be.undefined()
    expect(await here.service.replicate(there.addresses)).to.have.nested.property('received.hashes', 1)
    expect(here.store.size).to.equal(61)
  })
})
