/**
 * @packageDocumentation
 *
 * Trade hashes with libp2p peers to replicate content-addressed data: announce
 * what you have, request what you lack, and stream it to each other. A port of
 * the protocol of the npm package `hash-exchange@4.0.1`, byte-compatible on the
 * wire.
 *
 * @example As a libp2p service
 *
 * One peer provides what it has to everybody who opens an exchange, the other gets what is announced, checks it and closes.
 *
 * ```ts
 * import { createHash } from 'node:crypto'
 * import { setTimeout as delay } from 'node:timers/promises'
 * import { noise } from '@chainsafe/libp2p-noise'
 * import { yamux } from '@chainsafe/libp2p-yamux'
 * import { tcp } from '@libp2p/tcp'
 * import { createLibp2p } from 'libp2p'
 * import { hashExchange } from 'libp2p-hash-exchange'
 *
 * const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
 *
 * const createNode = async (content: Map<string, Uint8Array>) => createLibp2p({
 *   addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
 *   transports: [tcp()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()],
 *   services: {
 *     hashExchange: hashExchange({
 *       // asked for hashes that are provided only
 *       createReadStream: (hash) => {
 *         const bytes = content.get(hash)
 *
 *         return bytes == null ? undefined : { stream: [bytes] }
 *       }
 *     })
 *   }
 * })
 *
 * const has = new Map<string, Uint8Array>()
 *
 * for (const text of ['beep', 'boop', 'hey yo']) {
 *   const bytes = new TextEncoder().encode(text)
 *   has.set(sha256(bytes), bytes)
 * }
 *
 * const server = await createNode(has)
 *
 * server.services.hashExchange.addEventListener('exchange', ({ detail: ex }) => {
 *   ex.provide(has.keys())
 * })
 *
 * const client = await createNode(new Map())
 * const ex = await client.services.hashExchange.open(server.getMultiaddrs())
 *
 * // for each 1,000 hashes that the server provides, also later
 * ex.addEventListener('available', ({ detail: hashes }) => {
 *   for (const hash of hashes) {
 *     getChecked(hash).catch(err => { console.error(hash, err) })
 *   }
 * })
 *
 * async function getChecked (hash: string): Promise<void> {
 *   const response = await ex.get(hash)
 *   // for large content there is response.stream
 *   const bytes = await response.bytes()
 *
 *   if (sha256(bytes) !== hash) {
 *     throw new Error(`${ex.remotePeer} sent something else for ${hash}`)
 *   }
 *
 *   console.info(hash, new TextDecoder().decode(bytes))
 * }
 *
 * // how long to listen is up to the application: only a replicator knows when it has all
 * await delay(1000)
 * // when nothing is outstanding
 * await ex.close()
 * await client.stop()
 * await server.stop()
 * ```
 *
 * @example As a replicator of stores
 *
 * Both sides get what they lack of each other, checked against its hash; each resolves when the other has confirmed that nothing is outstanding.
 *
 * ```ts
 * import { noise } from '@chainsafe/libp2p-noise'
 * import { yamux } from '@chainsafe/libp2p-yamux'
 * import { tcp } from '@libp2p/tcp'
 * import { createLibp2p } from 'libp2p'
 * import { blockHash, blockStore, hashExchange } from 'libp2p-hash-exchange'
 * import { sha256 } from 'multiformats/hashes/sha2'
 *
 * // in memory: give it a blockstore (-fs, -level, -idb) and a datastore (-level, -idb), and it is kept
 * const createStore = async (...texts: string[]) => {
 *   const store = await blockStore()
 *
 *   for (const text of texts) {
 *     const bytes = new TextEncoder().encode(text)
 *     await store.put(blockHash(await sha256.digest(bytes)), bytes)
 *   }
 *
 *   return store
 * }
 *
 * const createNode = async (store: Awaited<ReturnType<typeof createStore>>, accepts: boolean) => createLibp2p({
 *   addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
 *   transports: [tcp()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()],
 *   services: {
 *     hashExchange: hashExchange({
 *       store,
 *       // from whom to take when they open an exchange: nobody without this
 *       accept: () => accepts
 *     })
 *   }
 * })
 *
 * const [here, there] = await Promise.all([createStore('beep', 'boop'), createStore('boop', 'hey yo')])
 * const server = await createNode(there, true)
 * const client = await createNode(here, false)
 *
 * client.services.hashExchange.addEventListener('received', ({ detail: { peer, hash, bytes } }) => {
 *   console.info(`${bytes} bytes of ${hash} from ${peer}`)
 * })
 *
 * const { received, sent, failed } = await client.services.hashExchange.replicate(server.getMultiaddrs())
 *
 * console.info(`received ${received.hashes}, sent ${sent.hashes}, failed ${failed.length}`)
 * console.info(`${here.size} blocks here, ${there.size} there`)
 *
 * await client.stop()
 * await server.stop()
 * ```
 *
 * @example As a bare protocol handler
 *
 * Without the service: `handler` for those who are dialled, `streamToDuplex` and `exchange` for those who dial.
 *
 * ```ts
 * import { noise } from '@chainsafe/libp2p-noise'
 * import { yamux } from '@chainsafe/libp2p-yamux'
 * import { memory } from '@libp2p/memory'
 * import { pipe } from 'it-pipe'
 * import { createLibp2p } from 'libp2p'
 * import { exchange, handler, PROTOCOL, streamToDuplex } from 'libp2p-hash-exchange'
 *
 * const createNode = async (address?: string) => createLibp2p({
 *   addresses: { listen: address == null ? [] : [address] },
 *   transports: [memory()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()]
 * })
 *
 * const server = await createNode('/memory/example')
 *
 * await server.handle(PROTOCOL, handler(
 *   (hash) => ({ stream: [new TextEncoder().encode(`the content of ${hash}`)] }),
 *   (ex, connection) => {
 *     console.info('an exchange with', connection.remotePeer.toString())
 *     ex.provide(['a', 'b'])
 *   }
 * ))
 *
 * const client = await createNode()
 * const stream = await client.dialProtocol(server.getMultiaddrs(), PROTOCOL)
 * const duplex = streamToDuplex(stream)
 * const ex = exchange(() => undefined, { id: client.peerId.toString() })
 * const piped = pipe(duplex, ex, duplex)
 *
 * for (const hash of ['a', 'b']) {
 *   const response = await ex.get(hash)
 *
 *   for await (const chunk of response.stream) {
 *     console.info(hash, new TextDecoder().decode(chunk))
 *   }
 * }
 *
 * await ex.close()
 * await piped
 * await client.stop()
 * await server.stop()
 * ```
 *
 * @example Over any duplex
 *
 * An exchange is a duplex of async iterables: `source` gives the bytes for the other side, `sink` takes those from there. This is the
 * example of the original, which trades hashes over anything that carries bytes.
 *
 * ```ts
 * import { pipe } from 'it-pipe'
 * import { exchange } from 'libp2p-hash-exchange'
 * import type { Exchange } from 'libp2p-hash-exchange'
 *
 * const encoder = new TextEncoder()
 *
 * function peer (name: string, messages: Map<string, string>): Exchange {
 *   const ex = exchange((hash) => ({ stream: [encoder.encode(messages.get(hash))] }))
 *
 *   ex.provide(messages.keys())
 *
 *   ex.addEventListener('available', ({ detail: hashes }) => {
 *     ex.request(hashes)
 *   })
 *
 *   ex.addEventListener('response', ({ detail: { hash, stream } }) => {
 *     print(name, hash, stream).then(async () => ex.close()).catch(err => { ex.abort(err) })
 *   })
 *
 *   ex.addEventListener('failed', ({ detail: { hash, error } }) => {
 *     console.error(name, 'did not get', hash, error)
 *   })
 *
 *   return ex
 * }
 *
 * async function print (name: string, hash: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
 *   let message = ''
 *
 *   for await (const chunk of stream) {
 *     message += new TextDecoder().decode(chunk)
 *   }
 *
 *   console.info(name, 'got', hash, message)
 * }
 *
 * const a = peer('a', new Map([['1', 'beep'], ['2', 'boop'], ['3', 'hey yo']]))
 * const b = peer('b', new Map([['3', 'hey yo'], ['4', 'WHATEVER'], ['1', 'beep']]))
 *
 * await pipe(a, b, a)
 * ```
 */

