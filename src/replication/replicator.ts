import { AbortError, InvalidParametersError, TimeoutError } from '@libp2p/interface'
import { setMaxListeners } from 'main-event'
import { raceSignal } from 'race-signal'
import { ExchangeClosedError, toError } from '../errors.ts'
import { withDefaults } from '../exchange/limits.ts'
import { Waker } from '../exchange/waker.ts'
import { isBlockHash } from '../store/block-hash.ts'
import { AGAIN, Call } from './call.ts'
import { inTime } from './in-time.ts'
import { Intake } from './intake.ts'
import { defaultReplicationLimits } from './limits.ts'
import { PeerRecords } from './peers.ts'
import { Reconciling } from './reconciling.ts'
import { ReplicationExchange } from './replication-exchange.ts'
import { Verifier } from './verify.ts'
import { WantTable } from './want-table.ts'
import type { ReplicateOptions, ReplicateResult, ReplicationEvents, ReplicationInit } from './api.ts'
import type { ReplicationLimits } from './limits.ts'
import type { ReplicationExchangeInit, ReplicationOwner } from './replication-exchange.ts'
import type { Content, CreateReadStream, ExchangeFailure } from '../exchange/api.ts'
import type { ConnectedExchangeInit } from '../exchange/exchange.ts'
import type { Store } from '../store/store.ts'
import type { PeerId, Stream } from '@libp2p/interface'
import type { MultihashHasher } from 'multiformats'

/**
 * On how many exchanges a call may ride: the one it opened, the one that is kept
 * instead, and another one where the remote has closed that at the same time
 */
const MAX_EXCHANGES = 5

/**
 * How long to wait for the exchange that a peer keeps instead of one that we have
 * opened, in ms, and twice as long each further time
 */
const AGAIN_MS = 100

export interface ReplicatorOwner {
  readonly id: string
  /**
   * Opens an exchange with a peer, also one over a relay if it may be
   */
  openReplication(peer: PeerId, options: ReplicateOptions, mayBeRelayed: boolean): Promise<ReplicationExchange>
  onReceived(bytes: number): void
  onSent(bytes: number): void
  onFailed(error: Error): void
  onUseless(hashes: number): void
  dispatch<K extends keyof ReplicationEvents>(type: K, detail: ReplicationEvents[K]['detail']): void
}

/**
 * Keeps one store the same as those of peers, over one exchange with each
 */
export class Replicator implements ReplicationOwner {
  public readonly store: Store
  public readonly limits: ReplicationLimits
  public readonly verifier: Verifier
  public readonly intake: Intake
  public readonly records: PeerRecords
  public readonly table = new WantTable()
  public readonly reconciling = new Reconciling()

  readonly #owner: ReplicatorOwner
  readonly #init: ReplicationInit
  readonly #exchanges = new Map<string, Set<ReplicationExchange>>()
  readonly #calls = new Map<ReplicationExchange, Set<Call>>()
  // the calls that go on, and which of them count what happens on an exchange:
  // those that ride on it, and those that were there when it was opened. Also of one
  // that is over, as what has come over it may still be on its way into the store.
  readonly #active = new Map<string, Set<Call>>()
  readonly #counting = new WeakMap<ReplicationExchange, Set<Call>>()
  // calls that wait for one to be opened by a peer
  readonly #waiting = new Map<string, Set<Waker>>()
  // the peers to whom one is being opened
  readonly #opening = new Map<string, Promise<unknown>>()

  constructor (owner: ReplicatorOwner, init: ReplicationInit) {
    checkReplicationInit(init)

    this.#owner = owner
    this.#init = init
    this.store = init.store
    this.limits = withDefaults(init.limits, defaultReplicationLimits)
    this.verifier = new Verifier(init.hashers, this.limits.storeTimeout)
    this.intake = new Intake(this.store, this.verifier, this.limits)
    this.records = new PeerRecords(this.limits, init.maxBytes)
  }

