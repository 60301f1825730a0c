import { CustomProgressEvent } from 'progress-events'
import { IncompleteError, RemoteClosedError, toError } from '../errors.ts'
import { Ignored } from './ignored.ts'
import { defaultReplicationLimits } from './limits.ts'
import type { ReplicateMode, ReplicateOptions, ReplicateProgress, ReplicateResult, ReplicateTotals } from './api.ts'
import type { ReplicationExchange } from './replication-exchange.ts'
import type { ExchangeFailure } from '../exchange/api.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * How often progress in bytes is told, in ms
 */
const PROGRESS_MS = 100

/**
 * How many failures are kept for the result of a call, which may ride on many
 * exchanges: as many as may fail on one of them. Events tell of all.
 */
const MAX_FAILED = defaultReplicationLimits.maxFailed

/**
 * The exchange has ended, but not what this call is for
 */
export const AGAIN = Symbol.for('libp2p-hash-exchange/again')

/**
 * One call of `replicate()`: it rides on an exchange, which may serve several,
 * and on another one where that is dropped for it
 */
export class Call {
  public readonly peer: PeerId
  public readonly mode: ReplicateMode
  public readonly live: boolean
  /**
   * If it has settled, so that nothing counts for it any more
   */
  public ended = false

  readonly #options: ReplicateOptions
  readonly #result: Omit<ReplicateResult, 'ignored'> = { received: none(), sent: none(), failed: [], confirmed: false }
  readonly #ignored = new Ignored()
  #exchange?: ReplicationExchange
  #outcome = Promise.withResolvers<ReplicateResult | typeof AGAIN>()
  #toldAt = 0

  constructor (peer: PeerId, options: ReplicateOptions) {
    this.peer = peer
    this.mode = options.mode ?? 'sync'
    this.live = options.live ?? false
    this.#options = options
    this.#outcome.promise.catch(() => {})
  }

  get takes (): boolean {
    return this.mode !== 'push'
  }

  get offers (): boolean {
    return this.mode !== 'pull'
  }

  get since (): number | undefined {
    return this.#options.since
  }

  /**
   * Settled when it is done, or when it needs another exchange
   */
  get outcome (): Promise<ReplicateResult | typeof AGAIN> {
    return this.#outcome.promise
  }

  ride (exchange: ReplicationExchange): void {
    this.#exchange = exchange
    this.#outcome = Promise.withResolvers()
    this.#outcome.promise.catch(() => {})
    this.tell('open')
  }

  // what happens on any exchange with the peer: where both have opened one, both
  // count

  onReceived (hash: string, bytes: number): void {
    add(this.#result.received, bytes)
    this.tell('received', { hash, bytes })
  }

  onSent (hash: string, bytes: number): void {
    add(this.#result.sent, bytes)
    this.tell('sent', { hash, bytes })
  }

  onFailed (failure: ExchangeFailure): void {
    if (this.#result.failed.length < MAX_FAILED) {
      this.#result.failed.push(failure)
    }

    this.tell('failed', failure)
  }

  onUseless (hashes: string[]): void {
    this.#ignored.add(hashes)
  }

  /**
   * Nothing comes or goes on a live exchange with a remote that can't say more
   */
  onQuiet (): void {
    if (!this.live) {
      this.#outcome.resolve(this.#total(false))
    }
  }

  onSynced (exchange: ReplicationExchange): void {
    this.tell('synced')

    // otherwise the end of the exchange follows
    if (!this.live && !exchange.ends) {
      this.#outcome.resolve(this.#total(true))
    }
  }

  onOver (exchange: ReplicationExchange, err: Error | null): void {
    const result = this.#total(exchange.confirmed)

    if (exchange.relayed && !exchange.finished && err?.name !== 'AbortError') {
      // there is something to be brought, or the relay has let pass what it does: more is known
      // over a direct connection
      this.#outcome.resolve(AGAIN)
    } else if (err != null && !exchange.drained) {
      this.#outcome.reject(err)
    } else if (this.live && !exchange.drained && exchange.confirmed) {
      // the remote has ended what went well
      this.#outcome.resolve(result)
    } else if (!exchange.finished) {
      this.#outcome.resolve(AGAIN)
    } else if (exchange.taking.askedAgain) {
      this.#outcome.reject(new IncompleteError(`${this.peer} offered more than could be remembered, and not again when it was asked to`))
    } else {
      this.#outcome.resolve(result)
    }

    this.#exchange = undefined
  }

  /**
   * No exchange lived long enough
   */
  giveUp (): Error {
    return new RemoteClosedError(`${this.peer} closed the exchange before it had confirmed that it was done`)
  }

  tell (type: 'open' | 'offered' | 'listed' | 'bytes' | 'received' | 'failed' | 'sent' | 'synced', detail: object = {}): void {
    const { onProgress } = this.#options

    if (onProgress == null || this.#exchange == null) {
      return
    }

    if (type === 'bytes') {
      const now = Date.now()

      if (now - this.#toldAt < PROGRESS_MS) {
        return
      }

      this.#toldAt = now
    }

    try {
      onProgress(new CustomProgressEvent<any, any>(`hash-exchange:replicate:${type}`, { ...this.#progress(this.#exchange), ...detail }))
    } catch (err) {
      this.#outcome.reject(toError(err))
    }
  }

  #progress (exchange: ReplicationExchange): ReplicateProgress {
    const { received, sent } = this.#result
    const { wanted, settled, listed, fetching: { receiving } } = exchange.taking

    return { peer: this.peer, wanted, settled, received: { ...received }, sent: { ...sent }, receiving, listed }
  }

  #total (confirmed: boolean): ReplicateResult {
    const { received, sent, failed } = this.#result

    return { received: { ...received }, sent: { ...sent }, failed: [...failed], ignored: this.#ignored.size, confirmed }
  }
}

function none (): ReplicateTotals {
  return { hashes: 0, bytes: 0 }
}

function add (totals: ReplicateTotals, bytes: number): void {
  totals.hashes++
  totals.bytes += bytes
}
