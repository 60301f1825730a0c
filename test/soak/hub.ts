/**
 * The peer that is watched, in a process of its own: replicates live with all that
 * come, and puts and deletes blocks meanwhile. Its parent asks it how it is.
 */

import { tcp } from '@libp2p/tcp'
import { PROTOCOL, PROTOCOL_4_1 } from '../../src/index.ts'
import { memoryStore } from '../fixtures/blocks.ts'
import { createReplica } from '../fixtures/replicas.ts'
import { used } from '../fixtures/used-memory.ts'
import { churn } from './churn-store.ts'

export interface Sample {
  rss: number
  /**
   * In use after a collection
   */
  used: number
  /**
   * What keeps the process alive, as timers and sockets
   */
  resources: number
  connections: number
  streams: number
  exchanges: number
  wants: number
  blocks: number
  received: number
  sent: number
  unhandled: string[]
}

const unhandled: string[] = []

process.on('unhandledRejection', (err: any) => { unhandled.push(String(err?.stack ?? err)) })
process.on('disconnect', () => { process.exit() })

const store = await memoryStore()
const { node, service, metrics, addresses } = await createReplica({
  store,
  transports: [tcp()],
  address: '/ip4/127.0.0.1/tcp/0',
  accept: () => true,
  limits: { requestTimeout: 5000, serveTimeout: 5000, stallTimeout: 20_000, closeTimeout: 5000 }
})

churn(store, Number(process.argv[2]), 50)

process.on('message', () => {
  const counted = metrics.counted.get('libp2p_hash_exchange_hashes_total')
  const sample: Sample = {
    used: used(),
    rss: process.memoryUsage.rss(),
    resources: process.getActiveResourcesInfo().length,
    connections: node.getConnections().length,
    streams: node.getConnections().flatMap(({ streams }) => streams).filter(({ protocol }) => protocol === PROTOCOL || protocol === PROTOCOL_4_1).length,
    exchanges: service.exchanges.length,
    wants: Number(metrics.calculated.get('libp2p_hash_exchange_wants')?.()),
    blocks: store.size,
    received: counted?.received ?? 0,
    sent: counted?.sent ?? 0,
    unhandled
  }

  process.send?.(sample)
})

process.send?.({ address: addresses[0].toString() })
