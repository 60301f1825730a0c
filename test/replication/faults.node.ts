import { tcp } from '@libp2p/tcp'
import { expect } from 'aegir/chai'
import { block, blocks, hashesOf, memoryStore, wrongIn } from '../fixtures/blocks.ts'
import { ERROR_NAMES } from '../fixtures/error-names.ts'
import { seeded } from '../fixtures/network.ts'
import { createReplica, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { runs } from '../fixtures/runs.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { ReplicationLimits, Store } from '../../src/index.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Replica } from '../fixtures/replicas.ts'
import type { Direction, Faults } from '../fixtures/tcp-proxy.ts'

const KIB = 1024
const CUTS = 40

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const random = seeded(seed)

// small ones, some that are put as they come, and one of more than a window
const THERE = [...blocks(0, 100), ...blocks(100, 20, 3 * KIB), block(120, 300 * KIB), ...blocks(121, 20)]
const HERE = [...blocks(1000, 60, KIB), block(1060, 70 * KIB)]
const ALL = [...THERE, ...HERE].map(({ hash }) => hash).sort()

/**
 * What a side has been asked for
 */
interface Watched {
  store: Store
  served: string[]
}

function watched (store: Store): Watched {
  const served: string[] = []

  return {
    served,
    store: wrapStore(store, {
      async * get (hash) {
        served.push(hash)
        yield * store.get(hash)
      }
    })
  }
}

/**
 * Two nodes over TCP with a proxy between them
 */
class Line {
  private constructor (
    readonly proxy: TcpProxy,
    readonly here: Replica,
    readonly there: Replica,
    readonly watch: [Watched, Watched]
  ) {}

  static async create (limits: Partial<ReplicationLimits> = PATIENT, sets: [Block[], Block[]] = [HERE, THERE]): Promise<Line> {
    const watch = await Promise.all(sets.map(async blocks => watched(await memoryStore(blocks))))
    const [here, there] = await Promise.all(watch.map(async ({ store }) => createReplica({ store, transports: [tcp()], address: '/ip4/127.0.0.1/tcp/0', accept: () => true, limits })))

    return new Line(await TcpProxy.before(there.addresses[0]), here, there, [watch[0], watch[1]])
  }

  /**
   * Replicates over a connection to which something happens. Returns the name of
   * the error if that ends it.
   */
  async replicate (faults: Faults = {}): Promise<string | undefined> {
    this.proxy.faults = faults

    try {
      const { confirmed, failed } = await this.here.service.replicate(this.proxy.address)

      expect(confirmed).to.be.true()
      expect(failed).to.be.empty()
    } catch (err: any) {
      if (err.name === 'AssertionError') {
        throw err
      }

      expect(err.name, err.stack).to.be.oneOf([...ERROR_NAMES, ...DIAL_ERRORS])

      return err.name
    } finally {
      await Promise.all([this.here, this.there].map(async ({ node }) => {
        await Promise.all(node.getConnections().map(async connection => { connection.abort(new Error('The connection is over')) }))
      }))
    }
  }

  /**
   * What is there when all that came has been put
   */
  async stored (): Promise<[string[], string[]]> {
    const sizes = (): number => this.here.store.size + this.there.store.size

    for (let before = -1; before !== sizes();) {
      before = sizes()
      await new Promise(resolve => { setTimeout(resolve, 10) })
    }

    return [await hashesOf(this.here.store), await hashesOf(this.there.store)]
  }

  async expectSame (): Promise<void> {
    expect(await this.stored()).to.deep.equal([ALL, ALL])
    expect([...await wrongIn(this.here.store), ...await wrongIn(this.there.store)]).to.be.empty()
  }
}

/**
 * When the connection breaks before there is an exchange
 */
const DIAL_ERRORS = ['EncryptionFailedError', 'MuxerUnavailableError', 'UnsupportedProtocolError', 'DialError', 'UnexpectedEOFError', 'StreamClosedError', 'InvalidCryptoExchangeError']

describe(`faults of a network (seed ${seed})`, function () {
  this.timeout(1_800_000)

  // the one that is tried now
  const now = {} as { line: Line }

  afterEach(async () => {
    await stopReplicas()
    await now.line.proxy.stop()
  })

  /**
   * Replicates with a fault and, where that ends it, once more: what was stored is
   * not sent again
   */
  async function survive (faults: Faults): Promise<string | undefined> {
    const error = await now.line.replicate(faults)
    const stored = await now.line.stored()

    now.line.watch.forEach(({ served }) => { served.length = 0 })

    if (error != null) {
      expect(await now.line.replicate(), 'the second one').to.be.undefined()
    }

    for (const i of [0, 1]) {
      const again = now.line.watch[1 - i].served.filter(hash => stored[i].includes(hash))

      expect(again, 'sent again').to.be.empty()
    }

    await now.line.expectSame()

    return error
  }

  it('goes on where it was when the connection breaks at any 1 KiB of what both say', async () => {
    now.line = await Line.create()
    await now.line.replicate()
    await now.line.expectSame()

    const { there, back } = now.line.proxy.passed
    const places = Object.entries({ there, back }).flatMap(([direction, bytes]) => Array.from({ length: Math.floor(bytes / KIB) }, (_, i) => ({ direction: direction as Direction, at: (i + 1) * KIB })))
    const tried = runs(CUTS, places.length)
    let broken = 0

    for (let i = 0; i < tried; i++) {
      const cut = tried === places.length ? places[i] : places[Math.floor((i + random()) * places.length / tried)]

      await stopReplicas()
      await now.line.proxy.stop()
      now.line = await Line.create()

      if (await survive({ cut }) != null) {
        broken++
      }
    }

    // all but some at the end
    expect(broken).to.be.above(tried * 0.9)
  })

  const HARMLESS: Record<string, Faults> = {
    'that takes long': { delay: 20 },
    'that passes little': { rate: 2_000_000 },
    'that passes little at a time': { slices: [1, 2, 1, 700, 3] },
    'that takes long, and passes little at a time': { delay: 5, slices: [400, 5, 1] }
  }

  for (const [what, faults] of Object.entries(HARMLESS)) {
    it(`brings everything over a network ${what}`, async () => {
      now.line = await Line.create()

      expect(await survive(faults)).to.be.undefined()
    })
  }

  for (const direction of ['there', 'back'] as const) {
    it(`ends by name when a byte is changed on its way ${direction}, and goes on the next time`, async () => {
      for (const at of [700, 5000, 40_000]) {
        now.line = await Line.create()
        expect(await survive({ corrupt: { direction, at } })).to.be.a('string')
        await stopReplicas()
        await now.line.proxy.stop()
      }

      now.line = await Line.create()
    })

    it(`ends by name when nothing comes any more ${direction}, and goes on the next time`, async () => {
      for (const at of [3000, 40_000]) {
        // those of the tests that wait for a time-out
        now.line = await Line.create({})
        expect(await survive({ silence: { direction, at } })).to.be.a('string')
        await stopReplicas()
        await now.line.proxy.stop()
      }

      now.line = await Line.create()
    })
  }
})
