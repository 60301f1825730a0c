import { LimitedConnectionError, TimeoutError } from '@libp2p/interface'
import { PROTOCOL_4_1 } from '../constants.ts'
import { toError } from '../errors.ts'
import { Exchange } from '../exchange/exchange.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { Listing } from './listing.ts'
import { Reconciliation } from './reconciliation.ts'
import { Taking } from './taking.ts'
import type { ReplicateTotals } from './api.ts'
import type { Intake } from './intake.ts'
import type { ReplicationLimits } from './limits.ts'
import type { ListingOwner } from './listing.ts'
import type { PeerRecords } from './peers.ts'
import type { ReconciliationOwner } from './reconciliation.ts'
import type { Reconciling } from './reconciling.ts'
import type { TakingOwner } from './taking.ts'
import type { Verifier } from './verify.ts'
import type { WantTable } from './want-table.ts'
import type { CreateReadStream, ExchangeFailure, ReceivedResponse } from '../exchange/api.ts'
import type { ConnectedExchangeInit } from '../exchange/exchange.ts'
import type { Store } from '../store/store.ts'
import type { ReceivedRPC, RPCMessage } from '../wire/rpc-codec.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * What all exchanges of a node share, and what it wants to know of them
 */
export interface ReplicationOwner {
  readonly store: Store
  readonly table: WantTable
  readonly intake: Intake
  readonly verifier: Verifier
  readonly records: PeerRecords
  readonly limits: ReplicationLimits
  readonly reconciling: Reconciling
  mayRead(peer: PeerId, hash?: string): Promise<boolean>
  wants?(peer: PeerId, hash: string): boolean | Promise<boolean>
  /**
   * The remote is known to replicate a store
   */
  onIdentified(exchange: ReplicationExchange): void
  onReceived(exchange: ReplicationExchange, hash: string, bytes: number): void
  /**
   * A peer announced hashes that are not those of blocks that could be checked
   */
  onUseless(exchange: ReplicationExchange, hashes: string[]): void
  onSent(exchange: ReplicationExchange, hash: string, bytes: number): void
  onFailed(exchange: ReplicationExchange, failure: ExchangeFailure): void
  /**
   * How far it is has changed
   */
  onProgress(exchange: ReplicationExchange, type: 'offered' | 'listed' | 'bytes'): void
  /**
   * Nothing has come or gone for so long that a remote that can't say so is taken
   * to be done
   */
  onQuiet(exchange: ReplicationExchange): void
  /**
   * Both sides have nothing outstanding
   */
  onSynced(exchange: ReplicationExchange): void
  onOver(exchange: ReplicationExchange, err: Error | null): void
}

export interface ReplicationExchangeInit extends ConnectedExchangeInit {
  remotePeer: PeerId
  /**
   * If we have opened it
   */
  opener: boolean
  /**
   * If only a relay connects both sides
   */
  relayed?: boolean
  createReadStream: CreateReadStream
}

/**
 * How many bytes of hashes and cells may go over a relay, both ways together: half of
 * what a public one lets pass. A comparison takes 7 to 30 kB.
 */
const MAX_RELAYED_BYTES = 64 * 1024

/**
 * An exchange by which our store and that of a peer get the same content: the
 * way to "done" of SPEC.md
 */
export class ReplicationExchange extends Exchange implements TakingOwner, ListingOwner, ReconciliationOwner {
  declare public readonly remotePeer: PeerId
  public readonly peer: string
  public readonly opener: boolean
  /**
   * If no content may go over it: it is only found out if there is any to be brought
   */
  public readonly relayed: boolean
  public readonly taking: Taking
  public readonly listing: Listing
  public readonly reconciliation: Reconciliation
  public readonly received: ReplicateTotals = { hashes: 0, bytes: 0 }
  public readonly sent: ReplicateTotals = { hashes: 0, bytes: 0 }
  /**
   * If hashes are taken from the remote. Undefined until that is decided.
   */
  public takes?: boolean
  public offers = true
  /**
   * If it goes on when both sides are done
   */
  public live = true
  /**
   * If another exchange with the peer is kept: this one starts nothing new
   */
  public drained = false
  /**
   * If both sides have said that they are done
   */
  public confirmed = false
  /**
   * If it has been closed because all was done that can be known
   */
  public finished = false
  /**
   * If the remote is one of ours and has a store. Undefined until it is known.
   */
  public replicates?: boolean

