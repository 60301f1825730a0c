import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { connect } from '../fixtures/connect.ts'
import { collectText, nothing, repeat, serve, text, thenHang, WatchedSource } from '../fixtures/content.ts'
import { next, nextOf, record } from '../fixtures/events.ts'
import { encodeRPC } from '../fixtures/frame-log.ts'
import { contentsOf, createOriginal, destroyed, isDestroyed, nextResponse, OriginalResponses, originalToDuplex, readAll, readable } from '../fixtures/original.ts'
import { createRawPeer } from '../fixtures/raw-peer.ts'
import { joined, laps } from '../fixtures/slicing.ts'
import type { Original } from '../fixtures/original.ts'
import type { RawPeer } from '../fixtures/raw-peer.ts'

/**
 * An original with a peer that knows no mercy
 */
function rawWithOriginal (original = createOriginal()): { raw: RawPeer, original: Original } {
  const raw = createRawPeer()

  connect(raw.duplex, originalToDuplex(original))

  return { raw, original }
}

/**
 * An original whose lookups wait until they are told to go on
 */
function slowOriginal (contents: Record<string, string>): { original: Original, asked: Promise<void>, answer(): void } {
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()

  const original = createOriginal((hash, callback) => {
    asked.resolve()
    void answered.promise.then(() => { callback(null, readable(text(contents[hash]))) })
  })

  original.provide(Object.keys(contents))

  return { original, asked: asked.promise, answer: answered.resolve }
}

async function responseText (original: Original): Promise<string> {
  return nextResponse(original, async (stream) => new TextDecoder().decode(await readAll(stream)))
}

/**
 * Resolves when the original has cancelled the next response
 */
async function cancelNext (original: Original): Promise<void> {
  return nextResponse(original, (stream) => { stream.destroy() })
}

async function * after (promise: Promise<void>, chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  await promise
  yield chunk
}

