import { AbortError, ProtocolError, TimeoutError } from '@libp2p/interface'
import { logger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { TypedEventEmitter } from 'main-event'
import { raceSignal } from 'race-signal'
import { MAX_BATCH_HASHES } from '../constants.ts'
import { ExchangeClosedError, ForeignIdError, RemoteClosedError, UnexpectedEndError } from '../errors.ts'
import { Channels } from '../wire/channels.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { Announcer } from './announcer.ts'
import { checkSequence, hashLength, hashList } from './hashes.ts'
import { defaultLimits } from './limits.ts'
import { Provider } from './provider.ts'
import { Requester } from './requester.ts'
import type { CreateReadStream, Exchange as ExchangeInterface, ExchangeEvents, ExchangeInit, ExchangeResponse } from './api.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ProviderOwner } from './provider.ts'
import type { RequesterOwner } from './requester.ts'
import type { ChannelsHandler, InboundBody } from '../wire/channels.ts'
import type { RPCMessage } from '../wire/rpc-codec.ts'
import type { AbortOptions, Logger, PeerId } from '@libp2p/interface'
import type { Source } from 'it-stream-types'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * What only those who know the connection can say
 */
export interface ConnectedExchangeInit extends ExchangeInit {
  remotePeer?: PeerId
  protocol?: string
}

/**
 * One conversation: joins what we ask of the remote, what it asks of us, and
 * what we announce, over one stream
 */
export class Exchange extends TypedEventEmitter<ExchangeEvents> implements ExchangeInterface, RequesterOwner, ProviderOwner, ChannelsHandler {
  public readonly remotePeer?: PeerId
  public readonly protocol?: string
  /**
   * If the remote is known to run this implementation
   */
  public remoteIsOurs = false
  public readonly source: AsyncGenerator<Uint8ArrayList>

  readonly #limits: ExchangeLimits
  readonly #log: Logger
  readonly #writer = new FrameWriter()
  readonly #channels: Channels
  readonly #requester: Requester
  readonly #provider: Provider
  readonly #announcer: Announcer

  readonly #closed = Promise.withResolvers<void>()
  #closing = false
  #closeSent = false
  #remoteClosed = false
  #finished = false
  #inputEnded = false
  #error?: Error

  // the sender sleeps until there is something to send
  #awake = false
  #wakeSender?: () => void
  // the receiver waits for bytes, or for room
  #interruptRead?: (err: Error) => void
  #resumeRead?: () => void

  #timer?: ReturnType<typeof setInterval>
  #tickMs: number
  // for how long nothing has happened at the end of the exchange, in ms
  #quietFor = 0

  constructor (createReadStream: CreateReadStream, init: ConnectedExchangeInit = {}) {
    super()

    this.remotePeer = init.remotePeer
    this.protocol = init.protocol
    this.#log = init.log ?? logger('libp2p:hash-exchange')

    const limits = this.#limits = { ...defaultLimits, ...init.limits }
    const { serveTimeout, requestTimeout, rateWindow, unreadTimeout, closeTimeout, quietTimeout } = limits
    const shortest = Math.min(serveTimeout, requestTimeout, rateWindow, unreadTimeout, closeTimeout, quietTimeout)

    this.#tickMs = Math.max(5, Math.min(1000, shortest / 4))
    this.#channels = new Channels(this, limits)
    this.#requester = new Requester(this, this.#writer, limits)
    this.#provider = new Provider(createReadStream, this, this.#writer, limits)
    this.#announcer = new Announcer(() => { this.wake() }, this.#writer, limits, init.provides)

    // whoever waits for it is told; it may be that nobody does
    this.#closed.promise.catch(() => {})

    if (init.id != null && init.id !== false) {
      hashLength(init.id, limits.maxHashBytes)
      this.#writer.rpc({ type: RPCType.ID, hashes: [init.id, ''] })
    }

    this.source = this.#send()
  }

  readonly [Symbol.toStringTag] = 'libp2p-hash-exchange/exchange'

  // what the application says

  async provide (hashes: string | Iterable<string> | AsyncIterable<string>, options?: AbortOptions): Promise<void> {
    const provided = this.#announcer.provide(hashes, options?.signal)

    // nobody has to await it
    provided.catch(err => { this.#log('could not provide - %e', err) })

    return provided
  }

  unprovide (hashes: string | Iterable<string>): void {
    this.#announcer.unprovide(hashes)
  }

  request (hashes: string | Iterable<string>): void {
    for (const hash of hashList(hashes)) {
      if (this.#takesRequests) {
        this.#requester.request(hash)
      } else {
        // not thrown, as the remote may close at any time
        this.onFailed(hash, this.#refusal)
      }
    }
  }

  async get (hash: string, options?: AbortOptions): Promise<ExchangeResponse> {
    if (!this.#takesRequests) {
      throw this.#refusal
    }

    this.#startClock()

    return this.#requester.get(hash, options?.signal)
  }

  since (sequence: number): void {
    checkSequence(sequence, -1)
    this.#tell({ type: RPCType.SINCE, sequence: sequence + 1 })
  }

  seen (sequence: number): void {
    checkSequence(sequence, -1)
    this.#tell({ type: RPCType.SEEN, sequence: sequence + 1 })
  }

  async close (options?: AbortOptions): Promise<void> {
    this.#close()
    this.#startClock()

    try {
      await raceSignal(this.#closed.promise, options?.signal)
    } catch (err: any) {
      this.abort(err)
      throw err
    }
  }

  abort (err: Error = new AbortError()): void {
    this.#end(err)
  }

  // the stream

  sink = async (source: Source<Uint8Array | Uint8ArrayList>): Promise<void> => {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()

    try {
      this.#startClock()

      while (this.#error == null) {
        const { done, value } = await this.#interruptible(iterator.next())

        if (done === true) {
          this.#onInputEnd()
          return
        }

        await this.#read(value)
      }

      throw this.#error
    } catch (err: any) {
      if (!this.#finished) {
        this.#end(err)
        throw err
      }
    } finally {
      this.#inputEnded = true

      if (this.#finished) {
        this.#stopClock()
      }

      // it may be in the middle of something, and nobody reads it any more
      Promise.resolve(iterator.return?.()).catch(() => {})
    }
  }

  async * #send (): AsyncGenerator<Uint8ArrayList> {
    try {
      this.#startClock()

      while (true) {
        this.#awake = false
        this.#fill()

        if (this.#error != null) {
          throw this.#error
        }

        if (this.#writer.byteLength > 0) {
          this.#quietFor = 0
          yield this.#writer.take()
        } else if (this.#isOver) {
          this.#finish()
          return
        } else if (!this.#awake) {
          await new Promise<void>(resolve => { this.#wakeSender = resolve })
        }
      }
    } finally {
      this.#end(new UnexpectedEndError('The stream was closed for writing before the exchange was closed'))
    }
  }

  // RequesterOwner, ProviderOwner

  wake (): void {
    this.#awake = true

    if (this.#wakeSender != null) {
      const wakeSender = this.#wakeSender
      this.#wakeSender = undefined
      wakeSender()
    }
  }

  onRoom (): void {
    this.#resumeRead?.()
  }

  discard (channel: number): void {
    this.#channels.discard(channel)
  }

  get requests (): { sent: number, answered: number } {
    return this.#requester
  }

  isProvided (hash: string): boolean {
    return this.#announcer.isProvided(hash)
  }

  onResponse (response: ExchangeResponse): boolean {
    if (this.listenerCount('response') === 0) {
      return false
    }

    this.safeDispatchEvent('response', { detail: response })
    return true
  }

  onFailed (hash: string, error: Error): void {
    this.#log('no response for "%s" - %e', hash, error)
    this.safeDispatchEvent('failed', { detail: { hash, error } })
  }

  onUnsent (hash: string, error: Error): void {
    this.#log('could not send "%s" - %e', hash, error)
    this.safeDispatchEvent('unsent', { detail: { hash, error } })
  }

  // ChannelsHandler

  message (message: Required<RPCMessage>): void {
    if (this.#remoteClosed && this.remoteIsOurs) {
      throw new ProtocolError(`The remote sent ${message.type} after its CLOSE`)
    }

    HANDLERS[message.type](this, message)
  }

  body (sequence: number, channel: number): InboundBody | undefined {
    return this.#requester.onBody(sequence, channel)
  }

  cancelled (channel: number, sequence: number): void {
    this.#provider.cancelled(channel, sequence)
  }

  onAvailable (hashes: string[]): void {
    for (let i = 0; i < hashes.length; i += MAX_BATCH_HASHES) {
      const detail = hashes.slice(i, i + MAX_BATCH_HASHES).filter(hash => !this.isProvided(hash))

      if (detail.length > 0) {
        this.safeDispatchEvent('available', { detail })
      }
    }
  }

  onRequest (hashes: string[]): void {
    if (this.#closeSent) {
      // the CLOSE that tells the remote so is on its way
      this.#log('ignored a request of %d hashes, as we have closed', hashes.length)
    } else {
      this.#provider.onRequest(hashes)
    }
  }

  onHashes (mapping: RPCMessage['mapping']): void {
    this.#requester.onHashes(mapping ?? [])
  }

  onSequence (type: 'since' | 'seen', sequence: number): void {
    this.safeDispatchEvent(type, { detail: sequence - 1 })
  }

  onId ([id, log]: string[]): void {
    if (log != null) {
      this.remoteIsOurs = true
    }

    if (id != null && id !== '') {
      if (this.remotePeer != null && isForeign(id, this.remotePeer)) {
        throw new ForeignIdError(`The remote, ${this.remotePeer}, claimed to be ${id}`)
      }

      this.safeDispatchEvent('id', { detail: id })
    }

    // bodies may have waited to know who asks for them
    this.wake()
  }

  onClose (): void {
    this.#remoteClosed = true

    if (this.remoteIsOurs) {
      // neither does it answer any more, nor can it ask for anything
      this.#requester.onRemoteClose()
      this.#close()
    }

    this.wake()
  }

  // what happens inside

  get #takesRequests (): boolean {
    return !this.#closing && this.#error == null
  }

  /**
   * Why nothing more can be requested
   */
  get #refusal (): Error {
    return this.#error ?? (this.#remoteClosed ? new RemoteClosedError() : new ExchangeClosedError())
  }

  /**
   * If nothing is left to be said or heard
   */
  get #isOver (): boolean {
    return this.#closeSent && this.#remoteClosed && this.#requester.settled && this.#provider.idle
  }

  /**
   * If the remote has to wait before more is read. While it owes us something
   * its requests do not make it wait: it might wait for us in the same way.
   */
  get #isFull (): boolean {
    return this.#requester.full || (this.#provider.full && !this.#requester.owed)
  }

  /**
   * Writes what can be sent now, up to one full send: answers and requests
   * first, then bodies, then one announcement
   */
  #fill (): void {
    this.#requester.fill()
    this.#provider.fill()
    this.#announcer.fill()

    if (this.#closing && !this.#closeSent && this.#requester.settled && this.#provider.answered && this.#announcer.idle) {
      this.#closeSent = true
      this.#writer.rpc({ type: RPCType.CLOSE })
    }
  }

  async #read (chunk: Uint8Array | Uint8ArrayList): Promise<void> {
    if (this.#finished) {
      return
    }

    this.#quietFor = 0
    this.#channels.push(chunk)

    while (this.#channels.read() && this.#error == null) {
      while (this.#isFull && this.#error == null) {
        await new Promise<void>(resolve => { this.#resumeRead = resolve })
      }
    }
  }

  /**
   * Waits for the next chunk, or for the end of the exchange. (A race with a
   * promise that lives as long as the exchange would keep every chunk alive.)
   */
  async #interruptible <T> (promise: T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#interruptRead = reject
      Promise.resolve(promise).then(resolve, reject)
    })
  }

  #onInputEnd (): void {
    if (this.#finished) {
      return
    }

    if (!this.#channels.atBoundary) {
      throw new UnexpectedEndError('The stream ended within a frame')
    }

    if (!this.#requester.settled || !(this.#remoteClosed || this.#closeSent)) {
      throw new UnexpectedEndError()
    }

    this.#remoteClosed = true
    this.#close()
  }

  #tell (message: RPCMessage): void {
    if (this.#closeSent || this.#error != null) {
      this.#log('did not send %s, as the exchange is closed', message.type)
      return
    }

    this.#writer.rpc(message)
    this.wake()
  }

  #close (): void {
    this.#closing = true
    this.#quietFor = 0
    this.#announcer.close(new ExchangeClosedError())
    this.wake()
  }

  /**
   * Both sides have closed, and all that was promised is sent
   */
  #finish (): void {
    this.#finished = true
    this.#quietFor = 0

    if (this.#inputEnded) {
      this.#stopClock()
    }

    this.#provider.end(new ExchangeClosedError())
    this.#announcer.end(new ExchangeClosedError())
    this.#closed.resolve()
    this.safeDispatchEvent('close', { detail: null })
  }

  #end (err: Error): void {
    if (this.#finished || this.#error != null) {
      return
    }

    this.#error = err
    this.#log('ended - %e', err)
    this.#requester.end(err)
    this.#provider.end(err)
    this.#announcer.end(err)
    this.#stopClock()
    this.#closed.reject(err)
    this.#interruptRead?.(err)
    this.onRoom()
    this.wake()
    this.safeDispatchEvent('close', { detail: err })
  }

  #startClock (): void {
    if (this.#timer == null && this.#error == null && !this.#finished) {
      this.#timer = setInterval(() => { this.#tick() }, this.#tickMs)
      // it keeps no process alive
      this.#timer.unref?.()
    }
  }

  #stopClock (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick (): void {
    try {
      this.#provider.tick(this.#tickMs)
      this.#requester.tick(this.#tickMs)
      this.#tickClose()
    } catch (err: any) {
      this.#end(err)
    }
  }

  #tickClose (): void {
    if (this.#requester.full) {
      // we make the remote wait
      return
    }

    this.#quietFor += this.#tickMs

    if (this.#finished) {
      if (this.#quietFor >= this.#limits.closeTimeout) {
        // all was said, only the end of the stream did not come
        this.#interruptRead?.(new TimeoutError())
      }
    } else if (!this.#closing) {
      if (this.#remoteClosed && this.#requester.settled && this.#provider.idle && this.#quietFor >= this.#limits.quietTimeout) {
        this.#close()
      }
    } else if (this.#requester.settled && this.#provider.answered && this.#quietFor >= this.#limits.closeTimeout) {
      this.#end(new TimeoutError(`The remote did not close within ${this.#limits.closeTimeout} ms`))
    }
  }
}

/**
 * What is done with each type of message
 */
const HANDLERS: Record<RPCType, (exchange: Exchange, message: Required<RPCMessage>) => void> = {
  [RPCType.AVAILABLE]: (exchange, { hashes }) => { exchange.onAvailable(hashes) },
  [RPCType.REQUEST]: (exchange, { hashes }) => { exchange.onRequest(hashes) },
  [RPCType.HASHES]: (exchange, { mapping }) => { exchange.onHashes(mapping) },
  [RPCType.SINCE]: (exchange, { sequence }) => { exchange.onSequence('since', sequence) },
  [RPCType.SEEN]: (exchange, { sequence }) => { exchange.onSequence('seen', sequence) },
  [RPCType.ID]: (exchange, { hashes }) => { exchange.onId(hashes) },
  [RPCType.CLOSE]: (exchange) => { exchange.onClose() }
}

function isForeign (claim: string, peer: PeerId): boolean {
  try {
    return !peerIdFromString(claim).equals(peer)
  } catch {
    // not a peer ID at all
    return false
  }
}
