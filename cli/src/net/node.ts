import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { hashExchange } from 'libp2p-hash-exchange'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import type { HashExchange, ReplicationInit } from 'libp2p-hash-exchange'

export type Node = Libp2p<{ identify: Identify, hashExchange: HashExchange }>

/**
 * A peer that replicates a store, listening on some multiaddrs
 */
export async function createNode (privateKey: PrivateKey, listen: string[], init: ReplicationInit): Promise<Node> {
  return createLibp2p({
    privateKey,
    addresses: { listen },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      hashExchange: hashExchange(init)
    }
  })
}
