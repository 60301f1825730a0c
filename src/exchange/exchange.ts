import { AbortError, InvalidParametersError } from '@libp2p/interface'
import { logger } from '@libp2p/logger'
import { TypedEventEmitter } from 'main-event'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { raceSignal } from 'race-signal'
import { MAX_BATCH_HASHES, MIN_WINDOW } from '../constants.ts'
import { ForeignIdError, toError } from '../errors.ts'
import { MAX_SEQUENCE, RPCType } from '../wire/rpc-codec.ts'
import { checkSequence, hashLength, hashList } from './hashes.ts'
import { defaultLimits, withDefaults } from './limits.ts'
import { Session } from './session.ts'
import type { CreateReadStream, Exchange as ExchangeInterface, ExchangeEvents, ExchangeInit, ExchangeResponse } from './api.ts'
import type { ExchangeLimits } from './limits.ts'
import type { Pending } from './pending.ts'
import type { SessionOwner } from './session.ts'
import type { ReceivedRPC } from '../wire/rpc-codec.ts'
import type { AbortOptions, Logger, PeerId } from '@libp2p/interface'
import type { Source } from 'it-stream-types'
import type { MultihashDigest } from 'multiformats'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * The codec of a CID that names a peer
 */
const LIBP2P_KEY = 0x72

/**
 * The shortest public key that is a peer ID itself, an Ed25519 key in a protobuf
 */
const MIN_KEY_BYTES = 36

/**
 * What only those who know the connection can say
 */
export interface ConnectedExchangeInit extends ExchangeInit {
  remotePeer?: PeerId
  protocol?: string
  /**
   * The ID of the log whose hashes are announced, if there is one
   */
  logId?: string
  /**
   * What waits for us on all exchanges with the remote
   */
  pending?: Pending
  /**
   * The size of the messages into which the stream cuts what it sends
   */
  maxMessageBytes?: number
}

/**
 * An exchange as the application sees it
 */
export class Exchange extends TypedEventEmitter<ExchangeEvents> implements ExchangeInterface, SessionOwner {
  public readonly remotePeer?: PeerId
  public readonly protocol?: string
  public readonly source: AsyncGenerator<Uint8ArrayList>

  protected readonly session: Session
  protected readonly log: Logger

  constructor (createReadStream: CreateReadStream, init: ConnectedExchangeInit = {}) {
    super()

    const limits = checkInit(createReadStream, init)

    this.remotePeer = init.remotePeer
    this.protocol = init.protocol
    this.log = init.log ?? logger('libp2p:hash-exchange')

    this.session = new Session(createReadStream, this, {
      limits,
      peer: init.remotePeer,
      provides: init.provides,
      pending: init.pending,
      window: init.window,
      maxMessageBytes: init.maxMessageBytes
    })

    if (init.id != null && init.id !== false) {
      this.session.tell({ type: RPCType.ID, hashes: [init.id, init.logId ?? ''] })
    }

    this.source = this.session.write()
  }

  readonly [Symbol.toStringTag] = 'libp2p-hash-exchange/exchange'

  sink = async (source: Source<Uint8Array | Uint8ArrayList>): Promise<void> => {
    await this.session.read(source)
  }

  // not async: its promise would be another one, that nobody catches
  provide (hashes: string | Iterable<string> | AsyncIterable<string>, options?: AbortOptions): Promise<void> {
    const provided = this.session.announcer.provide(hashes, options?.signal)

    // nobody has to await it
    provided.catch(err => { this.log('could not provide - %e', err) })

    return provided
  }

  unprovide (hashes: string | Iterable<string>): void {
    this.session.announcer.unprovide(hashes)
  }

  request (hashes: string | Iterable<string>): void {
    this.session.startClock()

    const { refusal } = this.session

    if (refusal != null) {
      // not thrown, as the remote may close at any time, and not at once, as a
      // listener may ask again
      const refused = [...hashList(hashes)]
      setTimeout(() => { refused.forEach(hash => { this.onFailed(hash, refusal) }) })
      return
    }

    for (const hash of hashList(hashes)) {
      this.session.requester.request(hash)
    }
  }

  async get (hash: string, options?: AbortOptions): Promise<ExchangeResponse> {
    const { refusal } = this.session

    if (refusal != null) {
      throw refusal
    }

    this.session.startClock()

    return this.session.requester.get(hash, options?.signal)
  }

  since (sequence: number): void {
    checkSequence(sequence, -1)
    this.session.tell({ type: RPCType.SINCE, sequence: sequence + 1 })
  }

  seen (sequence: number): void {
    checkSequence(sequence, -1)
    this.session.tell({ type: RPCType.SEEN, sequence: sequence + 1 })
  }

