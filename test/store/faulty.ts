import type { StoreBlockstore } from '../../src/store/block-store.ts'
import type { StoreDatastore } from '../../src/store/records.ts'
import type { Key } from 'interface-datastore/key'

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

/**
 * In what a batch differs: one of files writes in any order, and a part of them
 * if it is stopped; one of level all at once
 */
export type BatchKind = 'in order' | 'backwards' | 'at once'

export function faultyDatastore (datastore: StoreDatastore, faults: Faults, kind: BatchKind = 'in order'): StoreDatastore {
  return {
    get: (key, options) => datastore.get(key, options),
    has: (key, options) => datastore.has(key, options),
    put: async (key, value) => {
      await faults.write(`put ${key.toString()}`, () => datastore.put(key, value))
      return key
    },
    delete: async (key) => {
      await faults.write(`delete ${key.toString()}`, () => datastore.delete(key))
    },
    batch: () => {
      const writes: Array<{ name: string, task(): unknown }> = []

      return {
        put: (key: Key, value: Uint8Array) => {
          writes.push({ name: `put ${key.toString()}`, task: () => datastore.put(key, value) })
        },
        delete: (key: Key) => {
          writes.push({ name: `delete ${key.toString()}`, task: () => datastore.delete(key) })
        },
        commit: async () => {
          if (kind === 'at once') {
            await faults.write(writes.map(({ name }) => name).join(', '), async () => Promise.all(writes.map(({ task }) => task())))
            return
          }

          for (const { name, task } of kind === 'in order' ? writes : writes.reverse()) {
            await faults.write(name, task)
          }
        }
      }
    }
  }
}

export function faultyBlockstore (blockstore: StoreBlockstore, faults: Faults): StoreBlockstore {
  return {
    get: (cid, options) => blockstore.get(cid, options),
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
