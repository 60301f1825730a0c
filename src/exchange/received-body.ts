import { AbortError, StreamStateError } from '@libp2p/interface'
import { BodyCutError, LimitError, RemoteError } from '../errors.ts'
import { NOWHERE } from '../placed-set.ts'
import { GatheredBytes, joined, lengthOf } from './gathered-bytes.ts'
import type { ReceivedResponse } from './api.ts'
import type { Placed } from '../placed-set.ts'
import type { InboundBody } from '../wire/channels.ts'

/**
 * A part up to this size is copied when it has to wait for its reader: a view
 * would keep a whole buffer of the network alive. Not with `slice()`: that of the
 * Buffers of Node.js gives a view.
 */
const COPY_BYTES = 8192

/**
 * What a waiting part costs beside its bytes. Without it, a remote that sends
 * one byte a frame could make 4 MiB of them take 400.
 */
const PART_COST = 256

/**
 * How much is given in one piece, unless the reader allows more
 */
const MAX_BYTES = 16 * 1024 * 1024

export interface ReceivedBodyOwner {
  /**
   * By how much the unread bytes have grown, or shrunk if it is negative
   */
  onUnread(body: ReceivedBody, change: number): void
  /**
   * Some bytes of the body came
   */
  onBytes(body: ReceivedBody, bytes: number): void
  /**
   * The body has come to its end, or failed
   */
  onEnd(body: ReceivedBody): void
  /**
   * The rest of the body is not wanted
   */
  onCancel(body: ReceivedBody): void
}

/**
 * A body on its way from the remote to its reader: what waits for the reader,
 * and the reader that waits for more
 */
export class ReceivedBody implements ReceivedResponse, InboundBody, Placed, AsyncIterableIterator<Uint8Array> {
  public hash = ''
  public readonly sequence: number
  public readonly channel: number
  /**
   * If the remote has sent all that it is going to
   */
  public ended = false
  /**
   * For how long what waits here was not read, in ms
   */
  public unreadFor = 0
  /**
   * Among those that have something unread
   */
  public place = NOWHERE
  /**
   * The place in the order in which bodies were promised
   */
  public order = 0
  /**
   * How many calls of `get()` and `request()` were given this body
   */
  public takers = 0
  /**
   * Called when nothing more will come
   */
  public onFinish?: () => void

  readonly #owner: ReceivedBodyOwner
  #parts: Uint8Array[] = []
  #next = 0
  #cost = 0
  #error?: Error
  #used = false
  #readers?: Array<PromiseWithResolvers<IteratorResult<Uint8Array>>>
  // of who wants all of it at once
  #all?: Omit<PromiseWithResolvers<Uint8Array>, 'promise'> & { gathered: GatheredBytes, max: number }

  constructor (sequence: number, channel: number, owner: ReceivedBodyOwner) {
    this.sequence = sequence
    this.channel = channel
    this.#owner = owner
  }

  get stream (): AsyncIterable<Uint8Array> {
    return this
  }

  get unread (): number {
    return this.#cost
  }

  abort (err: Error = new AbortError()): void {
    this.cancel(err)
  }

  /**
   * Stops the remote, and gives the reader an error instead of the rest
   */
  cancel (err: Error): void {
    const unread = this.#cost

    // also of one that has failed: nobody reads what had come of it
    this.#drop()

    // and then not the error that comes after all of it
    if (this.#error == null || unread > 0) {
      if (!this.ended) {
        this.ended = true
        this.#owner.onCancel(this)
      }

      this.#finish(err)
    }
  }

  bytes (max?: number): Promise<Uint8Array> {
    return this.#whole(false, max)
  }

  view (max?: number): Promise<Uint8Array> {
    return this.#whole(true, max)
  }

  /**
   * All of it, if all has come and nothing of it was read
   */
  takeAll (): Uint8Array[] | undefined {
    if (!this.ended || this.#error != null || this.#used) {
      return
    }

    const parts = this.#parts

    this.#used = true
    this.#drop()
    return parts
  }

  // InboundBody

