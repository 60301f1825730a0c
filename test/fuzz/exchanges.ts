import { nextTask } from '../../src/exchange/next-task.ts'
import { exchange } from '../../src/index.ts'
import { block, memoryStore, wrongIn } from '../fixtures/blocks.ts'
import { drain, text } from '../fixtures/content.ts'
import { ERROR_NAMES } from '../fixtures/error-names.ts'
import { ReplicatorNode, twoPeers } from '../fixtures/replicator-node.ts'
import { expectSame, expectSoon } from './expectations.ts'
import { FuzzInput } from './input.ts'
import { FuzzedRemote } from './remote.ts'
import type { CreateReadStream, Exchange, ExchangeLimits, ExchangeResponse, ReplicateMode } from '../../src/index.ts'

/**
 * More would only take longer
 */
const MAX_STEPS = 64

const HASHES = ['aa', 'bb', 'cc', 'dd', '', '__proto__', 'é']
const CONTENTS = ['', 'a', 'hello', 'a'.repeat(200)].map(text)

/**
 * So little that a short program can exceed it
 */
const LIMITS: Partial<ExchangeLimits> = {
  maxRPCEntries: 8,
  maxHashBytes: 32,
  maxOutstanding: 4,
  maxPending: 4,
  maxPendingWhileRequesting: 16,
  maxSources: 2,
  maxReadAheadBytes: 64,
  maxUnreadBytes: 600,
  maxUnknownBodies: 2
}

const createReadStream: CreateReadStream = (hash) => {
  switch (hash) {
    case 'aa': return { stream: [text('A'), text('A')] }
    case 'bb': return { stream: delayed(), sequence: 3 }
    case 'cc': return Promise.resolve({ stream: [], sequence: 3 })
    case 'dd': throw new RangeError('No')
    default: return undefined
  }
}

async function * delayed (): AsyncGenerator<Uint8Array> {
  yield text('B')
  await nextTask()
  yield text('b'.repeat(100))
  throw new Error('The source is over')
}

/**
 * An exchange that is given any bytes
 */
export async function exchangeBytes (bytes: Uint8Array): Promise<void> {
  const input = new FuzzInput(bytes)
  const tried = new TriedExchange(input)

  for (let i = input.below(4); i > 0; i--) {
    tried.do()
  }

  await tried.end(Promise.allSettled([
    tried.exchange.sink([input.rest()]),
    drain(tried.exchange.source)
  ]))
}

/**
 * An exchange whose remote and application do whatever the bytes say
 */
export async function exchangeProgram (bytes: Uint8Array): Promise<void> {
  const input = new FuzzInput(bytes)
  const tried = new TriedExchange(input)
  const remote = new FuzzedRemote(tried.exchange, input, { hashes: HASHES, contents: CONTENTS })

  for (let step = 0; step < MAX_STEPS && !input.atEnd; step++) {
    switch (input.below(8)) {
      case 0: case 1: case 2: remote.say(); break
      case 3: case 4: await remote.send(); break
      default: tried.do()
    }
  }

  await (input.below(4) === 0 ? remote.reset() : remote.finish())
  await tried.end(remote.ended)
}

/**
 * An exchange, and an application that does anything with it
 */
class TriedExchange {
  readonly exchange: Exchange

  readonly #input: FuzzInput
  readonly #responses: ExchangeResponse[] = []
  readonly #outcomes: Array<Promise<unknown>> = []
  readonly #errors: Error[] = []
  #closes = 0

