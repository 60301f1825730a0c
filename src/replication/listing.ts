import { MAX_BATCH_BYTES, MAX_BATCH_HASHES } from '../constants.ts'
import { toError } from '../errors.ts'
import { Waker } from '../exchange/waker.ts'
import type { Store } from '../store/store.ts'

/**
 * How many sequences are kept that need not be announced, as the remote has them
 */
const MAX_KNOWN = 65_536

export interface ListingOwner {
  readonly store: Store
  /**
   * If this side offers anything
   */
  readonly offers: boolean
  /**
   * Up to which sequence what is put is announced when the list has come to its
   * end
   */
  readonly followedUpTo: number
  /**
   * If the remote may read everything
   */
  mayReadAll(): Promise<boolean>
  mayRead(hash: string): Promise<boolean>
  /**
   * Sends an announcement, and waits until there is room for another
   */
  announce(hashes: string[], sequence: number): Promise<void>
  /**
   * The list has come to its end, or what was put since then has been announced
   */
  onListed(): void
  onListFailed(err: Error): void
}

/**
 * Our list for one peer: what is in the store from where on the peer wants to
 * hear, a marker, and then what is put
 */
export class Listing {
  /**
   * If the marker that ends the list was sent
   */
  public ended = false
  /**
   * If a list is on its way to its marker
   */
  public running = false

  readonly #owner: ListingOwner
  // the last sequence that was gone through
  #position = 0
  #run = 0
  // what the last one to be started is to list
  #since = -1
  #offers = false
  #lacking?: number[]
  #looping = false
  #following = false
  #over = false
  readonly #put = new Waker()
  readonly #known = new Set<number>()

  constructor (owner: ListingOwner) {
    this.#owner = owner
  }

  get begun (): boolean {
    return this.#run > 0
  }

  /**
   * If something was put that is to be announced, and has not been
   */
  get behind (): boolean {
    return this.#following || (this.#offers && this.#position < this.#owner.followedUpTo)
  }

  /**
   * Lists what was put after a sequence, whatever was listed before
   */
  start (sequence: number): void {
    this.#start(sequence, this.#owner.offers)
  }

  /**
   * Lists what the remote lacks, and then what was put since that is known,
   * whatever was listed before
   *
   * @param sequences - of what it lacks, in ascending order
   * @param upTo - the last sequence that was compared
   */
  startCompared (sequences: number[], upTo: number): void {
    this.#start(upTo, true, sequences)
  }

  /**
   * Lists nothing, whatever was listed before
   */
  startEmpty (): void {
    this.#start(-1, false)
  }

  #start (sequence: number, offers: boolean, lacking?: number[]): void {
    this.#run++
    this.#since = sequence
    this.#offers = offers
    this.#lacking = lacking
    this.running = true
    this.#put.wake()

    if (!this.#looping) {
      this.#looping = true
      this.#listAll().catch(err => {
        this.running = false

        if (!this.#over) {
          this.#owner.onListFailed(toError(err))
        }
      })
    }
  }

  /**
   * Nothing more is listed
   */
  stop (): void {
    this.#over = true
    this.#run++
    this.running = false
    this.#put.wake()
    this.#known.clear()
  }

  /**
   * Something was put
   */
  onPut (): void {
    this.#put.wake()
  }

  /**
   * The remote has what was put under a sequence
   */
  onKnown (sequence: number): void {
    if (!this.#over && sequence > this.#position && this.#known.size < MAX_KNOWN) {
      this.#known.add(sequence)
    }

    // nothing to wake up for, where all that was put came from the remote
    while (!this.running && !this.#following && this.#known.delete(this.#position + 1)) {
      this.#position++
    }
  }

  /**
   * One list after the other: a remote may ask for the next one before it has
   * read anything of the last
   */
  async #listAll (): Promise<void> {
    for (let run = 0; !this.#over && run !== this.#run;) {
      run = this.#run
      await this.#list(run)
    }

    this.#looping = false
  }

  async #list (run: number): Promise<void> {
    const { store } = this.#owner
    const offers = this.#offers
    const lacking = this.#lacking
    let since = this.#since
    let end = -1

    this.#lacking = undefined

    if (lacking != null && await this.#owner.mayReadAll()) {
      await this.#announceThese(run, lacking)
    } else if (lacking != null) {
      // what it may read of all that there is, now
      since = -1
    }

    if (offers && run === this.#run) {
      end = await this.#announce(run, store.lastSequence, since)
    }

    if (run !== this.#run) {
      return
    }

    // the end of what the remote may read. Where nothing is offered it says
    // nothing of the log: the remote's cursor must not pass what it never saw
    await this.#owner.announce([], end)

    if (run !== this.#run) {
      return
    }

    this.ended = true
    this.running = false
    this.#owner.onListed()

    if (!offers) {
      return
    }

    while (run === this.#run) {
      await this.#put.sleep()
      // what is put at the same time goes into one message
      await new Promise(resolve => { setTimeout(resolve) })

      if (run === this.#run && this.behind) {
        this.#following = true

        try {
          await this.#announce(run, this.#owner.followedUpTo, this.#position)
        } finally {
          this.#following = false
        }

        this.#owner.onListed()
      }
    }
  }

  /**
   * Announces what is there of some sequences
   */
  async #announceThese (run: number, sequences: number[]): Promise<void> {
    const batch = new Batch()
    let last = -1

    for await (const { hash, sequence } of this.#owner.store.sketch?.entries(sequences) ?? []) {
      if (run !== this.#run) {
        return
      }

      if (!batch.fits(hash)) {
        await this.#owner.announce(batch.take(), last)
      }

      batch.add(hash)
      last = sequence
    }

    if (run === this.#run && batch.size > 0) {
      await this.#owner.announce(batch.take(), last)
    }
  }

  /**
   * Announces what is after one sequence and up to another. Returns the last one
   * that the remote may know of, -1 if there is none.
   */
  async #announce (run: number, end: number, since: number): Promise<number> {
    const all = await this.#owner.mayReadAll()

    if (run !== this.#run) {
      return -1
    }

    // one that we never had: of a backup that was restored here. Who may not read
    // everything must not find out in this way how much there is.
    this.#position = all && since > end ? 0 : Math.max(0, since)

    const batch = new Batch()
    let last = this.#position > 0 ? this.#position : -1

    for await (const { hash, sequence } of this.#owner.store.since(this.#position)) {
      if (run !== this.#run || sequence > end) {
        break
      }

      this.#position = sequence

      if (this.#known.delete(sequence)) {
        last = sequence
        continue
      }

      if (!all && !(await this.#owner.mayRead(hash))) {
        continue
      }

      if (run !== this.#run) {
        break
      }

      if (!batch.fits(hash)) {
        await this.#owner.announce(batch.take(), last)
      }

      batch.add(hash)
      last = sequence
    }

    if (run !== this.#run) {
      return last
    }

    if (batch.size > 0) {
      await this.#owner.announce(batch.take(), last)
    }

    this.#position = Math.max(this.#position, end)

    return all && end > 0 ? end : last
  }
}

/**
 * As many hashes as go into one message
 */
class Batch {
  #hashes: string[] = []
  #bytes = 0

  get size (): number {
    return this.#hashes.length
  }

  fits (hash: string): boolean {
    return this.#hashes.length < MAX_BATCH_HASHES && this.#bytes + hash.length <= MAX_BATCH_BYTES
  }

  add (hash: string): void {
    this.#hashes.push(hash)
    this.#bytes += hash.length
  }

  take (): string[] {
    const hashes = this.#hashes

    this.#hashes = []
    this.#bytes = 0

    return hashes
  }
}
