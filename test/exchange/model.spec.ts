import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { exchange } from '../../src/index.ts'
import { content } from '../fixtures/content.ts'
import { ERROR_NAMES } from '../fixtures/error-names.ts'
import { record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { runs } from '../fixtures/runs.ts'
import { laps } from '../fixtures/slicing.ts'
import { TimerWatch } from '../fixtures/timers.ts'
import type { Content, Exchange, ExchangeLimits, ExchangeResponse } from '../../src/index.ts'
import type { Pair } from '../fixtures/pair.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * What a side has under a hash
 */
interface Spec {
  size: number
  chunk: number
  kind: 'sync' | 'async' | 'slow' | 'dies' | 'missing' | 'rejects'
  /**
   * Given by the application; others may have the same
   */
  sequence?: number
  /**
   * If it is provided from the beginning
   */
  provided: boolean
}

interface Command {
  side: 0 | 1
  what: 'request' | 'get' | 'leave' | 'break' | 'abort' | 'provide' | 'unprovide' | 'since' | 'seen' | 'wait' | 'hold'
  hash: number
  /**
   * How many turns to wait or how many bytes to read
   */
  count: number
}

interface Scenario {
  ours: [boolean, boolean]
  specs: [Spec[], Spec[]]
  limits: [Partial<ExchangeLimits>, Partial<ExchangeLimits>]
  slices: [number[], number[]]
  commands: Command[]
  /**
   * Before which command a side closes
   */
  closeAt: [number, number]
  firstToClose: 0 | 1
  slowReaders: boolean
  /**
   * Before which command which side aborts, if it does
   */
  abort?: { at: number, side: 0 | 1 }
}

const HASHES = 6
const side = fc.constantFrom<0 | 1>(0, 1)

const spec = fc.record<Spec>({
  size: fc.oneof(fc.constant(0), fc.nat(300), fc.nat(300_000), fc.nat(300_000)),
  chunk: fc.oneof(fc.integer({ min: 1000, max: 300_000 }), fc.constant(65_536)),
  kind: fc.constantFrom('sync', 'async', 'slow', 'dies', 'missing', 'rejects', 'sync', 'async'),
  sequence: fc.option(fc.constantFrom(0, 1, 2, 4294967294), { nil: undefined, freq: 1 }),
  provided: fc.nat(4).map(n => n > 0)
})

const limits = fc.record<Partial<ExchangeLimits>>({
  maxOutstanding: fc.constantFrom(1, 2, 3, 8192),
  maxPending: fc.constantFrom(1, 2, 16_384),
  maxLookups: fc.constantFrom(1, 2, 1024),
  maxSources: fc.constantFrom(1, 2, 16),
  maxReadAheadBytes: fc.constantFrom(1, 10_000, 1_048_576),
  maxUnreadBytes: fc.constantFrom(1000, 100_000, 4_194_304)
})

const command = fc.record<Command>({
  side,
  what: fc.constantFrom('request', 'get', 'get', 'leave', 'break', 'abort', 'provide', 'unprovide', 'since', 'seen', 'wait', 'hold'),
  hash: fc.nat(HASHES - 1),
  count: fc.oneof(fc.nat(4), fc.nat(200_000))
})

const slices = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 100, max: 100_000 })), { minLength: 1, maxLength: 5 })
const closeAt = fc.oneof(fc.constant(Infinity), fc.nat(30))

const scenario: fc.Arbitrary<Scenario> = fc.record<Scenario>({
  ours: fc.tuple(fc.boolean(), fc.boolean()),
  specs: fc.tuple(fc.array(spec, { minLength: HASHES, maxLength: HASHES }), fc.array(spec, { minLength: HASHES, maxLength: HASHES })),
  limits: fc.tuple(limits, limits),
  slices: fc.tuple(slices, slices),
  commands: fc.array(command, { maxLength: 30 }),
  closeAt: fc.tuple(closeAt, closeAt),
  firstToClose: side,
  slowReaders: fc.boolean()
})

/**
 * How something that was wanted has ended
 */
interface Outcome {
  side: 0 | 1
  hash: number
  /**
   * If it was left before its end
   */
  left: boolean
  bytes?: Uint8Array
  error?: string
}

function nameOf (hash: number): string {
  return hash === 0 ? '__proto__' : `hash ${hash}`
}

function indexOf (hash: string): number {
  return hash === '__proto__' ? 0 : Number(hash.slice(5))
}

/**
 * Two exchanges that do what a scenario says, and all that came of it
 */