  start (): void {
    this.store.addEventListener('put', this.#onPut)
  }

  stop (): void {
    this.store.removeEventListener('put', this.#onPut)
  }

  /**
   * Makes an exchange over a stream with a peer, which we have opened or not
   */
  create (stream: Stream, remotePeer: PeerId, opener: boolean, init: ConnectedExchangeInit & Pick<ReplicationExchangeInit, 'relayed'>): ReplicationExchange {
    const exchange = new ReplicationExchange(this, {
      ...init,
      log: init.log ?? stream.log.newScope('hash-exchange'),
      protocol: stream.protocol,
      remotePeer,
      opener,
      createReadStream: this.createReadStream
    })

    let exchanges = this.#exchanges.get(exchange.peer)

    if (exchanges == null) {
      exchanges = new Set()
      this.#exchanges.set(exchange.peer, exchanges)
    }

    exchanges.add(exchange)
    this.#counting.set(exchange, new Set(this.#active.get(exchange.peer)))

    if (!opener) {
      this.#accept(exchange).catch(err => { exchange.abort(toError(err)) })
    }

    return exchange
  }

  /**
   * What a peer may read of the store
   */
  createReadStream: CreateReadStream = (hash, { peer }) => {
    if (!isBlockHash(hash)) {
      return
    }

    if (peer == null || this.#init.allow == null) {
      return this.#find(hash)
    }

    return this.mayRead(peer, hash).then(may => may ? this.#find(hash) : undefined)
  }

  #find (hash: string): Content | undefined | Promise<Content | undefined> {
    const content = (sequence?: number): Content | undefined => sequence == null ? undefined : { stream: () => this.store.get(hash), sequence }
    const sequence = this.store.sequence(hash)

    return typeof sequence === 'object' ? sequence.then(content) : content(sequence)
  }

  /**
   * See the service
   */
  async replicate (peer: PeerId, options: ReplicateOptions): Promise<ReplicateResult> {
    const call = new Call(peer, options)
    const id = peer.toString()
    const calls = this.#active.get(id) ?? new Set()

    this.#active.set(id, calls.add(call))

    try {
      return await this.#replicate(call, options)
    } finally {
      call.ended = true
      calls.delete(call)

      if (calls.size === 0) {
        this.#active.delete(id)
      }

      for (const exchange of this.#exchanges.get(id) ?? []) {
        this.#counting.get(exchange)?.delete(call)
      }
    }
  }

  async #replicate (call: Call, options: ReplicateOptions): Promise<ReplicateResult> {
    // over a relay it is only found out if there is anything to be brought
    let mayBeRelayed = true

    for (let i = 0; i < MAX_EXCHANGES; i++) {
      options.signal?.throwIfAborted()
      this.records.checkTrust(call.peer.toString())

      const exchange = await this.#join(call, options, mayBeRelayed)
      const result = await this.#outcome(call, exchange, options.signal)

      if (result !== AGAIN) {
        return result
      }

      if (exchange.relayed) {
        // of which there is one, and no other is needed to be heard of
        mayBeRelayed = false
        i--
        continue
      }

      if (exchange.opener && this.#open(exchange.peer) == null && i + 1 < MAX_EXCHANGES) {
        // the remote keeps one of its own, of which we have not heard
        await this.#news(exchange.peer, AGAIN_MS * 2 ** i, options.signal)
      }
    }

    throw call.giveUp()
  }

  // ReplicationOwner

  async mayRead (peer: PeerId, hash?: string): Promise<boolean> {
    return this.#init.allow == null || this.#answer('allow', this.#init.allow(peer, hash))
  }

  wants (peer: PeerId, hash: string): boolean | Promise<boolean> {
    return this.#init.want == null || this.#answer('want', this.#init.want(peer, hash))
  }

  /**
   * One exchange is kept with each peer that replicates, see `isKept`
   */
  onIdentified (exchange: ReplicationExchange): void {
    this.#waiting.get(exchange.peer)?.forEach(waker => { waker.wake() })

    for (const other of this.#exchanges.get(exchange.peer) ?? []) {
      if (other === exchange || other.replicates !== true || !other.alive) {
        continue
      }

      const oursIsKept = this.#owner.id < exchange.peer
      const keep = isKept(exchange, other, oursIsKept) ? exchange : other

      if (keep === exchange) {
        other.drain()
      } else {
        exchange.drain()
      }
    }
  }

  onReceived (exchange: ReplicationExchange, hash: string, bytes: number): void {
    this.#owner.onReceived(bytes)
    this.#owner.dispatch('received', { peer: exchange.remotePeer, hash, bytes })
    this.#count(exchange, call => { call.onReceived(hash, bytes) })
  }

  onSent (exchange: ReplicationExchange, hash: string, bytes: number): void {
    this.#owner.onSent(bytes)
    this.#count(exchange, call => { call.onSent(hash, bytes) })
  }

  onFailed (exchange: ReplicationExchange, { hash, error }: ExchangeFailure): void {
    this.#owner.onFailed(error)
    this.#owner.dispatch('failed', { peer: exchange.remotePeer, hash, error })
    this.#count(exchange, call => { call.onFailed({ hash, error }) })
  }

  onProgress (exchange: ReplicationExchange, type: 'offered' | 'listed' | 'bytes'): void {
    this.#tell(exchange, type)
  }

  onUseless (exchange: ReplicationExchange, hashes: string[]): void {
    this.#owner.onUseless(hashes.length)
    this.#count(exchange, call => { call.onUseless(hashes) })
  }

  onQuiet (exchange: ReplicationExchange): void {
    for (const call of this.#calls.get(exchange) ?? []) {
      call.onQuiet()
    }
  }

  onSynced (exchange: ReplicationExchange): void {
    const { remotePeer, received, sent, taking } = exchange

    this.#owner.dispatch('synced', { peer: remotePeer, received: { ...received }, sent: { ...sent }, failed: [...taking.failed], ignored: taking.ignored.size, confirmed: true })

    for (const call of this.#calls.get(exchange) ?? []) {
      call.onSynced(exchange)
    }
  }

  onOver (exchange: ReplicationExchange, err: Error | null): void {
    const exchanges = this.#exchanges.get(exchange.peer)
    exchanges?.delete(exchange)

    if (exchanges?.size === 0) {
      this.#exchanges.delete(exchange.peer)
    }

    for (const call of this.#calls.get(exchange) ?? []) {
      call.onOver(exchange, err)
    }

    this.#calls.delete(exchange)
  }

  #count (exchange: ReplicationExchange, does: (call: Call) => void): void {
    this.#counting.get(exchange)?.forEach(call => {
      if (!call.ended) {
        does(call)
      }
    })
  }

  readonly #onPut = (): void => {
    for (const exchanges of this.#exchanges.values()) {
      for (const { listing } of exchanges) {
        listing.onPut()
      }
    }
  }

  /**
   * The application must answer some time. Throws TimeoutError.
   */
  #answer (question: string, answer: boolean | Promise<boolean>): boolean | Promise<boolean> {
    if (typeof answer === 'boolean') {
      return answer
    }

    const { serveTimeout } = this.limits

    return inTime(answer, serveTimeout, () => new TimeoutError(`${question}() did not answer within ${serveTimeout} ms`))
  }

  #tell (exchange: ReplicationExchange, ...args: Parameters<Call['tell']>): void {
    for (const call of this.#calls.get(exchange) ?? []) {
      call.tell(...args)
    }
  }

  /**
   * A peer has opened an exchange: it may read, but does it also give?
   */
  async #accept (exchange: ReplicationExchange): Promise<void> {
    const accept = this.#init.accept ?? this.#init.autoReplicate
    let takes = false

    try {
      this.records.checkTrust(exchange.peer)
      takes = accept != null && Boolean(await this.#answer('accept', accept(exchange.remotePeer)))
    } catch (err) {
      exchange.onIgnored(`what ${exchange.peer} may offer: ${toError(err).message}`)
    }

    // somebody may have joined meanwhile
    if (exchange.takes == null) {
      exchange.decide(takes)
    }
  }

  /**
   * Waits for some time, or until a peer has opened an exchange
   */
  async #news (peer: string, ms: number, signal?: AbortSignal): Promise<void> {
    const waker = new Waker()
    const timer = setTimeout(() => { waker.wake() }, ms)
    const waiting = this.#waiting.get(peer) ?? new Set()

    this.#waiting.set(peer, waiting.add(waker))

    try {
      await raceSignal(waker.sleep(), signal)
    } finally {
      clearTimeout(timer)
      waiting.delete(waker)

      if (waiting.size === 0) {
        this.#waiting.delete(peer)
      }
    }
  }

  /**
   * Finds the exchange for a call, or opens one
   */
  async #join (call: Call, options: ReplicateOptions, mayBeRelayed: boolean): Promise<ReplicationExchange> {
    const peer = call.peer.toString()

    while (true) {
      const open = this.#open(peer, mayBeRelayed)

      if (open != null && (open.joinable || !open.ends)) {
        this.#joinOpen(call, open)
        return open
      }

      // it is on its way to its end, or one is on its way
      const before = open?.over ?? this.#opening.get(peer)

      if (before == null) {
        return this.#openFor(call, options, mayBeRelayed)
      }

      await raceSignal(before, options.signal)
    }
  }

  async #openFor (call: Call, options: ReplicateOptions, mayBeRelayed: boolean): Promise<ReplicationExchange> {
    const peer = call.peer.toString()
    const opening = this.#owner.openReplication(call.peer, options, mayBeRelayed)

    this.#opening.set(peer, opening.catch(() => {}))

    try {
      const exchange = await opening

      exchange.offers = call.offers
      this.#ride(call, exchange)
      exchange.decide(call.takes, call.since)

      return exchange
    } finally {
      this.#opening.delete(peer)
    }
  }

  #joinOpen (call: Call, exchange: ReplicationExchange): void {
    const { takes, replicates, taking } = exchange
    // as if it opened one of its own: for what the remote has put since it was asked, and
    // what has failed
    const asks = call.takes && (takes !== true || call.since != null || taking.lacking || (replicates === true && taking.asked))

    this.#ride(call, exchange)

    if (asks) {
      exchange.decide(true, call.since)
    }

    if (call.offers) {
      exchange.offer()
    }

    if (exchange.synced) {
      call.onSynced(exchange)
    }
  }

  #ride (call: Call, exchange: ReplicationExchange): void {
    if (!exchange.alive) {
      // between its beginning and now
      throw new ExchangeClosedError()
    }

    const calls = this.#calls.get(exchange) ?? new Set()

    this.#calls.set(exchange, calls.add(call))
    this.#counting.get(exchange)?.add(call)
    exchange.live = [...calls].some(({ live }) => live)
    // what was put before then is announced now
    exchange.listing.onPut()
    call.ride(exchange)
  }

  async #outcome (call: Call, exchange: ReplicationExchange, signal?: AbortSignal): Promise<ReplicateResult | typeof AGAIN> {
    if (signal != null) {
      setMaxListeners(Infinity, signal)
    }

    try {
      return await raceSignal(call.outcome, signal)
    } catch (err) {
      if (signal?.aborted === true && exchange.opener && this.#calls.get(exchange)?.size === 1) {
        exchange.abort(toError(signal.reason ?? new AbortError()))
      }

      throw err
    } finally {
      const calls = this.#calls.get(exchange)
      calls?.delete(call)

      if (exchange.opener && exchange.live && ![...calls ?? []].some(({ live }) => live)) {
        exchange.endWhenDone()
      }
    }
  }

  /**
   * The exchange of a peer on which a call could ride. Whether one that a peer
   * has opened is for replication is known when it has said who it is.
   */
  #open (peer: string, mayBeRelayed = false): ReplicationExchange | undefined {
    for (const exchange of this.#exchanges.get(peer) ?? []) {
      if (exchange.alive && (mayBeRelayed || !exchange.relayed) && (exchange.opener || exchange.replicates === true)) {
        return exchange
      }
    }
  }
}