  readonly #owner: ReplicationOwner
  #over = false
  #remoteLogId?: string
  // from where on those want the list for whom it has not been asked for, undefined
  // for the cursor
  #sinces: Array<number | undefined> = []
  #remoteSince = -1
  // begins our list when it is known what the remote lacks
  #listWhenCompared?: () => void
  // if that was listed, so that what is asked for again is listed as it stands in
  // the log
  #comparedListed = false
  // the last sequence that we have announced, and the last one that the remote has
  #announced = -1
  #remoteAnnounced = -1
  // up to where what was put is announced, although we are to end the exchange
  #promised = 0
  // if our REQUEST without hashes was sent, and that of the remote has come
  #done = false
  #remoteDone = false
  // if the remote has asked for anything, and if it has said before that it
  // wants nothing
  #remoteAsked = false
  #remoteDeaf = false
  // if the end of a list that the remote owes us has not come, and if we are to
  // ask for another one then: the ends could not be told apart
  #due = false
  #asksLater = false
  // if the marker of the remote's list came, where we take nothing
  #marked = false
  #synced = false
  #timer?: ReturnType<typeof setInterval>
  #began = false
  // bytes of hashes and cells that a relay has let pass
  #relayedBytes = 0
  // how old it is, for how long nothing came or went, and since when we have
  // closed it, in ms
  #age = 0
  #quietFor = 0
  #closedFor = -1
  #activity = 0
  #heard = false

  constructor (owner: ReplicationOwner, init: ReplicationExchangeInit) {
    super(init.createReadStream, {
      ...init,
      logId: owner.store.logId,
      // the store and `allow` decide, when content is looked up
      provides: () => true
    })

    this.#owner = owner
    this.peer = init.remotePeer.toString()
    this.opener = init.opener
    this.relayed = init.relayed === true
    this.taking = new Taking(this)
    this.listing = new Listing(this)
    this.reconciliation = new Reconciliation(this)
    this.#startTimer()

    if (this.protocol !== PROTOCOL_4_1) {
      this.reconciliation.skip()
    }
  }

  /**
   * What this side does is decided: at the beginning, or when somebody joins. With
   * `since` the list is asked for from there on, whatever was asked before.
   */
  decide (takes: boolean, since?: number): void {
    this.takes = takes
    this.taking.begin(takes)

    if (takes) {
      this.#sinces.push(since)
      this.#done = false

      if (this.session.requester.takeBackNothing() && !this.taking.asked) {
        // no list ends by what was not sent
        this.#due = false
      }

      this.#onNews()
      this.#ask()
    } else if (!this.#done) {
      this.#finishTaking()
    }

    this.#evaluate()
  }

  /**
   * Nobody waits for what comes later any more
   */
  endWhenDone (): void {
    this.live = false
    this.#evaluate()
  }

  /**
   * If this side ends the exchange when both are done: who opened it does, and
   * with an original nobody else would
   */
  get ends (): boolean {
    return !this.live && (this.opener || this.replicates === false)
  }

  /**
   * All that is in the store now is offered, also where nothing was so far, or
   * where it was put after our list had come to its end
   */
  offer (): void {
    this.#promised = this.store.lastSequence

    if (this.offers) {
      this.listing.onPut()
    } else {
      this.offers = true

      // otherwise the remote will ask for it, or has said that it wants nothing
      if (this.listing.begun && !this.#remoteDeaf) {
        this.#onNews()
        // where stores were compared, nobody knows what it lacks of what it has not asked for
        this.#list(this.reconciliation.result === 'differences' ? -1 : this.#remoteSince)
      }
    }

    if (this.listing.behind) {
      this.#onNews()
    }
  }

