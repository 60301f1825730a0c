import { expect } from 'aegir/chai'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import all from 'it-all'
import { parseBlockHash } from '../../src/store/block-hash.ts'
import { blockStore } from '../../src/store/block-store.ts'
import { collect } from '../fixtures/content.ts'
import { runs } from '../fixtures/runs.ts'
import { recordEvents } from './events.ts'
import { faultyBlockstore, faultyDatastore, Faults } from './faulty.ts'
import { blockOf, hashOf, range } from './hashes.ts'
import type { Store, StoreEntry } from '../../src/store/store.ts'
import type { CID } from 'multiformats/cid'

interface Command {
  /**
   * `break` puts from a source that throws, `lose` deletes a block behind the
   * back of the store
   */
  what: 'put' | 'break' | 'delete' | 'get' | 'lose'
  index: number
}

/**
 * Commands that are given at the same time, one for each hash at most. None at
 * all is that the store is opened again.
 */
type Step = Command[]

interface Program {
  /**
   * How many hashes are put first, so that there are several pages
   */
  filled: number
  steps: Step[]
}

/**
 * Those that commands are about. The first ones are among those that are put
 * first.
 */
const INDEXES = [0, 1, 2, 126, 127, 128, 129, 255, 300, 301, 302, 303]

const step = fc.uniqueArray(fc.record<Command>({
  what: fc.constantFrom('put', 'put', 'put', 'break', 'delete', 'delete', 'get', 'lose'),
  index: fc.constantFrom(...INDEXES)
}), { maxLength: 8, selector: ({ index }) => index })

const program = fc.record<Program>({
  filled: fc.constantFrom(0, 0, 1, 126, 127, 128, 129, 256, 257),
  steps: fc.array(step, { maxLength: 10 })
})

function cidOf (index: number): CID {
  return parseBlockHash(hashOf(index)) as CID
}

function isFaulty (err: Error): boolean {
  return err.message.startsWith('Faulty')
}

/**
 * A store, and what should be in it
 */
class Run {
  readonly faults = new Faults()
  readonly #blockstore = new MemoryBlockstore()
  readonly #datastore = new MemoryDatastore()
  readonly #program: Program
  #store!: Store
  #logId?: string
  #events: string[] = []
  #expectedEvents: string[] = []

  /**
   * The sequences of those that are there
   */
  readonly #sequences = new Map<number, number>()
  /**
   * Those whose blocks were deleted behind the back of the store
   */
  readonly #lost = new Set<number>()
  /**
   * Those of which a write failed. When the store is opened again it may be as
   * if it had not.
   */
  readonly #uncertain = new Set<number>()
  /**
   * The highest sequence that was given
   */
  #highest = 0

  constructor (program: Program) {
    this.#program = program
  }

  /**
   * @param crash - if a write that is not done is the end of the process
   */
  async run (crash: boolean): Promise<void> {
    await this.#open()
    const { filled, steps } = this.#program
    const { decide } = this.faults

    this.faults.decide = () => 'done'
    await this.#do(range(0, filled).map(index => ({ what: 'put', index })))
    this.faults.writes = 0
    this.faults.decide = decide

    for (const step of steps) {
      if (step.length === 0) {
        await this.#open()
      } else {
        await this.#do(step)
      }

      if (crash && this.#uncertain.size > 0) {
        this.faults.decide = () => 'done'
        await this.#open()
      } else {
        await this.#check()
      }
    }

    // and all can be put
    this.faults.decide = () => 'done'
    await this.#do(INDEXES.map(index => ({ what: 'put', index })))
    await this.#check()
    await this.#open()
  }

  async #open (): Promise<void> {
    for (let failed = true; failed;) {
      failed = false

      try {
        this.#store = await blockStore({
          blockstore: faultyBlockstore(this.#blockstore, this.faults),
          datastore: faultyDatastore(this.#datastore, this.faults)
        })
      } catch (err: any) {
        if (!isFaulty(err)) {
          throw err
        }

        // the machine is started once more, and now it works
        this.faults.decide = () => 'done'
        failed = true
      }
    }

    this.#events = recordEvents(this.#store)

