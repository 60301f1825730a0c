import { DuplicateSequenceError, LimitError } from '../errors.ts'
import { NumberMap } from '../number-map.ts'
import { MAX_SEQUENCE, RPCType } from '../wire/rpc-codec.ts'
import { Fifo } from './fifo.ts'
import { Lookup, Lookups } from './lookups.ts'
import { Sender } from './sender.ts'
import { release, SentBody } from './sent-body.ts'
import type { CreateReadStream } from './api.ts'
import type { ExchangeLimits } from './limits.ts'
import type { LookupsOwner } from './lookups.ts'
import type { Pending } from './pending.ts'
import type { SenderOwner } from './sender.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Mapping } from '../wire/rpc-codec.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * Where so much waits on the other exchanges with a peer, one may still have this
 * share of it waiting: they may be full because the peer does not read them
 */
const SHARES = 16

export interface ProviderOwner {
  /**
   * There is something to send
   */
  wake(): void
  /**
   * There may be room for more to be read
   */
  onRoom(): void
  /**
   * If content of this hash may be read
   */
  isProvided(hash: string): boolean
  /**
   * Content that the remote asked for could not be sent
   */
  onUnsent(hash: string, error: Error): void
  /**
   * Content that the remote asked for was sent to its end
   */
  onSent(hash: string, bytes: number): void
  readonly remoteIsOurs: boolean
  readonly remotePeer?: PeerId
  /**
   * How many REQUESTs have been sent, and how many of them were answered
   */
  readonly requests: { sent: number, answered: number }
}

/**
 * What the remote asks of us: each REQUEST from its lookups over the HASHES that
 * answers it to the last of its bodies
 */
export class Provider implements LookupsOwner, SenderOwner {
  readonly #owner: ProviderOwner
  readonly #limits: ExchangeLimits
  readonly #writer: FrameWriter
  readonly #lookups: Lookups
  readonly #sender: Sender

  // the REQUESTs that are not answered yet
  readonly #requests = new Fifo<Lookup[]>()
  // how far the oldest of them has been looked up
  #lookedUp = 0
  // hashes that were requested and whose last frame has not been written, or
  // whose answer has not been taken; an empty request counts as one. Of this
  // exchange, and of all with the remote.
  #pending = 0
  readonly #ofPeer: Pending
  readonly #onRoomOfPeer = (): void => { this.#owner.onRoom() }
  // those of them whose answer is all that is to be sent
  #answered = 0
  // sequences that were promised and whose bodies have not begun
  readonly #sequences = new NumberMap<true>()
  #lastSequence = 0
  // the one of them that the next answer waits for
  #awaited?: number

  constructor (createReadStream: CreateReadStream, owner: ProviderOwner, writer: FrameWriter, limits: ExchangeLimits, ofPeer: Pending) {
    this.#owner = owner
    this.#ofPeer = ofPeer
    this.#ofPeer.join(this.#onRoomOfPeer)
    this.#writer = writer
    this.#limits = limits
    this.#lookups = new Lookups(createReadStream, this, limits)
    this.#sender = new Sender(this, writer, limits)
  }

