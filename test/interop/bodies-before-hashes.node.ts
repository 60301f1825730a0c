import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { connect } from '../fixtures/connect.ts'
import { collect, collectText, content, manyHashes, nothing, outcome, text } from '../fixtures/content.ts'
import { next, nextOf, record } from '../fixtures/events.ts'
import { createOriginal, originalToDuplex, readable } from '../fixtures/original.ts'
import { createRawPeer } from '../fixtures/raw-peer.ts'
import { heldUntil, laps } from '../fixtures/slicing.ts'
import type { ExchangeLimits } from '../../src/exchange/limits.ts'
import type { Exchange } from '../../src/index.ts'
import type { Connected } from '../fixtures/connect.ts'
import type { FrameLog } from '../fixtures/frame-log.ts'
import type { Original } from '../fixtures/original.ts'

const COUNT = 300
const SIZE = 1000
const HASHES = manyHashes(COUNT)

interface SlowlyRead extends Connected {
  ours: Exchange
  original: Original
  read(): void
}

/**
 * An original that was asked for many hashes, each in a REQUEST of its own, has
 * looked them all up, and is not read before it is said so
 */
async function slowlyReadOriginal (limits?: Partial<ExchangeLimits>): Promise<SlowlyRead> {
  const lookedUp = Promise.withResolvers<void>()
  const reading = Promise.withResolvers<void>()
  let lookups = 0

  const original = createOriginal((hash, callback) => {
    callback(null, readable(content(HASHES.indexOf(hash), SIZE)))

    if (++lookups === COUNT) {
      lookedUp.resolve()
    }
  })

  const ours = exchange(nothing, { limits })
  const connected = connect(ours, originalToDuplex(original), { back: heldUntil(reading.promise) })

  original.provide(HASHES)

  for (const hash of HASHES) {
    ours.request(hash)
    await connected.there.message('REQUEST', ({ hashes }) => hashes.includes(hash))
  }

  await lookedUp.promise
  await laps(5)

  return { ...connected, ours, original, read: reading.resolve }
}

/**
 * How many bodies have begun before the HASHES that announces them
 */
function countEarly ({ frames }: FrameLog): number {
  const announced = new Set<string>()
  let early = 0

  for (const { channel, name, rpc } of frames) {
    for (const { sequence } of rpc?.mapping ?? []) {
      announced.add((sequence + 1).toString(16))
    }

    if (channel > 1 && name != null && !announced.has(name)) {
      early++
    }
  }

  return early
}

async function expectLimitError (limits: Partial<ExchangeLimits>): Promise<void> {
  const { ours, read, ended } = await slowlyReadOriginal(limits)
  const { responses, failed } = record(ours, { responses: true })
  const close = next(ours, 'close')

  // what is left unread would hold back the original before the limit is reached
  ours.addEventListener('response', ({ detail: { stream } }) => { void outcome(stream) })
  read()

  expect(await close).to.have.property('name', 'LimitError')
  await expect(ended).to.eventually.be.rejected.with.property('name', 'LimitError')
  expect(failed.length + responses.length).to.equal(COUNT)
  expect(failed.length).to.be.above(COUNT / 2)
  expect(new Set(failed.map(({ error }) => error.name))).to.deep.equal(new Set(['LimitError']))
}

describe('bodies before the HASHES that announces them', () => {
  it('come from an original that is read slowly, and are given to those who asked', async () => {
    const { ours, original, back, read, ended } = await slowlyReadOriginal()
    const responses = nextOf(ours, 'response', COUNT)

    read()

    for (const { hash, stream } of await responses) {
      expect(await collect(stream)).to.deep.equal(content(HASHES.indexOf(hash), SIZE))
    }

    // otherwise this would show nothing
    expect(countEarly(back)).to.be.above(COUNT / 2)

    original.close()
    await Promise.all([ours.close(), ended])
  })

  it('are not held in any number', async () => {
    await expectLimitError({ maxUnknownBodies: 8 })
  })

  it('are not held with any number of bytes', async () => {
    await expectLimitError({ maxUnreadBytes: 20 * SIZE })
  })

  it('are not held longer than an answer may take', async () => {
    const raw = createRawPeer()
    const ours = exchange(nothing, { limits: { requestTimeout: 100 } })
    const { ended } = connect(ours, raw.duplex)
    const { failed } = record(ours)

    ours.request('a')
    await raw.received.message('REQUEST')
    raw.body(1, text('whose body is it?'))

    await expect(ended).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    expect(failed.map(({ hash, error }) => `${hash} ${error.name}`)).to.deep.equal(['a TimeoutError'])
  })

  it('are not held if no request is unanswered', async () => {
    const raw = createRawPeer()
    const ours = exchange(nothing)
    const { ended } = connect(ours, raw.duplex)

    raw.body(1, text('nobody asked for it'))

    await expect(ended).to.eventually.be.rejected.with.property('name', 'UnrequestedError')
  })

  it('are not held when every request has been answered', async () => {
    const raw = createRawPeer()
    const ours = exchange(nothing)
    const { ended } = connect(ours, raw.duplex)

    ours.request('a')
    await raw.received.message('REQUEST')
    raw.body(2, text('nobody asked for it'))
    raw.send({ type: 'HASHES', mapping: [{ hash: 'a', sequence: 1 }] })

    await expect(ended).to.eventually.be.rejected.with.property('name', 'UnrequestedError')
  })

  it('may have come in part or as a whole, and in any order', async () => {
    const raw = createRawPeer()
    const ours = exchange(nothing)
    const { ended } = connect(ours, raw.duplex)
    const asked = ['a', 'b', 'c', 'd'].map(async hash => collectText((await ours.get(hash)).stream))

    await raw.received.message('REQUEST')
    raw.body(4, text('content of d'))
    raw.frame({ channel: 7, name: '2', data: Buffer.from('content ') })
    raw.body(3, text('content of c'))
    raw.send({
      type: 'HASHES',
      mapping: ['a', 'b', 'c', 'd'].map((hash, i) => ({ hash, sequence: i + 1 }))
    })
    raw.body(2, text('content of b'))
    raw.frame({ channel: 7, data: Buffer.from('of a') })
    raw.frame({ channel: 7, type: 'END' })

    expect(await Promise.all(asked)).to.deep.equal(['content of a', 'content of b', 'content of c', 'content of d'])

    raw.send({ type: 'CLOSE' })
    await Promise.all([ours.close(), ended])
  })
})
