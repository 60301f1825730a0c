import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collect, collectText, content, firstOf, manyHashes, nothing, outcome, repeat, text, WatchedSource } from '../fixtures/content.ts'
import { names, next, nextOf, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import type { Exchange, ExchangeInit, ExchangeResponse } from '../../src/index.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * An exchange that is being sent the first part of `a` on channel 2, under
 * sequence 1
 */
async function beginBody (init: ExchangeInit = {}, options: { ours?: boolean, first?: Uint8Array } = {}): Promise<{ ex: Exchange, peer: ScriptedPeer, response: ExchangeResponse }> {
  const ex = exchange(nothing, init)
  const peer = new ScriptedPeer(ex, options)
  const got = ex.get('a')

  await peer.message(RPCType.REQUEST)
  peer.hashes(['a', 1])
  peer.begin(2, 1, options.first ?? text('first'))

  return { ex, peer, response: await got }
}

/**
 * A response of 100 bytes that has come as a part of a larger Buffer
 *
 * @param waits - if all of it is there before it is read
 */
async function fromBuffers (waits: boolean): Promise<{ ex: Exchange, response: ExchangeResponse }> {
  const ex = exchange(nothing)
  const buffers: any = {
    source: ex.source,
    sink: async (source: AsyncIterable<Uint8ArrayList>) => ex.sink((async function * () {
      for await (const chunk of source) {
        yield Buffer.from(chunk.subarray())
      }
    })())
  }
  const peer = new ScriptedPeer(buffers)
  const got = ex.get('a')

  await peer.message(RPCType.REQUEST)
  peer.hashes(['a', 1])
  peer.body(2, 1, content(1, 100))

  const response = await got

  if (waits) {
    await peer.sync()
  }

  return { ex, response }
}

describe('exchange: the stream of a response', () => {
  it('gives what came before it was read, and then what comes', async () => {
    const { peer, response } = await beginBody()

    peer.data(2, text(' second'))
    await peer.sync()
    const reader = response.stream[Symbol.asyncIterator]()

    expect((await reader.next()).value).to.deep.equal(text('first'))
    expect((await reader.next()).value).to.deep.equal(text(' second'))

    // several may wait
    const third = reader.next()
    const fourth = reader.next()
    const fifth = reader.next()
    peer.data(2, text(' third'))
    peer.data(2, text(' fourth'))
    peer.end(2)

    expect((await third).value).to.deep.equal(text(' third'))
    expect((await fourth).value).to.deep.equal(text(' fourth'))
    expect(await fifth).to.have.property('done', true)
    expect(await reader.next()).to.have.property('done', true)
  })

  it('can be read once', async () => {
    const { peer, response } = await beginBody()
    peer.end(2)

    expect(await collectText(response.stream)).to.equal('first')
    await expect(collect(response.stream)).to.eventually.be.rejected.with.property('name', 'StreamStateError')
  })

  it('can be read while other bodies come on other channels', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const responses = Promise.all(['a', 'b'].map(async hash => ex.get(hash)))

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1], ['b', 2])
    peer.begin(2, 1, text('a1'))
    peer.begin(3, 2, text('b1'))
    peer.data(2, text('a2'))
    peer.data(3, text('b2'))
    peer.end(3)
    peer.end(2)

    const [a, b] = await responses
    expect(await Promise.all([collectText(a.stream), collectText(b.stream)])).to.deep.equal(['a1a2', 'b1b2'])
  })

  it('keeps what has come as a whole when the exchange ends', async () => {
    const { ex, peer, response } = await beginBody()

    peer.end(2)
    await peer.sync()
    ex.abort()

    expect(await collectText(response.stream)).to.equal('first')
  })

  if (globalThis.Buffer != null) {
    it('keeps no buffer of the network with small parts, also where that gives Buffers', async () => {
      for (const waits of [true, false]) {
        const { ex, response } = await fromBuffers(waits)
        const bytes = waits ? await firstOf(response.stream) : await response.bytes()

        expect(bytes).to.have.property('length', 100)
        expect(bytes?.buffer.byteLength).to.equal(100)
        ex.abort()
      }
    })
  }

  describe('in one piece', () => {
    it('is what came before it was read, and what came then', async () => {
      const { peer, response } = await beginBody()

      peer.data(2, text(' second'))
      await peer.sync()
      const bytes = response.bytes()
      peer.data(2, content(1, 20_000))
      peer.data(2, text('end'))
      peer.end(2)

      expect(await bytes).to.deep.equal(Uint8Array.of(...text('first second'), ...content(1, 20_000), ...text('end')))
      await expect(response.bytes()).to.eventually.be.rejected.with.property('name', 'StreamStateError')
      await expect(collect(response.stream)).to.eventually.be.rejected.with.property('name', 'StreamStateError')
    })

    it('is there when all had come before', async () => {
      for (const parts of [[], ['first'], ['first', ' second']]) {
        const { peer, response } = await beginBody({}, { first: text('') })

        parts.forEach(part => { peer.data(2, text(part)) })
        peer.end(2)
        await peer.sync()
        const bytes = await response.bytes()

        expect(bytes).to.deep.equal(text(parts.join('')))
        expect(bytes.buffer.byteLength).to.equal(bytes.length)
      }
    })

    it('is a view that nothing was copied for, where that is asked for and it came in one piece', async () => {
      const { peer, response } = await beginBody({}, { first: text('') })
      const view = response.view()

      peer.data(2, content(1, 100))
      peer.end(2)

      expect(await view).to.deep.equal(content(1, 100))
      expect((await view).buffer.byteLength).to.be.above(100)
      await expect(response.view()).to.eventually.be.rejected.with.property('name', 'StreamStateError')
      await expect(response.bytes()).to.eventually.be.rejected.with.property('name', 'StreamStateError')
    })

    it('is whole in a view, however it came', async () => {
      for (const waits of [true, false]) {
        for (const parts of [[], ['first'], ['first', ' second'], ['first', ' second', ' third']]) {
          const { peer, response } = await beginBody({}, { first: text('') })
          const view = waits ? undefined : response.view()

          parts.forEach(part => { peer.data(2, text(part)) })
          peer.end(2)
          await peer.sync()

          expect(await (view ?? response.view())).to.deep.equal(text(parts.join('')))
        }
      }
    })

    it('has in a view no more than is allowed', async () => {
      const { ex, peer, response } = await beginBody({}, { ours: true })
      const view = response.view(100)

      view.catch(() => {})
      peer.data(2, content(1, 101))
      await peer.sync()

      await expect(view).to.eventually.be.rejected.with.property('name', 'LimitError')
      ex.abort()
    })

    it('holds nobody back, and the exchange goes on', async () => {
      const { ex, peer, response } = await beginBody({ limits: { maxUnreadBytes: 1000 } })
      const bytes = response.bytes()

      for (let i = 0; i < 10; i++) {
        peer.data(2, content(i, 1000))
      }

      await peer.sync()
      peer.end(2)
      expect((await bytes).length).to.equal(10_005)
      ex.abort()
    })

    it('throws LimitError for more than is allowed, and stops the remote', async () => {
      for (const before of [true, false]) {
        const { peer, response } = await beginBody({}, { ours: true })

        if (before) {
          peer.data(2, content(1, 100))
          await peer.sync()
        }

        const bytes = response.bytes(100)
        bytes.catch(() => {})

        if (!before) {
          peer.data(2, content(1, 100))
        }

        await expect(bytes).to.eventually.be.rejected.with.property('name', 'LimitError')
        await peer.sync()
        expect(peer.cancels).to.have.lengthOf(1)
      }
    })

    it('throws what the stream throws', async () => {
      for (const before of [true, false]) {
        const { peer, response } = await beginBody()

        if (before) {
          peer.error(2)
          await peer.sync()
        }

        const bytes = response.bytes()
        bytes.catch(() => {})

        if (!before) {
          peer.error(2)
        }

        await expect(bytes).to.eventually.be.rejected.with.property('name', 'RemoteError')
      }
    })
  })

  describe('throws', () => {
    it('RemoteError when the remote cannot send the rest', async () => {
      const { peer, response } = await beginBody()

      peer.error(2)

      expect(await outcome(response.stream)).to.deep.equal({ bytes: text('first'), error: 'RemoteError' })
    })

    it('RemoteError with the reason that is given, as far as it is printable', async () => {
      const { peer, response } = await beginBody({ limits: { maxReasonBytes: 20 } }, { ours: true })

      peer.error(2, undefined, `Broken\u001b[2J ${'x'.repeat(1000)}`)
      const [reason] = await Promise.all([expect(collect(response.stream)).to.eventually.be.rejected(), peer.sync()])

      expect(reason).to.have.property('name', 'RemoteError')
      expect(reason.message).to.include('Broken?[2J xxxx')
      expect(reason.message.length).to.be.below(100)
    })

    it('RemoteError for a body without a single byte', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.error(2, 1)

      expect(await outcome((await got).stream)).to.deep.equal({ bytes: text(''), error: 'RemoteError' })
    })

    it('BodyCutError when another body takes its channel', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const gets = ['a', 'b'].map(async hash => ex.get(hash))

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1], ['b', 2])
      peer.begin(2, 1, text('first'))
      peer.body(2, 2, text('B'))
      const [a, b] = await Promise.all(gets)

      expect(await outcome(a.stream)).to.deep.equal({ bytes: text('first'), error: 'BodyCutError' })
      expect(await collectText(b.stream)).to.equal('B')
      await peer.sync()
      expect(peer.cancels).to.be.empty()
    })

    it('UnexpectedEndError when the stream ends', async () => {
      const { ex, peer, response } = await beginBody()

      peer.finish()

      expect(await outcome(response.stream)).to.deep.equal({ bytes: text('first'), error: 'UnexpectedEndError' })
      await expect(ex.close()).to.eventually.be.rejected.with.property('name', 'UnexpectedEndError')
    })

    it('the error of the stream when it breaks', async () => {
      const { peer, response } = await beginBody()

      peer.reset(new RangeError('Broken'))

      expect(await outcome(response.stream)).to.deep.equal({ bytes: text('first'), error: 'RangeError' })
    })

    it('the error that ends the exchange, to those who wait as well', async () => {
      const { ex, response } = await beginBody()
      const reader = response.stream[Symbol.asyncIterator]()

      await reader.next()
      const waiting = reader.next()
      ex.abort(new RangeError('Over'))

      await expect(waiting).to.be.rejectedWith('Over')
      await expect(reader.next()).to.be.rejectedWith('Over')
    })

    it('AbortError after abort(), and cancels the rest', async () => {
      const { peer, response } = await beginBody()

      response.abort()
      response.abort(new Error('once is enough'))
      await peer.sync()

      expect(await outcome(response.stream)).to.deep.equal({ bytes: text(''), error: 'AbortError' })
      expect(peer.cancels).to.deep.equal([1])
    })

    it('AbortError after abort() where some of it was not read, also if it has failed or ended', async () => {
      for (const end of ['error', 'end'] as const) {
        const { peer, response } = await beginBody()

        peer.data(2, text(' second'))
        peer[end](2)
        await peer.sync()
        const reader = response.stream[Symbol.asyncIterator]()
        await reader.next()
        response.abort()

        await expect(reader.next()).to.eventually.be.rejected.with.property('name', 'AbortError')
      }
    })

    it('what it failed with after abort() where all of it was read', async () => {
      const { peer, response } = await beginBody()

      peer.error(2)
      await peer.sync()
      const reader = response.stream[Symbol.asyncIterator]()
      await reader.next()
      response.abort()

      await expect(reader.next()).to.eventually.be.rejected.with.property('name', 'RemoteError')
    })

    it('what abort() was given', async () => {
      const { peer, response } = await beginBody()

      response.abort(new RangeError('Too much'))
      await peer.sync()

      expect(await outcome(response.stream)).to.deep.equal({ bytes: text(''), error: 'RangeError' })
      expect(peer.cancels).to.deep.equal([1])
    })
  })

  it('cancels the rest when the reader leaves', async () => {
    const { peer, response } = await beginBody()

    expect(await firstOf(response.stream)).to.deep.equal(text('first'))
    await peer.sync()

    expect(peer.cancels).to.deep.equal([1])
  })

  it('cancels the rest when the reader throws', async () => {
    const { peer, response } = await beginBody()

    await expect((async () => {
      // eslint-disable-next-line no-unreachable-loop
      for await (const chunk of response.stream) {
        throw new Error(`Cannot use ${chunk.byteLength} bytes`)
      }
    })()).to.be.rejectedWith('Cannot use 5 bytes')
    await peer.sync()

    expect(peer.cancels).to.deep.equal([1])
  })

  it('cancels nothing when all of it has come', async () => {
    const { peer, response } = await beginBody()

    peer.end(2)
    await peer.sync()
    response.abort()
    await peer.sync()

    expect(peer.cancels).to.be.empty()
  })

  it('stops the source of one of ours when the reader leaves', async () => {
    const source = new WatchedSource(repeat(content(1, 10_000)))
    let signal: AbortSignal | undefined
    const ex = exchange((hash, options) => {
      signal = options.signal
      return { stream: source }
    }, { id: 'ex', provides: () => true })
    const other = exchange(nothing, { id: 'other' })
    const recorded = record(ex)
    connectPair(ex, other)

    await firstOf((await other.get('a')).stream)
    await source.wasReturned
    expect(signal).to.have.property('aborted', true)
    // this is no trouble
    expect(recorded.unsent).to.be.empty()

    // and the way is free for others
    await other.get('b')
    ex.abort()
  })

  describe('without a reader', () => {
    it('is cancelled when nobody listens for responses', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      ex.request(['a', 'b'])
      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1], ['b', 2])
      peer.begin(2, 1, text('first'))
      await peer.sync()

      expect(names(recorded.failed)).to.deep.equal(['a: UnreadError'])
      expect(peer.cancels).to.deep.equal([1])

      // it matters who listens when it comes
      const response = next(ex, 'response')
      peer.body(3, 2, text('B'))
      expect(await collectText((await response).stream)).to.equal('B')
    })

    it('is not cancelled when get() asked for it as well', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      ex.request('a')
      const got = ex.get('a')
      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.body(2, 1, text('A'))

      expect(await collectText((await got).stream)).to.equal('A')
      expect(recorded.failed).to.be.empty()
    })

    it('is cancelled by name when others wait behind it', async () => {
      const ex = exchange(nothing, { limits: { maxUnreadBytes: 100_000, unreadTimeout: 100 } })
      const peer = new ScriptedPeer(ex)
      const responses = nextOf(ex, 'response', 2)

      ex.request(['a', 'b'])
      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1], ['b', 2])
      peer.begin(2, 1, content(1, 100_000))
      peer.body(3, 2, text('B'))

      const [unread, other] = await responses

      expect(await collectText(other.stream)).to.equal('B')
      expect(await outcome(unread.stream)).to.deep.equal({ bytes: text(''), error: 'UnreadError' })
      await peer.sync()
      expect(peer.cancels).to.deep.equal([1])
    })

    it('is dropped by name when others wait behind it, even if it came as a whole', async () => {
      const ex = exchange(nothing, { limits: { maxUnreadBytes: 100_000, unreadTimeout: 100 } })
      const peer = new ScriptedPeer(ex)
      const responses = nextOf(ex, 'response', 3)

      ex.request(['a', 'b', 'c'])
      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1], ['b', 2], ['c', 3])
      peer.body(2, 1, content(1, 90_000))
      peer.begin(2, 2, content(2, 90_000))
      peer.body(3, 3, text('C'))

      const [first, second, third] = await responses

      expect(await collectText(third.stream)).to.equal('C')
      expect(await outcome(first.stream)).to.deep.equal({ bytes: text(''), error: 'UnreadError' })
      // either of them could have been read
      expect(await outcome(second.stream)).to.deep.equal({ bytes: text(''), error: 'UnreadError' })
      await peer.sync()
      expect(peer.cancels).to.deep.equal([2])
    })

    it('is cancelled, but not one behind it that nobody could have read', async () => {
      const ex = exchange(nothing, { limits: { maxUnreadBytes: 100_000, unreadTimeout: 100 } })
      const peer = new ScriptedPeer(ex)
      const unread = ex.get('unread')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['unread', 1])
      const unnamed = ex.get('unnamed')
      await peer.message(RPCType.REQUEST, 2)
      peer.body(3, 2, content(2, 60_000))
      peer.begin(2, 1, content(1, 60_000))
      peer.hashes(['unnamed', 2])

      expect((await outcome((await unnamed).stream)).bytes).to.deep.equal(content(2, 60_000))
      expect(await outcome((await unread).stream)).to.have.property('error', 'UnreadError')
    })

    it('is not cancelled while it is read, however slowly', async () => {
      const ex = exchange(nothing, { limits: { maxUnreadBytes: 100_000, unreadTimeout: 200 } })
      const peer = new ScriptedPeer(ex)
      const slow = ex.get('slow')
      const behind = ex.get('behind')
      let parts = 0

      await peer.message(RPCType.REQUEST)
      peer.hashes(['slow', 1], ['behind', 2])
      peer.begin(2, 1, content(0, 20_000))
      for (let i = 1; i < 20; i++) {
        peer.data(2, content(i, 20_000))
      }
      peer.end(2)
      peer.body(3, 2, text('B'))

      // the remote is held back for most of the time, which is several time-outs
      for await (const part of (await slow).stream) {
        expect(part).to.deep.equal(content(parts++, 20_000))
        await new Promise(resolve => { setTimeout(resolve, 40) })
      }

      expect(parts).to.equal(20)
      expect(await collectText((await behind).stream)).to.equal('B')
    })

    it('waits as long as nobody waits behind it', async () => {
      const ex = exchange(nothing, { limits: { maxUnreadBytes: 10_000, unreadTimeout: 20, requestTimeout: 20, rateWindow: 20, minBodyRate: 1e9 } })
      const peer = new ScriptedPeer(ex)
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.begin(2, 1, content(1, 10_000))
      peer.data(2, content(2, 10_000))
      peer.end(2)

      const { stream } = await got
      // no time-out runs meanwhile: neither that for reading, nor those of the remote
      await new Promise(resolve => { setTimeout(resolve, 200) })

      expect((await outcome(stream))).to.deep.equal({ bytes: Uint8Array.from([...content(1, 10_000), ...content(2, 10_000)]) })
    })

    it('holds the remote back until half of what waits has been read', async () => {
      const ex = exchange(nothing, { limits: { maxUnreadBytes: 100_000, requestTimeout: 50, rateWindow: 50 } })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      // one chunk, as the remote sent it at once; read part by part all the same
      peer.begin(2, 1, content(0, 20_000))
      for (let i = 1; i < 20; i++) {
        peer.data(2, content(i, 20_000))
      }
      peer.available('b')
      peer.end(2)

      const reader = (await got).stream[Symbol.asyncIterator]()
      await laps(1)
      await reader.next()

      // one part is read, and the reader pauses: no time-out may run meanwhile
      await new Promise(resolve => { setTimeout(resolve, 300) })
      expect(recorded.available).to.be.empty()

      const parts = [await reader.next()]
      while (parts.at(-1)?.done !== true) {
        parts.push(await reader.next())
      }

      expect(parts).to.have.lengthOf(20)
      expect(recorded.available).to.deep.equal(['b'])
    })
  })

  it('costs what small parts cost: a remote that sends one byte a frame is held back', async () => {
    const ex = exchange(nothing, { limits: { maxUnreadBytes: 100_000 } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.begin(2, 1, text('x'))
    for (let i = 0; i < 1000; i++) {
      peer.data(2, text('y'))
    }
    peer.available('b')
    peer.end(2)

    const { stream } = await got
    await laps(2)
    expect(recorded.available).to.be.empty()

    expect((await collect(stream)).byteLength).to.equal(1001)
    await peer.sync()
    expect(recorded.available).to.deep.equal(['b'])
  })

  it('gives many small bodies to their readers before all that came with them has been worked through', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const hashes = manyHashes(5000)
    const done = Promise.withResolvers<void>()
    let read = 0
    let held = 0
    let most = 0

    ex.addEventListener('response', ({ detail: response }) => {
      most = Math.max(most, ++held)

      void response.bytes().then(() => {
        held--

        if (++read === hashes.length) {
          done.resolve()
        }
      })
    })
    ex.request(hashes)
    await peer.message(RPCType.REQUEST, 5)

    // in one chunk
    for (let request = 0; request < 5; request++) {
      peer.hashes(...hashes.slice(request * 1000, (request + 1) * 1000).map((hash, i): [string, number] => [hash, request * 1000 + i]))
    }

    hashes.forEach((_, i) => { peer.body(2, i, text('small')) })
    await done.promise

    expect(most).to.be.below(1100)
  })

  it('does not keep the buffers of the network alive for small parts', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.begin(2, 1, content(1, 60_000))
    peer.data(2, text('small'))
    peer.end(2)
    const { stream } = await got
    await peer.sync()

    for await (const chunk of stream) {
      if (chunk.byteLength === 5) {
        expect(chunk.buffer.byteLength).to.be.below(60_000)
      }
    }
  })
})
