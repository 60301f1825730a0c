import { expect } from 'aegir/chai'
import { nextTask } from '../../src/exchange/next-task.ts'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collectText, manyHashes, nothing, serve, text } from '../fixtures/content.ts'
import { next, nextOf, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import { WatchedController } from '../fixtures/timers.ts'
import { unhandledRejections } from '../fixtures/unhandled.ts'

describe('exchange: provide', () => {
  it('announces a hash, an iterable and an async iterable', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)

    await ex.provide('a')
    await ex.provide(['b', 'c'])
    await ex.provide(new Set(['d']))
    await ex.provide((async function * () {
      yield 'e'
      yield 'f'
    })())
    await peer.sync()

    expect(peer.hashesOf(RPCType.AVAILABLE)).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('joins what is provided at once into one message', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)

    for (const hash of ['a', 'b', 'c']) {
      void ex.provide(hash)
    }
    await peer.sync()

    expect(peer.messages.filter(({ type }) => type === RPCType.AVAILABLE)).to.have.lengthOf(1)
  })

  it('gives way after each message, so that others are heard before all is announced', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const hashes = manyHashes(20_000)

    void ex.provide(hashes)
    await peer.message(RPCType.AVAILABLE)
    await nextTask()

    expect(peer.hashesOf(RPCType.AVAILABLE).length).to.be.below(5000)
    await peer.message(RPCType.AVAILABLE, 20)
    expect(peer.hashesOf(RPCType.AVAILABLE)).to.deep.equal(hashes)
  })

  it('announces nothing for an empty list', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)

    await ex.provide([])
    await peer.sync()

    expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.HASHES])
  })

  it('keeps messages to 1,000 hashes and 64 KiB', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const short = manyHashes(2500).map(hash => hash.substring(30))
    const long = manyHashes(300).map(hash => hash.padStart(512, 'x'))

    await ex.provide(short)
    await ex.provide(long)
    await peer.until(() => peer.hashesOf(RPCType.AVAILABLE).length === 2800)

    for (const { hashes } of peer.messages) {
      expect(hashes.length).to.be.at.most(1000)
      expect(hashes.join('').length).to.be.at.most(64 * 1024)
    }

    expect(peer.hashesOf(RPCType.AVAILABLE)).to.deep.equal([...short, ...long])
    expect(peer.messages).to.have.lengthOf(5)
  })

  it('gives what the remote announces as events, 1,000 hashes at a time', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const hashes = manyHashes(2500)
    const events = nextOf(ex, 'available', 3)

    peer.available(...hashes)

    const details = await events

    expect(details.map(detail => detail.length)).to.deep.equal([1000, 1000, 500])
    expect(details.flat()).to.deep.equal(hashes)
  })

  it('leaves out of the events what is provided here', async () => {
    const ex = exchange(nothing, { provides: (hash) => hash === 'dynamic' })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    let events = 0
    ex.addEventListener('available', () => { events++ })

    await ex.provide(['mine', 'mine, too'])
    peer.available('mine', 'theirs', 'dynamic', '__proto__')
    peer.available('mine', 'mine, too')
    peer.available()
    await peer.sync()

    expect(recorded.available).to.deep.equal(['theirs', '__proto__'])
    expect(events).to.equal(1)
  })

  it('serves only what is provided', async () => {
    const asked: string[] = []
    const ex = exchange((hash) => {
      asked.push(hash)
      return { stream: [] }
    }, { provides: (hash) => hash.startsWith('dynamic') })
    const peer = new ScriptedPeer(ex)

    void ex.provide(['provided', 'taken back', 'taken back, too', '__proto__'])
    ex.unprovide('taken back')
    ex.unprovide(['taken back, too', 'never provided'])
    peer.request('provided', 'taken back', 'taken back, too', 'dynamic 1', 'unknown', '__proto__', 'constructor', '')
    await peer.message(RPCType.HASHES)

    expect(peer.mapping.map(({ hash }) => hash)).to.deep.equal(['provided', 'dynamic 1', '__proto__'])
    expect(asked).to.deep.equal(['provided', 'dynamic 1', '__proto__'])
  })

  it('does not announce what is only in `provides`', async () => {
    const ex = exchange(serve({ a: 'A' }), { provides: () => true })
    const peer = new ScriptedPeer(ex)

    await peer.sync()

    expect(peer.hashesOf(RPCType.AVAILABLE)).to.be.empty()
  })

  it('provides again what was taken back', async () => {
    const ex = exchange(serve({ a: 'A' }))
    const peer = new ScriptedPeer(ex)

    void ex.provide('a')
    ex.unprovide('a')
    void ex.provide('a')
    peer.request('a')
    await peer.bodyOf(1)

    expect(peer.hashesOf(RPCType.AVAILABLE)).to.deep.equal(['a', 'a'])
  })

  describe('with a network that stands still', () => {
    it('takes what is there at once, and waits for room', async () => {
      const hashes = manyHashes(20_000)
      const ex = exchange((hash) => ({ stream: [text(hash)] }), { id: 'ex' })
      const other = exchange(nothing, { id: 'other' })
      const pair = connectPair(ex, other)
      const recorded = record(other)
      let resolved = false

      pair.there.hold()

      const provided = ex.provide(hashes).then(() => { resolved = true })

      await laps(2)
      expect(resolved).to.be.false()

      // the answer overtakes the announcements
      const last = other.get(hashes[19_999])
      pair.there.release()

      expect(await collectText((await last).stream)).to.equal(hashes[19_999])
      expect(recorded.available).to.not.include(hashes[19_999])

      await provided
      await ex.close()

      expect(recorded.available).to.deep.equal(hashes)
    })

    it('waits for room with an async iterable', async () => {
      const ex = exchange(nothing, { id: 'ex' })
      const other = exchange(nothing, { id: 'other' })
      const pair = connectPair(ex, other)
      const recorded = record(other)
      const hashes = manyHashes(20_000)
      let taken = 0

      pair.there.hold()

      const provided = ex.provide((async function * () {
        for (const hash of hashes) {
          taken++
          yield hash
        }
      })())

      await laps(2)

      expect(taken).to.be.below(10_000)

      pair.there.release()
      await provided
      await ex.close()

      expect(recorded.available).to.deep.equal(hashes)
    })

    it('stops waiting when the signal is aborted', async () => {
      const ex = exchange(nothing, { id: 'ex' })
      const pair = connectPair(ex, exchange(nothing, { id: 'other' }))
      const controller = new WatchedController()
      let released = false

      pair.there.hold()

      const provided = ex.provide((function * () {
        try {
          yield * manyHashes(20_000)
        } finally {
          released = true
        }
      })(), controller)

      await laps(2)
      controller.abort(new Error('Enough'))

      await expect(provided).to.be.rejectedWith('Enough')
      expect(released).to.be.true()
      expect(controller.listeners).to.equal(0)

      pair.there.release()
      await ex.close()
    })

    it('does not wait when the exchange ends', async () => {
      const ex = exchange(nothing, { id: 'ex' })
      const pair = connectPair(ex, exchange(nothing, { id: 'other' }))

      pair.there.hold()

      const first = ex.provide(manyHashes(20_000))
      // all of these are taken, but cannot be announced any more
      const second = ex.provide(manyHashes(10))

      await laps(2)
      ex.abort(new Error('Over'))

      await expect(first).to.be.rejectedWith('Over')
      await expect(second).to.be.rejectedWith('Over')
      pair.there.release()
    })
  })

  it('stops waiting for an async iterable that gives nothing', async () => {
    const ex = exchange(nothing)
    const controller = new WatchedController()
    let returned = false
    const silent: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => new Promise(() => {}),
        return: async () => {
          returned = true
          return { done: true, value: undefined }
        }
      })
    }

    const provided = ex.provide(silent, controller)
    await laps(1)
    controller.abort(new Error('Enough'))

    await expect(provided).to.be.rejectedWith('Enough')
    expect(returned).to.be.true()
    expect(controller.listeners).to.equal(0)
  })

  it('does not wait for an async iterable when the exchange ends', async () => {
    const ex = exchange(nothing)
    const provided = ex.provide((async function * () {
      yield 'a'
      await new Promise(() => {})
    })())

    await laps(1)
    ex.abort(new Error('Over'))

    await expect(provided).to.be.rejectedWith('Over')
  })

  it('rejects with what the iterable throws', async () => {
    const ex = exchange(nothing)

    await expect(ex.provide((function * () {
      yield 'a'
      throw new Error('Broken')
    })())).to.be.rejectedWith('Broken')
    await expect(ex.provide((async function * () {
      yield 'a'
      throw new Error('Broken, too')
    })())).to.be.rejectedWith('Broken, too')
  })

  it('rejects with a signal that is aborted already', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)

    await expect(ex.provide('a', { signal: AbortSignal.abort() })).to.eventually.be.rejected.with.property('name', 'AbortError')
    await peer.sync()

    expect(peer.hashesOf(RPCType.AVAILABLE)).to.be.empty()
  })

  it('rejects when the exchange is closing, but announces what was provided before', async () => {
    const ex = exchange(nothing, { id: 'ex' })
    const other = exchange(nothing, { id: 'other' })
    const recorded = record(other)

    const before = ex.provide(manyHashes(2000))
    const closed = ex.close()

    await expect(ex.provide('late')).to.eventually.be.rejected.with.property('name', 'ExchangeClosedError')

    connectPair(ex, other)
    await before
    await closed

    expect(recorded.available).to.deep.equal(manyHashes(2000))
    await expect(ex.provide('too late')).to.eventually.be.rejected.with.property('name', 'ExchangeClosedError')
  })

  it('causes no unhandled rejection when nobody awaits it', async () => {
    const unhandled = await unhandledRejections(() => {
      const ex = exchange(nothing)

      void ex.provide([1 as any])
      void ex.provide('a', { signal: AbortSignal.abort() })
      ex.abort()
      void ex.provide('b')
    })

    expect(unhandled).to.be.empty()
  })

  it('announces to a remote that comes later', async () => {
    const ex = exchange(serve({ a: 'A' }))
    const other = exchange(nothing)

    void ex.provide('a')
    const available = next(other, 'available')
    connectPair(ex, other)

    expect(await available).to.deep.equal(['a'])
  })
})
