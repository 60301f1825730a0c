import { ExchangeClosedError, HashMismatchError, LimitError, StoreError, toError } from '../errors.ts'
import { Fifo } from '../exchange/fifo.ts'
import { Waker } from '../exchange/waker.ts'
import { PlacedSet } from '../placed-set.ts'
import { isBlockHash } from '../store/block-hash.ts'
import { Cursor } from './cursor.ts'
import { Fetching } from './fetching.ts'
import { Ignored } from './ignored.ts'
import { inTime } from './in-time.ts'
import type { FetchingOwner } from './fetching.ts'
import type { Verifier } from './verify.ts'
import type { Offer, Offerer, Want } from './want-table.ts'
import type { ExchangeFailure } from '../exchange/api.ts'
import type { Store } from '../store/store.ts'

/**
 * The cursor of a remote that keeps no log
 */
const NO_LOG = ''

/**
 * How often the cursor is kept, in ms, while there is more to come
 */
const SAVE_MS = 100

export interface TakingOwner extends FetchingOwner {
  readonly store: Store
  readonly verifier: Verifier
  /**
   * Asked for each hash that is not here
   */
  wants?(hash: string): boolean | Promise<boolean>
  /**
   * Tells the remote from where on we want its list
   */
  since(sequence: number): void
  seen(sequence: number): void
  /**
   * Something has changed
   */
  onChange(): void
  /**
   * There is room for more announcements
   */
  onRoom(): void
  onOffered(): void
  /**
   * The remote's list has come to its end
   */
  onRemoteListed(): void
  /**
   * The remote has what is stored under this sequence here
   */
  onKnown(sequence: number): void
  onLost(failure: ExchangeFailure): void
  /**
   * Hashes were announced that are not those of blocks that could be checked
   */
  onUseless(hashes: string[]): void
}

interface Announcement {
  hashes: string[]
  sequence: number
}

/**
 * What we take from one peer: from its announcements over what we lack of them
 * to the store, and up to where in its log all of that is done
 */
export class Taking implements Offerer {
  /**
   * If the marker that ends the remote's list has come, and all before it has
   * been looked at
   */
  public listed = false
  /**
   * If the remote was asked for a list again and has not begun to give it
   */
  public askedAgain = false
  /**
   * If we have asked for a list
   */
  public asked = false
  /**
   * How many hashes were offered that were not here, and how many of these have
   * been settled
   */
  public wanted = 0
  public settled = 0
  /**
   * Announced hashes that are neither here nor names of blocks that could be checked
   */
  public readonly ignored = new Ignored()
  public readonly failed: ExchangeFailure[] = []
  public readonly fetching: Fetching
  public readonly peer: string

  readonly #owner: TakingOwner
  readonly #announcements = new Fifo<Announcement>()
  #unchecked = 0
  #takes = false
  #checking = false
  // what is neither stored nor given up
  readonly #offered = new PlacedSet<Offer>()
  // what could not be had since the list was asked for
  readonly #lost = new Set<string>()
  #over = false

  // if the remote announces all that we lack, and nothing was asked for since that
  // is known
  #compared = false
  #logId = NO_LOG
  #cursor = new Cursor(-1)
  #saved = -1
  // if the list was asked for from beyond the cursor
  #gap = false
  #saving = false
  // woken when nothing is offered that is not settled
  readonly #done = new Waker()
  #asking = false
  // the last announcement that was looked at, and where it was when the first
  // hash was dropped
  #lookedAt = -1
  #droppedAfter?: number
  // where the remote's log ended when its last list did
  #listEnd = -1
  // up to where an announcement is one of the list that was asked for again. One
  // beyond may have been sent before the remote heard of that: it does not say
  // that all before it has been announced.
  #certainUpTo = Infinity

  constructor (owner: TakingOwner) {
    this.#owner = owner
    this.peer = owner.peer
    this.fetching = new Fetching(owner, this)
  }

  /**
   * If so much waits to be looked at that nothing more may come
   */
  get full (): boolean {
    return this.#unchecked >= this.#owner.limits.maxUnchecked
  }

