import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { Folder } from './folder.ts'
import type { Progress } from './progress.ts'
import type { Content, Exchange, ExchangeResponse } from 'libp2p-hash-exchange'

/**
 * How many files are fetched at a time: as many as the other side sends at a
 * time, so that none of them waits for another to be read
 */
const FETCHES = 16

/**
 * Of how many files is told why they did not come, or could not be sent
 */
const MAX_COMPLAINTS = 10

/**
 * How the name of a list of files begins
 */
const LIST = 'list of files '

/**
 * Makes one folder and that of another peer have the same content.
 *
 * Besides its files each side has a list of them, with their sizes. It is the
 * last that a side announces, so when it comes everything has been announced.
 * When a side has got all it lacked, it says that it has seen the list, as
 * neither may close before the other one is done, too.
 */
export class FolderSync {
  readonly #folder: Folder
  readonly #progress: Progress
  readonly #onComplaint: (text: string) => void
  // not named by what is in it: nobody is told of what they have themselves
  readonly #list = LIST + randomUUID()
  #complaints = 0

  constructor (folder: Folder, progress: Progress, onComplaint: (text: string) => void) {
    this.#folder = folder
    this.#progress = progress
    this.#onComplaint = onComplaint
  }

  /**
   * What is sent for a hash
   */
  createReadStream = (hash: string): Content | undefined => {
    const { files } = this.#folder

    if (hash === this.#list) {
      const lines = [...files].map(([hash, { size }]) => `${hash} ${size}\n`)

      return { stream: [Buffer.from(lines.join(''))], sequence: files.size }
    }

    const file = files.get(hash)

    return file && { stream: this.#folder.read(file), sequence: file.sequence }
  }

  /**
   * Must be called as soon as the exchange is open. Resolves when it is closed:
   * to false if something did not come, here or there.
   */
  async run (ex: Exchange): Promise<boolean> {
    const hashes = new Set<string>()
    const listed = Promise.withResolvers<string>()
    const seen = Promise.withResolvers<number>()
    const ended = Promise.withResolvers<never>()

    ex.addEventListener('available', ({ detail }) => {
      for (const hash of detail) {
        if (hash.startsWith(LIST)) {
          listed.resolve(hash)
        } else {
          hashes.add(hash)
        }
      }
    })

    ex.addEventListener('seen', ({ detail: sequence }) => {
      seen.resolve(sequence)
    })

    ex.addEventListener('unsent', ({ detail: { hash, error } }) => {
      this.#complain(`could not send ${this.#folder.files.get(hash)?.path ?? hash}: ${error.message}`)
    })

    ex.addEventListener('close', ({ detail: err }) => {
      ended.reject(err ?? new Error('The other side closed the exchange too early'))
    })

    // nobody may be waiting for this when it rejects
    ended.promise.catch(() => {})
    // this rejects only when the exchange ends, which all the others notice
    ex.provide([...this.#folder.files.keys(), this.#list]).catch(() => {})

    const list = await ex.get(await Promise.race([listed.promise, ended.promise]))
    const lacking = new Map<string, number>()

    for (const line of (await text(list.stream)).split('\n')) {
      const [hash, size] = line.split(' ')

      if (hashes.has(hash) && !this.#folder.files.has(hash)) {
        lacking.set(hash, Number(size))
      }
    }

    this.#progress.start(lacking.size, [...lacking.values()].reduce((sum, size) => sum + size, 0))
    const complete = await this.#fetch(lacking.keys(), ex)
    this.#progress.stop()

    ex.seen(complete ? list.sequence : -1)
    const sequence = await Promise.race([seen.promise, ended.promise])
    await ex.close()

    return complete && sequence === this.#folder.files.size
  }

  /**
   * Resolves to false if some of the files could not be had
   */
  async #fetch (hashes: IterableIterator<string>, ex: Exchange): Promise<boolean> {
    let complete = true
    let failure: Error | null = null

    ex.addEventListener('close', ({ detail: err }) => { failure = err })

    const fetchInTurn = async (): Promise<void> => {
      for (const hash of hashes) {
        let response: ExchangeResponse | undefined

        try {
          response = await ex.get(hash)
          await this.#folder.save(hash, response.stream, this.#progress)
        } catch (err: any) {
          // what is not read would hold up all others
          response?.abort()

          if (err.syscall != null) {
            // no other one could be written, either
            ex.abort(new Error(`Could not write to ${this.#folder.path}: ${err.message}`))
          }

          if (failure != null) {
            throw failure
          }

          complete = false
          this.#complain(`could not get ${hash}: ${err.message}`)
        }
      }
    }

    // each takes the next hash, and each may have an unfinished file to remove
    for (const result of await Promise.allSettled(Array.from({ length: FETCHES }, fetchInTurn))) {
      if (result.status === 'rejected') {
        throw result.reason
      }
    }

    return complete
  }

  #complain (text: string): void {
    this.#complaints++

    if (this.#complaints <= MAX_COMPLAINTS) {
      this.#onComplaint(text)
    } else if (this.#complaints === MAX_COMPLAINTS + 1) {
      this.#onComplaint('and more of this kind')
    }
  }
}