  /**
   * If our side has not said that it is done
   */
  get joinable (): boolean {
    return !this.#done && !this.drained && this.session.refusal == null
  }

  /**
   * If it is open, and not on its way to its end
   */
  get alive (): boolean {
    return !this.#over && !this.drained && this.session.refusal == null
  }

  /**
   * Resolves when it has ended, whatever ended it
   */
  get over (): Promise<void> {
    return this.session.closed.catch(() => {})
  }

  get synced (): boolean {
    return this.#synced
  }

  /**
   * Another exchange with the same peer is kept
   */
  drain (): void {
    if (!this.drained) {
      this.drained = true
      this.reconciliation.stop()
      this.listing.stop()
      this.taking.drain()
      this.#evaluate()
    }
  }

  // TakingOwner and ListingOwner

  get store (): Store { return this.#owner.store }
  get table (): WantTable { return this.#owner.table }
  get intake (): Intake { return this.#owner.intake }
  get verifier (): Verifier { return this.#owner.verifier }
  get records (): PeerRecords { return this.#owner.records }
  get limits (): ReplicationLimits { return this.#owner.limits }
  get reconciling (): Reconciling { return this.#owner.reconciling }

  get mayRequest (): boolean {
    return !this.drained && !this.relayed && this.session.refusal == null
  }

  get followedUpTo (): number {
    if (this.#remoteDeaf) {
      return -1
    }

    return this.ends ? this.#promised : this.store.lastSequence
  }

  wants (hash: string): boolean | Promise<boolean> {
    return this.#owner.wants?.(this.remotePeer, hash) ?? true
  }

  request (hash: string): void {
    this.session.startClock()
    this.session.requester.request(hash)
  }

  giveUp (hash: string, err: Error): void {
    this.session.requester.giveUp(hash, err)
  }

  seen (sequence: number): void {
    if (!this.#over) {
      this.session.seen(sequence)
    }
  }

  onChange (): void {
    this.#evaluate()
  }

  onRoom (): void {
    this.session.onRoom()
  }

  onOffered (): void {
    this.#owner.onProgress(this, 'offered')

    if (this.relayed && this.taking.wanted > 0) {
      // it is fetched over another exchange
      this.drain()
    }
  }

  onBytes (): void {
    this.#owner.onProgress(this, 'bytes')
  }

  onReceived (hash: string, bytes: number): void {
    this.received.hashes++
    this.received.bytes += bytes
    this.#owner.onReceived(this, hash, bytes)
  }

  onLost (failure: ExchangeFailure): void {
    this.#owner.onFailed(this, failure)
  }

  onUseless (hashes: string[]): void {
    this.#owner.onUseless(this, hashes)
  }

  onKnown (sequence: number): void {
    this.listing.onKnown(sequence)
  }

  onFatal (err: Error): void {
    this.abort(err)
  }

  async mayReadAll (): Promise<boolean> {
    return this.#owner.mayRead(this.remotePeer)
  }

  async mayRead (hash: string): Promise<boolean> {
    return this.#owner.mayRead(this.remotePeer, hash)
  }

  async announce (hashes: string[], sequence: number): Promise<void> {
    if (this.relayed) {
      this.#onRelayed(hashes.reduce((bytes, hash) => bytes + hash.length, 0))
    }

    if (this.relayed && this.drained) {
      return
    }

    if (hashes.length > 0 && !this.#remoteDeaf) {
      this.#remoteDone = false
      this.#announced = sequence
      this.#onNews()
    }

    await this.session.announcer.announce(hashes, sequence)
  }

  onRemoteListed (): void {
    this.#due = false
    this.#owner.onProgress(this, 'listed')

    if (this.#asksLater) {
      this.#asksLater = false
      this.#ask()
    }

    this.#evaluate()
  }

  onListed (): void {
    this.#evaluate()
  }

  onListFailed (err: Error): void {
    if (this.session.refusal == null) {
      this.abort(err)
    }
  }

  // ReconciliationOwner

  tell (message: RPCMessage): void {
    this.#onRelayed(message.data?.length ?? 0)

    if (!this.drained) {
      this.session.tell(message)
    }
  }

  onReconciled (): void {
    if (this.reconciliation.result === 'differences') {
      this.taking.onCompared()
    }

    const list = this.#listWhenCompared

    this.#listWhenCompared = undefined
    list?.()
  }

  // SessionOwner

  get full (): boolean {
    return this.taking.full
  }

  onMessage (message: ReceivedRPC): void {
    const first = !this.#heard

    this.#heard = true

    switch (message.type) {
      case RPCType.ID: this.#onLog(message.hashes[1]); break
      case RPCType.REQUEST: this.#onRequest(message.hashes, message.sequence - 1); break
      case RPCType.SINCE: this.#onSince(message.sequence - 1); break
      case RPCType.CELLS:
      case RPCType.MORE:
      case RPCType.DONE:
      case RPCType.GIVE_UP:
      case RPCType.SALT: this.#onComparing(message); break
      default:
    }

    if (first && message.type !== RPCType.ID) {
      this.#onNoId()
    }

    if (message.type === RPCType.AVAILABLE) {
      this.#onAnnounced(message.hashes, message.sequence - 1)
    }
  }

  onAvailable (): void {
    // everything is provided here, so to nobody else is anything available
  }

  onResponse (response: ReceivedResponse): boolean {
    return this.taking.fetching.onResponse(response) || super.onResponse(response)
  }

  onFailed (hash: string, error: Error): void {
    if (!this.taking.fetching.onNoResponse(hash, error)) {
      super.onFailed(hash, error)
    }
  }

  onSent (hash: string, bytes: number): void {
    this.sent.hashes++
    this.sent.bytes += bytes
    this.#owner.onSent(this, hash, bytes)
  }

  onRest (): void {
    this.#evaluate()
  }

  onEnd (error: Error | null): void {
    if (error == null && !this.drained) {
      // the CLOSE may have come together with what was waited for
      this.#confirm()
    }

    this.#over = true
    clearInterval(this.#timer)
    this.reconciliation.stop()
    this.listing.stop()
    this.taking.end(error ?? new TimeoutError('The exchange with the peer that offered it was closed'))
    super.onEnd(error)
    this.#owner.onOver(this, error)
  }

  #onLog (logId?: string): void {
    if (this.#remoteLogId != null) {
      return
    }

    this.#remoteLogId = logId ?? ''
    this.replicates = this.#remoteLogId !== ''

    if (this.replicates) {
      this.#owner.onIdentified(this)
    }

    if (this.replicates && !this.drained) {
      // where somebody says from where on to list, it is to be listed
      this.reconciliation.begin(this.#sinces.every(since => since == null))
    } else {
      this.reconciliation.giveUp()
    }

    // again, where it took the remote too long to say who it is
    this.#ask()
  }

  /**
   * The remote does not say who it is: so did originals that send none
   */
  #onNoId (): void {
    if (this.replicates == null) {
      this.replicates = false
      this.reconciliation.giveUp()
      this.#ask()
    }
  }

  #onSince (sequence: number): void {
    if (!this.drained && this.session.refusal == null) {
      this.#remoteSince = sequence
      this.#onRemoteAsks()
      this.#list(sequence)
    }
  }

  #list (since: number): void {
    const { result, differences, comparedUpTo } = this.reconciliation

    if (result == null) {
      this.#listWhenCompared = () => { this.#list(since) }
      return
    }

    this.#announced = -1

    if (result === 'list' || this.#comparedListed || !this.offers) {
      this.listing.start(since)
    } else {
      this.listing.startCompared(differences, comparedUpTo)
    }

    // what is asked for after that is not what was compared
    this.#comparedListed = true
    this.reconciliation.differences = []
  }

  #listNothing (): void {
    if (this.reconciliation.result == null) {
      this.#listWhenCompared = () => { this.#listNothing() }
    } else if (!this.listing.ended) {
      this.#comparedListed = true
      this.listing.startEmpty()
    }
  }

  #onComparing (message: ReceivedRPC): void {
    // a type that 4.0.1 does not know
    if (this.protocol === PROTOCOL_4_1 && !this.drained && this.session.refusal == null) {
      this.#onRelayed(message.data?.length ?? 0)
      this.reconciliation.onMessage(message)
    }
  }

  /**
   * The relay is somebody else's
   */
  #onRelayed (bytes: number): void {
    this.#relayedBytes += bytes

    if (this.relayed && this.#relayedBytes > MAX_RELAYED_BYTES) {
      this.drain()
    }
  }

  #onRequest (hashes: string[], sequence: number): void {
    if (hashes.length > 0 && this.relayed) {
      throw new LimitedConnectionError('The remote asked for content over a relay')
    }

    if (hashes.length > 0) {
      this.#onRemoteAsks()
      return
    }

    // it may not have heard of what was announced last
    if (sequence >= this.#announced || !this.#remoteAsked) {
      this.#remoteDone = true
    }

    if (!this.#remoteAsked && !this.#remoteDeaf && !this.drained) {
      this.#remoteDeaf = true
      this.#listNothing()
    }
  }

  #onRemoteAsks (): void {
    this.#remoteAsked = true
    this.#remoteDeaf = false

    if (this.session.refusal == null) {
      this.#remoteDone = false
      this.#onNews()
    }
  }

