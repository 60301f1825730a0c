import { AbortError, NotStartedError } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { setMaxListeners, TypedEventEmitter } from 'main-event'
import { PROTOCOL } from './constants.ts'
import { toError } from './errors.ts'
import { checkInit, Exchange } from './exchange/exchange.ts'
import { streamToDuplex } from './stream-to-duplex.ts'
import type { CreateReadStream, Exchange as ExchangeInterface, ExchangeInit } from './exchange/api.ts'
import type { HashExchange as HashExchangeInterface, HashExchangeComponents, HashExchangeEvents, HashExchangeInit, OnExchange, OpenOptions } from './index.ts'
import type { Connection, DialTarget, Startable, Stream, StreamHandler } from '@libp2p/interface'

/**
 * Makes a handler for `node.handle(PROTOCOL, …)`
 */
export function streamHandler (createReadStream: CreateReadStream, onExchange: OnExchange, init: ExchangeInit = {}): StreamHandler {
  checkInit(createReadStream, init)

  return async (stream, connection) => {
    const exchange = createExchange(createReadStream, stream, connection, { id: '', ...init })

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

export class HashExchange extends TypedEventEmitter<HashExchangeEvents> implements HashExchangeInterface, Startable {
  readonly #components: HashExchangeComponents
  readonly #init: HashExchangeInit
  readonly #exchanges = new Set<Exchange>()
  #started = false

  constructor (components: HashExchangeComponents, init: HashExchangeInit) {
    super()

    checkInit(init.createReadStream, init)
    this.#components = components
    this.#init = init
  }

  readonly [Symbol.toStringTag] = 'libp2p-hash-exchange'

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

    await this.#components.registrar.handle(PROTOCOL, async (stream, connection) => {
      const exchange = this.#create(stream, connection)

      this.safeDispatchEvent('exchange', { detail: exchange })

      await run(exchange, stream)
    }, {
      maxInboundStreams: this.#init.maxInboundStreams,
      maxOutboundStreams: this.#init.maxOutboundStreams,
      runOnLimitedConnection: this.#init.runOnLimitedConnection
    })

    this.#started = true
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

    await this.#components.registrar.unhandle(PROTOCOL)

    for (const exchange of this.exchanges) {
      exchange.abort(new AbortError('The service was stopped'))
    }
  }

  async open (peer: DialTarget, options: OpenOptions = {}): Promise<ExchangeInterface> {
    this.#checkStarted()

    const signal = options.signal ?? AbortSignal.timeout(OPEN_TIMEOUT)
    setMaxListeners(Infinity, signal)

    const runOnLimitedConnection = options.runOnLimitedConnection ?? this.#init.runOnLimitedConnection
    const connection = await this.#components.connectionManager.openConnection(peer, { ...options, signal })
    const stream = await connection.newStream(PROTOCOL, { ...options, runOnLimitedConnection, maxOutboundStreams: this.#init.maxOutboundStreams, signal })

    try {
      this.#checkStarted()
    } catch (err: any) {
      stream.abort(err)
      throw err
    }

    const exchange = this.#create(stream, connection)

    // not before the task after this one, in which the caller adds listeners
    setTimeout(() => {
      run(exchange, stream).catch(err => {
        stream.log('exchange failed - %e', err)
      })
    })

    return exchange
  }

  #checkStarted (): void {
    if (!this.#started) {
      throw new NotStartedError('The service is not started')
    }
  }

  #create (stream: Stream, connection: Connection): Exchange {
    const exchange = createExchange(this.#init.createReadStream, stream, connection, {
      ...this.#init,
      id: this.#init.id ?? this.#components.peerId.toString()
    })

    this.#exchanges.add(exchange)
    exchange.addEventListener('close', () => { this.#exchanges.delete(exchange) }, { once: true })

    return exchange
  }
}

function createExchange (createReadStream: CreateReadStream, stream: Stream, connection: Connection, init: ExchangeInit): Exchange {
  return new Exchange(createReadStream, {
    ...init,
    log: init.log ?? stream.log.newScope('hash-exchange'),
    remotePeer: connection.remotePeer,
    protocol: stream.protocol
  })
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

  const duplex = streamToDuplex(stream)

  await pipe(duplex, exchange, duplex)
}