  /**
   * If nothing is being fetched or looked at, here or from others that offer it
   */
  get idle (): boolean {
    return this.#offered.size === 0 && !this.#checking && this.#announcements.length === 0 && !this.#saving && !this.#asking
  }

  /**
   * If all that was offered is remembered
   */
  get complete (): boolean {
    return this.#droppedAfter == null
  }

  /**
   * If half of what may be remembered has been settled, so that it is worth while
   * to ask for more
   */
  get hasRoom (): boolean {
    const { limits, table } = this.#owner

    return table.offeredBy(this.peer) <= limits.maxWanted / 2 && (table.size <= limits.maxWantedOfAll / 2 || table.size === this.#offered.size)
  }

  /**
   * How many offered hashes are neither stored nor given up
   */
  get open (): number {
    return this.#offered.size
  }

  /**
   * If something of what was offered could not be had
   */
  get lacking (): boolean {
    return this.#lost.size > 0
  }

  get position (): number {
    return this.#cursor.position
  }

  /**
   * It is decided if hashes are taken. What was announced before then waits.
   */
  begin (takes: boolean): void {
    this.#takes = takes

    if (!takes) {
      this.#announcements.clear()
      this.#unchecked = 0
      this.#owner.onRoom()
    } else {
      this.#proceed()
    }
  }

  /**
   * Asks for the list of a remote
   *
   * @param logId - of its log, if it keeps one
   * @param sinces - where to begin: the least of them, of which undefined is the cursor
   */
  async ask (logId: string = NO_LOG, sinces: Array<number | undefined>): Promise<void> {
    let position = -1

    this.#asking = true

    if (logId !== NO_LOG) {
      const kept = await this.#inTime(this.#owner.store.cursor(this.#owner.peer))

      if (kept?.logId === logId) {
        position = kept.sequence
      }
    }

    if (this.#over) {
      return
    }

    if (this.#compared) {
      this.#compared = false
      this.#restart()
      position = -1
    }

    if (this.#gap) {
      this.#restart()
    }

    const since = Math.min(...sinces.map(since => since ?? position))

    // what is between them is not asked for then, so the cursor must stay
    this.#gap = since > position
    this.#logId = this.#gap ? NO_LOG : logId

    const from = Math.min(since, this.#droppedAfter ?? Infinity)

    this.#certainUpTo = this.listed ? this.#listEnd : Math.min(this.#droppedAfter ?? Infinity, this.#cursor.failedAt)
    this.#lost.clear()
    this.#droppedAfter = undefined
    this.#lookedAt = from
    this.#cursor.begin(from)
    this.#saved = position
    this.#asking = false
    this.asked = true
    this.listed = false
    this.#owner.since(from)
  }

  /**
   * The remote is going to announce all that we lack, also what is older than what
   * it announced before
   */
  onCompared (): void {
    if (this.asked && !this.#asking) {
      this.#restart()
    } else {
      this.#compared = true
    }
  }

  /**
   * Asks for the rest of a list of which something was dropped
   */
  askAgain (): void {
    const since = this.#droppedAfter ?? -1

    this.#droppedAfter = undefined
    this.#certainUpTo = this.#listEnd
    this.listed = false
    this.askedAgain = true
    this.#lookedAt = since
    this.#cursor.forgetAfter(since)
    this.#owner.since(since)
  }

  /**
   * The remote announces hashes, or the end of its list
   */
  onAnnounced (hashes: string[], sequence: number): void {
    this.#announcements.push({ hashes, sequence })
    this.#unchecked += Math.max(1, hashes.length)
    this.askedAgain = false
    this.#proceed()
  }

  /**
   * Another exchange with the peer is kept: what is not on its way is had there
   */
  drain (): void {
    const err = new ExchangeClosedError()

    for (const { want } of this.#offered) {
      if (want.fetcher !== this) {
        this.#owner.table.leave(want, this, err)
      }
    }
  }

  /**
   * The exchange has ended
   */
  end (err: Error): void {
    this.#over = true
    this.#announcements.clear()

    for (const { want } of this.#offered) {
      this.#owner.table.leave(want, this, err)
    }

    this.#offered.clear()
    this.#done.wake()
    this.fetching.end()
  }

  // Offerer

  onOffered (want: Want, offer: Offer): void {
    this.wanted++
    this.#offered.add(offer)
    this.fetching.add(offer)
  }

  onFetchable (offer: Offer): void {
    this.fetching.add(offer)
    this.fetching.proceed()
  }

  onSettled (want: Want, offer: Offer, error?: Error): void {
    const { batch } = offer

    this.settled++
    this.#offered.delete(offer)

    if (this.#offered.size === 0) {
      this.#done.wake()
    }

    if (want.sequence != null) {
      this.#owner.onKnown(want.sequence)
    }

    if (batch != null && error == null) {
      this.#cursor.settle(batch)
    } else if (batch != null) {
      this.#cursor.fail(batch)
    }

    if (error != null) {
      this.#fail(want.hash, error)
    } else {
      this.#lost.delete(want.hash)
    }

    this.#save()
    this.#owner.onChange()
  }

  #restart (): void {
    // what an announcement before waits for, one from now on has to wait for as well
    this.#cursor.forget()
    this.#cursor = new Cursor(-1)
    this.#lookedAt = -1
    this.#saved = -1
  }

  #proceed (): void {
    if (this.#takes && !this.#checking && this.#announcements.length > 0) {
      this.#checking = true
      this.#check().catch(err => { this.#owner.onFatal(toError(err)) })
    }
  }

