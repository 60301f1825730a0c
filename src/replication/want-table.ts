import { NOWHERE } from '../placed-set.ts'
import type { Batch } from './cursor.ts'
import type { Placed } from '../placed-set.ts'

/**
 * A peer that offers hashes, as the table sees it
 */
export interface Offerer {
  /**
   * Who it is. A peer may offer on several exchanges.
   */
  readonly peer: string
  /**
   * It is the first time that it offers a hash
   */
  onOffered(want: Want, offer: Offer): void
  /**
   * There is something that may be fetched from it, again
   */
  onFetchable(offer: Offer): void
  /**
   * A hash that it offered is stored, or could not be had
   */
  onSettled(want: Want, offer: Offer, error?: Error): void
}

/**
 * What one peer said of one hash
 */
export class Offer implements Placed {
  public readonly want: Want
  public readonly from: Offerer
  /**
   * The announcement it was in
   */
  public batch?: Batch
  /**
   * If it could not be had from this peer
   */
  public failed = false
  /**
   * If the peer will be asked for it, unless it comes from another one before
   */
  public queued = false
  /**
   * Among those of the peer that are not settled
   */
  public place = NOWHERE

  constructor (want: Want, from: Offerer, batch?: Batch) {
    this.want = want
    this.from = from
    this.batch = batch
  }
}

/**
 * A hash that is not here and that somebody offers
 */
export class Want {
  public readonly hash: string
  /**
   * Who offers it
   */
  public readonly offers: Offer[]
  /**
   * From whom it is being fetched
   */
  public fetcher?: Offerer
  /**
   * If its content has begun to come from there: it will be stored, or fail, also when
   * the peer has gone
   */
  public coming = false
  public settled = false
  /**
   * Where it stands in our log, once it is stored
   */
  public sequence?: number
  /**
   * Why it could not be had the last time
   */
  public error?: Error

  constructor (hash: string, from: Offerer, batch?: Batch) {
    this.hash = hash
    // one that is empty first has room for 17
    this.offers = [new Offer(this, from, batch)]
  }

  offerOf (from: Offerer): Offer | undefined {
    return this.offers.find(offer => offer.from === from)
  }
}

/**
 * The hashes that are wanted, for the whole node: each is fetched from one peer
 * at a time, and from another one if that one fails
 */
export class WantTable {
  readonly #wants = new Map<string, Want>()
  // how many of them each peer offers, on all of its exchanges
  readonly #byPeer = new Map<string, number>()
  // what has been stored since somebody began to look at the store
  readonly #watches = new Set<Set<string>>()

  get size (): number {
    return this.#wants.size
  }

  offeredBy (peer: string): number {
    return this.#byPeer.get(peer) ?? 0
  }

  get (hash: string): Want | undefined {
    return this.#wants.get(hash)
  }

  /**
   * Collects what is stored from now on: what was not in the store before may be
   * there when that is known
   */
  watch (): { stored: ReadonlySet<string>, end(): void } {
    const stored = new Set<string>()
    this.#watches.add(stored)

    return { stored, end: () => { this.#watches.delete(stored) } }
  }

  /**
   * A peer offers a hash, in an announcement. Returns if that waits for it now:
   * it does not if an earlier announcement of the peer does already.
   */
  offer (hash: string, from: Offerer, batch?: Batch): boolean {
    const want = this.#wants.get(hash)
    const known = want?.offerOf(from)

    if (want == null || known == null) {
      this.#add(want, hash, from, batch)
      return true
    }

    const { failed } = known

    if (!failed && (batch == null || known.batch?.forgotten === false)) {
      return false
    }

    // it has it again, or its list was asked for again. One that came when
    // something had been dropped has no batch yet: it must have one now, or
    // the cursor would pass it.
    known.batch = batch
    known.failed = false

    if (failed) {
      from.onFetchable(known)
    }

    return true
  }

  /**
   * It has been stored
   */
  stored (want: Want, sequence: number): void {
    want.sequence = sequence
    this.#watches.forEach(stored => { stored.add(want.hash) })
    this.#settle(want)
  }

  /**
   * It could not be had from a peer. Another one is asked if there is one.
   */
  failed (want: Want, from: Offerer, err: Error): void {
    const offer = want.offerOf(from)

    if (offer != null) {
      offer.failed = true
    }

    this.#retry(want, from, err)
  }

  /**
   * A peer has gone, and with it what it offered. What has come from it and is not
   * stored yet is fetched from nobody else meanwhile.
   */
  leave (want: Want, from: Offerer, err: Error): void {
    const i = want.offers.findIndex(offer => offer.from === from)

    if (i !== -1) {
      want.offers.splice(i, 1)
      this.#count(from, -1)
    }

    if (want.fetcher !== from || !want.coming) {
      // why it could not be had from another one says more
      this.#retry(want, from, want.error ?? err)
    }
  }

  #add (known: Want | undefined, hash: string, from: Offerer, batch?: Batch): void {
    const want = known ?? new Want(hash, from, batch)

    if (known != null) {
      known.offers.push(new Offer(known, from, batch))
    } else {
      this.#wants.set(hash, want)
    }

    this.#count(from, 1)
    from.onOffered(want, want.offers[want.offers.length - 1])
  }

  #retry (want: Want, from: Offerer, err?: Error): void {
    if (want.settled) {
      return
    }

    want.error = err

    if (want.fetcher === from) {
      want.fetcher = undefined
    }

    if (want.fetcher != null) {
      return
    }

    const others = want.offers.filter(offer => !offer.failed)

    if (others.length === 0) {
      this.#settle(want, err)
    } else {
      others.forEach(offer => { offer.from.onFetchable(offer) })
    }
  }

  #settle (want: Want, err?: Error): void {
    if (want.settled) {
      return
    }

    want.settled = true
    this.#wants.delete(want.hash)

    for (const offer of want.offers) {
      this.#count(offer.from, -1)
      offer.from.onSettled(want, offer, err)
    }
  }

  #count ({ peer }: Offerer, change: number): void {
    const offered = this.offeredBy(peer) + change

    if (offered > 0) {
      this.#byPeer.set(peer, offered)
    } else {
      this.#byPeer.delete(peer)
    }
  }
}