import { Exchange as ExchangeClass } from './exchange/exchange.ts'
import { HashExchange as HashExchangeClass, streamHandler } from './hash-exchange.ts'
import type { CreateReadStream, Exchange, ExchangeInit } from './exchange/api.ts'
import type { ReplicateOptions, ReplicateResult, ReplicationEvents, ReplicationInit } from './replication/api.ts'
import type { AbortOptions, ComponentLogger, Connection, DialTarget, Libp2pEvents, Metrics, PeerId, PeerStore, StreamHandler, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'

export { PROTOCOL, PROTOCOL_4_1 } from './constants.ts'
export { BodyCutError, DuplicateSequenceError, ExchangeClosedError, ForeignIdError, HashMismatchError, IncompleteError, LimitError, PeerQuotaError, RemoteClosedError, RemoteError, StoreError, UnexpectedEndError, UnreadError, UnrequestedError, UntrustedPeerError } from './errors.ts'
export { Sketch } from './sketch/sketch.ts'
export { blockHash, parseBlockHash } from './store/block-hash.ts'
export { blockStore } from './store/block-store.ts'
export { StoreCorruptError } from './store/errors.ts'
export { streamToDuplex } from './stream-to-duplex.ts'
export type { StreamToDuplexOptions } from './stream-to-duplex.ts'
export type { ByteSource, Content, CreateReadStream, Exchange, ExchangeEvents, ExchangeFailure, ExchangeInit, ExchangeResponse, ReadStreamOptions } from './exchange/api.ts'
export type { ExchangeLimits } from './exchange/limits.ts'
export type { ReplicateMode, ReplicateOptions, ReplicateProgress, ReplicateProgressEvents, ReplicateResult, ReplicateTotals, ReplicationEvents, ReplicationInit } from './replication/api.ts'
export type { ReplicationLimits } from './replication/limits.ts'
export type { BlockStoreInit, BlockStoreOptions, BlockStoreParts } from './store/block-store.ts'
export type { Cells } from './sketch/cells.ts'
export type { SetSum } from './sketch/set-sum.ts'
export type { KeysSnapshot } from './sketch/sketch.ts'
export type { BlockSource, SketchSnapshot, Store, StoreCursor, StoreEntry, StoreEvents, StoreSketch } from './store/store.ts'

export interface HashExchangeComponents {
  peerId: PeerId
  registrar: Registrar
  connectionManager: ConnectionManager
  events: TypedEventTarget<Libp2pEvents>
  peerStore: PeerStore
  logger: ComponentLogger
  metrics?: Metrics
}

interface CommonServiceInit {
  /**
   * How many exchanges a peer may open over one connection, with each version of
   * the protocol
   *
   * @default 32
   */
  maxInboundStreams?: number

  /**
   * How many exchanges we may open over one connection, with each version of the
   * protocol
   *
   * @default 64
   */
  maxOutboundStreams?: number

  /**
   * Whether content may go over connections that are limited in bytes or time, such
   * as those over a public relay. Otherwise, where there is only such a connection,
   * `open` and `replicate` wait for a direct one, for which they dial the addresses
   * that the peer told, also by WebRTC; before that `replicate` finds out over the
   * limited one if both sides have the same.
   *
   * @default false
   */
  runOnLimitedConnection?: boolean
}

type Without<T> = { [Key in keyof T]?: undefined }

/**
 * For an application that decides itself what is announced and asked for
 */
export interface ExchangeServiceInit extends CommonServiceInit, ExchangeInit, Without<Omit<ReplicationInit, 'limits'>> {
  /**
   * Looks up the content of the hashes that are provided
   */
  createReadStream: CreateReadStream
}

/**
 * For the replication of a store
 */
export interface ReplicationServiceInit extends CommonServiceInit, Omit<ExchangeInit, 'limits' | 'provides'>, ReplicationInit {
  createReadStream?: undefined
  provides?: undefined
}

/**
 * With a `store`, or with `createReadStream`
 */
export type HashExchangeInit = ReplicationServiceInit | ExchangeServiceInit

export interface OpenOptions extends AbortOptions {
  /**
   * Overrides the option of the same name of the service
   */
  runOnLimitedConnection?: boolean
}

export interface HashExchangeEvents extends ReplicationEvents {
  /**
   * A peer has opened an exchange. Nothing is read from it before the listeners
   * have run.
   */
  exchange: CustomEvent<Exchange>
}

export interface HashExchange extends TypedEventTarget<HashExchangeEvents> {
  /**
   * The exchanges that are open
   */
  readonly exchanges: Exchange[]

  /**
   * Opens an exchange with a peer. Nothing is read from it before the task
   * after this one, so that listeners can be added. Without a signal it rejects
   * with TimeoutError after 30 seconds.
   */
  open(peer: DialTarget, options?: OpenOptions): Promise<Exchange>

  /**
   * Makes our store and that of a peer have the same content, as far as both
   * sides take and offer it. Resolves when both have confirmed that nothing is
   * outstanding (see `confirmed`), also if some hashes failed: then all is here that
   * the peer had, and we may have, when it was called, also where an exchange with the
   * peer was open. With `live` it goes on until it is aborted, or the remote ends it.
   *
   * Rejects with InvalidParametersError, NotStartedError, the reason of the
   * signal, what libp2p says of a peer that can't be reached, UntrustedPeerError,
   * IncompleteError, StoreError, LimitError, RemoteClosedError, TimeoutError, or
   * another error that ended the exchange. What had come until then is stored, and
   * not asked for again.
   */
  replicate(peer: DialTarget, options?: ReplicateOptions): Promise<ReplicateResult>
}

/**
 * One conversation over any byte duplex, to be piped to and from it
 */
export function exchange (createReadStream: CreateReadStream, init?: ExchangeInit): Exchange {
  return new ExchangeClass(createReadStream, init)
}

/**
 * Called for each exchange that a peer opens. Nothing is dispatched before it
 * returns, or awaits something for the first time. What it throws ends the
 * exchange.
 */
export interface OnExchange {
  (exchange: Exchange, connection: Connection): void | Promise<void>
}

/**
 * The exchange as a bare protocol handler
 */
export function handler (createReadStream: CreateReadStream, onExchange: OnExchange, init?: ExchangeInit): StreamHandler {
  return streamHandler(createReadStream, onExchange, init)
}

/**
 * The exchange as a libp2p service
 */
export function hashExchange (init: HashExchangeInit): (components: HashExchangeComponents) => HashExchange {
  return (components) => new HashExchangeClass(components, init)
}
