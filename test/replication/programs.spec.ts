import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { block, blocks, hashesOf, memoryStore, wrongIn } from '../fixtures/blocks.ts'
import { collect } from '../fixtures/content.ts'
import { ERROR_NAMES } from '../fixtures/error-names.ts'
import { createReplica, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { runs } from '../fixtures/runs.ts'
import { laps } from '../fixtures/slicing.ts'
import { SetClock, TimerWatch } from '../fixtures/timers.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Exchange, ReplicateMode, Store } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Replica } from '../fixtures/replicas.ts'
import type { PrivateKey } from '@libp2p/interface'

const SIZES = [5, 100, 3000, 70_000, 300_000]
const BLOCKS = Array.from({ length: 10 }, (_, i) => block(700 + i, SIZES[i % SIZES.length]))
// with so many, two that replicate compare what they have
const COMMON = blocks(2000, 120, 4)
const HOUR = 60 * 60 * 1000

/**
 * How long it may take until streams that are closing have closed, in turns
 */
const MAX_CLOSING = 2000

/**
 * What goes wrong when a connection is lost while it is made or a stream opened
 */
const DIAL_ERRORS = ['StreamBrokenError', 'AggregateError', 'ConnectionFailedError', 'DialError', 'EncryptionFailedError', 'MuxerClosedError', 'MuxerUnavailableError', 'StreamAbortedError', 'UnexpectedEOFError', 'UnsupportedProtocolError', 'ConnectionClosingError', 'NoValidAddressesError', 'InvalidCryptoExchangeError', 'StreamClosedError']

interface Step {
  what: 'put' | 'delete' | 'replicate' | 'live' | 'open' | 'provide' | 'get' | 'request' | 'cancel' | 'close' | 'hang up' | 'reset' | 'restart' | 'slow source' | 'slow put' | 'clock' | 'wait'
  /**
   * Which peer does it, with which other one
   */
  peer: number
  other: number
  block: number
  mode: ReplicateMode
  /**
   * How many turns it takes, or when it is given up
   */
  turns: number
}

interface Program {
  peers: 2 | 3
  has: number[][]
  accepts: boolean[]
  /**
   * If all of them have many others in common
   */
  compare: boolean
  steps: Step[]
}

const step = fc.record<Step>({
  what: fc.constantFrom<Step['what'][]>('put', 'put', 'delete', 'replicate', 'replicate', 'replicate', 'live', 'open', 'provide', 'get', 'request', 'cancel', 'close', 'hang up', 'reset', 'restart', 'slow source', 'slow put', 'clock', 'wait', 'wait'),
  peer: fc.nat(2),
  other: fc.nat(2),
  block: fc.nat(BLOCKS.length - 1),
  mode: fc.constantFrom<ReplicateMode[]>('sync', 'pull', 'push'),
  turns: fc.oneof(fc.nat(4), fc.nat(30))
})

const program = fc.record<Program>({
  peers: fc.constantFrom<Array<2 | 3>>(2, 3),
  has: fc.array(fc.subarray(BLOCKS.map((_, i) => i)), { minLength: 3, maxLength: 3 }),
  accepts: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  compare: fc.boolean(),
  steps: fc.array(step, { maxLength: 25 })
})

/**
 * A peer whose node can be started again, and what goes on with it
 */
class Peer {
  readonly below: Store
  sourceTurns = 0
  putTurns = 0
  replica!: Replica

  readonly #privateKey: PrivateKey
  readonly #accepts: boolean
  readonly #store: Store
  readonly #calls = new Set<AbortController>()
  readonly #exchanges: Exchange[] = []
  readonly #going: Array<Promise<unknown>> = []

  private constructor (below: Store, privateKey: PrivateKey, accepts: boolean) {
    this.below = below
    this.#privateKey = privateKey
    this.#accepts = accepts
    this.#store = wrapStore(below, {
      get: (hash) => this.#get(hash),
      put: (hash, source, options) => {
        const put = laps(this.putTurns).then(async () => below.put(hash, source, options))

        // a call that is cancelled does not wait for it
        this.goOn(put)
        return put
      }
    })
  }

  static async create (has: Block[], privateKey: PrivateKey, accepts: boolean): Promise<Peer> {
    const peer = new Peer(await memoryStore(has), privateKey, accepts)

    await peer.start()
    return peer
  }

  async start (): Promise<void> {
    this.replica = await createReplica({ store: this.#store, privateKey: this.#privateKey, accept: () => this.#accepts, limits: { ...PATIENT, maxWanted: 4 } })
  }

  async restart (): Promise<void> {
    await this.replica.node.stop()
    await this.start()
  }

  /**
   * Begins to replicate with another one
   */
  replicate ({ replica: { addresses } }: Peer, options: { mode: ReplicateMode, live?: boolean, turns?: number }): void {
    const controller = new AbortController()

    this.#calls.add(controller)

    if (options.turns != null) {
      void laps(options.turns).then(() => { controller.abort() })
    }

    this.goOn(this.replica.service.replicate(addresses, { ...options, signal: controller.signal }))
  }

  /**
   * Opens an exchange without replicating
   */
  open ({ replica: { addresses } }: Peer): void {
    this.goOn(this.replica.service.open(addresses).then(exchange => {
      exchange.addEventListener('response', ({ detail }) => { this.goOn(collect(detail.stream)) })
      this.#exchanges.push(exchange)
    }))
  }

  withExchange (does: (exchange: Exchange) => unknown): void {
    const exchange = this.#exchanges.at(-1)

    if (exchange != null) {
      this.goOn((async () => does(exchange))())
    }
  }

  reset (): void {
    for (const connection of this.replica.node.getConnections()) {
      connection.streams.forEach(stream => { stream.abort(Object.assign(new Error('The stream broke'), { name: 'StreamBrokenError' })) })
    }
  }

  cancel (): void {
    this.#calls.forEach(controller => { controller.abort() })
  }

  goOn (promise: Promise<unknown>): void {
    this.#going.push(promise.catch(err => {
      expect(err.name, err.stack).to.be.oneOf([...ERROR_NAMES, ...DIAL_ERRORS])
    }))
  }

  /**
   * Nothing is begun any more, and nothing is slow: all comes to its end
   */
  async quiet (): Promise<void> {
    this.sourceTurns = 0
    this.putTurns = 0
    this.cancel()

    while (this.#going.length + this.#exchanges.length > 0) {
      this.#exchanges.splice(0).forEach(exchange => { this.goOn(exchange.close()) })
      await Promise.all(this.#going.splice(0))
    }
  }

  get openStreams (): string[] {
    return this.replica.node.getConnections().flatMap(({ streams }) => streams.filter(({ protocol }) => protocol?.startsWith('/hash-exchange/') === true).map(({ id, status }) => `${id} ${status}`))
  }

  async * #get (hash: string): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.below.get(hash)) {
      await laps(this.sourceTurns)
      yield chunk.subarray(0, chunk.length / 3)
      await laps(this.sourceTurns)
      yield chunk.subarray(chunk.length / 3)
    }
  }
}

