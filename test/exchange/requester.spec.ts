import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'aegir/chai'
import { Exchange } from '../../src/exchange/exchange.ts'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collectText, content, manyHashes, nothing, outcome, text } from '../fixtures/content.ts'
import { names, next, nextOf, record } from '../fixtures/events.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import { WatchedController } from '../fixtures/timers.ts'

describe('exchange: request and get', () => {
  it('gets a response', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const got = ex.get('a')

    expect(await peer.message(RPCType.REQUEST)).to.have.property('hashes').that.deep.equals(['a'])

    peer.hashes(['a', 7])
    peer.body(2, 7, text('content of a'))

    const response = await got

    expect(response.hash).to.equal('a')
    expect(response.sequence).to.equal(7)
    expect(await collectText(response.stream)).to.equal('content of a')
  })

  it('dispatches the responses of what was requested', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const responses = nextOf(ex, 'response', 3)

    ex.request('a')
    ex.request(new Set(['b', 'c']))

    expect((await peer.message(RPCType.REQUEST)).hashes).to.deep.equal(['a', 'b', 'c'])

    // in any order
    peer.hashes(['a', 1], ['c', 2], ['b', 3])
    peer.body(2, 2, text('C'))
    peer.body(3, 3, text('B'))
    peer.body(2, 1, text('A'))

    const got = await Promise.all((await responses).map(async ({ hash, sequence, stream }) => [hash, sequence, await collectText(stream)]))

    expect(got).to.deep.equal([['c', 2, 'C'], ['b', 3, 'B'], ['a', 1, 'A']])
  })

  it('takes an empty body', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.body(2, 1, text(''))

    expect(await outcome((await got).stream)).to.deep.equal({ bytes: new Uint8Array(0) })
  })

  it('takes any string as a hash', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const hashes = ['__proto__', 'constructor', '', 'ünïcödé 🙂', '0', 'x'.repeat(512), '\0\n"']
    const responses = nextOf(ex, 'response', hashes.length)

    ex.request(hashes)

    expect((await peer.message(RPCType.REQUEST)).hashes).to.deep.equal(hashes)

    peer.hashes(...hashes.map((hash, i): [string, number] => [hash, i]))
    hashes.forEach((hash, i) => { peer.body(2, i, text(hash)) })

    for (const { hash, stream } of await responses) {
      expect(await collectText(stream)).to.equal(hash)
    }
  })

  it('has one body for all that ask for a hash', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const dispatched = next(ex, 'response')

    ex.request(['a', 'a'])
    const first = ex.get('a')

    await peer.message(RPCType.REQUEST)

    // these join what is outstanding
    const second = ex.get('a')
    ex.request('a')
    await peer.sync()

    peer.hashes(['a', 1])
    await peer.sync()

    // and this what is promised
    const third = ex.get('a')
    await peer.sync()
    peer.body(2, 1, text('A'))

    const response = await first

    expect(await second).to.equal(response)
    expect(await third).to.equal(response)
    expect(await dispatched).to.equal(response)
    expect(await collectText(response.stream)).to.equal('A')
    expect(peer.hashesOf(RPCType.REQUEST)).to.deep.equal(['a'])
  })

  it('asks again for a body that has begun', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const first = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.begin(2, 1, text('first '))
    const response = await first

    const second = ex.get('a')
    await peer.message(RPCType.REQUEST, 2)
    peer.data(2, text('body'))
    peer.end(2)
    peer.hashes(['a', 1])
    peer.body(2, 1, text('second body'))

    expect(await collectText(response.stream)).to.equal('first body')
    expect(await collectText((await second).stream)).to.equal('second body')
  })

  it('keeps requests to 1,000 hashes and 64 KiB', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const hashes = [...manyHashes(2500), ...manyHashes(300).map(hash => hash.padStart(512, 'x'))]

    ex.request(hashes)
    await peer.until(() => peer.hashesOf(RPCType.REQUEST).length === hashes.length)

    for (const { hashes } of peer.messages) {
      expect(hashes.length).to.be.at.most(1000)
      expect(hashes.join('').length).to.be.at.most(64 * 1024)
    }

    expect(peer.hashesOf(RPCType.REQUEST)).to.deep.equal(hashes)
  })

  it('has at most 8,192 hashes outstanding, and asks for more by the thousand', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const hashes = manyHashes(10_000)
    const responses = nextOf(ex, 'response', hashes.length)
    const requests = (): string[][] => peer.messages.filter(({ type }) => type === RPCType.REQUEST).map(({ hashes }) => hashes)

    ex.request(hashes)
    await peer.sync()

    expect(requests().flat()).to.have.lengthOf(8192)

    let sequence = 0

    const answer = (hashes: string[]): void => {
      const first = sequence
      sequence += hashes.length
      peer.hashes(...hashes.map((hash, i): [string, number] => [hash, first + i]))
      hashes.forEach((_, i) => { peer.body(2, first + i, text('')) })
    }

    const [first, ...others] = requests()

    answer(first)
    await peer.sync()

    expect(requests().slice(1 + others.length)).to.deep.equal([hashes.slice(8192, 9192)])

    others.forEach(answer)
    answer(hashes.slice(8192, 9192))
    await peer.sync()

    expect(requests().flat()).to.deep.equal(hashes)

    answer(hashes.slice(9192))

    expect((await responses).map(({ hash }) => hash)).to.deep.equal(hashes)
  })

  it('does not ask for more one by one', async () => {
    const ex = exchange(nothing, { limits: { maxOutstanding: 1000 } })
    const peer = new ScriptedPeer(ex)
    const hashes = manyHashes(2000)

    record(ex, { responses: true })
    ex.request(hashes)
    await peer.message(RPCType.REQUEST)
    peer.hashes(...hashes.slice(0, 1000).map((hash, i): [string, number] => [hash, i]))

    for (let i = 0; i < 999; i++) {
      peer.body(2, i, text(''))

      if (i % 333 === 0) {
        await peer.sync()
      }
    }

    await peer.sync()
    expect(peer.hashesOf(RPCType.REQUEST)).to.have.lengthOf(1000)

    peer.body(2, 999, text(''))
    expect((await peer.message(RPCType.REQUEST, 2)).hashes).to.deep.equal(hashes.slice(1000))
  })

  it('counts what was not found as received', async () => {
    const ex = exchange(nothing, { limits: { maxOutstanding: 2 } })
    const peer = new ScriptedPeer(ex)
    const failed = nextOf(ex, 'failed', 3)

    ex.request(['a', 'b', 'c'])

    expect((await peer.message(RPCType.REQUEST)).hashes).to.deep.equal(['a', 'b'])
    peer.hashes()
    expect((await peer.message(RPCType.REQUEST, 2)).hashes).to.deep.equal(['c'])
    peer.hashes()

    expect(names(await failed)).to.deep.equal(['a: NotFoundError', 'b: NotFoundError', 'c: NotFoundError'])
  })

  describe('not found', () => {
    it('rejects and dispatches by name, and has the others', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex, { responses: true })

      ex.request(['a', 'b'])
      const missing = ex.get('c')
      const found = ex.get('d')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['b', 1], ['d', 2])
      peer.body(2, 1, text('B'))
      peer.body(2, 2, text('D'))

      await expect(missing).to.eventually.be.rejected.with.property('name', 'NotFoundError')
      expect(await collectText((await found).stream)).to.equal('D')
      expect(names(recorded.failed)).to.deep.equal(['a: NotFoundError'])
      expect(recorded.responses.map(({ hash }) => hash)).to.deep.equal(['b'])
    })

    it('tells all that asked, the listeners once', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      ex.request('a')
      ex.request(['a'])
      const gets = Promise.allSettled([ex.get('a'), ex.get('a')])

      await peer.message(RPCType.REQUEST)
      peer.hashes()

      expect((await gets).map(result => result.status === 'rejected' && result.reason.name)).to.deep.equal(['NotFoundError', 'NotFoundError'])
      expect(names(recorded.failed)).to.deep.equal(['a: NotFoundError'])
    })

    it('can be asked for again, also by the listener', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const response = next(ex, 'response')

      ex.addEventListener('failed', ({ detail }) => { ex.request(detail.hash) }, { once: true })
      ex.request('a')
      await peer.message(RPCType.REQUEST)
      peer.hashes()
      await peer.message(RPCType.REQUEST, 2)
      peer.hashes(['a', 1])
      peer.body(2, 1, text('A'))

      expect(await collectText((await response).stream)).to.equal('A')
    })
  })

  describe('bodies before the HASHES that names them', () => {
    it('are kept, whole and in parts', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const gets = ['a', 'b', 'c', 'd'].map(async hash => ex.get(hash))

      await peer.message(RPCType.REQUEST)
      peer.body(2, 1, text('A'))
      peer.begin(3, 2, text('B, '))
      peer.body(2, 3, text(''))
      peer.begin(2, 4, text('D, but '))
      peer.error(2)
      await peer.sync()
      peer.hashes(['a', 1], ['b', 2], ['c', 3], ['d', 4])
      peer.data(3, text('the rest'))
      peer.end(3)

      const [a, b, c, d] = await Promise.all(gets)

      expect(await collectText(a.stream)).to.equal('A')
      expect(await collectText(b.stream)).to.equal('B, the rest')
      expect(await collectText(c.stream)).to.equal('')
      expect(await outcome(d.stream)).to.deep.equal({ bytes: text('D, but '), error: 'RemoteError' })
    })

    it('wait for any of the answers that are still to come', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const first = ex.get('a')
      await peer.message(RPCType.REQUEST)
      const second = ex.get('b')
      await peer.message(RPCType.REQUEST, 2)

      peer.body(2, 9, text('B'))
      peer.hashes(['a', 1])
      await peer.sync()
      peer.hashes(['b', 9])
      peer.body(2, 1, text('A'))

      expect(await collectText((await first).stream)).to.equal('A')
      expect(await collectText((await second).stream)).to.equal('B')
    })

    it('are cancelled when nobody wants them any more', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new AbortController()
      const gets = Promise.allSettled([ex.get('a', controller), ex.get('b', controller)])

      await peer.message(RPCType.REQUEST)
      peer.begin(2, 1, text('A'))
      peer.body(3, 2, text('B'))
      await peer.sync()
      controller.abort()
      await gets
      peer.hashes(['a', 1], ['b', 2])
      peer.data(2, text('A'))
      await peer.sync()

      expect(peer.cancels).to.deep.equal([1])
    })

    it('may use up the bound on unread bytes together with others', async () => {
      // the reader of the known body must free the way for the HASHES
      const ex = exchange(nothing, { limits: { maxUnreadBytes: 100_000 } })
      const peer = new ScriptedPeer(ex)
      const known = ex.get('known')
      await peer.message(RPCType.REQUEST)
      peer.hashes(['known', 1])
      const unknown = ex.get('unknown')
      await peer.message(RPCType.REQUEST, 2)

      peer.begin(3, 2, content(2, 60_000))
      peer.begin(2, 1, content(1, 60_000))
      const response = await known
      peer.data(2, text('end'))
      peer.end(2)
      peer.hashes(['unknown', 2])
      peer.end(3)

      expect((await outcome(response.stream)).bytes).to.have.lengthOf(60_003)
      expect((await outcome((await unknown).stream)).bytes).to.deep.equal(content(2, 60_000))
    })
  })

  describe('signals', () => {
    it('that are aborted already ask for nothing', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)

      await expect(ex.get('a', { signal: AbortSignal.abort() })).to.eventually.be.rejected.with.property('name', 'AbortError')
      await peer.sync()

      expect(peer.hashesOf(RPCType.REQUEST)).to.be.empty()
    })

    it('before the request is sent', async () => {
      const ex = exchange(nothing)
      const controller = new WatchedController()
      const got = ex.get('a', controller)

      controller.abort(new Error('Not any more'))
      await expect(got).to.be.rejectedWith('Not any more')

      const peer = new ScriptedPeer(ex)
      await peer.sync()

      expect(peer.hashesOf(RPCType.REQUEST)).to.be.empty()
      expect(controller.listeners).to.equal(0)
    })

    it('before the request is sent leave the others in their order', async () => {
      const ex = exchange(nothing, { limits: { maxOutstanding: 1 } })
      const peer = new ScriptedPeer(ex)
      const hashes = manyHashes(5000)
      const kept = hashes.filter((_, i) => i % 1000 === 999)
      const controller = new AbortController()
      const got = Promise.allSettled(hashes.map(async hash => ex.get(hash, kept.includes(hash) ? {} : controller)))

      await peer.message(RPCType.REQUEST)
      controller.abort(new Error('Not any more'))
      // one of those that were given up
      ex.request(hashes[1])
      peer.hashes()

      for (const [i, hash] of [...kept, hashes[1]].entries()) {
        expect((await peer.message(RPCType.REQUEST, i + 2)).hashes).to.deep.equal([hash])
        peer.hashes()
      }

      const settled = await got

      for (const [i, hash] of hashes.entries()) {
        expect(settled[i]).to.have.nested.property('reason.name', kept.includes(hash) ? 'NotFoundError' : 'Error')
      }

      await peer.sync()
      expect(peer.hashesOf(RPCType.REQUEST)).to.deep.equal([hashes[0], ...kept, hashes[1]])
    })

    it('before the answer', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)
      const controller = new WatchedController()
      const got = ex.get('a', controller)

      await peer.message(RPCType.REQUEST)
      controller.abort(new Error('Not any more'))
      await expect(got).to.be.rejectedWith('Not any more')

      peer.hashes(['a', 1])
      peer.begin(2, 1, text('unwanted'))
      await peer.sync()

      expect(peer.cancels).to.deep.equal([1])
      expect(controller.listeners).to.equal(0)

      // what is late is thrown away, and the exchange goes on
      peer.data(2, text('late'))
      peer.end(2)
      await peer.sync()

      expect(recorded.closes).to.be.empty()
      expect(recorded.failed).to.be.empty()
    })

    it('before an answer that says not found', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)
      const controller = new AbortController()
      const got = ex.get('a', controller)

      await peer.message(RPCType.REQUEST)
      controller.abort()
      await expect(got).to.eventually.be.rejected.with.property('name', 'AbortError')
      peer.hashes()
      await peer.sync()

      expect(recorded.failed).to.be.empty()
      expect(recorded.closes).to.be.empty()
    })

    it('between the answer and the body', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new AbortController()
      const got = ex.get('a', controller)

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      await peer.sync()
      controller.abort(new Error('Not any more'))
      await expect(got).to.be.rejectedWith('Not any more')

      peer.body(2, 1, text('unwanted'))
      await peer.sync()

      expect(peer.cancels).to.deep.equal([1])
    })

    it('during the body', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new WatchedController()
      const got = ex.get('a', controller)

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.begin(2, 1, text('first'))

      const reader = (await got).stream[Symbol.asyncIterator]()
      expect(await reader.next()).to.have.property('value').that.deep.equals(text('first'))

      // also while somebody waits for the next part
      const waiting = reader.next()
      controller.abort(new Error('Not any more'))

      await expect(waiting).to.be.rejectedWith('Not any more')
      await expect(reader.next()).to.be.rejectedWith('Not any more')
      await peer.sync()
      expect(peer.cancels).to.deep.equal([1])
      expect(controller.listeners).to.equal(0)
    })

    it('in the moment in which the body begins', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new WatchedController()
      const got = ex.get('a', controller)
      // dispatched before the promise of get() has told anybody
      ex.addEventListener('available', () => { controller.abort(new Error('Not any more')) })

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.begin(2, 1, text('first'))
      peer.available('b')

      await expect(got).to.be.rejectedWith('Not any more')
      await peer.sync()
      expect(peer.cancels).to.deep.equal([1])
      expect(controller.listeners).to.equal(0)
    })

    it('leave no listener behind when the body has ended', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new WatchedController()
      const gets = Promise.allSettled([ex.get('a', controller), ex.get('b', controller), ex.get('c', controller), ex.get('c', controller)])

      await peer.message(RPCType.REQUEST)
      expect(controller.listeners).to.equal(4)
      peer.hashes(['a', 1], ['c', 2])
      peer.begin(2, 1, text('A'))
      peer.begin(3, 2, text('C'))
      const [a, b, c] = await gets

      peer.end(2)
      peer.end(3)
      expect(a.status === 'fulfilled' && await collectText(a.value.stream)).to.equal('A')
      expect(b.status).to.equal('rejected')
      expect(c.status === 'fulfilled' && await collectText(c.value.stream)).to.equal('C')
      expect(controller.listeners).to.equal(0)
    })

    it('can be shared by many', async () => {
      const warnings: Error[] = []
      const listener = (warning: Error): void => { warnings.push(warning) }
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new AbortController()

      globalThis.process?.on?.('warning', listener)
      const gets = Promise.allSettled(manyHashes(50).map(async hash => ex.get(hash, controller)))
      await peer.sync()
      controller.abort()
      await gets
      await laps(2)
      globalThis.process?.off?.('warning', listener)

      expect(warnings).to.be.empty()
    })

    it('of one of two leave the body to the other', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new AbortController()
      const leaving = ex.get('a', controller)
      const staying = ex.get('a')

      await peer.message(RPCType.REQUEST)
      controller.abort(new Error('Not any more'))
      await expect(leaving).to.be.rejectedWith('Not any more')
      peer.hashes(['a', 1])
      peer.body(2, 1, text('A'))

      expect(await collectText((await staying).stream)).to.equal('A')
      expect(peer.cancels).to.be.empty()
    })

    it('of one of two leave the body to the other, also when it has begun', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new WatchedController()
      const leaving = ex.get('a', controller)
      const staying = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.begin(2, 1, text('A, '))
      await leaving
      controller.abort()
      peer.data(2, text('all of it'))
      peer.end(2)

      expect(await collectText((await staying).stream)).to.equal('A, all of it')
      expect(controller.listeners).to.equal(0)
    })

    it('leave the body to a listener', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const response = next(ex, 'response')
      const controller = new AbortController()
      const leaving = ex.get('a', controller)

      ex.request('a')
      await peer.message(RPCType.REQUEST)
      controller.abort()
      await expect(leaving).to.eventually.be.rejected.with.property('name', 'AbortError')
      peer.hashes(['a', 1])
      peer.body(2, 1, text('A'))

      expect(await collectText((await response).stream)).to.equal('A')
    })
  })

  describe('cancel', () => {
    it('before the body, then asked for again: joins what comes', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const controller = new AbortController()
      const left = ex.get('a', controller)

      await peer.message(RPCType.REQUEST)
      controller.abort()
      await expect(left).to.eventually.be.rejected()

      const again = ex.get('a')
      await peer.sync()
      peer.hashes(['a', 1])
      peer.body(2, 1, text('A'))

      expect(await collectText((await again).stream)).to.equal('A')
      expect(peer.hashesOf(RPCType.REQUEST)).to.deep.equal(['a'])
      expect(peer.cancels).to.be.empty()
    })

    it('during the body, then asked for again: gets another one', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const first = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.begin(2, 1, text('first'))
      const response = await first
      response.abort()
      const second = ex.get('a')
      await peer.message(RPCType.REQUEST, 2)

      // on its way while the cancel was
      peer.data(2, text('late'))
      peer.hashes(['a', 1])
      // the remote takes the same channel, as it knows of the cancel by now
      peer.begin(2, 1, text('second'))
      peer.end(2)

      expect(await outcome(response.stream)).to.deep.include({ error: 'AbortError' })
      expect(await collectText((await second).stream)).to.equal('second')
      expect(peer.cancels).to.deep.equal([1])
    })

    it('discards late frames until the end, an error or a name', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)
      const gets = ['a', 'b', 'c', 'd'].map(async hash => ex.get(hash))

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1], ['b', 2], ['c', 3], ['d', 4])
      peer.begin(2, 1, text('A'))
      peer.begin(3, 2, text('B'))
      peer.begin(4, 3, text('C'))

      for (const got of gets.slice(0, 3)) {
        (await got).abort()
      }

      peer.data(2, text('late'))
      peer.end(2)
      peer.data(3, text('late'))
      peer.error(3, undefined, 'late')
      peer.data(4, text('late'))
      peer.body(4, 4, text('D'))
      await peer.sync()

      expect(await collectText((await gets[3]).stream)).to.equal('D')
      expect(peer.cancels).to.deep.equal([1, 2, 3])
      expect(recorded.closes).to.be.empty()
    })

    it('is not sent over libp2p to what may be an original: the rest is let through', async () => {
      const remotePeer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
      const ex = new Exchange(nothing, { remotePeer })
      const peer = new ScriptedPeer(ex)
      const gets = ['a', 'b', 'c'].map(async hash => ex.get(hash))

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1], ['b', 2], ['c', 3])
      peer.begin(2, 1, text('A'))
      const [a, b, c] = gets
      ;(await a).abort()
      peer.data(2, text('the rest'))
      peer.end(2)
      peer.body(2, 2, text('B'))

      expect(await outcome((await a).stream)).to.have.property('error', 'AbortError')
      expect(await collectText((await b).stream)).to.equal('B')
      await peer.sync()
      expect(peer.cancels).to.be.empty()

      // it turns out to be one of ours
      peer.id('', '')
      peer.begin(2, 3, text('C'))
      ;(await c).abort()
      await peer.sync()
      expect(peer.cancels).to.deep.equal([3])
    })

    it('happens in the middle of a frame', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const got = ex.get('a')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      // 12 bytes of data, of which five come later
      peer.bytes(19, 0x08, 0x04, 0x12, 0x01, 0x32, 0x22, 12, ...text('seven, '))
      const { stream, abort } = await got
      abort.call(await got)
      peer.bytes(...text('fives'))
      peer.end(2)
      await peer.sync()

      expect(await outcome(stream)).to.deep.equal({ bytes: new Uint8Array(0), error: 'AbortError' })
    })
  })

  describe('after the CLOSE of the remote', () => {
    it('fails what one of ours has not answered, and gets what it has promised', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex, { ours: true })
      const recorded = record(ex)

      const promised = ex.get('promised')
      await peer.message(RPCType.REQUEST)
      peer.hashes(['promised', 1])
      await peer.sync()
      ex.request('unanswered')
      const unanswered = ex.get('unanswered, too')
      await peer.message(RPCType.REQUEST, 2)
      peer.close()

      await expect(unanswered).to.eventually.be.rejected.with.property('name', 'RemoteClosedError')
      expect(names(recorded.failed)).to.deep.equal(['unanswered: RemoteClosedError'])

      peer.body(2, 1, text('A'))
      expect(await collectText((await promised).stream)).to.equal('A')

      await expect(ex.get('more')).to.eventually.be.rejected.with.property('name', 'RemoteClosedError')
      ex.request('more, too')
      await next(ex, 'failed')
      expect(names(recorded.failed)).to.deep.equal(['unanswered: RemoteClosedError', 'more, too: RemoteClosedError'])
    })

    it('fails what was never sent', async () => {
      const ex = exchange(nothing, { limits: { maxOutstanding: 1 } })
      const peer = new ScriptedPeer(ex, { ours: true })
      const failed = nextOf(ex, 'failed', 2)

      ex.request(['a', 'b'])
      await peer.message(RPCType.REQUEST)
      peer.close()

      expect(names(await failed)).to.deep.equal(['a: RemoteClosedError', 'b: RemoteClosedError'])
    })

    it('fails also what a listener asks for again and again, while others go on', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex, { ours: true })
      const failed = nextOf(ex, 'failed', 5)
      let again = 4
      ex.addEventListener('failed', ({ detail }) => {
        if (again-- > 0) {
          ex.request(detail.hash)
        }
      })

      ex.request('a')
      await peer.message(RPCType.REQUEST)
      peer.close()
      await peer.message(RPCType.CLOSE)

      expect(names(await failed)).to.deep.equal(Array(5).fill('a: RemoteClosedError'))
      expect(peer.hashesOf(RPCType.REQUEST)).to.deep.equal(['a'])
    })

    it('goes on with an original', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const before = ex.get('before')

      await peer.message(RPCType.REQUEST)
      peer.close()
      peer.available('after')
      expect(await next(ex, 'available')).to.deep.equal(['after'])

      const after = ex.get('after')
      await peer.message(RPCType.REQUEST, 2)
      peer.hashes(['before', 1])
      peer.hashes(['after', 2])
      peer.body(2, 1, text('B'))
      peer.body(2, 2, text('A'))

      expect(await collectText((await before).stream)).to.equal('B')
      expect(await collectText((await after).stream)).to.equal('A')
    })
  })

  it('fails by name what is asked of a closed exchange', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)

    const failed = nextOf(ex, 'failed', 3)
    const closed = ex.close()
    await expect(ex.get('a')).to.eventually.be.rejected.with.property('name', 'ExchangeClosedError')
    ex.request(['b', 'c'])
    peer.close()
    await closed
    ex.request('d')
    await failed
    await expect(ex.get('e')).to.eventually.be.rejected()

    expect(names(recorded.failed).slice(0, 2)).to.deep.equal(['b: ExchangeClosedError', 'c: ExchangeClosedError'])
    expect(recorded.failed).to.have.lengthOf(3)
    expect(peer.hashesOf(RPCType.REQUEST)).to.be.empty()
  })

  it('fails by the error that ended the exchange', async () => {
    const ex = exchange(nothing)
    const recorded = record(ex)

    ex.abort(new RangeError('Over'))
    ex.request('a')

    await next(ex, 'failed')
    await expect(ex.get('a')).to.be.rejectedWith('Over')
    expect(names(recorded.failed)).to.deep.equal(['a: RangeError'])
  })
})
