import { ConnectionClosedError, isPeerId, LimitedConnectionError } from '@libp2p/interface'
import { raceSignal } from 'race-signal'
import { toError } from './errors.ts'
import type { AbortOptions, Connection, DialTarget, Libp2pEvents, PeerId, PeerStore, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface DirectConnectionComponents {
  connectionManager: ConnectionManager
  events: TypedEventTarget<Libp2pEvents>
  peerStore: PeerStore
}

/**
 * How long to wait before a peer to whom only a relay connects is dialled directly
 * again, in ms: twice as long each time
 */
const MIN_DELAY = 1000
const MAX_DELAY = 30_000

/**
 * Connects to a peer, and where only a relay does, waits for a connection without
 * its limits: a relay allows 128 KiB and two minutes, and is somebody else's. Such a
 * connection comes when the peer is dialled at an address without the relay, or by
 * WebRTC, both of which are tried, or when the peer dials us.
 *
 * Rejects with LimitedConnectionError when the time is over before that, with
 * ConnectionClosedError when the relay's connection has gone as well, the reason of
 * the signal, or the error of dialling.
 */
export async function openDirectConnection (components: DirectConnectionComponents, target: DialTarget, { signal }: Required<AbortOptions>): Promise<Connection> {
  const { connectionManager, events } = components
  const open = isPeerId(target) ? connectionManager.getConnections(target).filter(({ status }) => status === 'open') : []
  const connection = open.find(isUnlimited) ?? open[0] ?? await connectionManager.openConnection(target, { signal })

  if (isUnlimited(connection)) {
    return connection
  }

  const peer = connection.remotePeer
  const direct = Promise.withResolvers<Connection>()
  let lastError: Error | undefined

  let timer: ReturnType<typeof setTimeout> | undefined
  let delay = MIN_DELAY

  const look = (): void => {
    const open = connectionManager.getConnections(peer).filter(({ status }) => status === 'open')
    const found = open.find(isUnlimited)

    if (found != null) {
      direct.resolve(found)
    } else if (open.length === 0) {
      direct.reject(new ConnectionClosedError(`The relay's connection to ${peer} has gone before a direct one came`))
    }
  }

  const dial = (): void => {
    clearTimeout(timer)
    timer = setTimeout(dial, delay)
    delay = Math.min(MAX_DELAY, delay * 2)
    dialDirectly(components, peer, signal).then(look).catch(err => { lastError = toError(err) })
  }

  // by which the addresses of the peer become known
  const onIdentify = ({ detail }: Libp2pEvents['peer:identify']): void => {
    if (detail.peerId.equals(peer)) {
      dial()
    }
  }

  // nobody may wait for it yet
  direct.promise.catch(() => {})
  events.addEventListener('connection:open', look)
  events.addEventListener('connection:close', look)
  events.addEventListener('peer:identify', onIdentify)
  dial()
  // it may have come while the relay was dialled
  look()

  try {
    return await raceSignal(direct.promise, signal)
  } catch (err) {
    if (signal.reason?.name !== 'TimeoutError') {
      throw err
    }

    const reason = lastError == null ? 'the peer told no address to dial and did not dial us' : `dialling it failed: ${lastError.message}`

    throw Object.assign(new LimitedConnectionError(`Only a relay connects to ${peer}, and no direct connection came in time, as ${reason}`), { cause: err })
  } finally {
    clearTimeout(timer)
    events.removeEventListener('connection:open', look)
    events.removeEventListener('connection:close', look)
    events.removeEventListener('peer:identify', onIdentify)
  }
}

async function dialDirectly ({ connectionManager, peerStore }: DirectConnectionComponents, peer: PeerId, signal: AbortSignal): Promise<void> {
  const { addresses } = await peerStore.get(peer)
  const direct = addresses.map(({ multiaddr }) => multiaddr).filter(isDirect)

  if (direct.length > 0) {
    await connectionManager.openConnection(direct.map(multiaddr => withPeer(multiaddr, peer)), { signal })
  }
}

function isUnlimited ({ limits }: Connection): boolean {
  return limits == null
}

/**
 * If what is dialled at an address is no circuit over a relay, or one that is only
 * used to set up WebRTC
 */
function isDirect (multiaddr: Multiaddr): boolean {
  const names = multiaddr.getComponents().map(({ name }) => name)

  return !names.includes('p2p-circuit') || names.includes('webrtc')
}

function withPeer (multiaddr: Multiaddr, peer: PeerId): Multiaddr {
  const last = multiaddr.getComponents().at(-1)

  return last?.name === 'p2p' && last.value === peer.toString() ? multiaddr : multiaddr.encapsulate(`/p2p/${peer}`)
}
