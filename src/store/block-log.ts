import { base32 } from 'multiformats/bases/base32'
import * as Digest from 'multiformats/hashes/digest'
import { blockHash } from './block-hash.ts'
import { StoreCorruptError } from './errors.ts'
import { BLANK, PAGE_ENTRIES, decodePage, pageOf, placeOf, scanPage } from './log-page.ts'
import { LogPages } from './log-pages.ts'
import { SequenceSet } from './sequence-set.ts'
import type { Page } from './log-page.ts'
import type { Records } from './records.ts'
import type { StoreEntry } from './store.ts'
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
  hash: string
  /**
   * The entry that is removed
   */
  removes?: number
  /**
   * The multihash that is added
   */
  adds?: Uint8Array
  /**
   * Its sequence, given when it is written
   */
  sequence?: number
  onWritten(): void
  onFailed(err: unknown): void
}

/**
 * What there was before a commit: some pages, and the sequences of some hashes
 */
interface Undo {
  pages: Map<number, Page>
  index: Map<string, number | undefined>
}

/**
 * Which hashes there are, in the order in which they came. Pages of 128
 * multihashes each, `log/<number>`, are blank where one was removed: they alone
 * decide which hashes there are. The index, `hash/<hash>`, has the sequence of
 * each hash, and `id` the random name of the log.
 *
 * The process may be killed after any write, and in the middle of a batch. As
 * pages are written before the index, two things can be left behind. Entries
 * that the index lacks can only be among those that were added last: opening
 * indexes what is not indexed on the last two pages. And indexes of entries that
 * are blank count for nothing, as it is kept in memory which ones are not.
 */
export class BlockLog {
  readonly #records: Records
  readonly #pages: LogPages
  readonly #logger: Logger
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
   * What is to be written to undo a commit that has failed, and is read instead
   * of what is there
   */
  #undo?: Undo

  private constructor (records: Records, logger: Logger) {
    this.#records = records
    this.#pages = new LogPages(records)
    this.#logger = logger
  }

  /**
   * Throws StoreCorruptError
   */
  static async open (records: Records, logger: Logger): Promise<BlockLog> {
    const log = new BlockLog(records, logger)

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
   * The sequence of a hash, if it is there
   */
  async sequence (hash: string, options?: AbortOptions): Promise<number | undefined> {
    if (this.#undo?.index.has(hash) === true) {
      return this.#undo.index.get(hash)
    }

    const sequence = await this.#indexed(hash, options)

    return sequence != null && this.#live.has(sequence) ? sequence : undefined
  }

  /**
   * Adds a hash, and removes the entry that it may have. Resolves to its new
   * sequence when that is written.
   */
  async append (hash: string, multihash: Uint8Array, removes?: number): Promise<number> {
    const { sequence } = await this.#write({ hash, adds: multihash, removes })

    return sequence as number
  }

  /**
   * Removes the entry of a hash
   */
  async remove (hash: string, sequence: number): Promise<void> {
    await this.#write({ hash, removes: sequence })
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

  async #readPages (): Promise<void> {
    let lastTwo: Uint8Array[] = []

    for await (const bytes of this.#pages.all()) {
      if (this.#last % PAGE_ENTRIES !== 0) {
        throw new StoreCorruptError('A page of the log is not full although there is another one after it')
      }

      scanPage(bytes, (start, end) => {
        this.#last++

        if (end > start) {
          this.#live.add(this.#last)
        }
      })

      lastTwo = [...lastTwo.slice(-1), bytes]
    }

    const pages = lastTwo.map(decodePage)
    this.#tail = pages.at(-1) ?? []
    await this.#mendIndex(pages.flat())
  }

  /**
   * Indexes those of the last entries that are not
   */
  async #mendIndex (entries: Page): Promise<void> {
    const lacking = new Map<string, number>()
    let sequence = this.#last - entries.length

    for (const entry of entries) {
      sequence++

      if (entry.length > 0 && await this.#indexed(hashOf(entry)) !== sequence) {
        lacking.set(hashOf(entry), sequence)
      }
    }

    if (lacking.size > 0) {
      this.#logger('%d hashes were not indexed when the store was last used', lacking.size)
      await this.#index(lacking)
    }
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

  async #write (change: Pick<Change, 'hash' | 'removes' | 'adds'>): Promise<Change> {
    return new Promise((resolve, reject) => {
      const waiting: Change = { ...change, onWritten: () => { resolve(waiting) }, onFailed: reject }

      this.#waiting.push(waiting)

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
        changes.forEach(change => { change.onWritten() })
      } catch (err) {
        changes.forEach(change => { change.onFailed(err) })
      }
    }

    this.#writing = false
  }

