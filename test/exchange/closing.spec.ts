import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collect, collectText, content, manyHashes, nothing, outcome, repeat, serve, text, thenHang } from '../fixtures/content.ts'
import { next, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import { TimerWatch, WatchedController } from '../fixtures/timers.ts'
import { unhandledRejections } from '../fixtures/unhandled.ts'
import type { Exchange } from '../../src/index.ts'

const provides = (): boolean => true

const KINDS: Record<string, Array<{ id?: string }>> = {
  'two that know each other': [{ id: 'a' }, { id: 'b' }],
  'two that do not': [{}, {}],
  'two of which one knows the other': [{ id: 'a' }, {}]
}

describe('exchange: close', () => {
  const timers = new TimerWatch()

  beforeEach(() => {
    timers.watch()
  })

  afterEach(() => {
    timers.restore()
  })

  for (const [kind, [first, second]] of Object.entries(KINDS)) {
    describe(`by ${kind}`, () => {
      const limits = { quietTimeout: 50 }
      const connect = (): { a: Exchange, b: Exchange, both: Promise<unknown> } => {
        const a = exchange(serve({ a: 'A' }), { provides, ...first, limits })
        const b = exchange(serve({ b: 'B' }), { provides, ...second, limits })

        return { a, b, both: connectPair(a, b).ended }
      }

      const finish = async (a: Exchange, b: Exchange, both: Promise<unknown>, recorded: Array<ReturnType<typeof record>>): Promise<void> => {
        expect(await both).to.deep.equal([{ status: 'fulfilled', value: undefined }, { status: 'fulfilled', value: undefined }])
        expect(recorded.map(({ closes }) => closes)).to.deep.equal([[null], [null]])
        expect(timers.running).to.equal(0)

        // it is over, and stays so
        await a.close()
        await b.close()
        a.abort()
        b.abort()
        await laps(1)
        expect(recorded.map(({ closes }) => closes)).to.deep.equal([[null], [null]])
      }

      it('at once', async () => {
        const { a, b, both } = connect()
        const recorded = [record(a), record(b)]

        await Promise.all([a.close(), b.close()])
        await finish(a, b, both, recorded)
      })

      it('one after the other', async () => {
        const { a, b, both } = connect()
        const recorded = [record(a), record(b)]
        const closed = a.close()

        await laps(2)
        await Promise.all([closed, b.close()])
        await finish(a, b, both, recorded)
      })

      it('the other way round', async () => {
        const { a, b, both } = connect()
        const recorded = [record(a), record(b)]
        const closed = b.close()

        await laps(2)
        await Promise.all([closed, a.close()])
        await finish(a, b, both, recorded)
      })

      it('of which one only says so', async () => {
        const { a, b, both } = connect()
        const recorded = [record(a), record(b)]

        await a.close()
        // both know who was first
        await expect(a.get('x')).to.eventually.be.rejected.with.property('name', 'ExchangeClosedError')
        await expect(b.get('x')).to.eventually.be.rejected.with.property('name', 'RemoteClosedError')
        await finish(a, b, both, recorded)
      })

      it('before they are connected', async () => {
        const a = exchange(serve({ a: 'A' }), { provides, ...first, limits })
        const b = exchange(serve({ b: 'B' }), { provides, ...second, limits })
        const recorded = [record(a), record(b)]
        const closed = Promise.all([a.close(), b.close()])
        const { ended } = connectPair(a, b)

        await closed
        await finish(a, b, ended, recorded)
      })

      it('with requests outstanding: they are answered', async () => {
        const { a, b, both } = connect()
        const recorded = [record(a), record(b)]
        const gets = [a.get('b'), b.get('a'), a.get('unknown').catch(({ name }) => name)]
        const closed = Promise.all([a.close(), b.close()])

        const [fromB, fromA, missing] = await Promise.all(gets)

        expect(await collectText(fromB.stream)).to.equal('B')
        expect(await collectText(fromA.stream)).to.equal('A')
        expect(missing).to.equal('NotFoundError')
        await closed
        await finish(a, b, both, recorded)
      })
    })
  }

  it('sends what was promised first', async () => {
    const a = exchange(() => ({ stream: repeat(content(1, 10_000), 1000) }), { provides, id: 'a' })
    const b = exchange(nothing, { id: 'b', limits: { maxUnreadBytes: 100_000 } })
    const { ended } = connectPair(a, b)
    const gets = [b.get('x'), b.get('y')]
    const recorded = record(a)
    await laps(2)
    const closed = a.close()
    await laps(2)
    expect(recorded.closes).to.be.empty()

    for (const got of gets) {
      expect(await collect((await got).stream)).to.have.lengthOf(10_000_000)
    }

    await closed
    expect((await ended).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled'])
  })

  it('waits for what is being looked up', async () => {
    const found = Promise.withResolvers<void>()
    const a = exchange(async (hash) => {
      await found.promise
      return { stream: [text(hash)] }
    }, { provides, id: 'a' })
    const b = exchange(nothing, { id: 'b' })
    connectPair(a, b)
    const got = b.get('x')

    await laps(2)
    const closed = a.close()
    await laps(2)
    found.resolve()

    expect(await collectText((await got).stream)).to.equal('x')
    await closed
    await b.close()
  })

  it('does not wait for what nobody wants any more', async () => {
    const a = exchange(() => new Promise(() => {}), { provides, id: 'a', limits: { serveTimeout: 100 } })
    const b = exchange(nothing, { id: 'b' })
    const { ended } = connectPair(a, b)
    const controller = new AbortController()
    const got = b.get('x', controller)

    await laps(2)
    controller.abort()
    await expect(got).to.eventually.be.rejected()
    await b.close()
    expect((await ended).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled'])
  })

  it('stops the remote that sends what nobody wants any more', async () => {
    const a = exchange(() => ({ stream: repeat(content(1, 10_000)) }), { provides, id: 'a' })
    const b = exchange(nothing, { id: 'b' })
    const { ended, back } = connectPair(b, a)
    const controller = new AbortController()
    const gets = [b.get('x', controller), b.get('y', controller), b.get('z', controller)]

    // cancelled after it was requested and before it begins
    back.hold()
    await laps(2)
    controller.abort()
    await Promise.allSettled(gets)
    const closed = b.close()
    back.release()

    await closed
    await a.close()
    expect((await ended).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled'])
  })

  it('cancels what nobody wants any more when it begins, and waits no longer than its time-out', async () => {
    const ex = exchange(nothing, { limits: { closeTimeout: 100 } })
    const peer = new ScriptedPeer(ex)
    const controller = new AbortController()
    const gets = [ex.get('a', controller), ex.get('b', controller)]

    await peer.message(RPCType.REQUEST)
    controller.abort()
    await Promise.allSettled(gets)
    const closed = ex.close()
    peer.hashes(['a', 1], ['b', 2])
    peer.close()
    await peer.message(RPCType.CLOSE)
    peer.begin(2, 1, text('A'))
    await peer.until(() => peer.cancels.length > 0)
    expect(peer.sourceEnded).to.be.false()

    // the other never comes
    await closed
    await peer.until(() => peer.sourceEnded)
    expect(peer.cancels).to.deep.equal([1])
    peer.finish()
    await peer.sunk
  })

  it('does not wait for what nobody wants any more when the remote has ended its stream', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const controller = new AbortController()
    const got = ex.get('a', controller)

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    await peer.sync()
    controller.abort()
    await expect(got).to.eventually.be.rejected()
    const closed = ex.close()
    await peer.message(RPCType.CLOSE)
    peer.close()
    peer.finish()
    await closed
  })

  it('is the last message', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)

    void ex.provide('a')
    ex.since(1)
    const closed = ex.close()
    void ex.provide('b')
    ex.request('c')
    await peer.message(RPCType.CLOSE)
    void ex.provide('d')
    ex.since(2)
    peer.request('e')
    peer.close()
    await closed

    expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.SINCE, RPCType.AVAILABLE, RPCType.CLOSE])
    expect(peer.hashesOf(RPCType.AVAILABLE)).to.deep.equal(['a'])
  })

  it('announces what waits to be announced', async () => {
    const a = exchange(nothing, { id: 'a' })
    const b = exchange(nothing, { id: 'b' })
    const recorded = record(b)

    void a.provide(manyHashes(2000))
    const closed = a.close()
    connectPair(a, b)
    await closed

    expect(recorded.available).to.have.lengthOf(2000)
  })

  it('ends the stream', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const closed = ex.close()

    peer.close()
    await closed
    await peer.until(() => peer.sourceEnded)

    // what comes now means nothing
    peer.hashes(['a', 1])
    peer.finish()
    await peer.sunk
    expect(timers.running).to.equal(0)
  })

  it('is over although the remote does not end its stream', async () => {
    const ex = exchange(nothing, { limits: { closeTimeout: 50 } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const closed = ex.close()

    peer.close()
    await closed
    await peer.sunk

    expect(recorded.closes).to.deep.equal([null])
    expect(timers.running).to.equal(0)
  })

  describe('by the end of the stream', () => {
    it('counts as the CLOSE of the remote after ours', async () => {
      const ex = exchange(serve({ a: 'A' }), { provides })
      const peer = new ScriptedPeer(ex)
      const closed = ex.close()

      await peer.message(RPCType.CLOSE)
      peer.finish()
      await closed
      expect((await peer.ended).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled'])
    })

    it('sends what was promised all the same', async () => {
      const end = Promise.withResolvers<Uint8Array>()
      const ex = exchange(() => ({
        stream: (async function * () {
          yield text('first')
          yield await end.promise
        })()
      }), { provides })
      const peer = new ScriptedPeer(ex)

      peer.request('a')
      await peer.message(RPCType.HASHES)
      const closed = ex.close()
      await peer.message(RPCType.CLOSE)
      peer.finish()
      await peer.sunk
      end.resolve(text('end'))

      expect((await peer.bodyOf(1)).map(({ data }) => data)).to.deep.equal([text('first'), text('end'), text('')])
      await closed
      expect(timers.running).to.equal(0)
    })

    it('is fine after the CLOSE of the remote', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.close()
      peer.finish()
      await peer.ended

      expect(recorded.closes).to.deep.equal([null])
      expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.CLOSE])
    })

    it('is an error before any CLOSE', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const closed = next(ex, 'close')

      peer.finish()

      expect(await closed).to.have.property('name', 'UnexpectedEndError')
      await expect(peer.sunk).to.eventually.be.rejected.with.property('name', 'UnexpectedEndError')
    })

    it('is an error while an answer is to come', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      const closed = ex.close()
      peer.close()
      peer.finish()

      await expect(got).to.eventually.be.rejected.with.property('name', 'UnexpectedEndError')
      await expect(closed).to.eventually.be.rejected.with.property('name', 'UnexpectedEndError')
    })

    it('is an error while a promised body is to come', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex, { ours: true })
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.close()
      peer.finish()

      await expect(got).to.eventually.be.rejected.with.property('name', 'UnexpectedEndError')
    })

    it('is an error in the middle of a body', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.begin(2, 1, text('first'))
      peer.close()
      peer.finish()

      expect(await outcome((await got).stream)).to.deep.equal({ bytes: text('first'), error: 'UnexpectedEndError' })
    })

    for (const [where, bytes] of Object.entries({ length: [0x80], header: [5, 0x08], data: [9, 0x08, 0x02, 0x12, 0x01, 0x30, 0x22] })) {
      it(`is an error within the ${where} of a frame`, async () => {
        const ex = exchange(nothing)
        const peer = new ScriptedPeer(ex)
        const closed = next(ex, 'close')

        peer.close()
        await peer.sync()
        peer.bytes(...bytes)
        peer.finish()

        expect(await closed).to.have.property('name', 'UnexpectedEndError')
        await expect(peer.sunk).to.be.rejectedWith('within a frame')
      })

      it(`counts as the CLOSE of the remote after ours, even within the ${where} of a frame: an original ends so`, async () => {
        const ex = exchange(nothing)
        const peer = new ScriptedPeer(ex)
        const closed = ex.close()

        await peer.message(RPCType.CLOSE)
        peer.bytes(...bytes)
        peer.finish()
        await closed
      })
    }
  })

  describe('of a remote that has closed', () => {
    it('comes at once where it is one of ours, when our own requests are settled', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex, { ours: true })
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.close()
      peer.begin(2, 1, text('A'))
      await got
      await laps(2)
      expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.REQUEST])

      peer.end(2)
      await peer.message(RPCType.CLOSE)
    })

    it('comes after some quiet where it may be an original', async () => {
      const ex = exchange(serve({ a: 'A', b: 'B' }), { provides, limits: { quietTimeout: 200 } })
      const peer = new ScriptedPeer(ex)
      let requests = 0

      peer.close()

      // it still reads and is read
      const stop = setInterval(() => {
        peer.request('a')

        if (++requests === 8) {
          clearInterval(stop)
        }
      }, 50)

      await peer.message(RPCType.CLOSE)
      expect(peer.mapping).to.have.lengthOf(8)
    })

    it('does not come before all is sent', async () => {
      const end = Promise.withResolvers<Uint8Array>()
      const ex = exchange(() => ({
        stream: (async function * () {
          yield text('first')
          yield await end.promise
        })()
      }), { provides, limits: { quietTimeout: 20 } })
      const peer = new ScriptedPeer(ex)

      peer.request('a')
      peer.close()
      await new Promise(resolve => { setTimeout(resolve, 150) })
      expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.HASHES])

      end.resolve(text('end'))
      await peer.message(RPCType.CLOSE)
    })
  })

  describe('with a signal', () => {
    it('that is aborted ends the exchange', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)
      const controller = new WatchedController()
      const closed = ex.close(controller)

      await peer.message(RPCType.CLOSE)
      controller.abort(new RangeError('Too long'))

      await expect(closed).to.be.rejectedWith('Too long')
      expect(recorded.closes).to.have.lengthOf(1)
      expect(recorded.closes[0]).to.have.property('name', 'RangeError')
      expect(controller.listeners).to.equal(0)
      expect(timers.running).to.equal(0)
    })

    it('that is aborted already ends the exchange', async () => {
      const ex = exchange(nothing)
      const recorded = record(ex)

      await expect(ex.close({ signal: AbortSignal.abort(new RangeError('Too late')) })).to.be.rejectedWith('Too late')
      expect(recorded.closes).to.have.lengthOf(1)
    })

    it('that is not aborted leaves no listener behind', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new WatchedController()
      const closed = ex.close(controller)

      peer.close()
      await closed

      expect(controller.listeners).to.equal(0)
    })
  })

  describe('that nobody answers', () => {
    it('fails by its time-out', async () => {
      const ex = exchange(nothing, { limits: { closeTimeout: 50 } })
      const peer = new ScriptedPeer(ex)
      const closed = next(ex, 'close')

      await expect(ex.close()).to.eventually.be.rejected.with.property('name', 'TimeoutError')
      expect(await closed).to.have.property('name', 'TimeoutError')
      await expect(peer.sunk).to.eventually.be.rejected.with.property('name', 'TimeoutError')
      expect(timers.running).to.equal(0)
    })

    it('fails by its time-out, also where it was never connected', async () => {
      const ex = exchange(nothing, { limits: { closeTimeout: 50 } })

      await expect(ex.close()).to.eventually.be.rejected.with.property('name', 'TimeoutError')
      expect(timers.running).to.equal(0)
    })

    it('causes no unhandled rejection when nobody awaits it', async () => {
      expect(await unhandledRejections(() => {
        const ex = exchange(nothing)

        void ex.close()
        ex.abort()
        void ex.close()
        void ex.close({ signal: AbortSignal.abort() })
      })).to.be.empty()
    })

    it('waits on while something is looked up', async () => {
      const found = Promise.withResolvers<void>()
      const ex = exchange(async (hash) => {
        await found.promise
        return { stream: [text(hash)] }
      }, { provides, limits: { closeTimeout: 20 } })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request('a')
      await laps(1)
      void ex.close()
      await new Promise(resolve => { setTimeout(resolve, 150) })
      expect(recorded.closes).to.be.empty()

      peer.close()
      found.resolve()
      await peer.bodyOf(1)
      await peer.until(() => peer.sourceEnded)
    })

    it('waits on while a promised body is on its way', async () => {
      const ex = exchange(() => ({
        stream: (async function * () {
          for (let i = 0; i < 10; i++) {
            await new Promise(resolve => { setTimeout(resolve, 50) })
            yield text('.')
          }
        })()
      }), { provides, limits: { closeTimeout: 250 } })
      const peer = new ScriptedPeer(ex)

      peer.request('a')
      await peer.message(RPCType.HASHES)
      const closed = ex.close()
      await peer.bodyOf(1)
      peer.close()
      await closed
    })

    it('fails what is left of a body that hangs', async () => {
      const ex = exchange(() => ({ stream: thenHang(text('first')) }), { provides, limits: { serveTimeout: 50 } })
      const peer = new ScriptedPeer(ex)

      peer.request('a')
      await peer.message(RPCType.HASHES)
      const closed = ex.close()
      peer.close()
      await peer.bodyOf(1)
      await closed
    })
  })
})
