import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { equals } from 'uint8arrays'
import { exchange } from '../../src/index.ts'
import { connect } from '../fixtures/connect.ts'
import { collect, content } from '../fixtures/content.ts'
import { record } from '../fixtures/events.ts'
import { createOriginal, isDestroyed, originalToDuplex, OriginalResponses, readable } from '../fixtures/original.ts'
import { runs } from '../fixtures/runs.ts'
import { asTheyCome, cutInto, joined, laps } from '../fixtures/slicing.ts'
import type { Exchange } from '../../src/index.ts'
import type { FrameLog } from '../fixtures/frame-log.ts'
import type { Slicing } from '../fixtures/slicing.ts'

type Side = 'ours' | 'original'

/**
 * What one side says
 */
interface Step {
  side: Side
  /**
   * How large the contents are that it provides
   */
  provide: number[]
  /**
   * Which of the other's hashes it asks for
   */
  request: number[]
  /**
   * If it asks for something that nobody has, too
   */
  missing: boolean
  /**
   * How long it takes until the next step
   */
  laps: number
}

/**
 * How a side reads its contents
 */
interface Manner {
  /**
   * How long a lookup takes, in ms; 0 for one that does not wait
   */
  lookup: number
  /**
   * How many bytes a chunk has
   */
  chunk: number
  /**
   * If sequences are those of a log
   */
  log: boolean
}

interface Conversation {
  steps: Step[]
  ours: Manner
  original: Manner
  there: 'as they come' | 'joined' | number[]
  back: 'as they come' | 'joined' | number[]
  /**
   * Before which step the original closes, where it is one of them. It says no
   * more then.
   */
  closesBefore: number
  /**
   * Who closes first otherwise
   */
  closes: Side | 'both'
}

const manner = fc.record({
  lookup: fc.constantFrom(0, 0, 1, 20),
  chunk: fc.constantFrom(100, 10_000, 200_000),
  log: fc.boolean()
})

const slicing = fc.oneof(
  fc.constant<'as they come'>('as they come'),
  fc.constant<'joined'>('joined'),
  fc.array(fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 5000 })), { maxLength: 4 })
    // some must be larger, or it takes too long
    .map(sizes => [...sizes, 5000])
)

const conversations: fc.Arbitrary<Conversation> = fc.record({
  steps: fc.array(fc.record({
    side: fc.constantFrom<Side>('ours', 'original'),
    provide: fc.array(fc.oneof(fc.constantFrom(0, 1, 65_535, 65_536, 65_537), fc.nat(1000), fc.nat(200_000)), { maxLength: 6 }),
    request: fc.array(fc.nat(), { maxLength: 8 }),
    missing: fc.boolean(),
    laps: fc.constantFrom(0, 0, 1, 5)
  }), { minLength: 2, maxLength: 16 }),
  ours: manner,
  original: manner,
  there: slicing,
  back: slicing,
  closesBefore: fc.nat(30),
  closes: fc.constantFrom<Side | 'both'>('ours', 'original', 'both')
})

function toSlicing (slicing: Conversation['there']): Slicing {
  if (slicing === 'joined') {
    return joined
  }

  return slicing === 'as they come' ? asTheyCome : cutInto(slicing)
}

/**
 * The contents of both sides, and who asked for what
 */
class Contents {
  readonly provided: Record<Side, string[]> = { ours: [], original: [] }
  readonly asked: Record<Side, string[]> = { ours: [], original: [] }
  readonly missing: string[] = []
  readonly #sizes = new Map<string, number>()

  add (side: Side, size: number): string {
    const hash = `${side} ${this.provided[side].length}`

    this.provided[side].push(hash)
    this.#sizes.set(hash, size)

    return hash
  }

  /**
   * What a side asks for in a step, once each. Ours does not ask again, as it
   * depends on the time whether that is a new request; an original does.
   */
  ask (side: Side, { request, missing }: Step): string[] {
    const others = this.provided[side === 'ours' ? 'original' : 'ours']
    const picked = others.length === 0 ? [] : request.map(number => others[number % others.length])
    const hashes = [...new Set(picked)].filter(hash => side === 'original' || !this.asked.ours.includes(hash))

    this.asked[side].push(...hashes)

    if (missing) {
      const hash = `${side} misses ${this.missing.length}`

      hashes.splice(hashes.length / 2, 0, hash)

      if (side === 'ours') {
        this.missing.push(hash)
      }
    }

    return hashes
  }

  of (hash: string): Uint8Array {
    const size = this.#sizes.get(hash) ?? 0

    return content(size + hash.length, size)
  }

  chunks (hash: string, size: number): Uint8Array[] {
    const content = this.of(hash)

    return Array.from({ length: Math.ceil(content.byteLength / size) }, (_, i) => content.subarray(i * size, (i + 1) * size))
  }

  sequence (side: Side, hash: string, { log }: Manner): number | undefined {
    return log ? this.provided[side].indexOf(hash) : undefined
  }
}

