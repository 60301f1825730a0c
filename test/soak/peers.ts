/**
 * Peers that come and go, in a process of its own: each replicates live with the
 * hub for a while, and leaves in one of several ways. Its parent asks how much memory
 * they take.
 */

import { generateKeyPair } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { memoryStore } from '../fixtures/blocks.ts'
import { seeded } from '../fixtures/network.ts'
import { createReplica } from '../fixtures/replicas.ts'
import { used } from '../fixtures/used-memory.ts'
import { churn } from './churn-store.ts'
import type { PrivateKey } from '@libp2p/interface'

/**
 * How many different ones there are
 */
const PEERS = 12

/**
 * How many of them are there at a time
 */
const AT_ONCE = 4

/**
 * How long one stays at most, in ms
 */
const STAY_MS = 6000

const [, , seed, address] = process.argv
const random = seeded(Number(seed))
const waiting: PrivateKey[] = []

process.on('disconnect', () => { process.exit() })
process.on('message', () => { process.send?.({ used: used() }) })

for (let i = 0; i < PEERS; i++) {
  waiting.push(await generateKeyPair('Ed25519'))
}

async function stay (privateKey: PrivateKey): Promise<void> {
  // it has forgotten everything, as after a wipe
  const store = await memoryStore()
  const { node, service } = await createReplica({ store, privateKey, transports: [tcp()], address: '/ip4/127.0.0.1/tcp/0', limits: { requestTimeout: 5000, serveTimeout: 5000, stallTimeout: 20_000, closeTimeout: 5000 } })
  const controller = new AbortController()
  const replicated = service.replicate(multiaddr(address), { live: true, signal: controller.signal }).catch(() => {})
  const stop = churn(store, Math.floor(random() * 2 ** 31), 300)

  await new Promise(resolve => { setTimeout(resolve, random() * STAY_MS) })

  stop()

  switch (Math.floor(random() * 4)) {
    case 0: controller.abort(); break
    case 1: node.getConnections().forEach(connection => { connection.abort(new Error('Gone')) }); break
    case 2: node.getConnections().forEach(({ streams }) => { streams.forEach(stream => { stream.abort(new Error('Broken')) }) }); break
    default:
  }

  await node.stop()
  await replicated
}

async function comeAndGo (): Promise<void> {
  while (true) {
    const privateKey = waiting.shift()

    if (privateKey != null) {
      await stay(privateKey)
      waiting.push(privateKey)
    }
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, comeAndGo))
