import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import type { Libp2p } from '@libp2p/interface'
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p'

/**
 * What all systems over libp2p use, with its defaults. Only that ten peers may
 * connect at once from one host is not one of them.
 */
export function nodeOptions (): Libp2pOptions {
  return {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 100, maxIncomingPendingConnections: 100 }
  }
}

export async function createNode <Services extends Record<string, any>> (services: ServiceFactoryMap<Services>, options: Libp2pOptions = {}): Promise<Libp2p<Services>> {
  return createLibp2p<Services>({
    ...nodeOptions(),
    ...options,
    services
  })
}
