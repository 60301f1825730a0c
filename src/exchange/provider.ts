import { AbortError, InvalidParametersError, TimeoutError } from '@libp2p/interface'
import { DuplicateSequenceError, LimitError } from '../errors.ts'
import { MAX_SEQUENCE, RPCType } from '../wire/rpc-codec.ts'
import { Fifo } from './fifo.ts'
import { checkSequence } from './hashes.ts'
import { Sender } from './sender.ts'
import { release, SentBody } from './sent-body.ts'
import type { Content, CreateReadStream, ReadStreamOptions } from './api.ts'
import type { ExchangeLimits } from './limits.ts'
import type { SenderOwner } from './sender.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Mapping } from '../wire/rpc-codec.ts'
import type { PeerId } from '@libp2p/interface'

export interface ProviderOwner {
  wake(): void
  onRoom(): void
  /**
   * If content of this hash may be read
   */
  isProvided(hash: string): boolean
  /**
   * Content that the remote asked for could not be sent
   */
  onUnsent(hash: string, error: Error): void
  readonly remoteIsOurs: boolean
  readonly remotePeer?: PeerId
  /**
   * How many REQUESTs have been sent, and how many of them were answered
   */
  readonly requests: { sent: number, answered: number }
}

/**
 * One REQUEST, and what was found for it
 */
interface Answer {
  lookups: Lookup[]
  /**
   * How many of them have been started
   */
  started: number
  /**
   * How many of them have not ended
   */
  left: number
}

/**
 * The look for the content of one hash; also what `createReadStream` is given,
 * so that nothing is made for hashes whose lookup does not ask for the signal
 */
class Lookup implements ReadStreamOptions {
  public readonly hash: string
  public readonly peer?: PeerId
  public readonly answer: Answer
  public content?: Content
  public sequence = -1
  /**
   * For how long it has run, in ms
   */
  public runsFor = 0
  #controller?: AbortController

  constructor (hash: string, answer: Answer, peer?: PeerId) {
    this.hash = hash
    this.answer = answer
    this.peer = peer
  }

  get signal (): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort = (reason: Error): void => {
    this.#controller?.abort(reason)
  }
}

/**
 * What the remote asks of us: each REQUEST from its lookups over the HASHES that
 * answers it to the last of its bodies
 */
export class Provider implements SenderOwner {
  readonly #owner: ProviderOwner
  readonly #createReadStream: CreateReadStream
  readonly #limits: ExchangeLimits
  readonly #writer: FrameWriter
  readonly #sender: Sender

  readonly #answers = new Fifo<Answer>()
  // where the next lookup is started
  readonly #unstarted = new Fifo<Answer>()
  readonly #lookups = new Set<Lookup>()
  // hashes that were requested and whose last frame has not been written
  #pending = 0
  // sequences that were promised and whose bodies have not begun
  readonly #sequences = new Set<number>()
  #lastSequence = 0

  constructor (createReadStream: CreateReadStream, owner: ProviderOwner, writer: FrameWriter, limits: ExchangeLimits) {
    this.#createReadStream = createReadStream
    this.#owner = owner
    this.#writer = writer
    this.#limits = limits
    this.#sender = new Sender(this, writer, limits)
  }

  /**
   * If too much of the remote waits for another of its requests to be read
   */
  get full (): boolean {
    return this.#pending >= this.#limits.maxPending
  }

  /**
   * If every REQUEST that came was answered
   */
  get answered (): boolean {
    return this.#answers.length === 0
  }

  /**
   * If every body that was promised has been sent
   */
  get idle (): boolean {
    return this.answered && this.#sender.idle
  }

  get remoteIsOurs (): boolean {
    return this.#owner.remoteIsOurs
  }

