import { DuplicateSequenceError, LimitError, UnreadError } from '../errors.ts'
import { NumberMap } from '../number-map.ts'
import { PlacedSet } from '../placed-set.ts'
import { ReceivedBody } from './received-body.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ReceivedBodyOwner } from './received-body.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'

export interface ArrivalsOwner {
  /**
   * If the remote stops at a cancel, and does not mix what it had queued into
   * its next body, as an original does. Otherwise the rest of a body is let
   * through.
   */
  readonly mayCancel: boolean
  /**
   * There is room for more to be read
   */
  onRoom(): void
  /**
   * What else comes on this channel is not wanted
   */
  discard(channel: number): void
  /**
   * Some bytes of a body came
   */
  onBytes(body: ReceivedBody, bytes: number): void
  /**
   * A body that was asked for has come to its end, has failed or was cancelled
   */
  onDone(body: ReceivedBody): void
}

/**
 * The bodies that come, and how much of them waits to be read
 */
export class Arrivals implements ReceivedBodyOwner {
  readonly #owner: ArrivalsOwner
  readonly #writer: FrameWriter
  readonly #limits: ExchangeLimits

  // that have begun and not ended, by channel
  readonly #coming = new NumberMap<ReceivedBody>()
  // that began before the HASHES that names them, by sequence
  readonly #unknown = new NumberMap<ReceivedBody>()
  // with something that nobody has read yet
  readonly #unread = new PlacedSet<ReceivedBody>()
  #unreadBytes = 0
  // set when there are too many of them, until half of them were read
  #held = false

  constructor (owner: ArrivalsOwner, writer: FrameWriter, limits: ExchangeLimits) {
    this.#owner = owner
    this.#writer = writer
    this.#limits = limits
  }

  /**
   * If the remote must not send more for now
   */
  get full (): boolean {
    return this.#held
  }

  /**
   * Those that have begun and not ended
   */
  get coming (): Pick<NumberMap<ReceivedBody>, 'size' | 'values'> {
    return this.#coming
  }

  /**
   * How many began before their names were known
   */
  get unknown (): number {
    return this.#unknown.size
  }

  /**
   * A body begins whose hash is not known yet
   */
  addUnknown (sequence: number, channel: number): ReceivedBody {
    if (this.#unknown.has(sequence)) {
      throw new DuplicateSequenceError(`The remote sent two bodies under sequence ${sequence}`)
    }

    if (this.#unknown.size >= this.#limits.maxUnknownBodies) {
      throw new LimitError(`The remote sent more than ${this.#limits.maxUnknownBodies} bodies before their names`)
    }

    const body = new ReceivedBody(sequence, channel, this)
    this.#unknown.set(sequence, body)

    return body
  }

  /**
   * A body begins, or becomes known
   */
  add (sequence: number, channel: number): ReceivedBody {
    const body = new ReceivedBody(sequence, channel, this)
    this.#coming.set(channel, body)

    return body
  }

  /**
   * The hash of a body becomes known that may have begun before
   */
  adopt (sequence: number): ReceivedBody | undefined {
    const body = this.#unknown.get(sequence)

    if (body != null) {
      this.#unknown.delete(sequence)

      if (!body.ended) {
        this.#coming.set(body.channel, body)
      }
    }

    return body
  }

  /**
   * Some time has passed in which the remote was held back
   *
   * @param ms - how much
   * @param waiting - if anything else is owed to us than this body
   */
  tick (ms: number, waiting: (body: ReceivedBody) => boolean): void {
    for (const body of this.#unread) {
      body.unreadFor += ms

      // one without a name nobody could have read
      if (body.unreadFor >= this.#limits.unreadTimeout && waiting(body) && this.#unknown.get(body.sequence) !== body) {
        body.cancel(new UnreadError(`The response was not read for ${this.#limits.unreadTimeout} ms while others waited behind it`))
      }
    }
  }

  end (err: Error): void {
    for (const body of [...this.#coming.values(), ...this.#unknown.values()]) {
      body.close(err)
    }

    this.#unknown.clear()
  }

  // ReceivedBodyOwner

  onBytes (body: ReceivedBody, bytes: number): void {
    this.#owner.onBytes(body, bytes)
  }

  onUnread (body: ReceivedBody, change: number): void {
    this.#unreadBytes += change

    if (body.unread === 0) {
      this.#unread.delete(body)
    } else {
      this.#unread.add(body)
    }

    if (!this.#held && this.#unreadBytes >= this.#limits.maxUnreadBytes) {
      this.#held = true
      this.#leaveRoomForNames()
    } else if (this.#held && this.#unreadBytes < this.#limits.maxUnreadBytes && this.#unreadBytes - this.#unknownBytes <= this.#limits.maxUnreadBytes / 2) {
      // not earlier, as to start again costs as well
      this.#held = false
      this.#owner.onRoom()
    }
  }

  onEnd (body: ReceivedBody): void {
    if (this.#coming.get(body.channel) === body) {
      this.#coming.delete(body.channel)
      this.#owner.onDone(body)
    }
  }

  onCancel (body: ReceivedBody): void {
    if (this.#owner.mayCancel) {
      this.#writer.error(-body.channel, (body.sequence + 1).toString(16))
    }

    this.#owner.discard(body.channel)
    this.onEnd(body)
  }

  /**
   * Bodies without a name must leave room to read the HASHES that names them
   */
  #leaveRoomForNames (): void {
    if (this.#unknownBytes >= this.#limits.maxUnreadBytes) {
      throw new LimitError(`The remote sent more than ${this.#limits.maxUnreadBytes} bytes of bodies before their names`)
    }
  }

  /**
   * What nobody can read before its name comes
   */
  get #unknownBytes (): number {
    let bytes = 0

    for (const body of this.#unknown.values()) {
      bytes += body.unread
    }

    return bytes
  }
}
