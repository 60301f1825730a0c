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
import type { BatchKind } from './faulty.ts'
import type { Store } from '../../src/store/store.ts'
import type { CID } from 'multiformats/cid'

/**
 * `lose` deletes a block behind the back of the store
 */
interface Command {
  what: 'put' | 'put' | 'put broken' | 'delete' | 'get' | 'lose' | 'reopen' | 'cursor'
  hash: number
}

interface Program {
  /**
   * How many hashes are put in the beginning, for several pages
   */
  filled: number
  /**
   * Those of a step are done at the same time
   */
  steps: Command[][]
  batches: BatchKind
}

/**
 * The program works on a few hashes, among those that are put in the beginning
 */
const HASHES = [0, 1, 2, 125, 126, 127, 128, 129, 255, 256, 300, 301, 302, 303]

const command = fc.record<Command>({
  what: fc.constantFrom('put', 'put', 'put', 'put broken', 'delete', 'delete', 'get', 'lose', 'reopen', 'cursor'),
  hash: fc.constantFrom(...HASHES)
})

const program = fc.record<Program>({
  filled: fc.constantFrom(0, 0, 1, 126, 127, 128, 129, 256, 257),
  steps: fc.array(fc.array(command, { minLength: 1, maxLength: 6 }), { maxLength: 12 }),
  batches: fc.constantFrom('in order', 'backwards', 'at once')
})

/**
 * What is known of a hash: its sequence, or that it is not there. Of what has
 * failed either may be the case.
 */
interface Known {
  sequence?: number
  /**
   * If its block was deleted behind the back of the store
   */
  lost: boolean
  certain: boolean
}

class Run {
  readonly blockstore = new MemoryBlockstore()
  readonly datastore = new MemoryDatastore()
  readonly known = new Map<number, Known>()
  readonly cursors = new Map<number, number>()
  faults = new Faults()
  store!: Store
  logId = ''
  highest = 0
  events: string[] = []
  expectedEvents: string[] = []
  readonly #program: Program

  constructor (program: Program) {
    this.#program = program
  }

  async open (): Promise<void> {
    this.store = await blockStore({
      blockstore: faultyBlockstore(this.blockstore, this.faults),
      datastore: faultyDatastore(this.datastore, this.faults, this.#program.batches)
    })
    this.events = recordEvents(this.store)
    this.expectedEvents = []

    if (this.logId !== '') {
      expect(this.store.logId).to.equal(this.logId)
    }

    this.logId = this.store.logId
  }

  async fill (): Promise<void> {
    await Promise.all(range(0, this.#program.filled).map(async hash => this.#do({ what: 'put', hash })))
  }

  async run (): Promise<void> {
    for (const step of this.#program.steps) {
      await Promise.all(step.map(async command => this.#do(command)))
    }
  }

  async #do ({ what, hash }: Command): Promise<void> {
    const known = this.of(hash)
    const { store } = this

    switch (what) {
      case 'reopen':
        // not while others are busy
        break
      case 'lose':
        await this.blockstore.delete(cidOf(hash))
        known.lost = true
        break
      case 'cursor':
        await this.#try(known, async () => {
          await store.setCursor('peer', { logId: 'a', sequence: hash })
        })
        break
      case 'put broken':
        await store.put(hashOf(hash), broken(hash)).catch(() => {})
        break
      default:
        await this.#try(known, async () => this.#change(what, hash))
    }
  }

  of (hash: number): Known {
    const known = this.known.get(hash) ?? { lost: false, certain: true }
    this.known.set(hash, known)

    return known
  }
}