  data (part: Uint8Array): void {
    this.#owner.onBytes(this, part.length)

    if (this.#all != null) {
      this.#gather(part)
    } else if (this.#readers != null && this.#readers.length > 0) {
      this.#readers.shift()?.resolve({ done: false, value: part })
    } else {
      this.#keep(part.length <= COPY_BYTES ? new Uint8Array(part) : part)
      this.#count(part.length + PART_COST)
    }
  }

  end (): void {
    this.ended = true
    this.#owner.onEnd(this)
    this.#finish()
  }

  fail (reason: string): void {
    this.close(new RemoteError(reason === '' ? undefined : `The remote could not send the body: ${reason}`))
  }

  cut (): void {
    this.close(new BodyCutError())
  }

  /**
   * Ends the body with an error, after what has already come
   */
  close (err: Error): void {
    if (!this.ended) {
      this.ended = true
      this.#owner.onEnd(this)
      this.#finish(err)
    }
  }

  // AsyncIterableIterator

  [Symbol.asyncIterator] (): AsyncIterableIterator<Uint8Array> {
    if (this.#used) {
      throw usedTwice()
    }

    this.#used = true
    return this
  }

  async next (): Promise<IteratorResult<Uint8Array>> {
    this.unreadFor = 0

    if (this.#next < this.#parts.length) {
      const value = this.#parts[this.#next]
      this.#parts[this.#next++] = EMPTY

      if (this.#next === this.#parts.length) {
        this.#parts = []
        this.#next = 0
      }

      this.#count(-value.length - PART_COST)
      return { done: false, value }
    }

    if (this.#error != null) {
      throw this.#error
    }

    if (this.ended) {
      return { done: true, value: undefined }
    }

    const reader = Promise.withResolvers<IteratorResult<Uint8Array>>()
    this.#readers ??= []
    this.#readers.push(reader)
    return reader.promise
  }

  async return (): Promise<IteratorResult<Uint8Array>> {
    this.cancel(new AbortError('The reader of the response stopped'))
    return { done: true, value: undefined }
  }

  // not async, which would be two more promises for each body
  #whole (mayBeView: boolean, max = MAX_BYTES): Promise<Uint8Array> {
    if (this.#used) {
      return Promise.reject(usedTwice())
    }

    this.#used = true

    const parts = this.#parts

    this.#drop()

    if (this.ended) {
      const err = this.#error ?? (lengthOf(parts) > max ? this.#tooLong(max) : undefined)

      return err == null ? Promise.resolve(joined(parts, mayBeView)) : Promise.reject(err)
    }

    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()

    this.#all = { gathered: new GatheredBytes(mayBeView), max, resolve, reject }
    parts.forEach(part => { this.#gather(part) })

    return promise
  }

  #keep (part: Uint8Array): void {
    if (this.#parts.length === 0) {
      // often there is no other one, and an empty array would get room for 17
      this.#parts = [part]
    } else {
      this.#parts.push(part)
    }
  }

  #gather (part: Uint8Array): void {
    if (this.#all == null) {
      return
    }

    const { gathered, max } = this.#all

    if (gathered.length + part.length > max) {
      this.cancel(this.#tooLong(max))
    } else {
      gathered.add(part)
    }
  }

  #tooLong (max: number): LimitError {
    return new LimitError(`The content of "${this.hash}" has more than ${max} bytes: read its stream, or allow more`)
  }

  #drop (): void {
    this.#parts = []
    this.#next = 0
    this.#count(-this.#cost)
  }

  #count (change: number): void {
    if (change !== 0) {
      this.#cost += change
      this.#owner.onUnread(this, change)
    }
  }

  #finish (err?: Error): void {
    this.#error = err
    this.onFinish?.()

    if (err != null) {
      this.#all?.reject(err)
    } else {
      this.#all?.resolve(this.#all.gathered.take())
    }

    this.#all = undefined

    for (const reader of this.#readers?.splice(0) ?? []) {
      if (err != null) {
        reader.reject(err)
      } else {
        reader.resolve({ done: true, value: undefined })
      }
    }
  }
}

const EMPTY = new Uint8Array(0)

function usedTwice (): Error {
  return new StreamStateError('The content of a response can be read only once')
}
