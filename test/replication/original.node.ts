import { expect } from 'aegir/chai'
import { equals } from 'uint8arrays'
import { blocks, grownTo, hashesOf, memoryStore, putBlocks, wrongIn } from '../fixtures/blocks.ts'
import { OriginalApp, OriginalReplica } from '../fixtures/original-replica.ts'
import { isDestroyed } from '../fixtures/original.ts'
import { eventsOf, failureNames, nextEvent, stopReplicas } from '../fixtures/replicas.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { OriginalAppInit } from '../fixtures/original-replica.ts'
import type { Replica } from '../fixtures/replicas.ts'

const ours = blocks(0, 30, 2000)
const common = blocks(100, 5)
const theirs = [...blocks(200, 30, 3000), ...blocks(300, 1, 200_000)]

const QUIET = 250
const limits = { quiet: QUIET, beginTimeout: 100, quietTimeout: 100 }

const NOTHING = { hashes: 0, bytes: 0 }

function totals (blocks: Block[]): { hashes: number, bytes: number } {
  return { hashes: blocks.length, bytes: blocks.reduce((sum, { bytes }) => sum + bytes.length, 0) }
}

function hashes (...blocks: Block[][]): string[] {
  return blocks.flat().map(({ hash }) => hash).sort()
}

async function delay (ms: number): Promise<void> {
  await new Promise(resolve => { setTimeout(resolve, ms) })
}

