/**
 * @packageDocumentation
 *
 * Trade hashes with libp2p peers to replicate content-addressed data.
 */

import { Exchange as ExchangeClass } from './exchange/exchange.ts'
import { HashExchange as HashExchangeClass, streamHandler } from './hash-exchange.ts'
import type { CreateReadStream, Exchange, ExchangeInit } from './exchange/api.ts'
import type { AbortOptions, Connection, DialTarget, PeerId, StreamHandler, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'

export { PROTOCOL } from './constants.ts'
export * from './errors.ts'
export { streamToDuplex } from './stream-to-duplex.ts'
export type { StreamToDuplexOptions } from './stream-to-duplex.ts'
export type { ByteSource, Content, CreateReadStream, Exchange, ExchangeEvents, ExchangeFailure, ExchangeInit, ExchangeResponse, ReadStreamOptions } from './exchange/api.ts'
export type { ExchangeLimits } from './exchange/limits.ts'

export interface HashExchangeComponents {
  peerId: PeerId
  registrar: Registrar
  connectionManager: ConnectionManager
}

export interface HashExchangeInit extends ExchangeInit {
  /**
   * Looks up the content of the hashes that are provided
   */
  createReadStream: CreateReadStream

  /**
   * How many exchanges a peer may open over one connection
   *
   * @default 32
   */
  maxInboundStreams?: number

  /**
   * How many exchanges we may open over one connection
   *
   * @default 64
   */
  maxOutboundStreams?: number

  /**
   * Whether to run over connections that are limited in bytes or time, such as
   * those over a public relay
   *
   * @default false
   */
  runOnLimitedConnection?: boolean
}

export interface OpenOptions extends AbortOptions {
  /**
   * Overrides the option of the same name of the service
   */
  runOnLimitedConnection?: boolean
}

export interface HashExchangeEvents {
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
}

/**
 * One conversation over any byte duplex, to be piped to and from it
 */
export function exchange (createReadStream: CreateReadStream, init?: ExchangeInit): Exchange {
  return new ExchangeClass(createReadStream, init)
}

/**
 * The exchange as a bare protocol handler
 */
export function handler (createReadStream: CreateReadStream, onExchange: (exchange: Exchange, connection: Connection) => void, init?: ExchangeInit): StreamHandler {
  return streamHandler(createReadStream, onExchange, init)
}

/**
 * The exchange as a libp2p service
 */
export function hashExchange (init: HashExchangeInit): (components: HashExchangeComponents) => HashExchange {
  return (components) => new HashExchangeClass(components, init)
}
