import { TimeoutError } from '@libp2p/interface'
import { toError } from '../errors.ts'
import { Fifo } from '../exchange/fifo.ts'
import { joined } from '../exchange/gathered-bytes.ts'
import { checkBlockHash } from '../store/block-hash.ts'
import type { Intake, PutOwner } from './intake.ts'
import type { ReplicationLimits } from './limits.ts'
import type { PeerRecords } from './peers.ts'
import type { Offer, Offerer, Want, WantTable } from './want-table.ts'
import type { ReceivedResponse } from '../exchange/api.ts'

/**
 * How many hashes are fetched from a peer at a time: as few at first, twice as
 * many when so many have come, so that what a slow peer has is left to faster
 * ones, and at most half of what an exchange requests at a time
 */
const MIN_WINDOW = 128
const MAX_WINDOW = 4096

/**
 * How many puts in a row may fail before the store is taken to be out of order,
 * and replication is given up: a disk that is full fails for every block
 */
const MAX_STORE_FAILURES = 16

/**
 * How many bytes must come in a second of content that others offer as well, and
 * of which nothing has come to its end for long
 */
const MIN_RATE = 64 * 1024

export interface FetchingOwner {
  readonly peer: string
  readonly table: WantTable
  readonly intake: Intake
  readonly records: PeerRecords
  readonly limits: ReplicationLimits
  /**
   * If hashes may be requested now
   */
  readonly mayRequest: boolean
  /**
   * If another exchange with the peer is kept, and this one only ends what it began
   */
  readonly drained: boolean
  request(hash: string): void
  /**
   * Content that was requested and has not begun to come is not waited for
   */
  giveUp(hash: string, err: Error): void
  onBytes(bytes: number): void
  onReceived(hash: string, bytes: number): void
  /**
   * This exchange must not go on
   */
  onFatal(err: Error): void
}

/**
 * What comes for one want
 */
class Delivery implements PutOwner {
  public readonly want: Want
  public readonly response: ReceivedResponse
  /**
   * How many bytes have come
   */
  public bytes = 0
  readonly #fetching: Fetching

  constructor (want: Want, response: ReceivedResponse, fetching: Fetching) {
    this.want = want
    this.response = response
    this.#fetching = fetching
  }

  onStored (sequence: number): void {
    this.#fetching.onStored(this, sequence)
  }

  onError (err: Error): void {
    this.#fetching.onError(this, err)
  }
}

/**
 * What is fetched from one peer, of what it offers: from the request to the store
 */
export class Fetching {
  /**
   * Bytes of content that has not come to its end
   */
  public receiving = 0

  readonly #owner: FetchingOwner
  readonly #offerer: Offerer
  // what may be fetched from this peer, unless another one is faster
  readonly #fetchable = new Fifo<Offer>()
  // what has been requested, until it has come to its end here
  readonly #fetching = new Map<string, Want>()
  // those of them whose content has begun to come
  readonly #coming = new Map<string, ReceivedResponse>()
  // what has begun to come in this task, and perhaps come to its end
  #begun: Delivery[] = []
  readonly #wrong = new Set<string>()
  #window = MIN_WINDOW
  #came = 0
  #storeFailures = 0
  // for how long nothing has come to its end, in ms, and what came meanwhile
  #unfinishedFor = 0
  #unfinishedBytes = 0

  /**
   * @param owner - who asks the peer
   * @param offerer - the peer, as the table of wants knows it
   */
  constructor (owner: FetchingOwner, offerer: Offerer) {
    this.#owner = owner
    this.#offerer = offerer
  }

  /**
   * How many hashes have been requested and are neither stored nor given up
   */
  get size (): number {
    return this.#fetching.size
  }

  /**
   * If the peer sent wrong content for a hash
   */
  isWrong (hash: string): boolean {
    return this.#wrong.has(hash)
  }

  /**
   * Something may be fetched from the peer
   */
  add (offer: Offer): void {
    if (!offer.queued) {
      offer.queued = true
      this.#fetchable.push(offer)
    }
  }

  /**
   * Requests what may be requested now, half a window at a time: a request for
   * each hash that comes would cost as much as many small blocks
   */
  proceed (): void {
    if (this.#fetching.size > this.#window / 2) {
      return
    }

    while (this.#fetching.size < this.#window && this.#owner.mayRequest) {
      const offer = this.#fetchable.shift()

      if (offer == null) {
        return
      }

      const { want } = offer

      offer.queued = false

      if (!want.settled && want.fetcher == null && !offer.failed) {
        want.fetcher = this.#offerer
        this.#fetching.set(want.hash, want)
        this.#owner.request(want.hash)
      }
    }
  }

