import { base32 } from 'multiformats/bases/base32'
import { SKETCH_CELLS } from '../constants.ts'
import { Sketch } from '../sketch/sketch.ts'
import { hashOfMultihash, isSha256Multihash } from './block-hash.ts'
import { StoreCorruptError } from './errors.ts'
import { HashIndex } from './hash-index.ts'
import { BLANK, PAGE_ENTRIES, decodePage, pageOf, placeOf, scanPage } from './log-page.ts'
import { LogPages } from './log-pages.ts'
import { SequenceSet } from './sequence-set.ts'
import type { Page } from './log-page.ts'
import type { Records } from './records.ts'
import type { StoreEntry, StoreSketch } from './store.ts'
import type { AbortOptions, Logger } from '@libp2p/interface'

/**
 * The last sequence there can be: on the wire it goes as itself + 1 in 32 bits
 */
const MAX_SEQUENCE = 2 ** 32 - 2

/**
 * The most changes that are written together: with a page full of them, what is
 * added is on the last page and a new one, and nowhere else
 */
const MAX_CHANGES = PAGE_ENTRIES

/**
 * A change of one hash. No other change of it may be waiting.
 */
interface Change {
  multihash: Uint8Array
  /**
   * The entry that is removed
   */
  removes?: number
  /**
   * If one is added
   */
  adds: boolean
  /**
   * Its sequence, given when it is written, 0 if none is added
   */
  sequence: number
  resolve(sequence: number): void
  reject(err: unknown): void
}

/**
 * Which hashes there are, in the order in which they came. Pages of 128
 * multihashes each, `log/<number>`, are blank where one was removed: they alone
 * decide which hashes there are. `id` is the random name of the log. The sequence
 * of each hash is kept in memory, and read from the pages when the log is opened.
 *
 * The process may be killed after any write: what is replaced is removed before it
 * is added anew.
 */
export class BlockLog {
  /**
   * Of the hashes that are not blank
   */
  public readonly sketch: StoreSketch

  readonly #records: Records
  readonly #pages: LogPages
  readonly #logger: Logger
  readonly #index: HashIndex
  /**
   * The sequences of all entries that are not blank
   */
  readonly #live = new SequenceSet()
  #id = ''
  #last = 0
  /**
   * The page of the last sequence. It is replaced, never changed.
   */
  #tail: Page = []
  #waiting: Change[] = []
  #writing = false
  /**
   * The pages that are to be written to undo a commit that fails, and are read
   * instead of what is there
   */
  #undo?: Map<number, Page>

  private constructor (records: Records, logger: Logger, cells: number) {
    this.#records = records
    this.#pages = new LogPages(records)
    this.#logger = logger

    const sketch = new Sketch(cells)
    const index = this.#index = new HashIndex(sketch)

    this.sketch = {
      length: cells,
      get size () { return sketch.size },
      get removed () { return sketch.removed },
      snapshot: () => ({ ...sketch.snapshot(), lastSequence: this.#last }),
      keys: () => index.names(),
      find: key => index.find(key),
      entries: (sequences, options) => this.#entries(sequences, options)
    }
  }

  /**
   * Throws StoreCorruptError. The sketch has as many `cells`.
   */
  static async open (records: Records, logger: Logger, cells = SKETCH_CELLS): Promise<BlockLog> {
    const log = new BlockLog(records, logger, cells)

    await log.#readPages()
    await log.#readId()

    return log
  }

  get id (): string {
    return this.#id
  }

  get size (): number {
    return this.#live.size
  }

  get lastSequence (): number {
    return this.#last
  }

  /**
   * The sequence of a multihash, if it is there
   */
  sequence (multihash: Uint8Array): number | undefined {
    return this.#index.get(multihash)
  }

  /**
   * Adds a multihash, and removes the entry that it may have. Resolves to its new
   * sequence when that is written.
   */
  append (multihash: Uint8Array, removes?: number): Promise<number> {
    return this.#write(multihash, true, removes)
  }

  /**
   * Removes the entry of a multihash
   */
  async remove (multihash: Uint8Array, sequence: number): Promise<void> {
    await this.#write(multihash, false, sequence)
  }

  /**
   * The entries after a sequence. They are read page by page, those of the last
   * page not even that.
   */
  async * since (sequence: number, options?: AbortOptions): AsyncGenerator<StoreEntry> {
    for (let next = Math.max(0, Math.floor(sequence)) + 1; next <= this.#last;) {
      const page = await this.#page(pageOf(next), options)

      for (let place = placeOf(next); place < page.length; place++, next++) {
        options?.signal?.throwIfAborted()

        // it may have been removed since the page was read
        if (page[place].length > 0 && this.#live.has(next)) {
          yield { hash: hashOf(page[place]), sequence: next }
        }
      }
    }
  }

  /**
   * What is there of some sequences, in ascending order
   */
  async * #entries (sequences: number[], options?: AbortOptions): AsyncGenerator<StoreEntry> {
    let read = { number: -1, page: [] as Page }

    for (const sequence of sequences) {
      const number = pageOf(sequence)

      if (number !== read.number) {
        read = { number, page: await this.#page(number, options) }
      }

      options?.signal?.throwIfAborted()
      const entry = read.page[placeOf(sequence)]

      if (entry?.length > 0 && this.#live.has(sequence)) {
        yield { hash: hashOf(entry), sequence }
      }
    }
  }

  async #readPages (): Promise<void> {
    let last: Uint8Array | undefined

    for await (const bytes of this.#pages.all()) {
      if (this.#last % PAGE_ENTRIES !== 0) {
        throw new StoreCorruptError('A page of the log is not full although there is another one after it')
      }

      scanPage(bytes, (start, end) => {
        this.#last++

        if (end > start) {
          const multihash = bytes.subarray(start, end)

          if (!isSha256Multihash(multihash)) {
            // throws for what is none
            hashOf(multihash)
          }

          this.#live.add(this.#last)
          this.#index.set(multihash, this.#last)
        }
      })

      last = bytes
    }

    this.#tail = last == null ? [] : decodePage(last)
  }

  async #readId (): Promise<void> {
    const bytes = await this.#records.get('id')

    if (bytes != null) {
      this.#id = new TextDecoder().decode(bytes)
    } else {
      // not a random UUID: browsers make those in secure contexts only
      this.#id = base32.encode(globalThis.crypto.getRandomValues(new Uint8Array(16)))
      await this.#records.put('id', new TextEncoder().encode(this.#id))
    }
  }

