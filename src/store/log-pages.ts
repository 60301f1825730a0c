import { StoreCorruptError } from './errors.ts'
import { PAGE_ENTRIES, decodePage, encodePage } from './log-page.ts'
import type { Page } from './log-page.ts'
import type { Records } from './records.ts'
import type { AbortOptions } from '@libp2p/interface'

/**
 * How many pages are read at a time when all are
 */
const PAGES_AT_ONCE = 16

/**
 * The pages of a log as records, with no number left out
 */
export class LogPages {
  readonly #records: Records

  constructor (records: Records) {
    this.#records = records
  }

  /**
   * One that is not the last, and so is full. Throws StoreCorruptError.
   */
  async read (number: number, options?: AbortOptions): Promise<Page> {
    const bytes = await this.#records.get(nameOf(number), options)

    if (bytes == null) {
      throw new StoreCorruptError(`The page ${nameOf(number)} is missing`)
    }

    const page = decodePage(bytes)

    if (page.length < PAGE_ENTRIES) {
      throw new StoreCorruptError(`The page ${nameOf(number)} is not full although there is another one after it`)
    }

    return page
  }

  /**
   * One without entries is deleted
   */
  async write (number: number, page: Page): Promise<void> {
    if (page.length > 0) {
      await this.#records.put(nameOf(number), encodePage(page))
    } else {
      await this.#records.delete(nameOf(number))
    }
  }

  /**
   * All of them, not decoded. Throws StoreCorruptError if one cannot be read.
   */
  async * all (): AsyncGenerator<Uint8Array> {
    for (let first = 0; ; first += PAGES_AT_ONCE) {
      const names = Array.from({ length: PAGES_AT_ONCE }, (_, i) => nameOf(first + i))
      const pages = await Promise.all(names.map(async name => this.#records.get(name)))

      for (const [i, bytes] of pages.entries()) {
        if (bytes != null) {
          yield bytes
        } else if (await this.#records.has(names[i])) {
          // a datastore of files says "not found" also when it has too many of them open
          throw new StoreCorruptError(`The page ${names[i]} is there but cannot be read`)
        } else {
          return
        }
      }
    }
  }
}

function nameOf (number: number): string {
  return `log/${number.toString(16).padStart(8, '0')}`
}