    this.#logId ??= this.#store.logId
    expect(this.#store.logId).to.equal(this.#logId)

    for (const index of this.#uncertain) {
      const sequence = await this.#store.sequence(hashOf(index))

      if (sequence != null) {
        // the one that it had, or one that was never given
        expect(sequence === this.#sequences.get(index) || sequence > this.#highest).to.be.true()
        this.#sequences.set(index, sequence)
      } else {
        this.#sequences.delete(index)
      }
    }

    this.#highest = Math.max(this.#highest, ...this.#sequences.values())
    this.#uncertain.clear()
    await this.#check()
  }

  async #do (step: Step): Promise<void> {
    const { lastSequence } = this.#store

    this.#events.length = 0
    this.#expectedEvents = []

    await Promise.all(step.map(async ({ what, index }) => {
      try {
        await this[what](index, lastSequence)
      } catch (err: any) {
        if (!isFaulty(err)) {
          throw err
        }

        this.#uncertain.add(index)

        if (err.message.startsWith('Faulty: delete block')) {
          this.#removed(index)
        }
      }
    }))

    expect(this.#events.sort()).to.deep.equal(this.#expectedEvents.sort())
  }

  async put (index: number, lastSequence: number): Promise<void> {
    const there = this.#isThere(index)
    const sequence = await this.#store.put(hashOf(index), blockOf(index))

    if (there) {
      expect(sequence).to.equal(this.#sequences.get(index))
    } else {
      expect(sequence).to.be.above(lastSequence)
      this.#expectedEvents.push(`put ${sequence} ${hashOf(index)}`)
      this.#sequences.set(index, sequence)
      this.#highest = Math.max(this.#highest, sequence)
      this.#lost.delete(index)
    }
  }

  async break (index: number): Promise<void> {
    const there = this.#isThere(index)
    const broken = new Error('Broken')
    const outcome = await this.#store.put(hashOf(index), (function * () {
      yield blockOf(index)
      throw broken
    })()).catch(err => {
      if (isFaulty(err)) {
        throw err
      }

      return err
    })

    expect(outcome).to.equal(there ? this.#sequences.get(index) : broken)
  }

  async delete (index: number): Promise<void> {
    const there = this.#sequences.has(index)

    expect(await this.#store.delete(hashOf(index))).to.equal(there)

    if (there) {
      this.#removed(index)
    }
  }

  async get (index: number): Promise<void> {
    if (this.#isThere(index)) {
      expect(await collect(this.#store.get(hashOf(index)) as AsyncIterable<Uint8Array>)).to.deep.equal(blockOf(index))
      return
    }

    const err = await (async () => all(this.#store.get(hashOf(index))))().then(() => {}, err => err)

    if (isFaulty(err)) {
      throw err
    }

    expect(err).to.have.property('name', 'NotFoundError')

    if (this.#sequences.has(index)) {
      this.#removed(index)
    }
  }

  async lose (index: number): Promise<void> {
    await this.#blockstore.delete(cidOf(index))
    this.#lost.add(index)
  }

  /**
   * If it is in the log and its block as well
   */
  #isThere (index: number): boolean {
    return this.#sequences.has(index) && this.#blockstore.has(cidOf(index)) === true
  }

  #removed (index: number): void {
    this.#expectedEvents.push(`delete ${this.#sequences.get(index)} ${hashOf(index)}`)
    this.#sequences.delete(index)
  }

  async #check (): Promise<void> {
    const listed = await all(this.#store.since(0))
    const sequences = [...this.#sequences].sort(([, a], [, b]) => a - b)

    expect(textOf(listed)).to.equal(textOf(sequences.map(([index, sequence]) => ({ hash: hashOf(index), sequence }))))
    expect(this.#store.size).to.equal(listed.length)
    expect(this.#store.lastSequence).to.be.at.least(this.#highest)

    for (const index of INDEXES) {
      expect(await this.#store.has(hashOf(index))).to.equal(this.#sequences.has(index))
      expect(await this.#store.sequence(hashOf(index))).to.equal(this.#sequences.get(index))

      if (this.#sequences.has(index) && !this.#lost.has(index)) {
        expect(this.#blockstore.has(cidOf(index))).to.be.true()
      }
    }
  }
}

/**
 * Of hundreds of them a string is compared faster
 */
function textOf (entries: StoreEntry[]): string {
  return entries.map(({ hash, sequence }) => `${sequence} ${hash}`).join('\n')
}

describe('blockStore: any program', () => {
  it('does what a plain list does', async function () {
    this.timeout(600_000)

    await fc.assert(fc.asyncProperty(program, async (program) => {
      await new Run(program).run(false)
    }), { numRuns: runs(50, 5000), endOnFailure: true })
  })

  it('leaves nothing of a write that fails', async function () {
    this.timeout(600_000)

    const faults = fc.array(fc.record({ write: fc.nat(40), done: fc.boolean() }), { minLength: 1, maxLength: 8 })

    await fc.assert(fc.asyncProperty(program, faults, async (program, faults) => {
      const run = new Run(program)

      run.faults.decide = (write) => {
        const fault = faults.find(fault => fault.write === write)

        if (fault == null) {
          return 'done'
        }

        return fault.done ? 'done, but fails' : 'not done'
      }

      await run.run(false)
    }), { numRuns: runs(75, 10_000), endOnFailure: true })
  })

  it('can be killed after any write', async function () {
    this.timeout(600_000)

    await fc.assert(fc.asyncProperty(program, fc.nat(40), async (program, writes) => {
      const run = new Run(program)

      run.faults.decide = (write) => write < writes ? 'done' : 'not done'

      await run.run(true)
    }), { numRuns: runs(75, 10_000), endOnFailure: true })
  })
})
