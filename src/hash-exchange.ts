import { AbortError, ConnectionFailedError, InvalidParametersError, isPeerId, NotStartedError, serviceCapabilities, serviceDependencies } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { setMaxListeners, TypedEventEmitter } from 'main-event'
import { PROTOCOL, PROTOCOL_4_1, WINDOW } from './constants.ts'
import { openDirectConnection } from './direct-connection.ts'
import { toError, UnexpectedEndError } from './errors.ts'
import { checkInit, Exchange } from './exchange/exchange.ts'
import { checkSequence } from './exchange/hashes.ts'
import { exchangeLimits } from './exchange/limits.ts'
import { PendingOfPeers } from './exchange/pending.ts'
import { AutoReplication } from './replication/auto-replication.ts'
import { ReplicationMetrics } from './replication/metrics.ts'
import { Replicator } from './replication/replicator.ts'
import { checkServiceInit } from './service-init.ts'
import { streamToDuplex } from './stream-to-duplex.ts'
import type { CreateReadStream, Exchange as ExchangeInterface, ExchangeInit } from './exchange/api.ts'
import type { ConnectedExchangeInit } from './exchange/exchange.ts'
import type { HashExchange as HashExchangeInterface, HashExchangeComponents, HashExchangeEvents, HashExchangeInit, OnExchange, OpenOptions } from './index.ts'
import type { ReplicateOptions, ReplicateResult, ReplicationEvents } from './replication/api.ts'
import type { ReplicationExchange } from './replication/replication-exchange.ts'
import type { ReplicatorOwner } from './replication/replicator.ts'
import type { Connection, DialTarget, PeerId, Startable, Stream, StreamHandler } from '@libp2p/interface'

/**
 * Makes a handler for `node.handle(PROTOCOL, …)`
 */
export function streamHandler (createReadStream: CreateReadStream, onExchange: OnExchange, init: ExchangeInit = {}): StreamHandler {
  checkInit(createReadStream, init)

  if (typeof onExchange !== 'function') {
    throw new InvalidParametersError('onExchange must be a function, which is called for each exchange that a peer opens')
  }

  const pending = new PendingOfPeers()

  return async (stream, connection) => {
    const exchange = createExchange(createReadStream, stream, connection, { id: '', ...init }, pending)

    // it adds its listeners at once, and what it waits for then is read meanwhile
    const called = (async () => { await onExchange(exchange, connection) })()
    called.catch(err => { exchange.abort(toError(err)) })

    await run(exchange, stream)
  }
}

/**
 * How long a peer may take to accept a connection and a stream, in ms, if the
 * caller gives no signal
 */
const OPEN_TIMEOUT = 30_000

export class HashExchange extends TypedEventEmitter<HashExchangeEvents> implements HashExchangeInterface, Startable, ReplicatorOwner {
  readonly #components: HashExchangeComponents
  readonly #init: HashExchangeInit
  readonly #createReadStream: CreateReadStream
  readonly #exchanges = new Set<Exchange>()
  readonly #replicator?: Replicator
  readonly #autoReplication?: AutoReplication
  readonly #metrics: ReplicationMetrics
  readonly #pending = new PendingOfPeers()
  readonly #handled: string[] = []
  #started = false

  constructor (components: HashExchangeComponents, init: HashExchangeInit) {
    super()

    checkServiceInit(init)

    this.#components = components
    this.#init = init
    this.#replicator = init.store == null ? undefined : new Replicator(this, init)
    this.#createReadStream = init.createReadStream ?? (this.#replicator as Replicator).createReadStream
    checkInit(this.#createReadStream, this.#exchangeInit)
    this.#metrics = new ReplicationMetrics(components.metrics, {
      exchanges: () => this.#exchanges.size,
      wants: () => this.#replicator?.table.size ?? 0
    })

