import { fork } from 'node:child_process'
import { once } from 'node:events'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'aegir/chai'
import { hashesOf, wrongIn } from '../fixtures/blocks.ts'
import { createNode, stopNodes } from '../fixtures/nodes.ts'
import { createReplica, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { runs } from '../fixtures/runs.ts'
import { ATTACKS, COMPARING_ATTACKS } from './attacks.ts'
import { OFFERED } from './blocks.ts'
import type { Begun, Ended, Order } from './attacker.ts'
import type { Role, Attack } from './attacks.ts'
import type { Health } from './victim.ts'
import type { ChildProcess } from 'node:child_process'

const MIB = 1024 * 1024
const TYPESCRIPT = ['--experimental-transform-types', '--no-warnings']

/**
 * How long each goes on that the victim does not end, in ms
 */
const ATTACK_MS = runs(400, 10_000)

/**
 * By how much the victim may grow during any attack, and what may be left of that
 * in the end
 */
const MAX_PEAK = 96 * MIB
const MAX_LEFT = 8 * MIB

/**
 * And how much more for each stream but the first: libp2p keeps up to 4 MiB of what
 * is not read
 */
const MAX_PEAK_PER_STREAM = 4 * MIB

/**
 * How often content may be looked up for each stream that an attacker opens, and for
 * the honest peer's: for what it has asked for once each, and no more than once
 * for each block that there is
 */
const LOOKUPS_PER_STREAM = OFFERED.length

/**
 * How an exchange may also end: that of the honest peer is closed, an attacker's
 * connection is lost when it is enough, and one that has not closed by then, or does
 * not read, is given up
 */
const HONEST_ENDS = ['closed', 'ConnectionClosedError', 'UnexpectedEndError', 'TimeoutError']

class Child {
  readonly process: ChildProcess
  #waiting: Array<PromiseWithResolvers<any>> = []
  #said: unknown[] = []

  constructor (file: string, args: string[]) {
    this.process = fork(new URL(file, import.meta.url), args, { execArgv: TYPESCRIPT, env: { ...process.env, NODE_OPTIONS: '' } })
    this.process.on('message', message => {
      const waiting = this.#waiting.shift()

      if (waiting != null) {
        waiting.resolve(message)
      } else {
        this.#said.push(message)
      }
    })
    this.process.on('exit', code => {
      this.#waiting.splice(0).forEach(({ reject }) => { reject(new Error(`${file} has ended with ${code}`)) })
    })
  }

  async hear <T> (): Promise<T> {
    if (this.#said.length > 0) {
      return this.#said.shift() as T
    }

    const waiting = Promise.withResolvers<T>()
    this.#waiting.push(waiting)

    return waiting.promise
  }

  tell (message: object = {}): void {
    if (this.process.connected) {
      this.process.send(message)
    }
  }

  async kill (): Promise<void> {
    if (this.process.exitCode == null && this.process.signalCode == null) {
      this.process.kill('SIGKILL')
      await once(this.process, 'exit')
    }
  }
}

class Victim extends Child {
  address = ''

  static async create (role: string): Promise<Victim> {
    const victim = new Victim('./victim.ts', [role])

    victim.address = (await victim.hear<{ address: string }>()).address

    return victim
  }

  async health (): Promise<Health> {
    this.tell()

    return this.hear<Health>()
  }

  /**
   * How it is when it has come to rest
   */
  async atRest (): Promise<Health> {
    let health = await this.health()

    for (let i = 0; i < 200 && (health.exchanges > 0 || health.streams > 0); i++) {
      await sleep(50)
      health = sum(health, await this.health())
    }

    return health
  }
}

class Attacker extends Child {
  constructor (address: string) {
    super('./attacker.ts', [address])
  }

  begin (attack: string): void {
    this.tell({ attack } satisfies Order)
  }

  enough (): void {
    this.tell({} satisfies Order)
  }
}

/**
 * Of two times together
 */
function sum (earlier: Health, later: Health): Health {
  const ends = { ...later.ends }

  for (const [name, count] of Object.entries(earlier.ends)) {
    ends[name] = (ends[name] ?? 0) + count
  }

  return { ...later, ends, peak: Math.max(earlier.peak, later.peak), cpu: earlier.cpu + later.cpu, lookups: earlier.lookups + later.lookups }
}

async function sleep (ms: number): Promise<void> {
  await new Promise(resolve => { setTimeout(resolve, ms) })
}

async function syncHonestly (role: Role, address: string): Promise<void> {
  const offered = OFFERED.map(({ hash }) => hash).sort()

  if (role !== 'service') {
    const honest = await createReplica({ transports: [tcp()], address: '/ip4/127.0.0.1/tcp/0', limits: PATIENT })
    const { failed, confirmed } = await honest.service.replicate(multiaddr(address))

    expect(failed).to.be.empty()
    expect(confirmed).to.be.true()
    expect(await hashesOf(honest.store)).to.include.members(offered)
    expect(await wrongIn(honest.store)).to.be.empty()
    await honest.node.stop()
  } else {
    const honest = await createNode({ limits: { serveTimeout: 60_000, requestTimeout: 60_000, rateWindow: 60_000, unreadTimeout: 60_000, closeTimeout: 60_000 } }, { transports: [tcp()], listen: [] })
    const exchange = await honest.services.hashExchange.open(multiaddr(address))
    const contents = await Promise.all(OFFERED.map(async ({ hash }) => (await exchange.get(hash)).bytes()))

    expect(contents.every((content, i) => content.length === OFFERED[i].bytes.length)).to.be.true()
    await exchange.close()
    await honest.stop()
  }
}

function attack (title: string, role: Role, attacks: Record<string, Attack>): void {
  describe(`${title} under attack`, function () {
    this.timeout(120_000)

    const table: unknown[] = []
    const on = {} as { victim: Victim, attacker: Attacker }

    before(async () => {
      on.victim = await Victim.create(role)
      // what is made once, as code that is compiled
      await syncHonestly(role, on.victim.address)
      await on.victim.atRest()
      on.attacker = new Attacker(on.victim.address)
    })

    after(async () => {
      await on.attacker.kill()
      await on.victim.kill()
      console.table(table) // eslint-disable-line no-console
    })

    afterEach(async () => {
      await Promise.all([stopNodes(), stopReplicas()])
    })

    for (const [name, { ends, goesOn, streams = 1 }] of Object.entries(attacks)) {
      it(`withstands ${name}`, async () => {
        const before = await on.victim.atRest()
        const { attacker } = on
        let most = 0

        attacker.begin(name)

        try {
          expect(await attacker.hear<Begun | Ended>()).to.deep.equal({ begun: true })

          const ended = attacker.hear<Ended>()
          // one that the victim ends is over then, however long that takes
          const enough = ends?.[role] == null || goesOn === true ? sleep(ATTACK_MS) : ended

          await syncHonestly(role, on.victim.address)
          await enough
          attacker.enough()

          const { error, asked, opened } = await ended

          expect(error).to.equal(undefined)
          most = asked + LOOKUPS_PER_STREAM * (opened + 1)
        } catch (err) {
          // it may go on
          await attacker.kill()
          on.attacker = new Attacker(on.victim.address)
          throw err
        }

        const after = await on.victim.atRest()

        // what waits for a timer
        for (let i = 0; i < 20 && after.used - before.used > MAX_LEFT / 2; i++) {
          await sleep(100)
          after.used = (await on.victim.health()).used
        }

        const peak = after.peak - before.used
        const left = after.used - before.used

        table.push({
          attack: name,
          'ended in': Object.entries(after.ends).map(([name, count]) => `${name} ${count}`).join(', '),
          'peak, MiB': Math.round(peak / MIB),
          'left, MiB': Math.round(left / MIB * 10) / 10,
          'CPU, s': Math.round(after.cpu * 10) / 10,
          lookups: after.lookups,
          'at most': most
        })

        expect(after.unhandled).to.be.empty()
        expect(Object.keys(after.ends).filter(name => !HONEST_ENDS.includes(name))).to.deep.equal(ends?.[role] == null ? [] : [ends[role]])
        expect(after).to.include({ exchanges: 0, streams: 0, added: before.added })
        expect(after.lookups).to.be.at.most(most)
        expect(peak).to.be.below(MAX_PEAK + (streams - 1) * MAX_PEAK_PER_STREAM)
        expect(left).to.be.below(MAX_LEFT)
      })
    }
  })
}

attack('a service', 'service', ATTACKS)
attack('a replicator', 'replicator', ATTACKS)
attack('a replicator that compares', 'comparing', COMPARING_ATTACKS)