describe('what an original destroys itself over', () => {
  describe('a body before the HASHES that announces it', () => {
    it('ends an original, which tells nobody', async () => {
      const { raw, original } = rawWithOriginal()
      const told: string[] = []

      for (const event of ['response', 'close', 'end', 'error']) {
        original.on(event, () => { told.push(event) })
      }

      original.request(['a'])
      await raw.received.message('REQUEST')
      raw.body(1, text('too soon'))
      await destroyed(original)

      raw.send({ type: 'HASHES', mapping: [{ hash: 'a', sequence: 1 }] })
      original.since(1)
      await laps(5)

      expect(told).to.be.empty()
      expect(raw.received.messages).to.have.lengthOf(1)
    })

    it('does no harm behind it, in the same chunk', async () => {
      const { raw, original } = rawWithOriginal()
      const content = responseText(original)

      original.request(['a'])
      await raw.received.message('REQUEST')
      raw.send({ type: 'HASHES', mapping: [{ hash: 'a', sequence: 1 }] })
      raw.body(1, text('in time'))

      expect(await content).to.equal('in time')
    })

    it('does no harm behind it and many other messages, in the same chunk', async () => {
      const raw = createRawPeer()
      const original = createOriginal()
      const { there } = connect(raw.duplex, originalToDuplex(original), { there: joined })
      const responses = new OriginalResponses(original)

      original.request(['a'])
      await raw.received.message('REQUEST')

      // its multiplexer would send the body first
      for (let i = 0; i < 500; i++) {
        raw.frame({ channel: 1, name: i === 0 ? '0' : undefined, data: encodeRPC({ type: 'AVAILABLE', hashes: [`${i}`] }) })
      }
      raw.frame({ channel: 1, data: encodeRPC({ type: 'HASHES', mapping: [{ hash: 'a', sequence: 1 }] }) })
      raw.frame({ channel: 2, name: '2', data: Buffer.from('in time') })
      raw.frame({ channel: 2, type: 'END' })

      await responses.count(1)
      expect(responses.texts).to.deep.equal(['a: in time'])
      expect(there.messages).to.have.lengthOf(501)
    })

    it('ends an original that waits for a lookup meanwhile', async () => {
      const { original, asked } = slowOriginal({ a: 'of the original' })
      const { raw } = rawWithOriginal(original)

      raw.send({ type: 'REQUEST', hashes: ['a'] })
      await asked

      original.request(['b'])
      await raw.received.message('REQUEST')
      raw.send({ type: 'HASHES', mapping: [{ hash: 'b', sequence: 1 }] })
      raw.body(1, text('too soon'))

      await destroyed(original)
    })

    it('is not sent to an original that waits for a lookup', async () => {
      const { original, asked, answer } = slowOriginal({ a: 'of the original' })
      const ours = exchange(serve({ b: 'of ours' }))
      const { there, ended } = connect(ours, originalToDuplex(original))

      void ours.provide('b')
      const asking = ours.get('a')
      await asked

      const content = responseText(original)
      original.request(['b'])
      await there.message('HASHES')
      await laps(5)
      expect(there.bodies).to.be.empty()

      answer()
      expect(await collectText((await asking).stream)).to.equal('of the original')
      expect(await content).to.equal('of ours')

      original.close()
      await Promise.all([ours.close(), ended])
    })

    it('does not lock two that wait for each other\'s answers', async () => {
      const { original, asked, answer } = slowOriginal({ a: 'of the original', c: 'of the original, too' })
      const ours = exchange(serve({ b: 'of ours', d: 'of ours, too' }))
      const { there, ended } = connect(ours, originalToDuplex(original))
      const responses = new OriginalResponses(original)

      void ours.provide(['b', 'd'])
      const first = ours.get('a')
      await asked
      original.request(['b'])
      await there.message('HASHES')

      // behind the HASHES that has not been read
      const second = ours.get('c')
      await there.message('REQUEST', ({ hashes }) => hashes.includes('c'))
      original.request(['d'])
      await there.message('HASHES', ({ mapping }) => mapping[0].hash === 'd')
      await laps(5)
      expect(there.bodies).to.be.empty()

      answer()
      expect(await collectText((await first).stream)).to.equal('of the original')
      expect(await collectText((await second).stream)).to.equal('of the original, too')

      original.close()
      await Promise.all([ours.close(), ended])
      expect(responses.texts).to.deep.equal(['b: of ours', 'd: of ours, too'])
    })
  })

  describe('two bodies of one sequence', () => {
    it('end an original', async () => {
      const { raw, original } = rawWithOriginal()

      original.request(['a', 'b'])
      await raw.received.message('REQUEST')
      raw.send({ type: 'HASHES', mapping: [{ hash: 'a', sequence: 7 }, { hash: 'b', sequence: 7 }] })

      await destroyed(original)
    })

    it('are not promised in one HASHES', async () => {
      const original = createOriginal()
      const ours = exchange((hash) => ({ stream: [text(`content of ${hash}`)], sequence: 7 }))
      const { there, ended } = connect(ours, originalToDuplex(original))
      const content = responseText(original)
      const unsent = next(ours, 'unsent')

      void ours.provide(['a', 'b'])
      original.request(['a', 'b'])

      expect(await content).to.equal('content of a')
      expect(await unsent).to.have.nested.property('error.name', 'DuplicateSequenceError')
      expect((await there.message('HASHES')).mapping).to.deep.equal([{ hash: 'a', sequence: 7 }])

      original.close()
      await Promise.all([ours.close(), ended])
    })

    it('are not promised while the first has not begun', async () => {
      const began = Promise.withResolvers<void>()
      const original = createOriginal()
      const ours = exchange((hash) => ({
        stream: after(began.promise, text(`content of ${hash}`)),
        sequence: 7
      }))
      const { there, ended } = connect(ours, originalToDuplex(original))
      const responses = new OriginalResponses(original)

      void ours.provide(['a', 'b'])
      original.request(['a'])
      original.request(['b'])
      await there.message('HASHES')
      await laps(5)
      expect(there.messages.filter(({ type }) => type === 'HASHES')).to.have.lengthOf(1)

      began.resolve()
      await responses.count(2)
      expect(responses.texts).to.deep.equal(['a: content of a', 'b: content of b'])
      expect(responses.received.map(({ sequence }) => sequence)).to.deep.equal([7, 7])
      expect(isDestroyed(original)).to.be.false()

      original.close()
      await Promise.all([ours.close(), ended])
    })
  })

  it('a message of a type that it does not know ends an original', async () => {
    const { raw, original } = rawWithOriginal()

    raw.sendRaw(Uint8Array.of(0, 7))

    await destroyed(original)
  })

  describe('more of a body that it has cancelled', () => {
    for (const type of ['DATA', 'END'] as const) {
      it(`ends an original, ${type} as well`, async () => {
        const { raw, original } = rawWithOriginal()
        const cancelled = cancelNext(original)

        original.request(['a'])
        await raw.received.message('REQUEST')
        raw.send({ type: 'HASHES', mapping: [{ hash: 'a', sequence: 1 }] })
        raw.frame({ channel: 2, name: '2', data: Buffer.from('first') })

        await cancelled
        await raw.received.frame(({ type }) => type === 'ERROR')
        raw.frame({ channel: 2, type, data: type === 'DATA' ? Buffer.from('second') : undefined })

        await destroyed(original)
      })
    }

    it('is not sent after the cancel has come', async () => {
      const source = new WatchedSource(thenHang(text('first')))
      const original = createOriginal()
      const ours = exchange((hash) => ({ stream: hash === 'a' ? source : [text('another')] }))
      const { there, back, ended } = connect(ours, originalToDuplex(original))
      const cancelled = cancelNext(original)

      void ours.provide(['a', 'b'])
      original.request(['a'])

      await cancelled
      await source.wasReturned

      const content = responseText(original)
      original.request(['b'])
      expect(await content).to.equal('another')

      // its channel is taken by the next, which has a name
      const [cancel] = back.bodies
      expect(cancel).to.include({ channel: -2, name: '2', type: 'ERROR', size: 0 })
      expect(there.bodies.map(({ channel, name, type }) => ({ channel, name, type }))).to.deep.equal([
        { channel: 2, name: '2', type: 'DATA' },
        { channel: 2, name: '3', type: 'DATA' },
        { channel: 2, name: undefined, type: 'END' }
      ])

      original.close()
      await Promise.all([ours.close(), ended])
    })
  })

  describe('a hash that is called __proto__', () => {
    it('ends an original that asks for it', async () => {
      const { raw, original } = rawWithOriginal()

      original.request(['__proto__'])
      await raw.received.message('REQUEST')
      raw.send({ type: 'HASHES', mapping: [{ hash: '__proto__', sequence: 1 }] })

      await destroyed(original)
    })

    it('is not found at an original, and ours go on', async () => {
      const original = createOriginal(contentsOf(new Map([['__proto__', text('lost')], ['a', text('found')]])))
      const ours = exchange(nothing)
      const { ended } = connect(ours, originalToDuplex(original))
      const available = next(ours, 'available')

      original.provide(['__proto__', 'a'])
      expect(await available).to.deep.equal(['__proto__', 'a'])

      const asked = [ours.get('__proto__'), ours.get('a')]
      await expect(asked[0]).to.eventually.be.rejected.with.property('name', 'NotFoundError')
      expect(await collectText((await asked[1]).stream)).to.equal('found')

      original.close()
      await Promise.all([ours.close(), ended])
    })

    it('is served to any other peer', async () => {
      const raw = createRawPeer()
      const ours = exchange((hash) => ({ stream: [text(`content of ${hash}`)] }))

      connect(ours, raw.duplex)
      void ours.provide('__proto__')
      raw.send({ type: 'REQUEST', hashes: ['__proto__'] })

      const { mapping } = await raw.received.message('HASHES')
      expect(mapping).to.deep.equal([{ hash: '__proto__', sequence: 1 }])
      expect(await raw.content(1)).to.deep.equal(text('content of __proto__'))

      ours.abort()
    })

    it('is unlike other names of properties, which are exchanged', async () => {
      const names = ['constructor', 'hasOwnProperty', 'toString', 'valueOf', 'prototype']
      const original = createOriginal((hash, callback) => { callback(null, readable(text(`content of ${hash}`))) })
      const ours = exchange((hash) => ({ stream: [text(`content of ${hash}`)] }))
      const { ended } = connect(ours, originalToDuplex(original))
      const responses = new OriginalResponses(original)

      void ours.provide(names)
      original.provide(names)
      original.request(names)
      const asked = names.map(async name => collectText((await ours.get(name)).stream))

      expect(await Promise.all(asked)).to.deep.equal(names.map(name => `content of ${name}`))

      original.close()
      await Promise.all([ours.close(), ended])
      expect(responses.texts).to.have.members(names.map(name => `${name}: content of ${name}`))
    })
  })

  it('shows in time-outs of ours', async () => {
    const original = createOriginal(contentsOf(new Map([['a', text('never sent')], ['b', text('never sent')]])))
    // large, so that more of it is on its way when the original cancels it
    const source = new WatchedSource(repeat(new Uint8Array(65_536), 1000))
    const ours = exchange(() => ({ stream: source }), { limits: { requestTimeout: 100, closeTimeout: 100 } })
    const { ended } = connect(ours, originalToDuplex(original))
    const { closes } = record(ours)
    const failed = nextOf(ours, 'failed', 1)

    void ours.provide('c')
    original.provide(['a', 'b'])
    original.request(['c'])

    await cancelNext(original)
    await destroyed(original)

    ours.request('a')
    await expect(ours.get('b')).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    expect(await failed).to.have.nested.property('[0].error.name', 'TimeoutError')

    await expect(ours.close()).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    await expect(ended).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    expect(closes.map(err => err?.name)).to.deep.equal(['TimeoutError'])
    expect(source.returned).to.be.true()
  })
})
