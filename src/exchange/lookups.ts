import { AbortError, TimeoutError } from '@libp2p/interface'
import { toError } from '../errors.ts'
import { Fifo } from './fifo.ts'
import { checkSequence } from './hashes.ts'
import { checkSource, release } from './sent-body.ts'
import type { Content, CreateReadStream, ReadStreamOptions } from './api.ts'
import type { ExchangeLimits } from './limits.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * How many lookups that end at once are done in one task: some ms of them
 */
const LOOKUPS_PER_TASK = 8192

export interface LookupsOwner {
  /**
   * If content of this hash may be read
   */
  isProvided(hash: string): boolean
  /**
   * What was looked for could not be found out, or cannot be sent
   */
  onUnsent(hash: string, error: Error): void
  /**
   * Lookups have ended
   */
  onLookedUp(): void
}

/**
 * The look for the content of one hash; also what `createReadStream` is given,
 * so that a signal is made only where it is asked for
 */
export class Lookup implements ReadStreamOptions {
  public readonly hash: string
  public readonly peer?: PeerId
  /**
   * What was found
   */
  public content?: Content
  public done = false
  /**
   * For how long it has run, in ms
   */
  public runsFor = 0
  #controller?: AbortController

  constructor (hash: string, peer?: PeerId) {
    this.hash = hash
    this.peer = peer
  }

  get signal (): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort (reason: Error): void {
    this.#controller?.abort(reason)
  }
}

/**
 * Looks up what the remote asks for, so many at a time. One that takes too long
 * counts as not found.
 */
export class Lookups {
  readonly #createReadStream: CreateReadStream
  readonly #owner: LookupsOwner
  readonly #limits: ExchangeLimits
  readonly #waiting = new Fifo<Lookup>()
  readonly #running = new Set<Lookup>()
  #ended = false

  constructor (createReadStream: CreateReadStream, owner: LookupsOwner, limits: ExchangeLimits) {
    this.#createReadStream = createReadStream
    this.#owner = owner
    this.#limits = limits
  }

  add (lookups: Lookup[]): void {
    for (const lookup of lookups) {
      this.#waiting.push(lookup)
    }

    this.#proceed()
  }

  tick (ms: number): void {
    for (const lookup of this.#running) {
      lookup.runsFor += ms

      if (lookup.runsFor >= this.#limits.serveTimeout) {
        const err = new TimeoutError(`The lookup of "${lookup.hash}" took longer than ${this.#limits.serveTimeout} ms`)
        lookup.abort(err)
        this.#end(lookup, err)
      }
    }
  }

  end (): void {
    this.#ended = true
    this.#waiting.clear()
    this.#running.clear()
  }

  #proceed (): void {
    for (let started = 0; this.#running.size < this.#limits.maxLookups; started++) {
      if (started === LOOKUPS_PER_TASK && this.#waiting.length > 0) {
        // others must have their turn, where lookups end at once
        setTimeout(() => { this.#proceed() })
        break
      }

      const lookup = this.#waiting.shift()

      if (lookup == null) {
        break
      }

      this.#start(lookup)
    }

    this.#owner.onLookedUp()
  }

  #start (lookup: Lookup): void {
    try {
      const content = this.#owner.isProvided(lookup.hash) ? this.#createReadStream(lookup.hash, lookup) : undefined

      if (isPromise(content)) {
        this.#running.add(lookup)
        this.#wait(lookup, content).catch(err => { this.#end(lookup, toError(err)) })
      } else {
        this.#accept(lookup, content)
      }
    } catch (err: any) {
      this.#fail(lookup, toError(err))
    }
  }

  async #wait (lookup: Lookup, promise: Promise<Content | undefined>): Promise<void> {
    const content = await promise

    if (this.#running.has(lookup)) {
      this.#accept(lookup, content)
      this.#end(lookup)
    } else {
      release(content?.stream, new AbortError('The content came too late'))
    }
  }

  /**
   * Takes what `createReadStream` gave, unless that cannot be sent
   */
  #accept (lookup: Lookup, content?: Content): void {
    if (this.#ended) {
      // it was createReadStream that has ended the exchange
      release(content?.stream, new AbortError('The content came too late'))
      return
    }

    if (content != null) {
      checkContent(content)
    }

    lookup.content = content
    lookup.done = true
  }

  #fail (lookup: Lookup, err: Error): void {
    lookup.done = true
    this.#owner.onUnsent(lookup.hash, err)
  }

  /**
   * A lookup that did not end at once has ended
   */
  #end (lookup: Lookup, err?: Error): void {
    if (this.#running.delete(lookup)) {
      if (err != null) {
        this.#fail(lookup, err)
      }

      this.#proceed()
    }
  }
}

function isPromise (content: Content | undefined | Promise<Content | undefined>): content is Promise<Content | undefined> {
  return isObject(content) && 'then' in content
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value != null
}

function checkContent ({ stream, sequence }: Content): void {
  if (typeof stream !== 'function') {
    checkSource(stream)
  }

  if (sequence != null) {
    try {
      checkSequence(sequence, 0)
    } catch (err: any) {
      release(stream, err)
      throw err
    }
  }
}
