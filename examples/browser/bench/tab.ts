import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { FaultTolerance } from '@libp2p/interface'
import { webRTC } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { hashExchange } from 'libp2p-hash-exchange'
import { Side } from './systems.ts'
import type { BenchNode, System, Work } from './systems.ts'

let node: BenchNode
let side: Side

/**
 * What the benchmark, which runs in Node.js, can tell a tab
 */
export const tab = {
  /**
   * Makes a node. With `relay` it can be reached over that, and resolves to where.
   */
  async start (system: System, work?: Work, relay?: string): Promise<string> {
    side = await Side.create(system, work)
    node = await createLibp2p({
      addresses: { listen: relay == null ? [] : [`${relay}/p2p-circuit`, '/webrtc'] },
      transports: [webSockets(), webRTC({ rtcConfiguration: { iceServers: [] } }), circuitRelayTransport()],
      transportManager: { faultTolerance: FaultTolerance.NO_FATAL },
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionGater: { denyDialMultiaddr: () => false },
      services: { identify: identify(), hashExchange: hashExchange(side.init) }
    })
    await side.serve(node)

    return relay == null ? '' : whenReachable(node)
  },

  /**
   * Resolves to the ID of this tab. WebRTC does not come about each time, with
   * libp2p alone as well: one of some thirty dials timed out.
   */
  async connect (address: string, tries = 5): Promise<string> {
    try {
      await node.dial(multiaddr(address))
    } catch (err) {
      if (tries === 1) {
        throw err
      }

      return tab.connect(address, tries - 1)
    }

    return node.peerId.toString()
  },

  async receive (address: string, system: System, work: Work): Promise<number> {
    const connection = await node.dial(multiaddr(address))

    return side.receive(node, connection.remotePeer, system, work)
  },

  async stop (): Promise<void> {
    await node.stop()
  }
}

/**
 * Resolves to the address of a node when it has one
 */
async function whenReachable (node: BenchNode): Promise<string> {
  return new Promise(resolve => {
    const look = (): void => {
      const address = node.getMultiaddrs().find(address => address.toString().includes('/webrtc/'))

      if (address != null) {
        resolve(address.toString())
      }
    }

    node.addEventListener('self:peer:update', look)
    look()
  })
}

Object.assign(globalThis, { tab })