class Run {
  readonly outcomes: Outcome[] = []
  readonly #scenario: Scenario
  readonly #exchanges: Exchange[]
  readonly #recorded: Array<ReturnType<typeof record>>
  readonly #openSources = new Set<string>()
  readonly #waiting: Array<Promise<void>> = []
  // what request() asked for and was not dispatched
  readonly #requested = [new Set<number>(), new Set<number>()]
  // what was dispatched although it was not asked for
  readonly #unasked: string[] = []
  // content that was provided or taken back on the way
  readonly #wobbly = [new Set<number>(), new Set<number>()]
  readonly #closed: Array<Promise<void>> = []
  #early = false

  constructor (scenario: Scenario) {
    this.#scenario = scenario
    this.#exchanges = ([0, 1] as const).map(side => this.#create(side))
    this.#recorded = this.#exchanges.map(ex => record(ex))
  }

  async run (): Promise<void> {
    const { commands, slices } = this.#scenario
    const pair = connectPair(this.#exchanges[0], this.#exchanges[1], { there: this.#slice(slices[0]), back: this.#slice(slices[1]) })
    const ways = [pair.there, pair.back]

    for (const [i, { side, what, hash, count }] of commands.entries()) {
      this.#closeEarly(i)
      this.#abortAt(i)
      const ex = this.#exchanges[side]

      switch (what) {
        case 'request': this.#request(side, hash); break
        case 'get': this.#waiting.push(this.#get(side, hash)); break
        case 'leave': this.#waiting.push(this.#leave(side, hash, count)); break
        case 'break': this.#waiting.push(this.#get(side, hash, count)); break
        case 'abort': this.#waiting.push(this.#abort(side, hash, count)); break
        case 'provide':
          this.#wobbly[side].add(hash)
          ex.provide(nameOf(hash)).catch(() => {})
          break
        case 'unprovide':
          this.#wobbly[side].add(hash)
          ex.unprovide(nameOf(hash))
          break
        case 'since': ex.since(count - 1); break
        case 'seen': ex.seen(count - 1); break
        case 'wait': await laps(count % 5); break
        case 'hold':
          ways[side].hold()
          laps(count % 5).then(() => { ways[side].release() }, () => {})
          break
        default:
      }
    }

    this.#abortAt(commands.length)

    if (!this.#early) {
      await this.#settled()
    }

    const { firstToClose, abort, ours: [first, second] } = this.#scenario

    if (!first || !second) {
      await this.#quiet(pair)
    }

    this.#closed.push(this.#exchanges[firstToClose].close(), this.#exchanges[1 - firstToClose].close())
    await this.#settled()
    const closed = await Promise.allSettled(this.#closed)
    const ended = await pair.ended

    if (abort == null) {
      expect([...closed, ...ended].map(({ status }) => status)).to.not.include('rejected')
    }

    // a source that waits for something ends when that is over, which in a browser is no fixed number of turns
    for (let turns = 0; turns < 50 && this.#openSources.size > 0; turns++) {
      await laps(1)
    }

    await laps(2)
  }

  check (timers: TimerWatch): void {
    for (const outcome of this.outcomes) {
      this.#checkOutcome(outcome)
    }

    for (const { closes, unsent, failed } of this.#recorded) {
      expect(closes).to.have.lengthOf(1)

      if (this.#scenario.abort == null) {
        expect(closes).to.deep.equal([null])
      }

      for (const { error } of unsent) {
        // the first two are what the sources here throw
        expect(error.name).to.be.oneOf(['RangeError', 'SyntaxError', 'DuplicateSequenceError'])
      }

      for (const { error } of failed) {
        expect(error.name).to.be.oneOf(ERROR_NAMES)
      }
    }

    // nothing is left
    expect(this.#requested.map(set => [...set])).to.deep.equal([[], []])
    expect(this.#unasked).to.be.empty()
    expect([...this.#openSources]).to.be.empty()
    expect(timers.running).to.equal(0)
  }

  #create (side: 0 | 1): Exchange {
    const { specs, ours, limits } = this.#scenario
    let opened = 0

    const ex = exchange((hash): Content | undefined | Promise<Content | undefined> => {
      const spec = specs[side][indexOf(hash)]
      const source = `${side} ${hash} ${opened++}`

      switch (spec.kind) {
        case 'missing': return undefined
        case 'rejects': return Promise.reject(new RangeError('Rejected'))
        case 'sync': return { stream: this.#syncSource(side, spec, hash, source), sequence: this.#sequence(side, spec) }
        default: return Promise.resolve({ stream: this.#source(side, spec, hash, source), sequence: this.#sequence(side, spec) })
      }
    }, {
      id: ours[side] ? `side ${side}` : undefined,
      provides: (hash) => {
        const index = indexOf(hash)

        return specs[side][index].provided && !this.#wobbly[side].has(index)
      },
      limits: limits[side]
    })

    ex.addEventListener('response', ({ detail }) => {
      this.#settle(side, detail.hash)
      this.#waiting.push(this.#read({ side, hash: indexOf(detail.hash), left: false }, detail))
    })
    ex.addEventListener('failed', ({ detail: { hash, error } }) => {
      this.#settle(side, hash)
      this.outcomes.push({ side, hash: indexOf(hash), left: false, error: error.name })
    })

    return ex
  }

  /**
   * Two that do not know each other may wait for each other where both give
   * sequences that collide
   */
  #sequence (side: 0 | 1, { sequence }: Spec): number | undefined {
    const { ours: [first, second] } = this.#scenario

    return side === 0 || (first && second) ? sequence : undefined
  }

  * #syncSource (side: 0 | 1, { size, chunk }: Spec, hash: string, source: string): Generator<Uint8Array> {
    const bytes = this.content(side, indexOf(hash), size)
    this.#openSources.add(source)

    try {
      for (let i = 0; i < size; i += chunk) {
        yield bytes.subarray(i, i + chunk)
      }
    } finally {
      this.#openSources.delete(source)
    }
  }

  async * #source (side: 0 | 1, spec: Spec, hash: string, source: string): AsyncGenerator<Uint8Array> {
    for (const [i, chunk] of [...this.#syncSource(side, spec, hash, source)].entries()) {
      this.#openSources.add(source)

      try {
        if (spec.kind === 'slow' && i < 5) {
          await laps(1)
        }

        yield chunk
      } finally {
        this.#openSources.delete(source)
      }
    }

    if (spec.kind === 'dies') {
      throw new SyntaxError('Died')
    }
  }

  /**
   * Of the one side it is not what it is of the other
   */
  content (side: 0 | 1, hash: number, size: number): Uint8Array {
    return content(side * 1000 + hash, size)
  }

  #slice (sizes: number[]) {
    let next = 0

    return async function * (source: AsyncIterable<Uint8Array | Uint8ArrayList>): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        for (let pos = 0; pos < chunk.byteLength;) {
          // small ones among the large ones only, as they take their time
          const size = pos < 1000 ? sizes[next++ % sizes.length] : 50_000
          yield chunk.slice(pos, Math.min(chunk.byteLength, pos + size))
          pos += size
        }
      }
    }
  }

  #request (side: 0 | 1, hash: number): void {
    this.#requested[side].add(hash)
    this.#exchanges[side].request(nameOf(hash))
  }

  #settle (side: 0 | 1, hash: string): void {
    // after its end one may be refused while it still comes, as it was requested before
    if (!this.#requested[side].delete(indexOf(hash)) && !this.#early) {
      this.#unasked.push(`${side} ${hash}`)
    }
  }

  async #get (side: 0 | 1, hash: number, bytes = Infinity): Promise<void> {
    const outcome: Outcome = { side, hash, left: bytes !== Infinity }

    try {
      await this.#read(outcome, await this.#exchanges[side].get(nameOf(hash)), bytes)
    } catch (err: any) {
      this.outcomes.push({ ...outcome, error: err.name })
    }
  }