async function act (peers: Peer[], clock: SetClock, { what, peer, other, block, mode, turns }: Step): Promise<void> {
  const here = peers[peer % peers.length]
  const there = peers[other % peers.length]
  const { hash, bytes } = BLOCKS[block]

  if (here === there && ['replicate', 'live', 'open'].includes(what)) {
    return
  }

  switch (what) {
    case 'put': here.goOn(here.below.put(hash, bytes)); break
    case 'delete': here.goOn(here.below.delete(hash)); break
    case 'replicate': here.replicate(there, { mode }); break
    case 'live': here.replicate(there, { mode, live: true, turns: turns * 4 }); break
    case 'open': here.open(there); break
    case 'provide': here.withExchange(async exchange => exchange.provide(hash)); break
    case 'get': here.withExchange(async exchange => {
      const controller = new AbortController()

      if (turns % 2 === 0) {
        void laps(turns).then(() => { controller.abort() })
      }

      await collect((await exchange.get(hash, controller)).stream)
    }); break
    case 'request': here.withExchange(exchange => { exchange.request([hash, 'nothing']) }); break
    case 'cancel': here.cancel(); break
    case 'close': here.withExchange(async exchange => exchange.close()); break
    case 'hang up': here.goOn(here.replica.node.hangUp(there.replica.peer)); break
    case 'reset': here.reset(); break
    case 'restart': await here.restart(); break
    case 'slow source': here.sourceTurns = turns; break
    case 'slow put': here.putTurns = turns; break
    case 'clock': clock.jump((turns - 10) * HOUR); break
    default: await laps(turns)
  }
}