  /**
   * If too much of the remote waits for another of its requests to be read.
   * What is being sent does not count: where the remote cancels all of that, it
   * may wait for nothing else, and then not read on before its cancels are read.
   */
  get full (): boolean {
    const waiting = this.#pending - this.#sender.open
    const { maxPending } = this.#limits

    return waiting >= maxPending || (this.#ofPeer.full && waiting >= maxPending / SHARES)
  }

  /**
   * If every REQUEST that came was answered
   */
  get answered (): boolean {
    return this.#requests.length === 0
  }

  /**
   * If every body that was promised has been sent as well
   */
  get idle (): boolean {
    return this.answered && this.#sender.idle
  }

  /**
   * If something is being read that is to be sent
   */
  get reading (): boolean {
    return this.#sender.reading
  }

  get remoteIsOurs (): boolean {
    return this.#owner.remoteIsOurs
  }

  onRequest (hashes: string[]): void {
    // a hash that is named twice is answered once
    const names = new Set(hashes)
    const { count } = this.#ofPeer

    // an original may ask for any number in one message, which is taken where it
    // would be read anyway
    if (count >= this.#limits.maxPending && count + Math.max(1, names.size) > this.#limits.maxPendingWhileRequesting) {
      throw new LimitError(`The remote has more than ${this.#limits.maxPendingWhileRequesting} hashes waiting`)
    }

    const lookups = Array.from(names, hash => new Lookup(hash, this.#owner.remotePeer))

    this.#change(Math.max(1, lookups.length))
    this.#requests.push(lookups)
    this.#lookups.add(lookups)
  }

  /**
   * Writes what can be sent now: answers, and bodies if these may be sent
   */
  fill (withBodies: boolean): void {
    const wasFull = this.full

    // whoever does not read our answers must not make us keep ever more of them
    this.#settle(this.#answered)
    this.#answered = 0

    if (withBodies) {
      this.#sender.fill()
    }

    // bodies have begun whose sequences an answer may have waited for
    this.#answer()

    if (wasFull && !this.full) {
      this.#owner.onRoom()
    }
  }

  cancelled (channel: number, sequence: number): void {
    this.#sender.cancelled(channel, sequence)
  }

  tick (ms: number): void {
    this.#lookups.tick(ms)
    this.#sender.tick(ms)
  }

  end (err: Error): void {
    this.#lookups.end()

    for (const lookups of this.#requests) {
      for (const lookup of lookups) {
        lookup.abort(err)
        release(lookup.content?.stream, err)
      }
    }

    this.#requests.clear()
    this.#sender.end(err)
    this.#answered = 0
    this.#change(-this.#pending)
    this.#ofPeer.leave(this.#onRoomOfPeer)
  }

  // LookupsOwner

  isProvided (hash: string): boolean {
    return this.#owner.isProvided(hash)
  }

  onUnsent (hash: string, error: Error): void {
    this.#owner.onUnsent(hash, error)
  }

  onLookedUp (): void {
    this.#answer()
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

  onSent (body: SentBody): void {
    this.#owner.onSent(body.hash, body.bytes)
  }

  onDone (body: SentBody, err?: Error): void {
    this.#settle(1)

    if (err != null) {
      this.#owner.onUnsent(body.hash, err)
    }
  }

  #settle (hashes: number): void {
    const wasFull = this.full
    this.#change(-hashes)

    if (wasFull && !this.full) {
      this.#owner.onRoom()
    }
  }

  #change (by: number): void {
    this.#pending += by
    this.#ofPeer.change(by)
  }

  /**
   * Answers the requests whose lookups have ended, in their order
   */
  #answer (): void {
    for (let lookups = this.#requests.peek(); lookups != null; lookups = this.#requests.peek()) {
      while (this.#lookedUp < lookups.length) {
        if (!lookups[this.#lookedUp].done) {
          return
        }

        this.#lookedUp++
      }

      if (this.#mustWait(lookups)) {
        return
      }

      this.#requests.shift()
      this.#lookedUp = 0
      this.#promise(lookups)
    }
  }

  /**
   * If a sequence was promised to a body that has not begun: it can be promised
   * again after that
   */
  #mustWait (lookups: Lookup[]): boolean {
    if (this.#awaited == null || !this.#sequences.has(this.#awaited)) {
      this.#awaited = lookups.find(({ content }) => content?.sequence != null && this.#sequences.has(content.sequence))?.content?.sequence
    }

    return this.#awaited != null
  }

  /**
   * Writes the HASHES of a request, and queues its bodies
   */
  #promise (lookups: Lookup[]): void {
    for (const lookup of lookups) {
      this.#claimSequence(lookup)
    }

    const mapping: Mapping[] = []
    const bodies: SentBody[] = []

    for (const lookup of lookups) {
      const { hash, content } = lookup

      if (content != null) {
        const sequence = content.sequence ?? this.#nextSequence()

        mapping.push({ hash, sequence })
        bodies.push(new SentBody(lookup, content, sequence, this.#sender))
      }
    }

    this.#writer.rpc({ type: RPCType.HASHES, mapping })
    this.#answered += Math.max(1, lookups.length) - bodies.length
    // an original works through one message at a time: it would destroy itself
    // if these came before it has answered what it was asked before
    this.#sender.promise(bodies, this.#owner.requests.sent)
    this.#owner.wake()
  }

  /**
   * Takes the sequence that the application gave. Of two hashes with one
   * sequence the second is left out.
   */
  #claimSequence (lookup: Lookup): void {
    const sequence = lookup.content?.sequence

    if (sequence == null) {
      return
    }

    if (this.#sequences.has(sequence)) {
      const err = new DuplicateSequenceError(`The sequence ${sequence} of "${lookup.hash}" belongs to another hash of the same request`)

      release(lookup.content?.stream, err)
      lookup.content = undefined
      this.#owner.onUnsent(lookup.hash, err)
    } else {
      this.#sequences.set(sequence, true)
    }
  }

  #nextSequence (): number {
    do {
      this.#lastSequence = this.#lastSequence === MAX_SEQUENCE ? 1 : this.#lastSequence + 1
    } while (this.#sequences.has(this.#lastSequence))

    this.#sequences.set(this.#lastSequence, true)
    return this.#lastSequence
  }
}
