import { PassThrough } from 'node:stream'
import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { connect } from '../fixtures/connect.ts'
import { collectText, nothing, serve, text } from '../fixtures/content.ts'
import { next, record } from '../fixtures/events.ts'
import { contentsOf, createOriginal, originalToDuplex, OriginalResponses, readable } from '../fixtures/original.ts'
import { createRawPeer } from '../fixtures/raw-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import type { Original } from '../fixtures/original.ts'

/**
 * Resolves when an original has seen both sides close
 */
async function closed (original: Original): Promise<void> {
  await new Promise<void>(resolve => { original.once('close', resolve) })
}

/**
 * A source that gives its first part, and the rest when it is told to
 */
function inTwoParts (first: string, rest: string): { source(): AsyncGenerator<Uint8Array>, finish(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()

  return {
    source: async function * () {
      yield text(first)
      await promise
      yield text(rest)
    },
    finish: resolve
  }
}

describe('the end of an exchange with an original', () => {
  describe('what an original does', () => {
    it('reads no messages after a CLOSE', async () => {
      const raw = createRawPeer()
      const original = createOriginal()
      const since: number[] = []
      const { there } = connect(raw.duplex, originalToDuplex(original))

      original.on('since', (sequence) => { since.push(sequence) })
      raw.send({ type: 'SINCE', sequence: 6 })
      raw.send({ type: 'CLOSE' })
      raw.send({ type: 'SINCE', sequence: 8 })
      await there.message('SINCE', ({ sequence }) => sequence === 8)
      await laps(5)

      expect(since).to.deep.equal([5])
    })

    it('drops what it has promised when both have closed', async () => {
      const raw = createRawPeer()
      const body = new PassThrough()
      const original = createOriginal((hash, callback) => { callback(null, body) })
      const { ended } = connect(raw.duplex, originalToDuplex(original))

      original.provide(['a'])
      raw.send({ type: 'REQUEST', hashes: ['a'] })
      await raw.received.message('HASHES')
      original.close()
      raw.send({ type: 'CLOSE' })
      await closed(original)
      body.end('dropped')

      await ended
      expect(raw.received.bodies).to.be.empty()
    })

    it('ends its stream with a part of its CLOSE, if it closes second', async () => {
      const raw = createRawPeer()
      const original = createOriginal()
      const bytes: number[] = []
      const { there, ended } = connect(raw.duplex, originalToDuplex(original), {
        back: async function * (source) {
          for await (const chunk of source) {
            bytes.push(...chunk.subarray())
            yield chunk
          }
        }
      })

      original.since(0)
      await raw.received.message('SINCE')
      raw.send({ type: 'CLOSE' })
      await there.message('CLOSE')
      await laps(5)
      original.close()

      await ended
      expect(raw.received.messages.map(({ type }) => type)).to.deep.equal(['SINCE'])
      // the length of the frame
      expect(bytes.at(-1)).to.equal(6)
    })
  })

  it('comes when ours closes first', async () => {
    const original = createOriginal()
    const ours = exchange(nothing)
    const { there, ended } = connect(ours, originalToDuplex(original))
    const { closes } = record(ours)

    original.since(0)
    await next(ours, 'since')
    const closing = ours.close()
    await there.message('CLOSE')
    await laps(5)
    expect(closes).to.be.empty()

    const end = closed(original)
    original.close()
    await Promise.all([end, closing, ended])
    expect(closes).to.deep.equal([null])
    expect(there.messages.at(-1)).to.have.property('type', 'CLOSE')
  })

  it('comes when the original closes first', async () => {
    const original = createOriginal()
    const ours = exchange(nothing)
    const { back, ended } = connect(ours, originalToDuplex(original))
    const { closes } = record(ours)
    const end = closed(original)

    original.close()
    await back.message('CLOSE')
    await laps(5)
    expect(closes).to.be.empty()

    await Promise.all([end, ours.close(), ended])
    expect(closes).to.deep.equal([null])
  })

  it('comes by itself some time after the original has closed', async () => {
    const original = createOriginal()
    const ours = exchange(nothing, { limits: { quietTimeout: 100 } })
    const { ended } = connect(ours, originalToDuplex(original))
    const close = next(ours, 'close')
    const end = closed(original)

    original.close()

    await Promise.all([end, ended])
    expect(await close).to.be.null()
  })

  it('does not come before a body that the original owes', async () => {
    const body = new PassThrough()
    const original = createOriginal((hash, callback) => { callback(null, body) })
    const ours = exchange(nothing)
    const { there, back, ended } = connect(ours, originalToDuplex(original))

    original.provide(['a'])
    body.write('first, ')
    const { stream } = await ours.get('a')
    const closing = ours.close()

    // it has closed, and would drop the rest if it knew that ours has
    original.close()
    await back.message('CLOSE')
    await laps(5)
    expect(there.messages.map(({ type }) => type)).to.deep.equal(['REQUEST'])

    const end = closed(original)
    body.end('last')
    expect(await collectText(stream)).to.equal('first, last')
    await Promise.all([closing, end, ended])
    expect(there.messages.map(({ type }) => type)).to.deep.equal(['REQUEST', 'CLOSE'])
  })

  it('does not come before an answer that the original owes', async () => {
    const answered = Promise.withResolvers<void>()
    const original = createOriginal((hash, callback) => {
      void answered.promise.then(() => { callback(null, readable(text('late'))) })
    })
    const ours = exchange(nothing)
    const { there, ended } = connect(ours, originalToDuplex(original))

    original.provide(['a'])
    const asking = ours.get('a').then(async ({ stream }) => collectText(stream))
    await there.message('REQUEST')
    const closing = ours.close()
    await laps(5)
    expect(there.messages.map(({ type }) => type)).to.deep.equal(['REQUEST'])

    answered.resolve()
    expect(await asking).to.equal('late')
    original.close()
    await Promise.all([closing, ended])
  })

  it('does not come before an answer that ours owes', async () => {
    const asked = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    const original = createOriginal()
    const ours = exchange(async () => {
      asked.resolve()
      await answered.promise

      return { stream: [text('late')] }
    })
    const { there, ended } = connect(ours, originalToDuplex(original))
    const responses = new OriginalResponses(original)

    await ours.provide('a')
    original.request(['a'])
    await asked.promise
    const closing = ours.close()
    await laps(5)

    answered.resolve()
    await responses.count(1)
    expect(responses.texts).to.deep.equal(['a: late'])
    original.close()
    await Promise.all([closing, ended])
    expect(there.messages.map(({ type }) => type)).to.deep.equal(['AVAILABLE', 'HASHES', 'CLOSE'])
  })

  it('does not cut a body of ours', async () => {
    const { source, finish } = inTwoParts('first, ', 'last')
    const original = createOriginal()
    const ours = exchange(() => ({ stream: source() }))
    const { there, ended } = connect(ours, originalToDuplex(original))
    const responses = new OriginalResponses(original)
    const end = closed(original)

    void ours.provide('a')
    original.request(['a'])
    await there.frame(({ channel }) => channel === 2)
    original.close()
    const closing = ours.close()
    await end

    // both have closed, only the body is to come
    finish()
    await Promise.all([closing, ended])
    await responses.count(1)
    expect(responses.texts).to.deep.equal(['a: first, last'])
  })

  it('does not come while ours asks an original that has closed for more', async () => {
    const original = createOriginal(contentsOf(new Map([['a', text('content of a')], ['b', text('content of b')]])))
    const ours = exchange(nothing, { limits: { quietTimeout: 400 } })
    const { there, back, ended } = connect(ours, originalToDuplex(original))
    const end = closed(original)

    original.provide(['a', 'b'])
    const [hash] = await next(ours, 'available')
    original.close()
    await back.message('CLOSE')
    await laps(5)

    expect(await collectText((await ours.get(hash)).stream)).to.equal('content of a')
    expect(await collectText((await ours.get('b')).stream)).to.equal('content of b')

    await Promise.all([end, ended])
    expect(there.messages.map(({ type }) => type)).to.deep.equal(['REQUEST', 'REQUEST', 'CLOSE'])
  })

  it('finds requests answered that were open when the original closed', async () => {
    const answered = Promise.withResolvers<void>()
    const original = createOriginal((hash, callback) => {
      void answered.promise.then(() => { callback(null, readable(text('late'))) })
    })
    const ours = exchange(nothing)
    const { there, back, ended } = connect(ours, originalToDuplex(original))

    original.provide(['a'])
    const asking = ours.get('a').then(async ({ stream }) => collectText(stream))
    await there.message('REQUEST')
    original.close()
    await back.message('CLOSE')
    await laps(5)

    answered.resolve()
    expect(await asking).to.equal('late')
    await Promise.all([ours.close(), ended])
  })

  it('comes by a time-out if the original never closes', async () => {
    const original = createOriginal()
    const ours = exchange(nothing, { limits: { closeTimeout: 100 } })
    const { there, ended } = connect(ours, originalToDuplex(original))

    await expect(ours.close()).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    await expect(ended).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    expect(there.messages.map(({ type }) => type)).to.deep.equal(['CLOSE'])
  })

  it('lets nothing follow the CLOSE of ours', async () => {
    const original = createOriginal()
    const ours = exchange(serve({ a: 'content of a' }))
    const { there, back, ended } = connect(ours, originalToDuplex(original))
    const { failed } = record(ours)

    const closing = ours.close()
    await there.message('CLOSE')

    ours.since(1)
    ours.seen(1)
    ours.request('b')
    await expect(ours.provide('a')).to.eventually.be.rejected.with.property('name', 'ExchangeClosedError')
    await expect(ours.get('b')).to.eventually.be.rejected.with.property('name', 'ExchangeClosedError')
    original.request(['a'])
    await back.message('REQUEST')
    await laps(5)

    original.close()
    await Promise.all([closing, ended])
    expect(there.frames).to.have.lengthOf(1)
    expect(failed.map(({ hash, error }) => `${hash} ${error.name}`)).to.deep.equal(['b ExchangeClosedError'])
  })
})
