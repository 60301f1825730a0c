import type { StoreBlockstore } from '../../src/store/block-store.ts'
import type { StoreDatastore } from '../../src/store/records.ts'

/**
 * Whose writes fail. All stores that share it are counted together.
 */
export class Faults {
  /**
   * How many writes there have been
   */
  writes = 0

  /**
   * Decides about a write, the first one being 0: what fails may have been done
   * nevertheless
   */
  decide: (write: number) => 'done' | 'not done' | 'done, but fails' = () => 'done'

  /**
   * What was tried, in its order
   */
  readonly tried: string[] = []

  async write (what: string, task: () => unknown): Promise<void> {
    const decision = this.decide(this.writes++)
    this.tried.push(what)

    if (decision !== 'not done') {
      await task()
    }

    if (decision !== 'done') {
      throw new Error(`Faulty: ${what}`)
    }
  }
}

export function faultyDatastore (datastore: StoreDatastore, faults: Faults): StoreDatastore {
  return {
    get: (key, options) => datastore.get(key, options),
    has: (key, options) => datastore.has(key, options),
    put: async (key, value) => {
      await faults.write(`put ${key.toString()}`, () => datastore.put(key, value))
      return key
    },
    delete: async (key) => {
      await faults.write(`delete ${key.toString()}`, () => datastore.delete(key))
    }
  }
}

export function faultyBlockstore (blockstore: StoreBlockstore, faults: Faults): StoreBlockstore {
  return {
    get: async function * (cid, options) {
      yield * blockstore.get(cid, options)
    },
    has: (cid, options) => blockstore.has(cid, options),
    put: async (cid, value, options) => {
      await faults.write(`put block ${cid.toString()}`, () => blockstore.put(cid, value, options))
      return cid
    },
    delete: async (cid, options) => {
      await faults.write(`delete block ${cid.toString()}`, () => blockstore.delete(cid, options))
    }
  }
}
