import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { content, firstOf, manyHashes, nothing, outcome, repeat, text, thenHang, WatchedSource } from '../fixtures/content.ts'
import { next, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import { TimerWatch, WatchedController } from '../fixtures/timers.ts'
import type { Exchange, ExchangeResponse, ReadStreamOptions } from '../../src/index.ts'

/**
 * An exchange in the middle of something
 */
interface Scene {
  ex: Exchange
  peer: ScriptedPeer
  /**
   * Promises that must reject with what ends it
   */
  waiting: Array<Promise<unknown>>
  /**
   * That must throw it
   */
  streams: ExchangeResponse[]
  /**
   * That must be told that nobody reads on
   */
  sources: WatchedSource[]
  signals: AbortSignal[]
  controller: WatchedController
  recorded: ReturnType<typeof record>
  requested: string[]
}

function createScene (): Omit<Scene, 'peer'> {
  const sources: WatchedSource[] = []
  const signals: AbortSignal[] = []

  const createReadStream = (hash: string, { signal }: ReadStreamOptions): any => {
    signals.push(signal)

    if (hash === 'hangs') {
      return new Promise(() => {})
    }

    const source = new WatchedSource(hash === 'silent' ? thenHang(text('first')) : repeat(content(1, 10_000)))
    sources.push(source)

    return { stream: source }
  }

  const ex = exchange(createReadStream, { provides: () => true, limits: { maxSources: 2 } })

  return { ex, waiting: [], streams: [], sources, signals, controller: new WatchedController(), recorded: record(ex), requested: [] }
}

const STAGES: Record<string, (scene: Scene) => void | Promise<void>> = {
  'nothing happens': () => {},

  'it waits for answers': async ({ ex, peer, waiting, controller, requested }) => {
    ex.request('requested')
    requested.push('requested')
    waiting.push(ex.get('a'), ex.get('b', controller), ex.get('b'))
    await peer.message(RPCType.REQUEST)
  },

  'it waits to send requests': async ({ ex, peer, waiting, controller }) => {
    peer.hold()
    waiting.push(ex.get('a', controller))
  },

  'it waits for promised bodies': async ({ ex, peer, waiting, controller, requested }) => {
    ex.request('requested')
    requested.push('requested')
    waiting.push(ex.get('a', controller))
    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1], ['requested', 2])
    await peer.sync()
  },

  'bodies come': async ({ ex, peer, streams, controller }) => {
    const gets = [ex.get('a', controller), ex.get('b'), ex.get('b')]
    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1], ['b', 2])
    peer.begin(2, 1, text('A'))
    peer.begin(3, 2, text('B'))
    // two have the same, which can be read once
    streams.push(...(await Promise.all(gets)).slice(0, 2))
  },

  'a body comes that began before its name': async ({ ex, peer, waiting }) => {
    waiting.push(ex.get('a'))
    await peer.message(RPCType.REQUEST)
    peer.begin(2, 1, text('A'))
    await peer.sync()
  },

  'the remote is held back': async ({ ex, peer, streams, waiting }) => {
    const got = ex.get('a')
    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.begin(2, 1, content(1, 5_000_000))
    streams.push(await got)
    waiting.push(ex.get('b'))
    peer.request('never read')
    await laps(1)
  },

  'it looks something up': async ({ peer }) => {
    peer.request('found', 'hangs', 'not looked up yet')
    await laps(1)
  },

  'it sends bodies': async ({ peer }) => {
    peer.hold()
    // two are open, one of which has nothing to give
    peer.request('silent', 'endless', 'not open yet', 'neither')
    peer.request('nor this')
    await laps(2)
  },

  'it announces': async ({ ex, peer, waiting }) => {
    peer.hold()
    waiting.push(ex.provide(manyHashes(20_000)), ex.provide(thenHang(text('')) as any).catch(async () => ex.close()))
    await laps(1)
  },

  'it is closing': async ({ ex, peer, waiting, controller }) => {
    waiting.push(ex.close(controller), ex.close())
    await peer.message(RPCType.CLOSE)
  },

  'it is closing and sends what it has promised': async ({ ex, peer, waiting }) => {
    peer.request('silent')
    await peer.message(RPCType.HASHES)
    waiting.push(ex.close())
    await peer.message(RPCType.CLOSE)
    peer.close()
    await laps(1)
  },

  'it is closing and waits for what it has asked for': async ({ ex, peer, streams, waiting, controller }) => {
    const got = ex.get('a')
    waiting.push(ex.get('b', controller))
    await peer.message(RPCType.REQUEST)
    waiting.push(ex.close())
    peer.hashes(['a', 1], ['b', 2])
    peer.begin(2, 1, text('A'))
    streams.push(await got)
  }
}

const WAYS: Record<string, { name: string, end(scene: Scene): void }> = {
  'abort()': { name: 'AbortError', end: ({ ex }) => { ex.abort() } },
  'abort(err)': { name: 'RangeError', end: ({ ex }) => { ex.abort(new RangeError('Over')) } },
  'a broken stream': { name: 'SyntaxError', end: ({ peer }) => { peer.reset(new SyntaxError('Reset')) } }
}