  constructor (input: FuzzInput) {
    const listens = input.below(2) === 0

    this.#input = input
    this.exchange = exchange(createReadStream, { id: input.below(2) === 0 ? 'ours' : false, limits: LIMITS })
    this.exchange.addEventListener('close', () => { this.#closes++ })
    this.exchange.addEventListener('failed', ({ detail: { error } }) => { this.#errors.push(error) })
    this.exchange.addEventListener('unsent', ({ detail: { error } }) => {
      if (!['RangeError', 'Error'].includes(error.name)) {
        this.#errors.push(error)
      }
    })

    if (listens) {
      this.exchange.addEventListener('response', ({ detail }) => { this.#responses.push(detail) })
      this.exchange.addEventListener('available', ({ detail }) => { this.exchange.request(detail) })
    }

    if (input.below(2) === 0) {
      this.#note(this.exchange.provide(HASHES))
    }
  }

  /**
   * Does one thing
   */
  do (): void {
    const { exchange } = this
    const input = this.#input
    const hash = input.pick(HASHES)

    switch (input.below(16)) {
      case 0: case 1: case 2:
        this.#note(exchange.get(hash).then(async response => { await read(response) }))
        break
      case 3: {
        const controller = new AbortController()

        this.#note(exchange.get(hash, controller).then(async response => { await read(response) }))
        this.#note(nextTask().then(() => { controller.abort() }))
        break
      }
      case 4: this.#note(exchange.get(hash).then(async response => response.bytes(100))); break
      case 5: this.#note(exchange.get(hash).then(response => { this.#responses.push(response) })); break
      case 6: case 7: exchange.request(input.some(HASHES)); break
      case 8: this.#note(exchange.provide(input.some(HASHES))); break
      case 9: exchange.unprovide(hash); break
      case 10: exchange.since(input.byte() - 1); break
      case 11: exchange.seen(input.byte() - 1); break
      case 12: this.#responses.shift()?.abort(); break
      case 13: {
        const response = this.#responses.shift()

        if (response != null) {
          this.#note(read(response))
        }

        break
      }
      case 14: this.#note(exchange.close()); break
      default:
        if (input.below(4) === 0) {
          exchange.abort()
        }
    }
  }

  /**
   * Waits until all has come to its end, and expects that to have a reason with a
   * name each
   */
  async end (ended: Promise<Array<PromiseSettledResult<unknown>>>): Promise<void> {
    const results = await expectSoon('An exchange whose stream has ended', ended)

    // what was left unread can still be read
    this.#responses.forEach(response => { this.#note(read(response)) })
    await expectSoon('A response of an exchange that has ended', Promise.all(this.#outcomes))

    for (const result of results) {
      if (result.status === 'rejected') {
        this.#errors.push(result.reason)
      }
    }

    const strange = this.#errors.find(({ name }) => !ERROR_NAMES.includes(name))

    if (strange != null) {
      throw strange
    }

    expectSame(this.#closes, 1)
  }

  #note (outcome: Promise<unknown>): void {
    this.#outcomes.push(outcome.catch(err => { this.#errors.push(err) }))
  }
}

async function read ({ stream }: ExchangeResponse): Promise<void> {
  await drain(stream)
}

const BLOCKS = [1, 2, 3, 4, 5, 6].map(seed => block(seed, 40))
const SMALL = block(7, 4)
const OWN = BLOCKS.slice(0, 3)
const peers = twoPeers()
const REMOTE = {
  hashes: [...BLOCKS.map(({ hash }) => hash), SMALL.hash, 'junk', ''],
  // also one byte short, one byte long, and nothing
  contents: [...BLOCKS.map(({ bytes }) => bytes), BLOCKS[3].bytes.subarray(1), new Uint8Array([...BLOCKS[4].bytes, 0]), SMALL.bytes, text('?')]
}

/**
 * A replicator whose remote does whatever the bytes say
 */
export async function replicationProgram (bytes: Uint8Array): Promise<void> {
  const [peer, other] = await peers
  const input = new FuzzInput(bytes)
  const store = await memoryStore(OWN.slice(0, input.below(OWN.length + 1)))
  const node = new ReplicatorNode(peer, {
    store,
    accept: () => true,
    limits: { maxWanted: 1 + input.below(4), maxFailed: 4, beginTimeout: 10_000 }
  })
  const calls = input.below(2) === 0
  const errors: Error[] = []
  let call: Promise<unknown> | undefined
  const exchange = node.exchangeWith(other, calls)

  if (calls) {
    node.openReplication = async () => exchange
    call = node.replicator.replicate(other, { mode: input.pick<ReplicateMode>(['sync', 'pull', 'push']) }).catch(err => { errors.push(err) })
  }

  const remote = new FuzzedRemote(exchange, input, REMOTE)

  for (let step = 0; step < MAX_STEPS && !input.atEnd; step++) {
    switch (input.below(8)) {
      case 0: case 1: case 2: case 3: remote.say(); break
      case 4: case 5: case 6: await remote.send(); break
      default: await act(input, store)
    }
  }

  await (input.below(4) === 0 ? remote.reset() : remote.finish())

  for (const result of await expectSoon('A replication whose stream has ended', remote.ended)) {
    if (result.status === 'rejected') {
      errors.push(result.reason)
    }
  }

  node.openReplication = async () => { throw Object.assign(new Error('There is nobody'), { name: 'ConnectionClosedError' }) }
  await expectSoon('A call whose peer has gone', Promise.resolve(call))
  // a put may go on
  await nextTask()

  const strange = errors.find(({ name }) => !ERROR_NAMES.includes(name))

  if (strange != null) {
    throw strange
  }

  expectSame(await wrongIn(store), [])
  expectSame([node.replicator.table.size, node.exchanges.size], [0, 0])
  node.stop()
}

async function act (input: FuzzInput, store: Awaited<ReturnType<typeof memoryStore>>): Promise<void> {
  const { hash, bytes } = input.pick(BLOCKS)

  await (input.below(2) === 0 ? store.put(hash, bytes) : store.delete(hash))
}