  #write (multihash: Uint8Array, adds: boolean, removes?: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ multihash, adds, removes, sequence: 0, resolve, reject })

      if (!this.#writing) {
        void this.#writeAll()
      }
    })
  }

  /**
   * What comes while changes are written is written together after them
   */
  async #writeAll (): Promise<void> {
    this.#writing = true

    while (this.#waiting.length > 0) {
      const changes = this.#waiting.splice(0, MAX_CHANGES)

      try {
        await this.#commit(changes)
        changes.forEach(({ resolve, sequence }) => { resolve(sequence) })
      } catch (err) {
        changes.forEach(({ reject }) => { reject(err) })
      }
    }

    this.#writing = false
  }

  async #commit (changes: Change[]): Promise<void> {
    await this.#rollBack()

    let last = this.#last

    for (const change of changes) {
      if (change.adds) {
        if (last === MAX_SEQUENCE) {
          throw new RangeError('The log is full: there is no sequence left')
        }

        change.sequence = ++last
      }
    }

    const before = await this.#pagesOf(changes)
    const pages = new Map([...before].map(([number, page]) => [number, [...page]]))

    for (const { multihash, removes, sequence } of changes) {
      if (removes != null) {
        set(pages, removes, BLANK)
      }

      if (sequence > 0) {
        set(pages, sequence, multihash)
      }
    }

    // what is read meanwhile is as it was, as this may fail
    this.#undo = before

    try {
      for (const number of [...pages.keys()].sort((a, b) => a - b)) {
        await this.#pages.write(number, pages.get(number) ?? [])
      }

      this.#undo = undefined
    } catch (err) {
      await this.#rollBack().catch(err => {
        this.#logger.error('could not undo a write that had failed, will try again before the next one - %e', err)
      })

      throw err
    }

    for (const { multihash, removes, sequence } of changes) {
      if (removes != null) {
        this.#live.delete(removes)
        this.#index.delete(multihash)
      }

      if (sequence > 0) {
        this.#live.add(sequence)
        this.#index.set(multihash, sequence)
      }
    }

    this.#last = last
    this.#tail = pages.get(pageOf(last)) ?? this.#tail
  }

  /**
   * The pages that are changed, as they are
   */
  async #pagesOf (changes: Change[]): Promise<Map<number, Page>> {
    const numbers = new Set<number>()
    const pages = new Map<number, Page>()

    for (const { removes, sequence } of changes) {
      if (removes != null) {
        numbers.add(pageOf(removes))
      }

      if (sequence > 0) {
        numbers.add(pageOf(sequence))
      }
    }

    for (const number of numbers) {
      pages.set(number, await this.#page(number))
    }

    return pages
  }

  /**
   * Undoes it in the opposite order, as the process may be killed here as well
   */
  async #rollBack (): Promise<void> {
    if (this.#undo != null) {
      for (const number of [...this.#undo.keys()].sort((a, b) => b - a)) {
        await this.#pages.write(number, this.#undo.get(number) ?? [])
      }

      this.#undo = undefined
    }
  }

  /**
   * Those after the last one have no entries
   */
  async #page (number: number, options?: AbortOptions): Promise<Page> {
    const last = pageOf(this.#last)

    if (number < last) {
      return this.#undo?.get(number) ?? this.#pages.read(number, options)
    }

    return number === last ? this.#tail : []
  }
}

function set (pages: Map<number, Page>, sequence: number, entry: Uint8Array): void {
  const page = pages.get(pageOf(sequence))

  if (page != null) {
    page[placeOf(sequence)] = entry
  }
}

/**
 * Throws StoreCorruptError
 */
function hashOf (entry: Uint8Array): string {
  try {
    return hashOfMultihash(entry)
  } catch (err) {
    throw new StoreCorruptError(`An entry of the log is not a multihash: ${String(err)}`)
  }
}