  onRequest (hashes: string[]): void {
    if (this.#pending >= this.#limits.maxPendingWhileRequesting) {
      throw new LimitError(`The remote has more than ${this.#limits.maxPendingWhileRequesting} requests waiting`)
    }

    // a hash that is named twice is answered once
    const unique = new Set(hashes)
    const answer: Answer = { lookups: [], started: 0, left: unique.size }

    for (const hash of unique) {
      answer.lookups.push(new Lookup(hash, answer, this.#owner.remotePeer))
    }

    this.#pending += unique.size
    this.#answers.push(answer)
    this.#unstarted.push(answer)
    this.#proceed()
  }

  fill (): void {
    this.#sender.fill()
    // bodies have begun whose sequences an answer may have waited for
    this.#proceed()
  }

  cancelled (channel: number, sequence: number): void {
    this.#sender.cancelled(channel, sequence)
  }

  tick (ms: number): void {
    for (const lookup of this.#lookups) {
      lookup.runsFor += ms

      if (lookup.runsFor >= this.#limits.serveTimeout) {
        const err = new TimeoutError(`The lookup of "${lookup.hash}" took longer than ${this.#limits.serveTimeout} ms`)
        lookup.abort(err)
        this.#failed(lookup, err)
      }
    }

    this.#proceed()
    this.#sender.tick(ms)
  }

  end (err: Error): void {
    for (const { lookups } of this.#answers) {
      for (const { content, abort } of lookups) {
        abort(err)

        if (content != null) {
          release(content.stream, err)
        }
      }
    }

    this.#lookups.clear()
    this.#answers.clear()
    this.#unstarted.clear()
    this.#sender.end(err)
  }

  // SenderOwner

  wake (): void {
    this.#owner.wake()
  }

  mayBegin (answers: number): boolean {
    return this.remoteIsOurs || this.#owner.requests.answered >= answers
  }

  onBegun (body: SentBody): void {
    this.#sequences.delete(body.sequence)
  }

  onDone (body: SentBody, err?: Error): void {
    this.#settle(1)

    if (err != null) {
      this.#owner.onUnsent(body.hash, err)
    }
  }

  #settle (hashes: number): void {
    const wasFull = this.full
    this.#pending -= hashes

    if (wasFull && !this.full) {
      this.#owner.onRoom()
    }
  }

  /**
   * Starts lookups as far as there may be more of them, and answers what has
   * been looked up
   */
  #proceed (): void {
    for (let answer = this.#unstarted.peek(); answer != null; answer = this.#unstarted.peek()) {
      while (answer.started < answer.lookups.length) {
        if (this.#lookups.size >= this.#limits.maxLookups) {
          return
        }

        this.#start(answer.lookups[answer.started++])
      }

      this.#unstarted.shift()
    }

    for (let answer = this.#answers.peek(); answer?.left === 0; answer = this.#answers.peek()) {
      if (!this.#answer(answer)) {
        return
      }

      this.#answers.shift()
    }
  }

  #start (lookup: Lookup): void {
    try {
      const content = this.#owner.isProvided(lookup.hash) ? this.#createReadStream(lookup.hash, lookup) : undefined

      if (!isPromise(content)) {
        lookup.answer.left--
        this.#accept(lookup, content)
        return
      }

      this.#lookups.add(lookup)

      Promise.resolve(content).then(content => {
        if (this.#lookups.delete(lookup)) {
          lookup.answer.left--
          this.#accept(lookup, content)
          this.#proceed()
        } else if (content != null) {
          // too late
          release(content.stream, new AbortError())
        }
      }).catch(err => {
        this.#failed(lookup, err)
        this.#proceed()
      })
    } catch (err: any) {
      lookup.answer.left--
      this.#owner.onUnsent(lookup.hash, err)
    }
  }

  #failed (lookup: Lookup, err: Error): void {
    if (this.#lookups.delete(lookup)) {
      lookup.answer.left--
      this.#owner.onUnsent(lookup.hash, err)
    }
  }

  /**
   * Takes what `createReadStream` gave, unless that cannot be sent
   */
  #accept (lookup: Lookup, content?: Content): void {
    if (content == null) {
      return
    }

    try {
      const { stream, sequence } = content

      if (stream == null || !(Symbol.asyncIterator in stream || Symbol.iterator in stream)) {
        throw new InvalidParametersError('createReadStream must return { stream } with an iterable or async iterable of Uint8Arrays, or undefined')
      }

      if (sequence != null) {
        checkSequence(sequence, 0)
        lookup.sequence = sequence
      }

      lookup.content = content
    } catch (err: any) {
      this.#owner.onUnsent(lookup.hash, err)
    }
  }

  /**
   * Writes the HASHES of a request, and promises its bodies. Returns false if
   * that must wait, as one of its sequences still belongs to an earlier body.
   */
  #answer ({ lookups }: Answer): boolean {
    if (lookups.some(({ sequence }) => this.#sequences.has(sequence))) {
      return false
    }

    const mapping: Mapping[] = []
    const bodies: SentBody[] = []

    for (const lookup of lookups) {
      if (lookup.sequence > -1) {
        if (this.#sequences.has(lookup.sequence)) {
          const err = new DuplicateSequenceError(`The sequence ${lookup.sequence} of "${lookup.hash}" belongs to another hash of the same request`)

          release(lookup.content?.stream, err)
          lookup.content = undefined
          this.#owner.onUnsent(lookup.hash, err)
        } else {
          this.#sequences.add(lookup.sequence)
        }
      }
    }

    for (const { hash, content, sequence: given, abort } of lookups) {
      if (content != null) {
        const sequence = given > -1 ? given : this.#nextSequence()

        mapping.push({ hash, sequence })
        bodies.push(new SentBody(hash, sequence, content.stream, abort, this.#sender))
      }
    }

    this.#writer.rpc({ type: RPCType.HASHES, mapping })
    this.#settle(lookups.length - bodies.length)
    // an original works through one message at a time: these would destroy it
    // if they came before it has answered what it was asked before
    this.#sender.promise(bodies, this.#owner.requests.sent)
    this.#owner.wake()
    return true
  }

  #nextSequence (): number {
    do {
      this.#lastSequence = this.#lastSequence === MAX_SEQUENCE ? 1 : this.#lastSequence + 1
    } while (this.#sequences.has(this.#lastSequence))

    this.#sequences.add(this.#lastSequence)
    return this.#lastSequence
  }
}

function isPromise (content: Content | undefined | Promise<Content | undefined>): content is Promise<Content | undefined> {
  return content != null && 'then' in content
}
