/**
 * A peer in a process of its own that serves the same blocks to everybody, as the
 * service ('service'), as a replicator that takes from everybody and has some which it
 * lets nobody read ('replicator'), or as one without any ('comparing'). Its parent asks
 * it how it is.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { hashExchange } from '../../src/index.ts'
import { memoryStore } from '../fixtures/blocks.ts'
import { FakeMetrics } from '../fixtures/fake-metrics.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import { LIMITS, OFFERED, REPLICATION_LIMITS, SECRET } from './blocks.ts'
import type { HashExchange } from '../../src/index.ts'

export interface Health {
  /**
   * Bytes that are in use, after a collection
   */
  used: number
  /**
   * The most bytes that were in use since it was last asked, without what could be
   * collected
   */
  peak: number
  /**
   * Processor time since it was last asked, in seconds
   */
  cpu: number
  exchanges: number
  streams: number
  wants: number
  /**
   * How many hashes are stored that were not there at the beginning
   */
  added: number
  /**
   * How often content was looked up since it was last asked
   */
  lookups: number
  /**
   * With which errors exchanges have ended since it was last asked
   */
  ends: Record<string, number>
  /**
   * What nobody has handled
   */
  unhandled: string[]
}

/**
 * How many hashes the application of the service asks for at a time
 */
const MAX_REQUESTED = 16_384

setFlagsFromString('--expose-gc')

const gc: () => void = runInNewContext('gc')
const role = process.argv[2]
const store = await memoryStore(role === 'comparing' ? OFFERED : [...OFFERED, ...SECRET])
const secret = new Set(SECRET.map(({ hash }) => hash))
const contents = new Map(OFFERED.map(({ hash, bytes }) => [hash, bytes]))
const first = store.size
const ends: Record<string, number> = {}
const unhandled: string[] = []
const metrics = new FakeMetrics()
let lookups = 0

process.on('unhandledRejection', (err: any) => { unhandled.push(String(err?.stack ?? err)) })
process.on('disconnect', () => { process.exit() })

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // one attack comes right after the other, and all from one host
  connectionManager: { inboundConnectionThreshold: Infinity },
  metrics: () => metrics,
  services: {
    hashExchange: role !== 'service'
      ? hashExchange({
        store: wrapStore(store, {
          sequence: hash => {
            lookups++
            return store.sequence(hash)
          }
        }),
        limits: REPLICATION_LIMITS,
        accept: () => true,
        allow: role === 'comparing' ? undefined : (peer, hash) => hash != null && !secret.has(hash)
      })
      : hashExchange({
        limits: LIMITS,
        provides: hash => contents.has(hash),
        createReadStream: hash => {
          const content = contents.get(hash)

          lookups++
          return content == null ? undefined : { stream: [content] }
        }
      })
  }
})

const service: HashExchange = node.services.hashExchange

service.addEventListener('exchange', ({ detail: exchange }) => {
  exchange.addEventListener('close', ({ detail: err }) => {
    const name = err?.name ?? 'closed'

    ends[name] = (ends[name] ?? 0) + 1
  })

  if (role === 'service') {
    void exchange.provide(contents.keys())
    let requested = 0

    // as an application does that takes what it is offered, as far as it can remember
    // what it has asked for
    exchange.addEventListener('available', ({ detail }) => {
      const hashes = detail.slice(0, MAX_REQUESTED - requested)

      requested += hashes.length
      exchange.request(hashes)
    })
    exchange.addEventListener('response', ({ detail }) => {
      requested--
      detail.bytes().catch(() => {})
    })
    exchange.addEventListener('failed', () => { requested-- })
  }
})

let peak = 0
let cpu = process.cpuUsage()

function inUse (): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()

  return heapUsed + arrayBuffers
}

setInterval(() => {
  gc()
  peak = Math.max(peak, inUse())
}, 100).unref()

process.on('message', () => {
  gc()

  const { user, system } = process.cpuUsage(cpu)
  const used = inUse()
  const health: Health = {
    used,
    peak: Math.max(peak, used),
    cpu: (user + system) / 1e6,
    exchanges: service.exchanges.length,
    streams: node.getConnections().flatMap(({ streams }) => streams).filter(({ protocol }) => protocol?.startsWith('/hash-exchange/')).length,
    wants: Number(metrics.calculated.get('libp2p_hash_exchange_wants')?.()),
    added: store.size - first,
    lookups,
    ends: { ...ends },
    unhandled
  }

  peak = used
  lookups = 0
  cpu = process.cpuUsage()
  Object.keys(ends).forEach(name => { delete ends[name] })
  process.send?.(health)
})

process.send?.({ address: node.getMultiaddrs()[0].toString() })
