import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { FaultTolerance } from '@libp2p/interface'
import { webRTC } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { Key } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import { hashExchange } from 'libp2p-hash-exchange'
import type { Connection, Libp2p, PrivateKey } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'
import type { HashExchange, Store } from 'libp2p-hash-exchange'

export type Node = Libp2p<{ hashExchange: HashExchange }>

export interface NodeInit {
  store: Store
  datastore: Datastore
  iceServers: RTCIceServer[]
  /**
   * If something that a peer offers is wanted
   */
  want(hash: string): boolean
  /**
   * If a peer that comes by itself may add something
   */
  accept(peer: string): boolean
}

const KEY = new Key('/page/key')

/**
 * A peer in a page: it dials WebSockets and WebRTC, and is reached by WebRTC over any
 * relay that it is connected to
 */
export async function createNode ({ store, datastore, iceServers, want, accept }: NodeInit): Promise<Node> {
  return createLibp2p({
    privateKey: await loadKey(datastore),
    addresses: { listen: ['/p2p-circuit', '/webrtc'] },
    transports: [webSockets(), webRTC({ rtcConfiguration: { iceServers } }), circuitRelayTransport()],
    transportManager: { faultTolerance: FaultTolerance.NO_FATAL },
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // the default in browsers refuses addresses of this machine and of the local network
    connectionGater: { denyDialMultiaddr: () => false },
    services: {
      identify: identify(),
      hashExchange: hashExchange({
        store,
        // who has the link may add files: the page says so where it gives the link away
        accept: peer => accept(peer.toString()),
        want: (_, hash) => want(hash)
      })
    }
  })
}

/**
 * How a peer is connected, the best way first
 */
export function transportOf (connections: Connection[]): 'WebRTC' | 'WebSockets' | 'relayed' | 'other' | undefined {
  const ways = connections.filter(({ status }) => status === 'open').map(({ remoteAddr, limits }) => {
    const names = remoteAddr.getComponents().map(({ name }) => name)

    if (names.includes('webrtc') || names.includes('webrtc-direct')) {
      return 'WebRTC'
    }

    if (limits != null || names.includes('p2p-circuit')) {
      return 'relayed'
    }

    return names.some(name => name === 'ws' || name === 'wss') ? 'WebSockets' : 'other'
  })

  return (['WebRTC', 'WebSockets', 'other', 'relayed'] as const).find(way => ways.includes(way))
}

async function loadKey (datastore: Datastore): Promise<PrivateKey> {
  if (await datastore.has(KEY)) {
    return privateKeyFromProtobuf(await datastore.get(KEY))
  }

  const key = await generateKeyPair('Ed25519')
  await datastore.put(KEY, privateKeyToProtobuf(key))

  return key
}