    if (init.autoReplicate != null) {
      this.#autoReplication = new AutoReplication({
        registrar: components.registrar,
        log: components.logger.forComponent('libp2p:hash-exchange'),
        selects: init.autoReplicate,
        replicate: async (peer, signal) => this.replicate(peer, { live: true, signal }),
        runOnLimitedConnection: init.runOnLimitedConnection
      })
    }
  }

  readonly [Symbol.toStringTag] = 'libp2p-hash-exchange'

  readonly [serviceCapabilities]: string[] = ['@libp2p/hash-exchange']

  /**
   * Who speaks the protocol is known from identify
   */
  get [serviceDependencies] (): string[] {
    return this.#autoReplication == null ? [] : ['@libp2p/identify']
  }

  get exchanges (): ExchangeInterface[] {
    return [...this.#exchanges]
  }

  isStarted (): boolean {
    return this.#started
  }

  async start (): Promise<void> {
    if (this.#started) {
      return
    }

    const { maxInboundStreams, maxOutboundStreams, runOnLimitedConnection } = this.#init

    const handle: StreamHandler = async (stream, connection) => {
      const exchange = this.#replicator == null
        ? this.#create(stream, connection)
        : this.#createReplication(this.#replicator, stream, connection, false, connection.limits != null && runOnLimitedConnection !== true)

      this.safeDispatchEvent('exchange', { detail: exchange })

      await run(exchange, stream)
    }

    try {
      for (const protocol of this.#protocols) {
        await this.#components.registrar.handle(protocol, handle, {
          maxInboundStreams,
          maxOutboundStreams,
          // to find out if there is anything to be brought
          runOnLimitedConnection: runOnLimitedConnection === true || protocol === PROTOCOL_4_1
        })
        this.#handled.push(protocol)
      }
    } catch (err) {
      await this.#unhandle()
      throw err
    }

    this.#started = true
    this.#replicator?.start()
    await this.#autoReplication?.start()
  }

  /**
   * Before the connections are closed, which happens while services stop: what
   * ends the exchanges has the right name then
   */
  async beforeStop (): Promise<void> {
    await this.stop()
  }

  async stop (): Promise<void> {
    if (!this.#started) {
      return
    }

    this.#started = false
    this.#autoReplication?.stop()

    await this.#unhandle()

    for (const exchange of this.exchanges) {
      exchange.abort(new AbortError('The service was stopped'))
    }

    this.#replicator?.stop()
  }

  async open (peer: DialTarget, options: OpenOptions = {}): Promise<ExchangeInterface> {
    checkTarget(peer)

    const connection = await this.#connectDirectly(peer, options)

    return this.#open(connection, [PROTOCOL], options, stream => this.#create(stream, connection))
  }

  async replicate (peer: DialTarget, options: ReplicateOptions = {}): Promise<ReplicateResult> {
    const replicator = this.#replicator

    if (replicator == null) {
      throw new InvalidParametersError('To replicate, the service needs a store: hashExchange({ store })')
    }

    checkTarget(peer)
    checkReplicateOptions(options)
    this.#checkStarted()

    return replicator.replicate(isPeerId(peer) ? peer : (await this.#connect(peer, options)).remotePeer, options)
  }

  // ReplicatorOwner

  get id (): string {
    return this.#components.peerId.toString()
  }

  async openReplication (peer: PeerId, options: ReplicateOptions, mayBeRelayed: boolean): Promise<ReplicationExchange> {
    const replicator = this.#replicator as Replicator
    const relay = mayBeRelayed && !this.#runsOnLimited(options) ? await this.#relayed(peer, options) : undefined

    if (relay != null) {
      try {
        return await this.#open(relay, [PROTOCOL_4_1], options, stream => this.#createReplication(replicator, stream, relay, true, true), true)
      } catch (err) {
        options.signal?.throwIfAborted()
        this.#components.logger.forComponent('libp2p:hash-exchange')('nothing is compared over a relay with %p - %e', peer, err)
      }
    }

    const connection = await this.#connectDirectly(peer, options)

    return this.#open(connection, this.#protocols, options, stream => this.#createReplication(replicator, stream, connection, true, false))
  }

  dispatch<K extends keyof ReplicationEvents> (type: K, detail: ReplicationEvents[K]['detail']): void {
    if (this.listenerCount(type) > 0) {
      this.safeDispatchEvent<any>(type, { detail })
    }
  }

  onReceived (bytes: number): void {
    this.#metrics.onReceived(bytes)
  }

  onSent (bytes: number): void {
    this.#metrics.onSent(bytes)
  }

  onFailed (error: Error): void {
    this.#metrics.onFailed(error)
  }

  onUseless (hashes: number): void {
    this.#metrics.onUseless(hashes)
  }

  async #connect (peer: DialTarget, options: OpenOptions): Promise<Connection> {
    return orError(this.#components.connectionManager.openConnection(peer, { signal: signalOf(options) }))
  }

  /**
   * A connection over which content may go
   */
  async #connectDirectly (peer: DialTarget, options: OpenOptions): Promise<Connection> {
    this.#checkStarted()

    return this.#runsOnLimited(options) ? this.#connect(peer, options) : orError(openDirectConnection(this.#components, peer, { signal: signalOf(options) }))
  }

  /**
   * The connection to a peer, if it is one over a relay
   */
  async #relayed (peer: PeerId, options: OpenOptions): Promise<Connection | undefined> {
    const { connectionManager } = this.#components
    const open = connectionManager.getConnections(peer).filter(({ status }) => status === 'open')

    if (open.some(({ limits }) => limits == null)) {
      return
    }

    const connection = open[0] ?? await this.#connect(peer, options)

    return connection.limits == null ? undefined : connection
  }

  #runsOnLimited (options: OpenOptions): boolean {
    return options.runOnLimitedConnection ?? this.#init.runOnLimitedConnection ?? false
  }

  async #open<T extends Exchange> (connection: Connection, protocols: string[], options: OpenOptions, create: (stream: Stream) => T, runOnLimitedConnection = this.#runsOnLimited(options)): Promise<T> {
    this.#checkStarted()

    const stream = await orError(connection.newStream(protocols, { runOnLimitedConnection, maxOutboundStreams: this.#init.maxOutboundStreams, signal: signalOf(options) }))

    try {
      this.#checkStarted()
    } catch (err: any) {
      stream.abort(err)
      throw err
    }

    const exchange = create(stream)

    // not before the task after this one, in which the caller adds listeners
    setTimeout(() => {
      run(exchange, stream).catch(err => {
        stream.log('exchange failed - %e', err)
      })
    })

    return exchange
  }

  async #unhandle (): Promise<void> {
    for (const protocol of this.#handled.splice(0)) {
      await this.#components.registrar.unhandle(protocol)
    }
  }

  /**
   * What is spoken, the best one first
   */
  get #protocols (): string[] {
    return this.#replicator == null ? [PROTOCOL] : [PROTOCOL_4_1, PROTOCOL]
  }

  #checkStarted (): void {
    if (!this.#started) {
      throw new NotStartedError('The service is not started')
    }
  }

  get #exchangeInit (): ExchangeInit {
    const { id, log, limits, window } = this.#init

    return {
      id: id ?? this.id,
      log,
      window,
      limits: this.#replicator == null ? limits : exchangeLimits(this.#replicator.limits),
      // the store and `allow` decide, when content is looked up
      provides: this.#replicator == null ? this.#init.provides : () => true
    }
  }

  #create (stream: Stream, connection: Connection): Exchange {
    return this.#add(createExchange(this.#createReadStream, stream, connection, this.#exchangeInit, this.#pending))
  }

  #createReplication (replicator: Replicator, stream: Stream, connection: Connection, opener: boolean, relayed: boolean): ReplicationExchange {
    return this.#add(replicator.create(stream, connection.remotePeer, opener, {
      relayed,
      ...this.#exchangeInit,
      ...transportInit(stream, this.#init),
      pending: this.#pending.of(connection.remotePeer, replicator.limits)
    }))
  }

  #add<T extends Exchange> (exchange: T): T {
    this.#exchanges.add(exchange)
    exchange.addEventListener('close', () => { this.#exchanges.delete(exchange) }, { once: true })

    return exchange
  }
}