describe('replication with an original over libp2p and TCP', () => {
  let remote: OriginalReplica

  before(async () => {
    remote = await OriginalReplica.create()
  })

  after(async () => {
    await remote.node.stop()
  })

  afterEach(stopReplicas)

  async function createOurs (init = {}, has = [...common, ...ours]): Promise<Replica> {
    return remote.createOurs({ store: await memoryStore(has), accept: () => true, limits, ...init })
  }

  const replicate: OriginalReplica['replicate'] = async (...args) => remote.replicate(...args)
  const open: OriginalReplica['open'] = async (...args) => remote.open(...args)

  function createTheirs (init: Partial<OriginalAppInit> = {}): OriginalApp {
    return new OriginalApp({ blocks: [...theirs, ...common], ...init })
  }

  async function expectSame ({ store }: Replica, app: OriginalApp): Promise<void> {
    expect(await hashesOf(store)).to.deep.equal(app.hashes)
    expect(await wrongIn(store)).to.be.empty()

    for (const { hash, bytes } of [...ours, ...common, ...theirs]) {
      const content = app.contents.get(hash)
      expect(content == null || equals(content, bytes), hash).to.be.true()
    }
  }

  describe('that we open', () => {
    for (const provides of ['start', 'since', 'id'] as const) {
      it(`ends with the same on both sides: it provides ${provides === 'start' ? 'at once' : `on ${provides}`}`, async () => {
        const here = await createOurs()
        const app = createTheirs({ provides })
        const { result } = await replicate(here, app)

        // nobody has said that it was all
        expect(await result).to.deep.equal({ received: totals(theirs), sent: totals(ours), failed: [], ignored: 0, confirmed: false })
        await expectSame(here, app)
        expect(app.hashes).to.deep.equal(hashes(ours, common, theirs))
        // all of it is in the one list, whose end is nothing to it
        expect(app.heard.filter(heard => heard.startsWith('available'))).to.deep.equal(['available 30', 'available 0'])
        expect(app.heard.filter(heard => heard.startsWith('since'))).to.deep.equal(['since -1'])
        expect(app.heard).to.include('id')
      })
    }

    it('pulls without an offer', async () => {
      const here = await createOurs()
      const app = createTheirs()
      const { result } = await replicate(here, app, { mode: 'pull' })

      expect(await result).to.deep.equal({ received: totals(theirs), sent: NOTHING, failed: [], ignored: 0, confirmed: false })
      expect(app.hashes).to.deep.equal(hashes(common, theirs))
    })

    it('pushes without taking', async () => {
      const here = await createOurs()
      const app = createTheirs()
      const { result, there } = await replicate(here, app, { mode: 'push' })

      expect(await result).to.deep.equal({ received: NOTHING, sent: totals(ours), failed: [], ignored: 0, confirmed: false })
      expect(app.hashes).to.deep.equal(hashes(ours, common, theirs))
      expect(there.hashes('REQUEST')).to.be.empty()
      expect(there.messages.some(({ type }) => type === 'SINCE')).to.be.false()
    })

    it('keeps no cursor: the next time all is offered again, and nothing is sent', async () => {
      const here = await createOurs()
      const app = createTheirs()
      await (await replicate(here, app)).result

      expect(await here.store.cursor(remote.node.peerId.toString())).to.equal(undefined)
      const again = createTheirs({ blocks: [...ours, ...common, ...theirs] })
      const { result } = await replicate(here, again)
      expect(await result).to.deep.equal({ received: NOTHING, sent: NOTHING, failed: [], ignored: 0, confirmed: false })
    })

    it('does not take an empty announcement of it for the end of its list', async () => {
      const here = await createOurs()
      const app = createTheirs({ provides: 'never' })
      const { result } = await replicate(here, app)

      app.original.provide([])
      await app.hears('available 0')
      await delay(QUIET / 2)
      app.original.provide(hashes(theirs))
      app.original.provide([])
      expect(await result).to.deep.include({ received: totals(theirs), confirmed: false })
      await expectSame(here, app)
    })

    it('goes on as long as it offers something now and then', async () => {
      const here = await createOurs()
      const app = createTheirs({ provides: 'never' })
      const { result } = await replicate(here, app)
      let settled = false
      result.then(() => { settled = true }, () => {})

      for (const { hash } of theirs.slice(0, 6)) {
        await delay(QUIET / 2)
        expect(settled).to.be.false()
        app.original.provide(hash)
      }

      expect(await result).to.deep.include({ received: totals(theirs.slice(0, 6)), failed: [], confirmed: false })
    })

    it('that never stops to offer is ended by the signal, and what came is kept', async () => {
      const here = await createOurs({}, [])
      const app = createTheirs({ provides: 'never' })
      const controller = new AbortController()
      const { result } = await replicate(here, app, { signal: controller.signal })
      let i = 0
      const timer = setInterval(() => { app.original.provide(theirs[i++ % theirs.length].hash) }, QUIET / 10)

      await grownTo(here.store, 10)
      controller.abort()
      await expect(result).to.eventually.be.rejected.with.property('name', 'AbortError')
      clearInterval(timer)
      expect(here.store.size).to.be.at.least(10)
      expect(await wrongIn(here.store)).to.be.empty()
    })

    it('waits for its slow lookups, also where they take longer than it may be quiet', async () => {
      for (const ms of [25, QUIET * 2.5]) {
        const here = await createOurs({ limits: { ...limits, requestTimeout: 5000 } })
        const app = createTheirs({
          lookup: async () => {
            await delay(ms)
            return true
          }
        })
        const { result } = await replicate(here, app)

        expect(await result).to.deep.equal({ received: totals(theirs), sent: totals(ours), failed: [], ignored: 0, confirmed: false })
        await expectSame(here, app)
        expect(isDestroyed(app.original)).to.be.false()
      }
    })

    it('takes what it offers when a slow lookup has ended', async () => {
      const here = await createOurs({ limits: { ...limits, requestTimeout: 5000 } })
      const app = createTheirs({
        provides: 'never',
        lookup: async hash => {
          if (hash === theirs[0].hash) {
            await delay(QUIET * 2.5)
            app.original.provide(hashes(theirs))
          }

          return true
        }
      })
      app.original.provide(theirs[0].hash)
      const { result } = await replicate(here, app)

      expect(await result).to.deep.include({ received: totals(theirs), failed: [], confirmed: false })
    })

    it('waits for our own slow lookups and sources', async () => {
      const here = await createOurs({
        limits: { ...limits, serveTimeout: 5000 },
        allow: async (_: unknown, hash?: string) => {
          if (hash === ours[3].hash) {
            await delay(QUIET * 2.5)
          }

          return true
        }
      })
      const app = createTheirs()
      const { result } = await replicate(here, app)

      expect(await result).to.deep.include({ sent: totals(ours), confirmed: false })
      await expectSame(here, app)
    })

    it('names what it does not find', async () => {
      const lost = new Set(hashes(theirs.slice(0, 3)))
      const here = await createOurs()
      const app = createTheirs({ lookup: async hash => !lost.has(hash) })
      const { result } = await replicate(here, app)
      const { failed, ...rest } = await result

      expect(failureNames(failed)).to.deep.equal({ NotFoundError: 3 })
      expect(new Set(failed.map(({ hash }) => hash))).to.deep.equal(lost)
      expect(rest).to.deep.equal({ received: totals(theirs.slice(3)), sent: totals(ours), ignored: 0, confirmed: false })
    })

    it('names what is not what it says', async () => {
      const here = await createOurs()
      const app = createTheirs()
      app.contents.set(theirs[0].hash, theirs[1].bytes)
      const { result } = await replicate(here, app)
      const { failed, received } = await result

      expect(failed.map(({ hash, error }) => [hash, error.name])).to.deep.equal([[theirs[0].hash, 'HashMismatchError']])
      expect(received).to.deep.equal(totals(theirs.slice(1)))
    })

    it('does not wait for ever for a lookup that does not end', async () => {
      const here = await createOurs({ limits: { ...limits, requestTimeout: 100, stallTimeout: 400, closeTimeout: 300 } })
      // it works through nothing else meanwhile, so that ours is not asked for
      const app = createTheirs({ lookup: async hash => hash === theirs[2].hash ? new Promise(() => {}) : true })
      const { result } = await replicate(here, app)
      const { failed, confirmed } = await result

      expect(failureNames(failed)).to.deep.equal({ TimeoutError: theirs.length })
      expect(confirmed).to.be.false()
      expect(here.service.exchanges).to.be.empty()
    })

    it('answers what it asks for late', async () => {
      const here = await createOurs()
      const app = createTheirs({ requests: false })
      const { result } = await replicate(here, app)

      await app.hears('available 0')

      for (const { hash } of ours) {
        await delay(QUIET / 20)
        app.original.request(hash)
      }

      expect(await result).to.deep.include({ sent: totals(ours), confirmed: false })
      await expectSame(here, app)
    })

    it('is at its end when it closes, however early', async () => {
      for (const when of ['at once', 'when it has heard of ours', 'during its lookups', 'after all'] as const) {
        const here = await createOurs({ limits: { ...limits, requestTimeout: 5000 } })
        let lookups = 0
        const app = createTheirs({
          lookup: async () => {
            if (when === 'during its lookups' && lookups++ === 0) {
              app.original.close()
            }

            await delay(20)
            return true
          }
        })

        if (when === 'at once') {
          app.original.close()
        }

        const { result } = await replicate(here, app)

        if (when === 'when it has heard of ours') {
          await app.hears('available 30')
          app.original.close()
        } else if (when === 'after all') {
          await app.until(() => app.hashes.length === hashes(ours, common, theirs).length)
          await grownTo(here.store, app.hashes.length)
          app.original.close()
        }

        // it answers and asks on after its CLOSE
        expect(await result, when).to.deep.equal({ received: totals(theirs), sent: totals(ours), failed: [], ignored: 0, confirmed: false })
        await expectSame(here, app)
      }
    })

    it('does not wait for its CLOSE', async () => {
      const here = await createOurs({ limits: { ...limits, closeTimeout: 60_000 } })
      const app = createTheirs()
      const { result, there } = await replicate(here, app)

      await there.message('CLOSE')
      // long before the minute is over
      await result
    })

    it('offers live what is put later, on both sides', async () => {
      const here = await createOurs()
      const app = createTheirs()
      const controller = new AbortController()
      const { result } = await replicate(here, app, { live: true, signal: controller.signal })
      const synced = eventsOf(here, 'synced')

      await app.until(() => app.hashes.length === hashes(ours, common, theirs).length)
      await grownTo(here.store, app.hashes.length)
      await delay(QUIET * 2.5)

      const late = blocks(400, 2)
      await putBlocks(here.store, late.slice(0, 1))
      await app.until(() => app.contents.has(late[0].hash))
      app.contents.set(late[1].hash, late[1].bytes)
      app.original.provide(late[1].hash)
      await grownTo(here.store, app.hashes.length)
      await expectSame(here, app)
      // of that nobody can be sure
      expect(synced).to.be.empty()

      controller.abort()
      await expect(result).to.eventually.be.rejected.with.property('name', 'AbortError')
    })

    describe('which offers more than is remembered', () => {
      const few = { ...limits, maxWanted: 10 }

      it('once: the result is not complete, and says so', async () => {
        const here = await createOurs({ limits: few })
        const app = createTheirs({ provides: 'start' })
        // each message on its own: all in one would fill the table as well
        const { result } = await replicate(here, app)

        await expect(result).to.eventually.be.rejected.with.property('name', 'IncompleteError')
        // it was asked
        expect(app.heard.filter(heard => heard === 'since -1')).to.have.lengthOf(2)
        expect(here.store.size).to.equal(ours.length + common.length + 10)
        // what is ours it has
        expect(app.hashes).to.deep.equal(hashes(ours, common, theirs))
      })

      it('again on each SINCE: all is had', async () => {
        const here = await createOurs({ limits: few })
        const app = createTheirs({ provides: 'since' })
        const { result } = await replicate(here, app)

        expect(await result).to.deep.equal({ received: totals(theirs), sent: totals(ours), failed: [], ignored: 0, confirmed: false })
        await expectSame(here, app)
        expect(app.heard.filter(heard => heard === 'since -1')).to.have.lengthOf(Math.ceil(theirs.length / 10))
      })

      it('and nothing but an empty announcement on SINCE: not complete either', async () => {
        const here = await createOurs({ limits: few })
        const app = createTheirs({ provides: 'start' })
        app.original.on('since', () => { app.original.provide([]) })
        const { result } = await replicate(here, app)

        await expect(result).to.eventually.be.rejected.with.property('name', 'IncompleteError')
      })
    })
  })

  describe('that it opens', () => {
    for (const provides of ['start', 'since', 'id'] as const) {
      it(`ends with the same on both sides: it provides ${provides === 'start' ? 'at once' : `on ${provides}`}`, async () => {
        const here = await createOurs()
        const app = createTheirs({ provides })
        const opened = nextEvent(here, 'exchange')
        const { ended } = await open(here, app)
        const exchange = await opened

        await app.until(() => app.hashes.length === hashes(ours, common, theirs).length)
        await grownTo(here.store, app.hashes.length)
        await expectSame(here, app)

        // it is not ours to close
        await delay(QUIET * 2.5)
        expect(here.service.exchanges).to.deep.equal([exchange])
        const closed = new Promise(resolve => { exchange.addEventListener('close', ({ detail }) => { resolve(detail) }) })
        app.original.close()
        expect(await closed).to.equal(null)
        await ended
        expect(isDestroyed(app.original)).to.be.false()
      })
    }

    it('gives us nothing where we do not accept, and has what is ours', async () => {
      const here = await createOurs({ accept: undefined })
      const app = createTheirs()
      const { there } = await open(here, app)

      await app.until(() => app.hashes.length === hashes(ours, common, theirs).length)
      expect(await hashesOf(here.store)).to.deep.equal(hashes(ours, common))
      expect(there.hashes('REQUEST')).to.be.empty()
      expect(app.heard.filter(heard => heard.startsWith('since'))).to.be.empty()
    })

    it('may close at any time: we have what it had promised', async () => {
      for (const provides of ['start', 'since'] as const) {
        const here = await createOurs({ limits: { ...limits, requestTimeout: 5000 } })
        const app = createTheirs({
          provides,
          lookup: async () => {
            await delay(20)
            return true
          }
        })
        const opened = nextEvent(here, 'exchange')
        await open(here, app)
        const exchange = await opened
        const closed = new Promise(resolve => { exchange.addEventListener('close', ({ detail }) => { resolve(detail) }) })

        await app.hears('id')
        app.original.close()
        expect(await closed).to.equal(null)
        await expectSame(here, app)
        expect(app.hashes).to.deep.equal(hashes(ours, common, theirs))
      }
    })

    it('is not joined: whether it replicates cannot be known', async () => {
      const here = await createOurs()
      const first = createTheirs({ provides: 'never', requests: false })
      await open(here, first)
      const app = createTheirs()
      const { result } = await replicate(here, app)

      expect(await result).to.deep.equal({ received: totals(theirs), sent: totals(ours), failed: [], ignored: 0, confirmed: false })
      await expectSame(here, app)
      expect(here.service.exchanges).to.have.lengthOf(1)
    })
  })
})