describe('exchange: abort', () => {
  const timers = new TimerWatch()

  beforeEach(() => {
    timers.watch()
  })

  afterEach(() => {
    timers.restore()
  })

  for (const [stage, prepare] of Object.entries(STAGES)) {
    for (const [way, { name, end }] of Object.entries(WAYS)) {
      it(`${way} while ${stage}`, async () => {
        const scene = createScene() as Scene
        const { ex, recorded, waiting, streams, sources, signals, controller, requested } = scene
        const peer = scene.peer = new ScriptedPeer(ex)

        await prepare(scene)
        const waited = Promise.allSettled(waiting)
        end(scene)

        if (way === 'a broken stream' && stage === 'the remote is held back') {
          // it is not read any more, so that the end of it does not show
          ex.abort(new SyntaxError('Reset'))
        }

        expect((await waited).map(result => result.status === 'rejected' ? result.reason.name : result)).to.deep.equal(waiting.map(() => name))

        for (const { stream } of streams) {
          expect(await outcome(stream)).to.have.property('error', name)
        }

        expect(recorded.failed.map(({ hash, error }) => [hash, error.name])).to.deep.equal(requested.map(hash => [hash, name]))

        for (const source of sources) {
          await source.wasReturned
        }

        expect(signals.every(({ aborted }) => aborted)).to.be.true()
        expect(recorded.unsent).to.be.empty()
        await expect(peer.sunk).to.eventually.be.rejected.with.property('name', name)
        await expect(ex.close()).to.eventually.be.rejected.with.property('name', name)
        await expect(ex.get('more')).to.eventually.be.rejected.with.property('name', name)
        peer.release()
        expect((await peer.ended)[1]).to.have.nested.property('reason.name', name)

        // nothing is left
        expect(recorded.closes.map(err => err?.name)).to.deep.equal([name])
        expect(timers.running).to.equal(0)
        expect(controller.listeners).to.equal(0)
        ex.abort(new Error('again'))
        await laps(1)
        expect(recorded.closes).to.have.lengthOf(1)
      })
    }
  }

  it('before it is piped: both sides throw when they are', async () => {
    const ex = exchange(nothing)
    const recorded = record(ex)
    const gets = Promise.allSettled([ex.get('a'), ex.get('b')])
    let read = false

    ex.request('c')
    ex.abort(new RangeError('Over'))

    expect((await gets).map(result => result.status === 'rejected' && result.reason.name)).to.deep.equal(['RangeError', 'RangeError'])
    expect(recorded.failed).to.have.lengthOf(1)
    expect(timers.running).to.equal(0)

    await expect(ex.sink((function * () {
      read = true
      yield text('')
    })())).to.be.rejectedWith('Over')
    await expect(ex.source.next()).to.be.rejectedWith('Over')
    expect(read).to.be.false()
    expect(timers.running).to.equal(0)
    expect(recorded.closes).to.have.lengthOf(1)
  })

  it('stops reading', async () => {
    const ex = exchange(nothing)
    let returned = (): void => {}
    const wasReturned = new Promise<void>(resolve => { returned = resolve })

    // also a source that gives nothing
    const sunk = ex.sink({
      [Symbol.asyncIterator]: () => ({
        next: async () => new Promise(() => {}),
        return: async () => {
          returned()
          return { done: true, value: undefined }
        }
      })
    })

    ex.abort(new RangeError('Over'))
    await expect(sunk).to.be.rejectedWith('Over')
    await wasReturned
  })

  it('in a listener of any event: the rest of what came is not dispatched', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)

    ex.addEventListener('available', () => { ex.abort() })
    peer.available('a')
    peer.available('b')
    peer.id('somebody')
    peer.rpc({ type: RPCType.SINCE, sequence: 1 })
    await peer.ended

    expect(recorded).to.deep.include({ available: ['a'], ids: [], since: [] })
  })

  it('is an UnexpectedEndError when nobody reads on what is to be sent', async () => {
    const ex = exchange(nothing)
    const closed = next(ex, 'close')
    const sunk = ex.sink(thenHang())

    void ex.provide('a')
    await firstOf(ex.source)

    expect(await closed).to.have.property('name', 'UnexpectedEndError')
    await expect(sunk).to.eventually.be.rejected.with.property('name', 'UnexpectedEndError')
    expect(timers.running).to.equal(0)
  })

  it('ends the other of two as well, by what its network says', async () => {
    const a = exchange(() => ({ stream: repeat(content(1, 10_000)) }), { provides: () => true })
    const b = exchange(nothing)
    const pair = connectPair(a, b)
    const response = await b.get('x')
    const closed = [next(a, 'close'), next(b, 'close')]

    a.abort()

    expect(await outcome(response.stream)).to.have.property('error').that.is.oneOf(['StreamResetError', 'UnexpectedEndError'])
    const [first, second] = await Promise.all(closed)
    expect(first).to.have.property('name', 'AbortError')
    expect(second).to.have.property('name').that.is.oneOf(['StreamResetError', 'UnexpectedEndError'])
    await pair.ended
    expect(timers.running).to.equal(0)
  })
})