  // not async, as provide() is not
  close (options?: AbortOptions): Promise<void> {
    this.session.close()

    const closed = this.#whenClosed(options)

    // nobody has to await it, as there is the event
    closed.catch(() => {})

    return closed
  }

  abort (err?: Error): void {
    this.session.end(err ?? new AbortError())
  }

  /**
   * Nothing more can be sent. What has come is still read.
   */
  loseOutput (err: Error): void {
    this.session.loseOutput(err)
  }

  async #whenClosed (options?: AbortOptions): Promise<void> {
    try {
      await raceSignal(this.session.closed, options?.signal)
    } catch (err) {
      this.abort(toError(err))
      throw err
    }
  }

  // SessionOwner

  get full (): boolean {
    return false
  }

  onMessage (message: ReceivedRPC): void {}

  onSent (hash: string, bytes: number): void {}

  onRest (): void {}

  onIgnored (what: string): void {
    this.log('ignored %s', what)
  }

  onSince (detail: number): void {
    this.safeDispatchEvent('since', { detail })
  }

  onSeen (detail: number): void {
    this.safeDispatchEvent('seen', { detail })
  }

  onAvailable (hashes: string[]): void {
    for (let i = 0; i < hashes.length; i += MAX_BATCH_HASHES) {
      const detail = hashes.slice(i, i + MAX_BATCH_HASHES).filter(hash => !this.#isProvided(hash))

      if (detail.length > 0 && this.session.error == null) {
        this.safeDispatchEvent('available', { detail })
      }
    }
  }

  /**
   * What the remote announces may be nothing that `provides` can handle
   */
  #isProvided (hash: string): boolean {
    try {
      return this.session.isProvided(hash)
    } catch (err) {
      this.log('could not tell if "%s" is provided - %e', hash, err)
      return false
    }
  }

  onResponse (response: ExchangeResponse): boolean {
    if (this.listenerCount('response') === 0) {
      return false
    }

    this.safeDispatchEvent('response', { detail: response })
    return true
  }

  onFailed (hash: string, error: Error): void {
    this.log('no response for "%s" - %e', hash, error)
    this.safeDispatchEvent('failed', { detail: { hash, error } })
  }

  onUnsent (hash: string, error: Error): void {
    this.log('could not send "%s" - %e', hash, error)
    this.safeDispatchEvent('unsent', { detail: { hash, error } })
  }

  onId (id: string): void {
    if (this.remotePeer != null && isForeign(id, this.remotePeer)) {
      throw new ForeignIdError(`The remote, ${this.remotePeer}, claimed to be ${id}`)
    }

    this.safeDispatchEvent('id', { detail: id })
  }

  onEnd (error: Error | null): void {
    if (error != null) {
      this.log('ended - %e', error)
    }

    this.safeDispatchEvent('close', { detail: error })
  }
}

/**
 * Throws InvalidParametersError for what would fail only when a peer comes.
 * Returns the limits.
 */
export function checkInit (createReadStream: CreateReadStream, init: ExchangeInit): ExchangeLimits {
  if (typeof createReadStream !== 'function') {
    throw new InvalidParametersError('createReadStream must be a function that gives the content of a hash')
  }

  if (init.provides != null && typeof init.provides !== 'function') {
    throw new InvalidParametersError(`provides must be a function that answers true or false for a hash, not ${String(init.provides)}`)
  }

  const limits = withDefaults(init.limits, defaultLimits)

  if (init.id != null && init.id !== false) {
    hashLength(init.id, limits.maxHashBytes)
  }

  if (init.window != null && !(Number.isInteger(init.window) && init.window >= MIN_WINDOW && init.window <= MAX_SEQUENCE)) {
    throw new InvalidParametersError(`The window must be a whole number of bytes from ${MIN_WINDOW} to ${MAX_SEQUENCE}, not ${String(init.window)}`)
  }

  return limits
}

/**
 * If something is a peer ID, and not that of this peer
 */
function isForeign (claim: string, peer: PeerId): boolean {
  try {
    return !peer.equals(multihashOfPeerId(claim).bytes)
  } catch {
    return false
  }
}

/**
 * Throws if it is none. As `peerIdFromString`, which also looks at the key, and brings
 * all of the cryptography for that with it.
 */
function multihashOfPeerId (id: string): MultihashDigest {
  const isKey = id.startsWith('1')
  const { version, code, multihash } = isKey ? { version: 1, code: LIBP2P_KEY, multihash: Digest.decode(base58btc.decode(`z${id}`)) } : CID.parse(id)

  if ((version !== 0 && code !== LIBP2P_KEY) || (isKey && multihash.digest.length < MIN_KEY_BYTES)) {
    throw new InvalidParametersError(`"${id}" is no peer ID`)
  }

  return multihash
}
