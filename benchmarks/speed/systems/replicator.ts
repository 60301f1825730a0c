import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { FsBlockstore } from 'blockstore-fs'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { create } from 'multiformats/hashes/digest'
import { blockHash, blockStore, hashExchange } from '../../../src/index.ts'
import { contentOf, digestOf, lacks, numbersOf } from '../content.ts'
import { createNode } from '../node.ts'
import type { Store } from '../../../src/index.ts'
import type { BlockSet } from '../content.ts'
import type { Provider, Received, Receiver, System, SystemOptions } from '../system.ts'

export type StoreKind = 'memory' | 'fs' | 'level'

/**
 * No bound for blocks that matters here: the largest has 256 MiB
 */
const MAX_BLOCK_BYTES = 512 * 1024 * 1024

interface OpenStore {
  store: Store
  close(): Promise<void>
}

async function openStore (kind: StoreKind, { folder }: SystemOptions): Promise<OpenStore> {
  if (kind === 'memory') {
    return { store: await blockStore(), close: async () => {} }
  }

  const blockstore = new (kind === 'fs' ? FsBlockstore : LevelBlockstore)(join(folder, 'blocks'))
  const datastore = new LevelDatastore(join(folder, 'data'))

  await blockstore.open()
  await datastore.open()

  return {
    store: await blockStore({ blockstore, datastore }),
    async close () {
      await blockstore.close()
      await datastore.close()
    }
  }
}

const SHA_256 = 0x12

function nameOf (block: number, size: number): string {
  return blockHash(create(SHA_256, digestOf(block, size)))
}

async function putAll (store: Store, { size }: BlockSet, blocks: Iterable<number>): Promise<void> {
  for (const block of blocks) {
    await store.put(nameOf(block, size), contentOf(block, size))
  }
}

/**
 * Two stores that are made the same
 */
export function replicator (kind: StoreKind): System {
  return {
    async provide (options): Promise<Provider> {
      const { store, close } = await openStore(kind, options)
      const node = await createNode({ hashExchange: hashExchange({ store }) })

      return {
        address: node.getMultiaddrs()[0].toString(),
        prepare: async set => putAll(store, set, numbersOf(set)),
        async stop () {
          await node.stop()
          await close()
        }
      }
    },

    async connect (addresses, options): Promise<Receiver> {
      const { store, close } = await openStore(kind, options)
      const node = await createNode({ hashExchange: hashExchange({ store, limits: { maxBlockBytes: MAX_BLOCK_BYTES } }) })

      return {
        async prepare (set) {
          if (set.lacking != null) {
            await putAll(store, set, [...numbersOf(set)].filter(block => !lacks(set, block)))
          }
        },
        async receive () {
          const results = await Promise.all(addresses.map(async address => {
            const { received, failed } = await node.services.hashExchange.replicate(multiaddr(address), { mode: 'pull' })

            if (failed.length > 0) {
              throw failed[0].error
            }

            return received
          }))

          return results.reduce<Received>((sum, { hashes, bytes }) => ({ blocks: sum.blocks + hashes, bytes: sum.bytes + bytes }), { blocks: 0, bytes: 0 })
        },
        async stop () {
          await node.stop()
          await close()
        }
      }
    }
  }
}

/**
 * The same store without a network: what storing alone takes
 */
export function storeAlone (kind: StoreKind): System {
  return {
    provide: async () => ({ address: '', prepare: async () => {}, stop: async () => {} }),
    async connect (addresses, options): Promise<Receiver> {
      const { store, close } = await openStore(kind, options)
      let set: BlockSet = { first: 0, count: 0, size: 0 }
      let names: string[] = []

      return {
        async prepare (next) {
          set = next
          names = Array.from({ length: set.count }, (_, i) => nameOf(set.first + i, set.size))
        },
        async receive () {
          for (let i = 0; i < set.count; i++) {
            await store.put(names[i], contentOf(set.first + i, set.size))
          }

          return { blocks: set.count, bytes: set.count * set.size }
        },
        stop: close
      }
    }
  }
}