  async #leave (side: 0 | 1, hash: number, turns: number): Promise<void> {
    const controller = new AbortController()
    const outcome: Outcome = { side, hash, left: true }
    const got = this.#exchanges[side].get(nameOf(hash), controller)

    laps(turns % 5).then(() => { controller.abort() }, () => {})

    try {
      await this.#read(outcome, await got)
    } catch (err: any) {
      this.outcomes.push({ ...outcome, error: err.name })
    }
  }

  async #abort (side: 0 | 1, hash: number, turns: number): Promise<void> {
    const outcome: Outcome = { side, hash, left: true }

    try {
      const response = await this.#exchanges[side].get(nameOf(hash))

      laps(turns % 5).then(() => { response.abort() }, () => {})
      await this.#read(outcome, response)
    } catch (err: any) {
      this.outcomes.push({ ...outcome, error: err.name })
    }
  }

  async #read (outcome: Outcome, { stream }: ExchangeResponse, most = Infinity): Promise<void> {
    const parts: Uint8Array[] = []
    let length = 0

    try {
      for await (const part of stream) {
        parts.push(part)
        length += part.byteLength

        if (this.#scenario.slowReaders && parts.length < 4) {
          await laps(1)
        }

        if (length > most) {
          break
        }
      }
    } catch (err: any) {
      outcome.error = err.name
    }

    outcome.bytes = new Uint8Array(length)
    parts.reduce((offset, part) => {
      outcome.bytes?.set(part, offset)
      return offset + part.byteLength
    }, 0)
    this.outcomes.push(outcome)
  }

  #abortAt (i: number): void {
    const { abort } = this.#scenario

    if (abort?.at === i) {
      this.#early = true
      this.#exchanges[abort.side].abort()
    }
  }

  #closeEarly (i: number): void {
    const { ours: [first, second], closeAt } = this.#scenario

    // of two that do not know each other the second ignores what it is asked after its CLOSE
    if (first && second) {
      closeAt.forEach((at, side) => {
        if (at === i) {
          this.#early = true
          this.#closed.push(this.#exchanges[side].close())
        }
      })
    }
  }

  /**
   * Of two that do not know each other the one would wait in vain for answers
   * of the other, if that has closed and wants nothing more
   */
  async #quiet ({ there, back }: Pair): Promise<void> {
    for (let bytes = -1; bytes !== there.bytes + back.bytes;) {
      bytes = there.bytes + back.bytes
      await laps(10)
    }
  }

  async #settled (): Promise<void> {
    // dispatched responses join on the way
    for (let i = 0; i < this.#waiting.length || this.#requested.some(set => set.size > 0); i++) {
      await (this.#waiting[i] ?? laps(1))

      if (this.#waiting[i] == null) {
        i--
      }
    }
  }

  #checkOutcome (outcome: Outcome): void {
    const { side, hash, left, bytes, error = '' } = outcome
    const remote = side === 0 ? 1 : 0
    const { size } = this.#scenario.specs[remote][hash]

    // nothing wrong ever comes
    if (bytes != null) {
      expect(bytes).to.deep.equal(this.content(remote, hash, size).subarray(0, bytes.byteLength))
    }

    // others may have shared the body that one of them left, or the stream that only one can read
    const shared = this.outcomes.some(other => other !== outcome && other.side === side && other.hash === hash)
    const right = [...this.#rightAlways(left, shared), ...this.#rightFor(remote, hash)]

    expect(error).to.be.oneOf(right, `${nameOf(hash)} for side ${side}`)

    if ((error === '' && !left && !shared) || error === 'RemoteError') {
      expect(bytes).to.have.lengthOf(size)
    }
  }

  /**
   * What may have become of anything, '' for its end
   */
  #rightAlways (left: boolean, shared: boolean): string[] {
    const right: string[] = []

    if (left || shared) {
      right.push('', 'AbortError')
    }

    if (shared) {
      right.push('StreamStateError')
    }

    if (this.#early) {
      right.push('RemoteClosedError', 'ExchangeClosedError')
    }

    if (this.#scenario.abort != null) {
      // for the other side the network breaks
      right.push('AbortError', 'StreamResetError', 'UnexpectedEndError')
    }

    return right
  }

  /**
   * What may have become of this content
   */
  #rightFor (remote: 0 | 1, hash: number): string[] {
    const spec = this.#scenario.specs[remote][hash]
    const wobbly = this.#wobbly[remote].has(hash)
    const collides = this.#sequence(remote, spec) != null && this.#scenario.specs[remote].some((other, i) => i !== hash && other.sequence === spec.sequence)
    const right: string[] = []

    if (!spec.provided || wobbly || spec.kind === 'missing' || spec.kind === 'rejects' || collides) {
      right.push('NotFoundError')
    }

    if ((spec.provided || wobbly) && spec.kind === 'dies') {
      right.push('RemoteError')
    }

    if ((spec.provided || wobbly) && ['sync', 'async', 'slow'].includes(spec.kind)) {
      right.push('')
    }

    return right
  }
}

describe('exchange: any two of them', () => {
  const timers = new TimerWatch()

  beforeEach(() => {
    timers.watch()
  })

  afterEach(() => {
    timers.restore()
  })

  it('give everybody what was wanted or the right error, and come to their ends', async function () {
    this.timeout(600_000)

    await fc.assert(fc.asyncProperty(scenario, async (scenario) => {
      const run = new Run(scenario)

      await run.run()
      run.check(timers)
    }), {
      numRuns: runs(80, 5000, 30),
      timeout: 10_000,
      endOnFailure: true
    })
  })

  it('leave nothing behind when one of them aborts at any time', async function () {
    this.timeout(600_000)

    const abort = fc.record({ at: fc.nat(29), side })

    await fc.assert(fc.asyncProperty(scenario, abort, async (scenario, abort) => {
      const run = new Run({ ...scenario, abort: { ...abort, at: abort.at % (scenario.commands.length + 1) } })

      await run.run()
      run.check(timers)
    }), {
      numRuns: runs(60, 5000, 20),
      timeout: 10_000,
      endOnFailure: true
    })
  })
})