  /**
   * Content comes. Returns false if it was not asked for here.
   */
  onResponse (response: ReceivedResponse): boolean {
    const want = this.#fetching.get(response.hash)

    if (want == null) {
      return false
    }

    want.coming = true

    if (this.#begun.push(new Delivery(want, response, this)) === 1) {
      queueMicrotask(() => { this.#receiveAll() })
    }

    return true
  }

  /**
   * Content that was asked for does not come. Returns false if it was not asked
   * for here.
   */
  onNoResponse (hash: string, err: Error): boolean {
    const want = this.#fetching.get(hash)

    if (want == null) {
      return false
    }

    this.#fetching.delete(hash)

    if (this.#owner.mayRequest) {
      this.#fail(want, err)
    } else {
      // the exchange is about to end, which is nobody's fault
      this.#owner.table.leave(want, this.#offerer, err)
    }

    this.proceed()
    return true
  }

  /**
   * Some time has passed, in ms
   */
  tick (ms: number): void {
    const { stallTimeout } = this.#owner.limits

    this.#unfinishedFor = this.#fetching.size === 0 ? 0 : this.#unfinishedFor + ms

    if (this.#unfinishedFor >= stallTimeout) {
      const slow = this.#unfinishedBytes < MIN_RATE * stallTimeout / 1000

      this.#startUnfinished()
      // what comes fast is waited for, however large it is
      this.#onTimeout(new TimeoutError(`Nothing came to its end for ${stallTimeout} ms`), slow)
      this.proceed()
    }
  }

  /**
   * The exchange has ended
   */
  end (): void {
    this.#fetchable.clear()
    this.#fetching.clear()
    this.#coming.clear()
  }

  // Delivery, whose errors, as of one of the application's metrics, nobody else would hear of

  onStored (delivery: Delivery, sequence: number): void {
    const { want, bytes } = delivery

    try {
      this.#end(delivery)
      this.#storeFailures = 0
      this.#startUnfinished()
      this.#owner.onReceived(want.hash, bytes)
      this.#owner.table.stored(want, sequence)
      this.#grow()
      this.proceed()
    } catch (err) {
      this.#owner.onFatal(toError(err))
    }
  }

  onError (delivery: Delivery, err: Error): void {
    try {
      this.#end(delivery)
      // where the error is ours the rest would hold up all others
      delivery.response.abort(err)
      this.#onNotReceived(delivery.want, err)
      this.proceed()
    } catch (err) {
      this.#owner.onFatal(toError(err))
    }
  }

  /**
   * Of small blocks many come in one task: what has come as a whole is put at
   * once, which takes a fraction of the time
   */
  #receiveAll (): void {
    for (const delivery of this.#begun.splice(0)) {
      const parts = this.#owner.intake.hasRoom ? delivery.response.takeAll() : undefined

      if (parts == null) {
        void this.#receive(delivery)
      } else {
        this.#receiveWhole(delivery, joined(parts))
      }
    }
  }

  #receiveWhole (delivery: Delivery, content: Uint8Array): void {
    const { hash } = delivery.want

    try {
      this.#onBytes(delivery, content.length)
      this.#owner.intake.put(checkBlockHash(hash), hash, content, delivery)
    } catch (err: any) {
      delivery.onError(toError(err))
    }
  }

  async #receive (delivery: Delivery): Promise<void> {
    const { want: { hash }, response } = delivery

    this.#coming.set(hash, response)

    try {
      const sequence = await this.#owner.intake.take(checkBlockHash(hash), hash, response.stream[Symbol.asyncIterator](), bytes => { this.#onBytes(delivery, bytes) })

      // a store that has it already does not read it
      response.abort()
      delivery.onStored(sequence)
    } catch (err) {
      delivery.onError(toError(err))
    }
  }

  #onBytes (delivery: Delivery, bytes: number): void {
    delivery.bytes += bytes
    this.receiving += bytes
    this.#unfinishedBytes += bytes
    this.#owner.records.add(this.#owner.peer, bytes)
    this.#owner.onBytes(bytes)
  }

  #end ({ want, bytes }: Delivery): void {
    want.coming = false
    this.receiving -= bytes
    this.#fetching.delete(want.hash)
    this.#coming.delete(want.hash)
  }

  #onNotReceived (want: Want, err: Error): void {
    const { records, peer } = this.#owner

    if (err.name === 'HashMismatchError') {
      this.#wrong.add(want.hash)
    }

    this.#fail(want, err)

    if (err.name === 'HashMismatchError') {
      try {
        records.onWrongContent(peer)
      } catch (err: any) {
        this.#owner.onFatal(err)
      }
    }

    if (err.name === 'StoreError' && ++this.#storeFailures >= MAX_STORE_FAILURES) {
      this.#owner.onFatal(err)
    }
  }

  #fail (want: Want, err: Error): void {
    if (this.#owner.drained) {
      // the peer offers it on the one that is kept
      this.#owner.table.leave(want, this.#offerer, err)
    } else {
      this.#owner.table.failed(want, this.#offerer, err)
      this.#onTimeout(err)
    }
  }

  /**
   * A peer from which nothing comes, or too little, need not be waited for where
   * others have the same
   */
  #onTimeout (err: Error, alsoComing = true): void {
    if (err.name !== 'TimeoutError' || this.#window === 0) {
      return
    }

    const others = [...this.#fetching.values()].filter(want => want.offers.some(({ from, failed }) => from !== this.#offerer && !failed))

    // nothing is asked of it meanwhile
    this.#window = 0

    for (const { hash } of others) {
      const response = this.#coming.get(hash)

      if (response != null && alsoComing) {
        response.abort(err)
      } else if (response == null) {
        this.#owner.giveUp(hash, err)
      }
    }

    this.#window = MIN_WINDOW
    this.#came = 0
  }

  #startUnfinished (): void {
    this.#unfinishedFor = 0
    this.#unfinishedBytes = 0
  }

  #grow (): void {
    this.#came++

    if (this.#came >= this.#window && this.#window < MAX_WINDOW) {
      this.#window *= 2
      this.#came = 0
    }
  }
}