  /**
   * Something is outstanding again
   */
  #onNews (): void {
    this.#synced = false
    this.confirmed = false
  }

  #onAnnounced (hashes: string[], sequence: number): void {
    if (this.relayed) {
      this.#onRelayed(hashes.reduce((bytes, hash) => bytes + hash.length, 0))
    }

    if (hashes.length === 0) {
      this.#marked = true

      if (this.takes !== true) {
        this.#due = false
      }
    }

    if (this.drained || this.takes === false || (this.#done && this.ends) || (hashes.length === 0 && this.replicates !== true)) {
      // it may be all that was waited for
      this.#evaluate()
      return
    }

    if (hashes.length > 0) {
      this.#done = false
      this.#onNews()
    }

    if (sequence >= 0) {
      this.#remoteAnnounced = sequence
    }

    this.taking.onAnnounced(hashes, sequence)
  }

  /**
   * Asks for the remote's list, once it is known who it is and that we take
   */
  #ask (): void {
    if (this.takes === true && this.replicates != null && !this.drained && this.session.refusal == null) {
      if (this.#due && this.replicates) {
        this.#asksLater = true
        return
      }

      const sinces = this.#sinces

      if (this.#remoteLogId != null) {
        // otherwise it is asked for once more when the remote says who it is
        this.#sinces = []
      }

      this.#due = this.replicates
      this.taking.ask(this.#remoteLogId, sinces).catch(err => { this.abort(toError(err)) })
    }
  }

  #finishTaking (): void {
    if (this.session.refusal == null) {
      this.#done = true

      if (!this.taking.asked) {
        // the remote's list is empty then, and ends at once
        this.#due = !this.#marked
      }

      this.session.requester.requestNothing(this.#remoteAnnounced)
    }
  }

  /**
   * Does what is to be done next, if anything: called whenever anything has
   * changed
   */
  #evaluate (): void {
    if (this.#over || this.session.error != null) {
      return
    }

    if (this.drained) {
      if (this.session.refusal == null && this.taking.fetching.size === 0 && this.session.settled) {
        void this.close()
      }

      return
    }

    if (this.session.refusal != null) {
      this.#confirm()
      return
    }

    const { taking } = this

    if (this.takes === true && taking.asked && !taking.complete) {
      // an original never says that its list has ended
      if (this.replicates === true ? taking.listed && taking.hasRoom : taking.idle) {
        this.#due = this.replicates === true
        taking.askAgain()
      }
    } else if (this.takes === true && this.replicates === true && !this.#done && taking.listed && taking.idle) {
      this.#finishTaking()
    }

    if (this.#confirm() && this.ends) {
      this.#finish()
    }
  }

  /**
   * Tells that both sides are done, if they are
   */
  #confirm (): boolean {
    const { replicates, listing, taking, session } = this
    const listed = this.takes === true ? taking.listed : this.#marked
    const done = replicates === true && this.#done && this.#remoteDone && listing.ended && !listing.running && !listing.behind && listed && taking.idle && session.settled

    if (done && !this.#synced) {
      this.confirmed = true
      this.#synced = true
      this.#owner.onSynced(this)
    }

    return done
  }

  #finish (): void {
    this.finished = true
    this.#closedFor = 0
    void this.close()
  }

  #startTimer (): void {
    const { beginTimeout, quiet, stallTimeout } = this.limits
    const ms = Math.max(5, Math.min(1000, beginTimeout / 4, quiet / 4, stallTimeout / 8))

    this.#timer = setInterval(() => { this.#tick(ms) }, ms)
    this.#timer.unref?.()
  }

  #tick (ms: number): void {
    const { activity } = this.session
    const active = activity !== this.#activity

    this.#activity = activity
    this.#quietFor = active ? 0 : this.#quietFor + ms
    this.#age += ms

    if (this.#closedFor >= 0) {
      this.#closedFor += ms

      // an original may be in the middle of something that never ends
      if (this.replicates !== true && this.#closedFor >= this.limits.beginTimeout) {
        this.session.closeWithoutRemote()
      }

      return
    }

    this.taking.fetching.tick(ms)
    this.reconciliation.tick(ms, this.limits.requestTimeout)

    if (!this.#began && this.#age >= this.limits.beginTimeout) {
      this.#begin()
    }

    if (this.replicates === true) {
      this.#tickReplicating()
    } else if (this.#quietFor >= this.limits.quiet) {
      this.#onQuiet()
    }
  }

  /**
   * The remote had its time to say who it is and what it wants
   */
  #begin (): void {
    this.#began = true
    this.#onNoId()

    if (!this.listing.begun && this.#listWhenCompared == null && !this.drained && this.session.refusal == null) {
      this.#list(-1)
    }
  }

  #tickReplicating (): void {
    const { stallTimeout } = this.limits
    const { open } = this.taking

    if (!this.taking.complete) {
      // others may have made room in the table
      this.#evaluate()
    }

    if (open > 0 && !this.drained && this.#quietFor >= stallTimeout / 4 && this.session.refusal == null) {
      // we wait for another peer, and this one for us
      this.seen(this.taking.position)
    } else if ((this.drained || (open === 0 && !this.live && !this.#synced)) && this.#quietFor >= stallTimeout) {
      this.abort(new TimeoutError(`The remote did not say for ${stallTimeout} ms that it is done`))
    }
  }

  /**
   * Nothing has come or gone for so long that an original has no more to say
   */
  #onQuiet (): void {
    const { taking, listing, session } = this
    const tooLong = this.#quietFor >= this.limits.stallTimeout
    // it may be in the middle of a lookup that never ends
    const settled = session.settled || (tooLong && session.idle)
    const done = settled && taking.idle && taking.complete && (this.takes !== true || taking.asked) && listing.ended && !listing.running

    if (session.refusal != null) {
      return
    }

    if (done && this.ends) {
      this.#finish()
    } else if (done) {
      this.#owner.onQuiet(this)
    } else if (tooLong && this.ends && taking.open === 0) {
      this.abort(new TimeoutError(`Nothing came or went for ${this.limits.stallTimeout} ms`))
    }
  }
}
