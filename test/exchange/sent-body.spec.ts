import { expect } from 'aegir/chai'
import { Uint8ArrayList } from 'uint8arraylist'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collect, collectText, content, firstOf, nothing, repeat, text, thenHang, WatchedSource, WatchedSyncSource } from '../fixtures/content.ts'
import { names, next, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import type { ByteSource, Content, Exchange, ExchangeInit, ReadStreamOptions } from '../../src/index.ts'

const MAX_DATA = 64 * 1024

/**
 * An exchange that serves what it is given, whatever it is
 */
function serving (sources: Record<string, any>, init: ExchangeInit = {}): { ex: Exchange, signals: Map<string, AbortSignal> } {
  const signals = new Map<string, AbortSignal>()
  const ex = exchange((hash, options: ReadStreamOptions) => {
    signals.set(hash, options.signal)

    return { stream: sources[hash] }
  }, { provides: (hash) => Object.hasOwn(sources, hash), ...init })

  return { ex, signals }
}

describe('exchange: sources of content', () => {
  const kinds: Record<string, () => Content['stream']> = {
    'a function that gives an array': () => () => [text('one '), text('two')],
    'a function that gives an async generator': () => async function * () {
      yield text('one two')
    },
    'an array': () => [text('one '), text('two')],
    'a generator': function * () {
      yield text('one ')
      yield text('two')
    },
    'an async generator': async function * () {
      yield text('one ')
      await laps(1)
      yield text('two')
    },
    'lists of parts': () => [new Uint8ArrayList(text('on'), text('e ')), new Uint8ArrayList(text('two'))],
    'empty chunks': () => [text(''), text('one '), new Uint8ArrayList(), text(''), text('two'), text('')],
    'views into larger buffers': () => [text('not one but').subarray(4, 7), text(' two, not one').subarray(0, 4)].map((part, i) => i === 0 ? text('one ').subarray(0, 4) : text(' two!').subarray(1, 4)),
    'something that has both iterators': () => ({
      [Symbol.asyncIterator]: async function * () {
        yield text('one two')
      },
      [Symbol.iterator]: function * () {
        yield text('the wrong one')
      }
    }),
    'a web stream': () => new ReadableStream({
      start (controller) {
        controller.enqueue(text('one '))
        controller.enqueue(text('two'))
        controller.close()
      }
    }) as any
  }

  for (const [name, create] of Object.entries(kinds)) {
    it(`may be ${name}`, async () => {
      const { ex } = serving({ a: create() })
      const other = exchange(nothing)
      connectPair(ex, other)

      expect(await collectText((await other.get('a')).stream)).to.equal('one two')
    })
  }

  it('may be empty: a single END that carries the name', async () => {
    const { ex } = serving({ a: [], b: [text('')], c: (async function * () {})() })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b', 'c')
    await peer.until(() => peer.bodyFrames.length >= 3)

    expect(peer.bodyFrames.map(({ type, sequence }) => [type, sequence])).to.have.deep.members([['END', 1], ['END', 2], ['END', 3]])
  })

  it('may give chunks of any size: they are sent in frames of 64 KiB', async () => {
    const large = content(1, 1_000_000)
    const { ex } = serving({ a: [large, text('end')] })
    const peer = new ScriptedPeer(ex)

    peer.request('a')
    const frames = await peer.bodyOf(1)

    expect(Math.max(...frames.map(({ data }) => data.byteLength))).to.equal(MAX_DATA)
    expect(new Uint8ArrayList(...frames.map(({ data }) => data)).slice()).to.deep.equal(new Uint8ArrayList(large, text('end')).slice())
  })

  it('are not opened before their turn', async () => {
    const sources = [new WatchedSource(thenHang(text('A'))), new WatchedSource([text('B')])]
    const { ex } = serving({ a: sources[0], b: sources[1] }, { limits: { maxSources: 1 } })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b')
    await peer.until(() => peer.bodyFrames.length > 0)
    await laps(1)

    expect(sources.map(({ opened }) => opened)).to.deep.equal([true, false])
    ex.abort()
  })

  it('are not asked for before their turn, where they are functions, and once', async () => {
    const asked: string[] = []
    const source = (name: string, stream: Content['stream']) => () => {
      asked.push(name)
      return stream
    }
    const { ex } = serving({ a: source('a', thenHang(text('A'))), b: source('b', [text('B')]), c: source('c', [text('C')]) }, { limits: { maxSources: 1 } })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b', 'c')
    await peer.until(() => peer.bodyFrames.length > 0)
    expect(asked).to.deep.equal(['a'])

    peer.error(-2, 1)
    expect(await peer.bodyOf(2)).to.have.lengthOf(2)
    await peer.bodyOf(3)
    expect(asked).to.deep.equal(['a', 'b', 'c'])
  })

  it('are never asked for, where they are functions, when the exchange ends before', async () => {
    const asked: string[] = []
    const { ex } = serving({
      a: thenHang(text('A')),
      b: () => {
        asked.push('b')
        return [text('B')]
      }
    }, { limits: { maxSources: 1 } })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b')
    await peer.until(() => peer.bodyFrames.length > 0)
    ex.abort()
    await peer.ended

    expect(asked).to.be.empty()
  })

  const wrong: Record<string, [source: () => any, error: string]> = {
    'a function that throws': [() => { throw new RangeError('No') }, 'RangeError'],
    'a function that gives nothing': [() => undefined, 'InvalidParametersError'],
    'a function that gives a promise': [async () => [text('A')], 'InvalidParametersError']
  }

  for (const [what, [source, error]] of Object.entries(wrong)) {
    it(`may not be ${what}`, async () => {
      const { ex } = serving({ a: source, b: [text('B')] })
      const unsent = next(ex, 'unsent')
      const peer = new ScriptedPeer(ex, { ours: true })

      peer.request('a', 'b')

      expect((await unsent).error.name).to.equal(error)
      expect((await peer.bodyOf(1)).map(({ type }) => type)).to.deep.equal(['ERROR'])
      expect(await peer.bodyOf(2)).to.have.lengthOf(2)
    })
  }

  describe('that fail', () => {
    const failures: Record<string, () => ByteSource> = {
      'in the middle': function * () {
        yield text('first')
        throw new RangeError('secret')
      },
      'in the middle, later': async function * () {
        yield text('first')
        await laps(1)
        throw new RangeError('secret')
      }
    }

    for (const [when, create] of Object.entries(failures)) {
      it(`${when}: one of ours is told the name of the error`, async () => {
        const { ex } = serving({ a: create(), b: [text('B')] })
        const peer = new ScriptedPeer(ex, { ours: true })
        const recorded = record(ex)

        peer.request('a', 'b')
        const frames = await peer.bodyOf(1)

        expect(frames.map(({ type, data }) => [type, new TextDecoder().decode(data)])).to.deep.equal([['DATA', 'first'], ['ERROR', 'RangeError']])
        expect(names(recorded.unsent)).to.deep.equal(['a: RangeError'])
        // and the others are sent
        await peer.bodyOf(2)
      })

      it(`${when}: an original, whose process may die of it, is not`, async () => {
        const { ex } = serving({ a: create() })
        const peer = new ScriptedPeer(ex)
        const recorded = record(ex)

        peer.request('a')
        const frames = await peer.bodyOf(1)

        expect(frames.map(({ type, data }) => [type, new TextDecoder().decode(data)])).to.deep.equal([['DATA', 'first'], ['ERROR', '']])
        expect(names(recorded.unsent)).to.deep.equal(['a: RangeError'])
      })
    }

    it('reach the reader by name', async () => {
      for (const [ids, message] of [[{ id: 'x' }, /RangeError/], [{}, /^(?!.*RangeError)/]] as const) {
        const { ex } = serving({ a: failures['in the middle']() }, ids)
        const other = exchange(nothing, ids)
        connectPair(ex, other)

        const err = await expect(collect((await other.get('a')).stream)).to.eventually.be.rejected()

        expect(err).to.have.property('name', 'RemoteError')
        expect(err.message).to.match(message).and.not.include('secret')
      }
    })

    it('at once', async () => {
      const { ex } = serving({
        opening: { [Symbol.iterator]: () => { throw new RangeError('Broken') } },
        'opening, async': { [Symbol.asyncIterator]: () => { throw new RangeError('Broken') } },
        'first chunk': { [Symbol.iterator]: () => ({ next: () => { throw new SyntaxError('Broken') } }) },
        'first chunk, async': { [Symbol.asyncIterator]: () => ({ next: async () => Promise.reject(new SyntaxError('Broken')) }) },
        'not an iterator': { [Symbol.iterator]: () => undefined },
        fine: [text('fine')]
      })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request('opening', 'opening, async', 'first chunk', 'first chunk, async', 'not an iterator', 'fine')
      await Promise.all([1, 2, 3, 4, 5, 6].map(async sequence => peer.bodyOf(sequence)))

      expect(peer.bodyFrames.filter(({ type }) => type === 'ERROR').map(({ sequence }) => sequence)).to.have.members([1, 2, 3, 4, 5])
      expect(names(recorded.unsent)).to.have.members([
        'opening: RangeError',
        'opening, async: RangeError',
        'first chunk: SyntaxError',
        'first chunk, async: SyntaxError',
        'not an iterator: InvalidParametersError'
      ])
    })

    it('to give Uint8Arrays', async () => {
      const wrong: Record<string, any> = { string: 'text', number: 5, null: null, undefined, array: [1, 2], object: {}, buffer: new ArrayBuffer(2), words: new Uint16Array(2) }
      const sources: Record<string, WatchedSource | WatchedSyncSource> = {}

      for (const [name, chunk] of Object.entries(wrong)) {
        sources[name] = new WatchedSource([text('first'), chunk, text('never')])
        sources[`${name}, sync`] = new WatchedSyncSource([text('first'), chunk, text('never')])
      }

      const { ex, signals } = serving(sources)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request(...Object.keys(sources))

      for (let sequence = 1; sequence <= Object.keys(sources).length; sequence++) {
        const frames = await peer.bodyOf(sequence)
        expect(frames.map(({ type, data }) => [type, new TextDecoder().decode(data)])).to.deep.equal([['DATA', 'first'], ['ERROR', '']])
      }

      expect(names(recorded.unsent)).to.have.members(Object.keys(sources).map(hash => `${hash}: InvalidParametersError`))

      for (const [hash, source] of Object.entries(sources)) {
        expect(source, hash).to.have.property('returned', true)
        expect(signals.get(hash)).to.have.property('aborted', true)
      }
    })
  })

  describe('that give nothing', () => {
    it('fail by their time-out and are stopped, and the others are sent', async () => {
      const silent = new WatchedSource(thenHang(text('first')))
      const never = new WatchedSource(thenHang())
      const { ex, signals } = serving({ silent, never, other: [text('other')] }, { limits: { serveTimeout: 100 } })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request('silent', 'never', 'other')

      expect((await peer.bodyOf(3)).map(({ data }) => data)).to.deep.equal([text('other'), text('')])
      expect((await peer.bodyOf(1)).map(({ type }) => type)).to.deep.equal(['DATA', 'ERROR'])
      expect((await peer.bodyOf(2)).map(({ type }) => type)).to.deep.equal(['ERROR'])
      expect(names(recorded.unsent)).to.have.members(['silent: TimeoutError', 'never: TimeoutError'])
      await silent.wasReturned
      await never.wasReturned
      expect(signals.get('silent')).to.have.property('aborted', true)
    })

    it('for a while only do not fail', async () => {
      const { ex } = serving({
        slow: (async function * () {
          for (let i = 0; i < 20; i++) {
            await new Promise(resolve => { setTimeout(resolve, 25) })
            yield text('.')
          }
        })()
      }, { limits: { serveTimeout: 250 } })
      const peer = new ScriptedPeer(ex)

      peer.request('slow')

      expect((await peer.bodyOf(1)).map(({ type }) => type)).to.deep.equal([...Array(20).fill('DATA'), 'END'])
    })

    it('because they are not asked to do not fail', async () => {
      const source = new WatchedSource(repeat(content(1, 10_000), 200))
      const { ex } = serving({ a: source }, { limits: { serveTimeout: 50, maxReadAheadBytes: 20_000 } })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.hold()
      peer.request('a')
      await source.wasRead
      await new Promise(resolve => { setTimeout(resolve, 300) })
      peer.release()

      expect((await peer.bodyOf(1)).at(-1)).to.have.property('type', 'END')
      expect(recorded.unsent).to.be.empty()
    })
  })

  describe('that the remote cancels', () => {
    it('are stopped, and the others are sent', async () => {
      const endless = new WatchedSource(repeat(content(1, 1000)))
      const { ex, signals } = serving({ endless, other: [text('other')] })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request('endless', 'other')
      await peer.until(() => peer.bodyFrames.length > 0)
      peer.error(-peer.bodyFrames[0].channel, 1)

      await endless.wasReturned
      expect(signals.get('endless')).to.have.property('aborted', true)
      expect((await peer.bodyOf(2))[0].data).to.deep.equal(text('other'))
      expect(recorded.unsent).to.be.empty()

      // neither an end nor an error is sent for it
      await peer.sync()
      expect(peer.bodyFrames.filter(({ type }) => type !== 'DATA')).to.have.lengthOf(1)
    })

    it('are stopped while they give nothing', async () => {
      const silent = new WatchedSource(thenHang(text('first')))
      const { ex } = serving({ silent })
      const peer = new ScriptedPeer(ex)

      peer.request('silent')
      await peer.until(() => peer.bodyFrames.length > 0)
      peer.error(-2, 1)

      await silent.wasReturned
    })

    it('are stopped by an END as well', async () => {
      const silent = new WatchedSource(thenHang(text('first')))
      const { ex } = serving({ silent })
      const peer = new ScriptedPeer(ex)

      peer.request('silent')
      await peer.until(() => peer.bodyFrames.length > 0)
      peer.end(-2, 1)

      await silent.wasReturned
    })

    it('may be asked for again', async () => {
      let streams = 0
      const ex = exchange(() => ({ stream: ++streams === 1 ? thenHang(text('first')) : [text('second')] }), { provides: () => true })
      const other = exchange(nothing)
      connectPair(ex, other)

      expect(await firstOf((await other.get('a')).stream)).to.deep.equal(text('first'))
      expect(await collectText((await other.get('a')).stream)).to.equal('second')
    })

    it('do not stop others: the name and the channel must be right', async () => {
      const silent = new WatchedSource(thenHang(text('first')))
      const end = Promise.withResolvers<Uint8Array>()
      const { ex } = serving({
        silent,
        a: (async function * () {
          yield text('A')
          yield await end.promise
        })()
      })
      const peer = new ScriptedPeer(ex)

      peer.request('a', 'silent')
      await peer.until(() => peer.bodyFrames.length === 2)
      peer.error(-2, 2)
      peer.error(-3, 1)
      peer.error(-2)
      peer.error(-4, 1)
      peer.error(-1000, 1)
      await peer.sync()
      end.resolve(text('!'))

      expect((await peer.bodyOf(1)).map(({ type }) => type)).to.deep.equal(['DATA', 'DATA', 'END'])
      expect(silent.returned).to.be.false()

      // too late: this one has been sent
      peer.error(-2, 1)
      peer.error(-3, 2)
      await silent.wasReturned
    })
  })

  it('are stopped when the exchange ends: open, waiting and unopened ones, of any kind', async () => {
    const open = new WatchedSource(thenHang(text('first')))
    const unopened = new WatchedSource([])
    const reasons: Record<string, any> = {}
    const sources: Record<string, any> = {
      open,
      unopened,
      // as a stream of Node.js
      destroyed: { destroy: (err: Error) => { reasons.destroyed = err }, [Symbol.iterator]: () => [].values() },
      // as one of the web
      cancelled: { cancel: (err: Error) => { reasons.cancelled = err }, [Symbol.iterator]: () => [].values() },
      stubborn: { return: () => { throw new Error('No') }, [Symbol.iterator]: () => [].values() },
      rejecting: { return: async () => { throw new Error('No') }, [Symbol.iterator]: () => [].values() },
      array: []
    }
    const { ex, signals } = serving(sources, { limits: { maxSources: 1 } })
    const peer = new ScriptedPeer(ex)
    const err = new Error('Over')

    peer.request(...Object.keys(sources))
    await peer.until(() => peer.bodyFrames.length > 0)
    const closed = next(ex, 'close')
    ex.abort(err)

    expect(await closed).to.equal(err)
    await open.wasReturned
    await unopened.wasReturned
    expect(unopened.opened).to.be.false()
    expect(reasons).to.deep.equal({ destroyed: err, cancelled: err })

    for (const hash of Object.keys(sources)) {
      expect(signals.get(hash), hash).to.have.property('aborted', true)
    }

    expect(peer.mapping).to.have.lengthOf(7)
    expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.HASHES])
  })
})