/**
 * Which of two exchanges with a peer is kept: one that needs no relay; of two that
 * were opened by different sides that of the lower ID, of two by the same side the
 * later
 */
function isKept (exchange: ReplicationExchange, earlier: ReplicationExchange, oursIsKept: boolean): boolean {
  if (exchange.relayed !== earlier.relayed) {
    return earlier.relayed
  }

  return exchange.opener === earlier.opener || exchange.opener === oursIsKept
}

/**
 * Throws InvalidParametersError for what would fail only when a peer comes
 */
function checkReplicationInit (init: ReplicationInit): void {
  const methods = ['has', 'sequence', 'get', 'put', 'delete', 'since', 'cursor', 'setCursor', 'addEventListener', 'removeEventListener']

  for (const method of methods) {
    if (typeof (init.store as any)?.[method] !== 'function') {
      throw new InvalidParametersError(`The store has no method ${method}: give what blockStore() makes, or something that implements Store`)
    }
  }

  if (typeof init.store.logId !== 'string' || init.store.logId === '' || !Number.isInteger(init.store.lastSequence)) {
    throw new InvalidParametersError('The store must have a logId, which is not empty, and a lastSequence')
  }

  for (const name of ['accept', 'allow', 'autoReplicate', 'want'] as const) {
    if (init[name] != null && typeof init[name] !== 'function') {
      throw new InvalidParametersError(`${name} must be a function that answers true or false, not ${String(init[name])}`)
    }
  }

  if (init.hashers != null && !(Array.isArray(init.hashers) && init.hashers.every(isHasher))) {
    throw new InvalidParametersError('hashers must be an array of multihash hashers, such as [sha512] of multiformats/hashes/sha2')
  }

  if (init.maxBytes != null && !(typeof init.maxBytes === 'number' && init.maxBytes > 0)) {
    throw new InvalidParametersError(`maxBytes must be a number above 0, not ${String(init.maxBytes)}`)
  }
}

function isHasher (hasher: unknown): boolean {
  const { code, encode }: Partial<MultihashHasher> = hasher ?? {}

  return typeof code === 'number' && typeof encode === 'function'
}