  /**
   * Writes the pages, then the index
   */
  async #commit (changes: Change[]): Promise<void> {
    await this.#rollBack()

    const before = new Map<number, Page>()
    const pages = new Map<number, Page>()
    let last = this.#last

    const set = async (sequence: number, entry: Uint8Array): Promise<void> => {
      const number = pageOf(sequence)
      let page = pages.get(number)

      if (page == null) {
        const old = await this.#page(number)
        page = [...old]
        before.set(number, old)
        pages.set(number, page)
      }

      page[placeOf(sequence)] = entry
    }

    for (const change of changes) {
      if (change.removes != null) {
        await set(change.removes, BLANK)
      }

      if (change.adds != null) {
        if (last === MAX_SEQUENCE) {
          throw new RangeError('The log is full: there is no sequence left')
        }

        change.sequence = ++last
        await set(last, change.adds)
      }
    }

    try {
      for (const number of [...pages.keys()].sort((a, b) => a - b)) {
        await this.#pages.write(number, pages.get(number) ?? [])
      }

      await this.#index(new Map(changes.map(({ hash, sequence }) => [hash, sequence])))
    } catch (err) {
      this.#undo = { pages: before, index: new Map(changes.map(({ hash, removes }) => [hash, removes])) }

      await this.#rollBack().catch(err => {
        this.#logger.error('could not undo a write that had failed, will try again before the next one - %e', err)
      })

      throw err
    }

    for (const { removes, sequence } of changes) {
      if (removes != null) {
        this.#live.delete(removes)
      }

      if (sequence != null) {
        this.#live.add(sequence)
      }
    }

    this.#last = last
    this.#tail = pages.get(pageOf(last)) ?? this.#tail
  }

  /**
   * Undoes it in the opposite order, as the process may be killed here as well
   */
  async #rollBack (): Promise<void> {
    if (this.#undo != null) {
      const { index, pages } = this.#undo

      await this.#index(index)

      for (const number of [...pages.keys()].sort((a, b) => b - a)) {
        await this.#pages.write(number, pages.get(number) ?? [])
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
      return this.#undo?.pages.get(number) ?? this.#pages.read(number, options)
    }

    return number === last ? this.#tail : []
  }

  async #indexed (hash: string, options?: AbortOptions): Promise<number | undefined> {
    const bytes = await this.#records.find(`hash/${hash}`, options)

    return bytes == null ? undefined : decodeSequence(bytes)
  }

  async #index (sequences: Map<string, number | undefined>): Promise<void> {
    await this.#records.putAll([...sequences].map(([hash, sequence]) => [
      `hash/${hash}`,
      sequence == null ? undefined : encodeSequence(sequence)
    ]))
  }
}

function encodeSequence (sequence: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, sequence)

  return bytes
}

/**
 * Not a sequence is like no index: the hash is not there, and can be put again
 */
function decodeSequence (bytes: Uint8Array): number | undefined {
  return bytes.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) : undefined
}

/**
 * Throws StoreCorruptError
 */
function hashOf (entry: Uint8Array): string {
  try {
    return blockHash(Digest.decode(entry))
  } catch (err) {
    throw new StoreCorruptError(`An entry of the log is not a multihash: ${String(err)}`)
  }
}