  /**
   * Looks at what was announced, in its order
   */
  async #check (): Promise<void> {
    for (let next = this.#announcements.shift(); next != null && !this.#over; next = this.#announcements.shift()) {
      const { hashes, sequence } = next

      if (hashes.length > 0) {
        await this.#checkHashes(hashes, sequence)
      } else {
        this.listed = true
        this.#listEnd = sequence
        this.#certainUpTo = Infinity

        if (this.complete) {
          this.#note(sequence, 0)
        }

        this.#owner.onRemoteListed()
      }

      this.#unchecked = Math.max(0, this.#unchecked - Math.max(1, hashes.length))
      this.#owner.onRoom()
    }

    this.#checking = false
    this.#save()
    this.#owner.onChange()
  }

  async #checkHashes (hashes: string[], sequence: number): Promise<void> {
    if (!this.complete) {
      // it will be announced again
      return
    }

    const lacking = await this.#lacking(hashes)

    if (this.#over || this.#owner.drained) {
      return
    }

    const { limits, table } = this.#owner
    let room = Math.min(limits.maxWanted - table.offeredBy(this.peer), limits.maxWantedOfAll - table.size)
    // those that are remembered already need no room
    const dropped = lacking.findIndex(hash => table.get(hash)?.offerOf(this) == null && room-- <= 0)

    if (dropped !== -1) {
      this.#droppedAfter = this.#lookedAt
      lacking.length = dropped
    }

    const certain = sequence <= this.#certainUpTo

    if (certain) {
      this.#certainUpTo = Infinity
    }

    // the cursor must not pass what was dropped
    const batch = this.complete ? this.#note(certain ? sequence : Math.max(0, this.#lookedAt), lacking.length) : undefined

    for (const hash of lacking) {
      if (this.#over) {
        // too much has failed
        return
      }

      if (this.fetching.isWrong(hash)) {
        this.#fail(hash, new HashMismatchError(`The peer sent wrong content for ${hash} before`))

        if (batch != null) {
          this.#cursor.fail(batch)
        }
      } else if (!table.offer(hash, this, batch) && batch != null) {
        // an earlier announcement waits for it
        this.#cursor.settle(batch)
      }
    }

    this.fetching.proceed()
    this.#owner.onOffered()
  }

  /**
   * Those that are not here and wanted
   */
  async #lacking (hashes: string[]): Promise<string[]> {
    const watch = this.#owner.table.watch()

    try {
      const { candidates, had, useless } = await this.#lookUp(hashes)

      if (useless.length > 0) {
        this.ignored.add(useless)
        this.#owner.onUseless(useless)
      }

      // nor what has come from another peer meanwhile
      const lacking = candidates.filter((hash, i) => !had[i] && !watch.stored.has(hash))
      const wanted = await answers(lacking, hash => this.#owner.wants?.(hash) ?? true)

      return lacking.filter((hash, i) => wanted[i] && !watch.stored.has(hash))
    } finally {
      watch.end()
    }
  }

  /**
   * Those that are names of blocks, which of them are here, and the others that are
   * not. Most stores know that at once; and each hash is asked about at once, as it is
   * decoded for both.
   */
  async #lookUp (hashes: string[]): Promise<{ candidates: string[], had: boolean[], useless: string[] }> {
    const { store, verifier } = this.#owner
    const candidates: string[] = []
    const others: string[] = []

    const known = (function * () {
      for (const hash of new Set(hashes)) {
        if (verifier.knows(hash)) {
          candidates.push(hash)
          yield hash
        } else {
          others.push(hash)
        }
      }
    })()

    try {
      const has = async (hashes: Iterable<string>): Promise<boolean[]> => {
        const had = answers(hashes, hash => store.has(hash))

        return had instanceof Promise ? this.#inTime(had) : had
      }
      const had = await has(known)
      // one of another hash function may have been put here all the same
      const blocks = others.filter(isBlockHash)
      const here = new Set(await has(blocks).then(had => blocks.filter((_, i) => had[i])))

      return { candidates, had, useless: others.filter(hash => !here.has(hash)) }
    } catch (err: any) {
      throw new StoreError(`What was offered could not be looked up: ${err.message}`, { cause: err })
    }
  }

  async #inTime<T> (answer: Promise<T>): Promise<T> {
    const { storeTimeout } = this.#owner.limits

    return inTime(answer, storeTimeout, () => new StoreError(`The store did not answer within ${storeTimeout} ms`))
  }

  /**
   * The cursor is not kept for each of thousands of small blocks, unless there is
   * nothing else to wait for
   */
  async #pause (): Promise<void> {
    if (this.#offered.size > 0) {
      const timer = setTimeout(() => { this.#done.wake() }, SAVE_MS)

      await this.#done.sleep()
      clearTimeout(timer)
    }
  }

  #note (sequence: number, left: number): ReturnType<Cursor['note']> {
    this.#lookedAt = Math.max(this.#lookedAt, sequence)

    // an original says nothing of a sequence
    return sequence < 0 ? undefined : this.#cursor.note(sequence, left)
  }

  #fail (hash: string, error: Error): void {
    if (this.failed.length >= this.#owner.limits.maxFailed) {
      this.#owner.onFatal(new LimitError(`More than ${this.#owner.limits.maxFailed} hashes of the peer failed, the last one as ${error.name}`))
      return
    }

    this.#lost.add(hash)
    this.failed.push({ hash, error })
    this.#owner.onLost({ hash, error })
  }

  /**
   * Keeps the cursor, and then tells the remote
   */
  #save (): void {
    if (!this.#saving && this.#logId !== NO_LOG && this.#cursor.position > this.#saved) {
      this.#saving = true
      this.#saveCursor().catch(err => {
        this.#owner.onFatal(new StoreError(`The cursor could not be kept: ${err.message}`, { cause: err }))
      })
    }
  }

  async #saveCursor (): Promise<void> {
    while (this.#logId !== NO_LOG && this.#cursor.position > this.#saved && !this.#over) {
      const sequence = this.#cursor.position

      await this.#inTime(this.#owner.store.setCursor(this.#owner.peer, { logId: this.#logId, sequence }))
      this.#saved = sequence
      this.#owner.seen(sequence)
      await this.#pause()
    }

    this.#saving = false
    this.#owner.onChange()
  }
}

/**
 * Asks about each hash, without a promise for what is known at once
 */
function answers (hashes: Iterable<string>, ask: (hash: string) => boolean | Promise<boolean>): boolean[] | Promise<boolean[]> {
  const answers: Array<boolean | Promise<boolean>> = []
  let later = false

  try {
    for (const hash of hashes) {
      const answer = ask(hash)

      later ||= typeof answer !== 'boolean'
      answers.push(answer)
    }
  } catch (err) {
    // the first, so that it is heard of, and of the others nothing is left unhandled
    answers.unshift(Promise.reject(err))
    later = true
  }

  return later ? Promise.all(answers.map(async answer => answer)) : answers as boolean[]
}
