import { MemoryBlockstore } from 'blockstore-core'
import { IDBBlockstore } from 'blockstore-idb'
import { MemoryDatastore } from 'datastore-core'
import { IDBDatastore } from 'datastore-idb'
import type { Blockstore } from 'interface-blockstore'
import type { Datastore } from 'interface-datastore'

export interface Storage {
  blockstore: Blockstore
  datastore: Datastore
  /**
   * If it is there when the page is opened again
   */
  kept: boolean
}

/**
 * IndexedDB, or memory in windows in which there is none
 */
export async function openStorage (slot: number): Promise<Storage> {
  try {
    const blockstore = new IDBBlockstore(`hash-exchange-${slot}-blocks`)
    const datastore = new IDBDatastore(`hash-exchange-${slot}-data`)

    await Promise.all([blockstore.open(), datastore.open()])

    return { blockstore, datastore, kept: true }
  } catch {
    return { blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore(), kept: false }
  }
}

/**
 * Asks the browser not to delete it when space is short
 */
export async function persist (): Promise<boolean> {
  return await navigator.storage?.persisted?.() || await navigator.storage?.persist?.() || false
}

export async function measure (): Promise<{ used: number, quota: number } | undefined> {
  const { usage, quota } = await navigator.storage?.estimate?.() ?? {}

  return usage == null || quota == null ? undefined : { used: usage, quota }
}

/**
 * If an error, or what caused it, is that the browser gives no more space
 */
export function isFull (err: any): boolean {
  return err != null && (err.name === 'QuotaExceededError' || /QuotaExceeded|quota/i.test(String(err.message)) || isFull(err.cause))
}