async function later (ms: number): Promise<void> {
  await new Promise(resolve => { setTimeout(resolve, ms) })
}

/**
 * Resolves with all responses when as many hashes have come, or failed
 */
function collectResponses (ex: Exchange): { contents: Map<string, Uint8Array>, count(count: number): Promise<void> } {
  const contents = new Map<string, Uint8Array>()
  const { failed } = record(ex)
  let woken = Promise.withResolvers<void>()

  ex.addEventListener('failed', () => { woken.resolve() })
  ex.addEventListener('response', ({ detail: { hash, stream } }) => {
    void collect(stream).then(content => {
      contents.set(hash, content)
      woken.resolve()
    })
  })

  return {
    contents,
    count: async (count) => {
      while (contents.size + failed.length < count) {
        woken = Promise.withResolvers()
        await woken.promise
      }
    }
  }
}

/**
 * Every body that was begun has come to its end
 */
function expectTidy ({ bodies }: FrameLog): void {
  expect(bodies.filter(({ channel, name }) => channel > 0 && name != null)).to.have.lengthOf(bodies.filter(({ type }) => type === 'END').length)
  expect(bodies.filter(({ type }) => type === 'ERROR')).to.be.empty()
}

async function hold ({ steps, closesBefore, closes, ...conversation }: Conversation): Promise<void> {
  const contents = new Contents()

  const original = createOriginal((hash, callback) => {
    const { lookup, chunk } = conversation.original
    const answer = (): void => {
      callback(null, readable(...contents.chunks(hash, chunk)), contents.sequence('original', hash, conversation.original))
    }

    if (lookup === 0) {
      answer()
    } else {
      setTimeout(answer, lookup)
    }
  })

  const ours = exchange((hash) => {
    const { lookup, chunk } = conversation.ours
    const content = { stream: contents.chunks(hash, chunk), sequence: contents.sequence('ours', hash, conversation.ours) }

    return lookup === 0 ? content : later(lookup).then(() => content)
  })

  const events = record(ours)
  const received = collectResponses(ours)
  const responses = new OriginalResponses(original)
  const available: string[] = []
  let originalCloses = 0

  original.on('available', hashes => { available.push(...hashes) })
  original.on('close', () => { originalCloses++ })

  const { there, back, ended } = connect(ours, originalToDuplex(original), {
    there: toSlicing(conversation.there),
    back: toSlicing(conversation.back)
  })

  let closed = false

  for (const [i, step] of steps.entries()) {
    if (i === closesBefore) {
      closed = true
      original.close()
    }

    if (step.side === 'ours') {
      void ours.provide(step.provide.map(size => contents.add('ours', size)))
      ours.request(contents.ask('ours', step))
    } else if (!closed) {
      original.provide(step.provide.map(size => contents.add('original', size)))
      original.request(contents.ask('original', step))
    }

    await laps(step.laps)
  }

  await received.count(contents.asked.ours.length + contents.missing.length)
  await responses.count(contents.asked.original.length)

  if (!closed && closes !== 'ours') {
    original.close()
  }

  const originalFirst = closed || closes === 'original'

  if (originalFirst) {
    await back.message('CLOSE')
  }

  const closing = ours.close()

  if (!closed && closes === 'ours') {
    await there.message('CLOSE')
    original.close()
  }

  await Promise.all([closing, ended])

  for (const [hash, content] of [...received.contents, ...responses.contents]) {
    expect(equals(content, contents.of(hash)), `content of ${hash}`).to.be.true()
  }

  expect([...received.contents.keys()]).to.have.members(contents.asked.ours)
  expect(responses.received.map(({ hash }) => hash)).to.have.members(contents.asked.original)
  expect(events.failed.map(({ hash, error }) => `${hash} ${error.name}`)).to.have.members(contents.missing.map(hash => `${hash} NotFoundError`))
  expect(events.unsent).to.be.empty()
  // an original drops what it has not sent when it closes second
  expect(events.available).to.deep.equal(originalFirst ? contents.provided.original : contents.provided.original.slice(0, events.available.length))
  expect(available).to.deep.equal(contents.provided.ours)
  expect(events.closes).to.deep.equal([null])
  expect(originalCloses).to.equal(1)
  expect(isDestroyed(original)).to.be.false()
  expectTidy(there)
  expectTidy(back)
  // of ours it is the last message; an original answers on
  expect(there.messages.findIndex(({ type }) => type === 'CLOSE')).to.equal(there.messages.length - 1)
}

describe('conversations of ours with an original', () => {
  it('lose nothing and leave nothing over, whatever is said and however the bytes are cut', async () => {
    await fc.assert(fc.asyncProperty(conversations, hold), {
      numRuns: runs(30, 500),
      // of one conversation, so that one that locks is shown
      timeout: 10_000,
      endOnFailure: true
    })
  }).timeout(runs(60_000, 600_000))
})