const seed = Number(globalThis.process?.env?.SEED ?? Math.floor(Math.random() * 2 ** 31))

describe(`programs of two and three peers (seed ${seed})`, () => {
  const keys = Promise.all([0, 1, 2].map(async () => generateKeyPair('Ed25519')))

  async function run (program: Program): Promise<void> {
    const timers = new TimerWatch()
    const clock = new SetClock()
    const peers: Peer[] = []

    timers.watch()

    try {
      for (let i = 0; i < program.peers; i++) {
        const has = program.has[i].map(place => BLOCKS[place])

        peers.push(await Peer.create(program.compare ? [...COMMON, ...has] : has, (await keys)[i], program.accepts[i]))
      }

      for (const step of program.steps) {
        await act(peers, clock, step)
      }

      await Promise.all(peers.map(async peer => peer.quiet()))

      // what one has given up must have reached the other, which would go on with it
      for (let i = 0; i < MAX_CLOSING && peers.some(({ replica }) => replica.service.exchanges.length > 0); i++) {
        await laps(1)
      }

      for (const { below } of peers) {
        expect(await wrongIn(below)).to.be.empty()
      }

      // who deletes something is not offered it again by a list, unless he asks for that
      await settle(peers, !program.compare && program.steps.some(({ what }) => what === 'delete') ? -1 : undefined)
      await expectClean(peers)
    } finally {
      // otherwise each waits half a second for the other one
      peers.forEach(({ replica: { node } }) => { node.getConnections().forEach(connection => { connection.abort(new Error('The program is over')) }) })
      await stopReplicas()
      clock.restore()
      timers.restore()
    }

    expect(timers.running, 'timers that run').to.equal(0)

    for (const { below } of peers) {
      expect((below as any).listenerCount('put'), 'listeners to a store').to.equal(0)
    }
  }

  /**
   * With nothing in their way all get what any of them has
   */
  async function settle (peers: Peer[], since?: number): Promise<void> {
    const all = [...new Set((await Promise.all(peers.map(async ({ below }) => hashesOf(below)))).flat())].sort()

    // what two have is brought to the third, and what that has to the first
    for (const [i, j] of peers.length === 2 ? [[0, 1], [1, 0]] : [[0, 1], [1, 2], [2, 0], [0, 1], [1, 0], [2, 1], [0, 2]]) {
      const { failed, confirmed } = await peers[i].replica.service.replicate(peers[j].replica.addresses, { since })

      expect(failed).to.be.empty()
      expect(confirmed).to.be.true()
    }

    for (const { below } of peers) {
      expect(await hashesOf(below)).to.deep.equal(all)
      expect(await wrongIn(below)).to.be.empty()
    }
  }

  /**
   * Nothing is left of what has ended
   */
  async function expectClean (peers: Peer[]): Promise<void> {
    const left = (): string[] => peers.flatMap(({ replica, openStreams }) => [...replica.service.exchanges.map(() => 'an exchange'), ...openStreams])

    for (let i = 0; i < MAX_CLOSING && left().length > 0; i++) {
      await laps(1)
    }

    expect(left()).to.be.empty()

    for (const { replica: { metrics } } of peers) {
      expect(metrics.calculated.get('libp2p_hash_exchange_wants')?.(), 'wants').to.equal(0)
    }
  }

  it('leave all with the same in the end, and nothing behind', async function () {
    this.timeout(36_000_000)

    await fc.assert(fc.asyncProperty(program, run), { numRuns: runs(100, 100_000, 20), seed, timeout: 60_000 })
  })
})
