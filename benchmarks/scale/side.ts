/**
 * One of the two sides of the benchmark, which does what it is told to by its
 * parent: builds its store, or opens it and replicates
 */

import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { FsBlockstore } from 'blockstore-fs'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { createLibp2p } from 'libp2p'
import { blockStore, hashExchange } from '../../src/index.ts'
import { FakeMetrics } from '../../test/fixtures/fake-metrics.ts'
import { blocksOf, fingerprint, lacking, mixed, putAll } from './blocks.ts'
import type { Command, Report, SideInit } from './protocol.ts'
import type { HashExchange } from '../../src/index.ts'
import type { Libp2p } from '@libp2p/interface'

const MIB = 1024 * 1024

/**
 * How often the live heap is looked at, in ms
 */
const HEAP_MS = 250

/**
 * With which nothing can be found, so that all is listed
 */
const TOO_FEW_CELLS = 1

const { owner, folder, blocks, compare, hashes, differences } = JSON.parse(process.argv[2]) as SideInit
const blockstore = new (blocks === 'fs' ? FsBlockstore : LevelBlockstore)(join(folder, 'blocks'))
const datastore = new LevelDatastore(join(folder, 'data'))
const metrics = new FakeMetrics()

await blockstore.open()
await datastore.open()

const opening = performance.now()
const store = await blockStore({ blockstore, datastore, cells: compare ? undefined : TOO_FEW_CELLS })
const opened = (performance.now() - opening) / 1000

let node: Libp2p<{ hashExchange: HashExchange }> | undefined
let heap = { before: 0, most: 0 }

/**
 * What is alive in the heap. Only where the parent gave the option that lets it
 * be known.
 */
function liveHeap (): number {
  globalThis.gc?.()

  return globalThis.gc == null ? 0 : process.memoryUsage().heapUsed / MIB
}

function watchHeap (): NodeJS.Timeout {
  const before = liveHeap()

  heap = { before, most: before }

  return setInterval(() => { heap.most = Math.max(heap.most, liveHeap()) }, HEAP_MS)
}

async function start (): Promise<string> {
  node = await createLibp2p({
    // the same in each process, as cursors are kept for peers
    privateKey: await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(owner === 'a' ? 1 : 2)),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    metrics: () => metrics,
    services: {
      hashExchange: hashExchange({ store, accept: () => true })
    }
  })

  return node.getMultiaddrs()[0].toString()
}

async function replicate (address: string): Promise<Pick<Report, 'seconds' | 'result'>> {
  const began = performance.now()
  const result = await (node as NonNullable<typeof node>).services.hashExchange.replicate(multiaddr(address))
  const seconds = (performance.now() - began) / 1000

  return {
    seconds,
    result: { ...result, failed: result.failed.map(({ error }) => error.name) }
  }
}

let heapTimer: NodeJS.Timeout | undefined

const COMMANDS: Record<Command['type'], (command: any) => Promise<Report>> = {
  async build () {
    const total = hashes
    let told = Date.now()

    await putAll(store, mixed(owner, hashes - differences / 2, differences / 2), count => {
      if (Date.now() - told > 1000) {
        told = Date.now()
        process.send?.({ progress: count / total })
      }
    })

    return {}
  },
  async put ({ round }: { round: number }) {
    await putAll(store, blocksOf(owner, round, differences / 2))

    return {}
  },
  async start () {
    heapTimer = watchHeap()

    return { address: await start() }
  },
  replicate: async ({ address }: { address: string }) => replicate(address),
  async stop () {
    clearInterval(heapTimer)
    await node?.stop()

    return { sent: metrics.sent, heap, opened, rss: process.resourceUsage().maxRSS / 1024 }
  },
  async check ({ rounds }: { rounds: number }) {
    let missing = 0

    for (let round = 0; round < rounds; round++) {
      missing += await lacking(store, blocksOf(owner === 'a' ? 'b' : 'a', round, differences / 2))
    }

    return { size: store.size, missing, fingerprint: await fingerprint(store) }
  },
  async end () {
    await blockstore.close()
    await datastore.close()

    return {}
  }
}

process.on('message', (command: Command) => {
  COMMANDS[command.type](command).then(
    report => {
      process.send?.({ report }, () => {
        if (command.type === 'end') {
          process.disconnect()
        }
      })
    },
    err => { process.send?.({ error: String(err?.stack ?? err) }, () => {}) }
  )
})

process.send?.({ report: {} })
