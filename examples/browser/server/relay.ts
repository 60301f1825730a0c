import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { blockStore, hashExchange } from 'libp2p-hash-exchange'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import type { HashExchange, Store } from 'libp2p-hash-exchange'

export interface RelayInit {
  /**
   * @default one in memory
   */
  store?: Store
  /**
   * @default any port of this machine alone
   */
  listen?: string[]
  /**
   * @default a new one
   */
  privateKey?: PrivateKey
}

/**
 * A server that tabs need to find each other, as a relay, and that has what they
 * have, as a replica: of anybody who connects to it
 */
export async function startRelay ({ store, listen = ['/ip4/127.0.0.1/tcp/0/ws'], privateKey }: RelayInit = {}): Promise<{ node: Libp2p<{ hashExchange: HashExchange }>, store: Store }> {
  const replica = store ?? await blockStore()
  const node = await createLibp2p({
    privateKey,
    addresses: { listen },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      // with the usual limits: two minutes and 128 KiB a connection, which is enough to set up a direct one
      relay: circuitRelayServer({ reservations: { maxReservations: 1000 } }),
      hashExchange: hashExchange({ store: replica, accept: () => true })
    }
  })

  return { node, store: replica }
}
