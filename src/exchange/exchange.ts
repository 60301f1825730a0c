import { AbortError, InvalidParametersError } from '@libp2p/interface'
import { logger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { TypedEventEmitter } from 'main-event'
import { raceSignal } from 'race-signal'
import { MAX_BATCH_HASHES } from '../constants.ts'
import { ForeignIdError } from '../errors.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { checkSequence, hashLength, hashList } from './hashes.ts'
import { withDefaults } from './limits.ts'
import { Session } from './session.ts'
import type { CreateReadStream, Exchange as ExchangeInterface, ExchangeEvents, ExchangeInit, ExchangeResponse } from './api.ts'
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
 * An exchange as the application sees it
 */
export class Exchange extends TypedEventEmitter<ExchangeEvents> implements ExchangeInterface {
  public readonly remotePeer?: PeerId
  public readonly protocol?: string
  public readonly source: AsyncGenerator<Uint8ArrayList>

  readonly #session: Session
  readonly #log: Logger

  constructor (createReadStream: CreateReadStream, init: ConnectedExchangeInit = {}) {
    super()

    if (typeof createReadStream !== 'function') {
      throw new InvalidParametersError('The first argument must be createReadStream, a function that gives the content of a hash')
    }

    this.remotePeer = init.remotePeer
    this.protocol = init.protocol
    this.#log = init.log ?? logger('libp2p:hash-exchange')

    const limits = withDefaults(init.limits)

    this.#session = new Session(createReadStream, {
      onAvailable: (hashes) => { this.#onAvailable(hashes) },
      onResponse: (response) => this.#onResponse(response),
      onFailed: (hash, error) => { this.#onFailed(hash, error) },
      onUnsent: (hash, error) => { this.#onUnsent(hash, error) },
      onId: (id) => { this.#onId(id) },
      onSince: (detail) => { this.safeDispatchEvent('since', { detail }) },
      onSeen: (detail) => { this.safeDispatchEvent('seen', { detail }) },
      onIgnored: (what) => { this.#log('ignored %s', what) },
      onEnd: (error) => { this.#onEnd(error) }
    }, {
      limits,
      peer: init.remotePeer,
      provides: init.provides
    })

    if (init.id != null && init.id !== false) {
      hashLength(init.id, limits.maxHashBytes)
      // the second one is the ID of a log, which an exchange alone has not
      this.#session.tell({ type: RPCType.ID, hashes: [init.id, ''] })
    }

    this.source = this.#session.write()
  }

  readonly [Symbol.toStringTag] = 'libp2p-hash-exchange/exchange'

  sink = async (source: Source<Uint8Array | Uint8ArrayList>): Promise<void> => {
    await this.#session.read(source)
  }

  // not async: its promise would be another one, that nobody catches
  provide (hashes: string | Iterable<string> | AsyncIterable<string>, options?: AbortOptions): Promise<void> {
    const provided = this.#session.announcer.provide(hashes, options?.signal)

    // nobody has to await it
    provided.catch(err => { this.#log('could not provide - %e', err) })

    return provided
  }

  unprovide (hashes: string | Iterable<string>): void {
    this.#session.announcer.unprovide(hashes)
  }

  request (hashes: string | Iterable<string>): void {
    for (const hash of hashList(hashes)) {
      const { refusal } = this.#session

      if (refusal == null) {
        this.#session.requester.request(hash)
      } else {
        // not thrown, as the remote may close at any time
        this.#onFailed(hash, refusal)
      }
    }
  }

  async get (hash: string, options?: AbortOptions): Promise<ExchangeResponse> {
    const { refusal } = this.#session

    if (refusal != null) {
      throw refusal
    }

    this.#session.startClock()

    return this.#session.requester.get(hash, options?.signal)
  }

  since (sequence: number): void {
    checkSequence(sequence, -1)
    this.#session.tell({ type: RPCType.SINCE, sequence: sequence + 1 })
  }

  seen (sequence: number): void {
    checkSequence(sequence, -1)
    this.#session.tell({ type: RPCType.SEEN, sequence: sequence + 1 })
  }

  async close (options?: AbortOptions): Promise<void> {
    this.#session.close()

    try {
      await raceSignal(this.#session.closed, options?.signal)
    } catch (err: any) {
      this.abort(err)
      throw err
    }
  }

  abort (err: Error = new AbortError()): void {
    this.#session.end(err)
  }

  #onAvailable (hashes: string[]): void {
    for (let i = 0; i < hashes.length; i += MAX_BATCH_HASHES) {
      const detail = hashes.slice(i, i + MAX_BATCH_HASHES).filter(hash => !this.#session.isProvided(hash))

      if (detail.length > 0) {
        this.safeDispatchEvent('available', { detail })
      }
    }
  }

  #onResponse (response: ExchangeResponse): boolean {
    if (this.listenerCount('response') === 0) {
      return false
    }

    this.safeDispatchEvent('response', { detail: response })
    return true
  }

  #onFailed (hash: string, error: Error): void {
    this.#log('no response for "%s" - %e', hash, error)
    this.safeDispatchEvent('failed', { detail: { hash, error } })
  }

  #onUnsent (hash: string, error: Error): void {
    this.#log('could not send "%s" - %e', hash, error)
    this.safeDispatchEvent('unsent', { detail: { hash, error } })
  }

  #onId (id: string): void {
    if (this.remotePeer != null && isForeign(id, this.remotePeer)) {
      throw new ForeignIdError(`The remote, ${this.remotePeer}, claimed to be ${id}`)
    }

    this.safeDispatchEvent('id', { detail: id })
  }

  #onEnd (error: Error | null): void {
    if (error != null) {
      this.#log('ended - %e', error)
    }

    this.safeDispatchEvent('close', { detail: error })
  }
}

/**
 * If something is a peer ID, and not that of this peer
 */
function isForeign (claim: string, peer: PeerId): boolean {
  try {
    return !peerIdFromString(claim).equals(peer)
  } catch {
    return false
  }
}
