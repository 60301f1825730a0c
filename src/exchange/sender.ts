import { AbortError } from '@libp2p/interface'
import { MAX_DATA_BYTES } from '../constants.ts'
import { RPC_CHANNEL } from '../wire/frame-writer.ts'
import { Fifo } from './fifo.ts'
import type { ExchangeLimits } from './limits.ts'
import type { SentBody, SentBodyOwner } from './sent-body.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'

/**
 * Longer than any header of a frame
 */
const HEADER_BYTES = 32

export interface SenderOwner {
  wake(): void
  /**
   * If the bodies that wait for this many answers may be sent
   */
  mayBegin(answers: number): boolean
  /**
   * If the remote is one of ours, so that it may be told a reason
   */
  readonly remoteIsOurs: boolean
  /**
   * The first frame of a body was sent: its sequence is free again
   */
  onBegun(body: SentBody): void
  /**
   * A body was sent to its end
   */
  onSent(body: SentBody): void
  /**
   * The last frame of a body was sent, or the remote has cancelled it. With an
   * error its source has failed.
   */
  onDone(body: SentBody, err?: Error): void
}

interface Batch {
  bodies: SentBody[]
  next: number
  /**
   * How many answers must have come before
   */
  after: number
}

/**
 * Sends the promised bodies in their order, from few sources at a time. One
 * that has nothing ready gives way to the next one that has.
 */
export class Sender implements SentBodyOwner {
  readonly #owner: SenderOwner
  readonly #limits: ExchangeLimits
  readonly #writer: FrameWriter
  readonly #promised = new Fifo<Batch>()
  #open: SentBody[] = []
  #readAhead = 0
  #paused = false
  #ended?: Error
  // of the open bodies; the lowest free number is used
  readonly #channels: Array<SentBody | undefined> = []

  constructor (owner: SenderOwner, writer: FrameWriter, limits: ExchangeLimits) {
    this.#owner = owner
    this.#writer = writer
    this.#limits = limits
  }

  /**
   * How many sources are open
   */
  get open (): number {
    return this.#open.length
  }

  /**
   * If a source is open that may give more
   */
  get reading (): boolean {
    return this.#open.some(({ ended }) => !ended)
  }

  /**
   * If there is nothing left to send
   */
  get idle (): boolean {
    return this.#open.length === 0 && this.#promised.length === 0
  }

  /**
   * Takes bodies whose HASHES has been written, to be sent after the remote has
   * given `after` answers
   */
  promise (bodies: SentBody[], after: number): void {
    const ended = this.#ended

    if (ended != null) {
      bodies.forEach(body => { body.stop(ended) })
    } else if (bodies.length > 0) {
      this.#promised.push({ bodies, next: 0, after })
      this.#owner.wake()
    }
  }

  /**
   * Writes frames until the send is full or no open source has anything ready
   */
  fill (): void {
    this.#openSources()

    for (let i = 0; i < this.#open.length && this.#writer.byteLength < this.#writer.sendBytes;) {
      if (this.#write(this.#open[i])) {
        // the next one has moved to its place
        this.#openSources()
      } else {
        i++
      }
    }
  }

  /**
   * The remote does not want a body
   */
  cancelled (channel: number, sequence: number): void {
    const body = this.#channels[channel]

    if (body?.sequence === sequence) {
      body.stop(new AbortError('The remote cancelled the body'))
      this.#done(body)
    }
  }

  tick (ms: number): void {
    for (const body of this.#open) {
      body.tick(ms, this.#limits.serveTimeout)
    }
  }

  end (err: Error): void {
    this.#ended = err

    for (const body of this.#open) {
      body.stop(err)
    }

    for (const { bodies, next } of this.#promised) {
      for (let i = next; i < bodies.length; i++) {
        bodies[i].stop(err)
      }
    }

    this.#open = []
    this.#channels.length = 0
    this.#promised.clear()
  }

  // SentBodyOwner

  mayRead (): boolean {
    if (this.#readAhead < this.#limits.maxReadAheadBytes) {
      return true
    }

    this.#paused = true
    return false
  }

  onReadAhead (change: number): void {
    this.#readAhead += change

    if (this.#paused && this.#readAhead <= this.#limits.maxReadAheadBytes / 2) {
      this.#paused = false
      this.#open.forEach(body => { body.resume() })
    }
  }

  wake (): void {
    this.#owner.wake()
  }

  #openSources (): void {
    while (this.#open.length < this.#limits.maxSources) {
      const batch = this.#promised.peek()

      if (batch == null || !this.#owner.mayBegin(batch.after)) {
        return
      }

      const body = batch.bodies[batch.next++]

      if (batch.next === batch.bodies.length) {
        this.#promised.shift()
      }

      this.#open.push(body)
      body.open()
    }
  }

  /**
   * Writes what is ready of a body. Returns true if that was the last of it.
   */
  #write (body: SentBody): boolean {
    for (let room = this.#room(); room > 0; room = this.#room()) {
      const data = body.take(Math.min(MAX_DATA_BYTES, room))

      if (data == null) {
        break
      }

      const name = this.#begin(body)
      this.#writer.data(body.channel, name, data)
    }

    if (!body.ended || !body.empty) {
      return false
    }

    const name = this.#begin(body)

    if (body.error == null) {
      this.#writer.end(body.channel, name)
      this.#owner.onSent(body)
    } else {
      // an original's process may die of a reason; and what stands in a message may be private
      this.#writer.error(body.channel, name, this.#owner.remoteIsOurs ? encoder.encode(body.error.name) : undefined)
    }

    this.#done(body, body.error)
    return true
  }

  /**
   * How much content fits into the current send
   */
  #room (): number {
    return this.#writer.sendBytes - HEADER_BYTES - this.#writer.byteLength
  }

  /**
   * Gives a body the lowest free channel before its first frame. Returns the
   * name to be sent in it, and nothing for the later ones.
   */
  #begin (body: SentBody): string | undefined {
    if (body.channel > 0) {
      return
    }

    let channel = RPC_CHANNEL + 1

    while (this.#channels[channel] != null) {
      channel++
    }

    this.#channels[channel] = body
    body.channel = channel
    this.#owner.onBegun(body)
    return body.name
  }

  #done (body: SentBody, err?: Error): void {
    this.#channels[body.channel] = undefined
    this.#open.splice(this.#open.indexOf(body), 1)
    this.#owner.onDone(body, err)
  }
}

const encoder = new TextEncoder()