/**
 * With a string libp2p would throw a TypeError
 */
function checkTarget (peer: DialTarget): void {
  const addresses = Array.isArray(peer) ? peer : [peer]

  if (!isPeerId(peer) && addresses.some((address: any) => typeof address?.getComponents !== 'function')) {
    throw new InvalidParametersError(`The peer must be a PeerId, a Multiaddr or an array of Multiaddrs, not ${String(peer)}: multiaddr() of @multiformats/multiaddr makes one of a text`)
  }
}

function checkReplicateOptions ({ mode, since }: ReplicateOptions): void {
  if (mode != null && !['sync', 'pull', 'push'].includes(mode)) {
    throw new InvalidParametersError(`The mode must be sync, pull or push, not ${String(mode)}`)
  }

  if (since != null) {
    checkSequence(since, -1)
  }
}

function createExchange (createReadStream: CreateReadStream, stream: Stream, connection: Connection, init: ExchangeInit, pending: PendingOfPeers): Exchange {
  return new Exchange(createReadStream, {
    ...init,
    ...transportInit(stream, init),
    pending: pending.of(connection.remotePeer, init.limits),
    log: init.log ?? stream.log.newScope('hash-exchange'),
    remotePeer: connection.remotePeer,
    protocol: stream.protocol
  })
}

/**
 * libp2p also rejects with events: that a stream has closed, where it waited for
 * another one, or what a WebSocket has failed with
 */
async function orError<T> (result: Promise<T>): Promise<T> {
  try {
    return await result
  } catch (thrown: any) {
    // that of a WebSocket may be no Event of this platform
    if (thrown instanceof Error || typeof thrown?.type !== 'string') {
      throw thrown
    }

    const { type, error, message = '' }: { type: string, error?: unknown, message?: string } = thrown

    if (error instanceof Error) {
      throw error
    }

    throw type === 'close' ? new UnexpectedEndError() : Object.assign(new ConnectionFailedError(message === '' ? 'The connection failed without a reason' : message), { cause: thrown })
  }
}

function signalOf ({ signal = AbortSignal.timeout(OPEN_TIMEOUT) }: OpenOptions): AbortSignal {
  setMaxListeners(Infinity, signal)

  return signal
}

/**
 * What an exchange has to know of its stream. Yamux holds back the remote itself, and
 * the size of its messages is that of its window at the time.
 */
function transportInit (stream: Stream, { window }: ExchangeInit): Pick<ConnectedExchangeInit, 'window' | 'maxMessageBytes'> {
  // that of WebRTC, and others that js-libp2p has, know the size
  const { maxMessageSize }: Stream & { maxMessageSize?: number } = stream

  return 'maxStreamWindowSize' in stream ? { window } : { window: window ?? WINDOW, maxMessageBytes: maxMessageSize }
}

/**
 * Carries an exchange over a stream
 */
async function run (exchange: Exchange, stream: Stream): Promise<void> {
  // neither side of the pipeline may be running when it is aborted
  exchange.addEventListener('close', ({ detail: err }) => {
    if (err != null) {
      stream.abort(err)
    }
  }, { once: true })

  const { source, sink } = streamToDuplex(stream)

  await pipe(source, exchange, async source => {
    try {
      await sink(source)
    } catch (err) {
      exchange.loseOutput(toError(err))
      throw err
    }
  })
}
