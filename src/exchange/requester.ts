import { AbortError, NotFoundError, TimeoutError } from '@libp2p/interface'
import { MAX_BATCH_BYTES, MAX_BATCH_HASHES } from '../constants.ts'
import { DuplicateSequenceError, LimitError, RemoteClosedError, UnreadError, UnrequestedError } from '../errors.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { Fifo } from './fifo.ts'
import { hashLength } from './hashes.ts'
import { IDLE, ProgressWatch, SLOW } from './progress-watch.ts'
import { ReceivedBody } from './received-body.ts'
import { PROMISED, SENT, SETTLED, WAITING, Want } from './want.ts'
import type { ExchangeResponse } from './api.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ReceivedBodyOwner } from './received-body.ts'
import type { InboundBody } from '../wire/channels.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Mapping } from '../wire/rpc-codec.ts'

export interface RequesterOwner {
  /**
   * There is something to send
   */
  wake(): void
  /**
   * There may be room for more to be read
   */
  onRoom(): void
  /**
   * Content that `request()` asked for comes. False: nobody listens.
   */
  onResponse(response: ExchangeResponse): boolean
  /**
   * Content that `request()` asked for does not come
   */
  onFailed(hash: string, error: Error): void
  /**
   * What else comes on this channel is not wanted
   */
  discard(channel: number): void
}

/**
 * What we ask the remote for: each hash from the request over its answer to the
 * end of its body
 */
export class Requester implements ReceivedBodyOwner {
  /**
   * How many REQUESTs have been sent, and how many of them were answered
   */
  public sent = 0
  public answered = 0

  readonly #owner: RequesterOwner
  readonly #limits: ExchangeLimits
  readonly #writer: FrameWriter
  readonly #watch: ProgressWatch

  // every hash that was asked for, until its body begins or it is known not to come
  readonly #wants = new Map<string, Want>()
  readonly #waiting = new Fifo<Want>()
  // how many of the waiting ones somebody still wants
  #waitingWants = 0
  // what each REQUEST asked for, in the order in which they will be answered
  readonly #requests = new Fifo<Want[]>()
  // by the sequence under which their bodies will come, the oldest first
  readonly #promised = new Map<number, Want>()
  #order = 0
  // bodies that began before the HASHES that names them, by sequence
  readonly #unknown = new Map<number, ReceivedBody>()
  // bodies that have begun and not ended
  readonly #bodies = new Set<ReceivedBody>()
  // bodies with something that nobody has read yet
  readonly #unreadBodies = new Set<ReceivedBody>()
  #unread = 0
  // hashes that were sent and whose body has not ended
  #outstanding = 0

  constructor (owner: RequesterOwner, writer: FrameWriter, limits: ExchangeLimits) {
    this.#owner = owner
    this.#writer = writer
    this.#limits = limits
    this.#watch = new ProgressWatch(limits)
  }

  /**
   * If the remote must not send more for now
   */
  get full (): boolean {
    return this.#unread >= this.#limits.maxUnreadBytes
  }

  /**
   * If the remote owes us an answer or a body
   */
  get owed (): boolean {
    return this.#outstanding > 0
  }

  /**
   * If nothing that anybody here wants is still to come
   */
  get settled (): boolean {
    return this.#bodies.size === 0 && !this.#anyWanted()
  }

  request (hash: string): void {
    this.#want(hash).requested = true
  }

  /**
   * Gives the response of a hash, which `request()` may have asked for as well
   */
  async get (hash: string, signal?: AbortSignal): Promise<ExchangeResponse> {
    signal?.throwIfAborted()

    const want = this.#want(hash)
    const deferred = want.join()

    if (signal == null) {
      return deferred.promise
    }

    let body: ReceivedBody | undefined

    const onAbort = (): void => {
      if (body == null) {
        want.leave(deferred, signal.reason)
        this.#forget(want)
      } else {
        body.cancel(signal.reason)
      }
    }
    signal.addEventListener('abort', onAbort)

    try {
      body = await deferred.promise

      if (body.takers > 1 || body.ended) {
        signal.removeEventListener('abort', onAbort)
      } else {
        body.onFinish = () => { signal.removeEventListener('abort', onAbort) }
      }

      return body
    } catch (err) {
      signal.removeEventListener('abort', onAbort)
      throw err
    }
  }

  /**
   * Writes REQUESTs for what waits, as far as the remote may have them
   */
  fill (): void {
    let room = this.#limits.maxOutstanding - this.#outstanding

    // not one by one, as bodies come to their ends
    if (this.#waitingWants === 0 || room < Math.min(this.#waitingWants, MAX_BATCH_HASHES, this.#limits.maxOutstanding)) {
      return
    }

    let wants: Want[] = []
    let bytes = 0

    for (let want = this.#waiting.peek(); want != null && room > 0; want = this.#waiting.peek()) {
      if (want.state === WAITING) {
        if (wants.length === MAX_BATCH_HASHES || (wants.length > 0 && bytes + want.length > MAX_BATCH_BYTES)) {
          this.#send(wants)
          wants = []
          bytes = 0
        }

        wants.push(want)
        bytes += want.length
        room--
        this.#waitingWants--
      }

      this.#waiting.shift()
    }

    if (wants.length > 0) {
      this.#send(wants)
    }
  }

  /**
   * The answer to the oldest REQUEST
   */
  onHashes (mapping: Mapping[]): void {
    const wants = this.#requests.shift()

    if (wants == null) {
      throw new UnrequestedError('The remote answered a request that was not made')
    }

    this.answered++
    this.#watch.reset()

    for (const { hash, sequence } of mapping) {
      const want = this.#wants.get(hash)

      if (want?.state !== SENT || want.request !== wants) {
        throw new UnrequestedError(`The remote promised "${hash}", which it was not asked for`)
      }

      if (this.#promised.has(sequence)) {
        throw new DuplicateSequenceError(`The remote promised two bodies under sequence ${sequence}`)
      }

      want.state = PROMISED
      want.order = this.#order++
      this.#promised.set(sequence, want)
    }

    for (const want of wants) {
      if (want.state === SENT) {
        this.#outstanding--
        this.#drop(want, new NotFoundError(`The remote does not have "${want.hash}"`))
      }
    }

    for (const { sequence } of mapping) {
      const body = this.#unknown.get(sequence)
      const want = this.#promised.get(sequence)

      if (body != null && want != null) {
        this.#unknown.delete(sequence)
        this.#begin(want, body)
      }
    }

    this.#checkUnknown()

    // what waits may fill the room of what was not found
    this.#owner.wake()
  }

  /**
   * A body begins
   */
  onBody (sequence: number, channel: number): InboundBody | undefined {
    const want = this.#promised.get(sequence)
    const body = new ReceivedBody(sequence, channel, this)

    if (want != null) {
      this.#begin(want, body)
      return body.ended ? undefined : body
    }

    if (this.#unknown.has(sequence)) {
      throw new DuplicateSequenceError(`The remote sent two bodies under sequence ${sequence}`)
    }

    if (this.#unknown.size >= this.#limits.maxUnknownBodies) {
      throw new LimitError(`The remote sent more than ${this.#limits.maxUnknownBodies} bodies before their names`)
    }

    this.#unknown.set(sequence, body)
    this.#checkUnknown()
    return body
  }

  /**
   * One of ours has closed: it answers no more
   */
  onRemoteClose (): void {
    for (const want of this.#wants.values()) {
      if (want.state === WAITING || want.state === SENT) {
        this.#drop(want, new RemoteClosedError())
      }
    }
  }

  /**
   * The exchange has ended
   */
  end (err: Error): void {
    for (const want of this.#wants.values()) {
      this.#drop(want, err)
    }

    for (const body of [...this.#bodies, ...this.#unknown.values()]) {
      body.close(err)
    }

    this.#unknown.clear()
    this.#waiting.clear()
    this.#requests.clear()
    this.#promised.clear()
  }

  /**
   * Some time has passed, in ms
   */
  tick (ms: number): void {
    if (this.full) {
      this.#cancelUnread(ms)
      return
    }

    if (this.#outstanding === 0 && this.#waitingWants === 0) {
      this.#watch.reset()
      return
    }

    const [head] = this.#owedBodies()

    switch (this.#watch.tick(ms, head, head instanceof ReceivedBody ? this.#bodies.size : 0)) {
      case IDLE: this.#failOldest(); break
      case SLOW: this.#fail(head, new TimeoutError(`Less than ${this.#limits.minBodyRate} bytes a second came of the body`)); break
      default:
    }
  }

  // ReceivedBodyOwner

  onUnread (body: ReceivedBody, change: number): void {
    const wasFull = this.full
    this.#unread += change

    if (body.unread === 0) {
      this.#unreadBodies.delete(body)
    } else {
      this.#unreadBodies.add(body)
    }

    if (wasFull) {
      // not before there is room for some more, as waking up costs as well
      if (this.#unread <= this.#limits.maxUnreadBytes / 2) {
        this.#owner.onRoom()
      }
    } else if (this.full) {
      this.#checkUnknown()
    }
  }

  onBytes (body: ReceivedBody, bytes: number): void {
    this.#watch.onBytes(body, bytes)
  }

  onEnd (body: ReceivedBody): void {
    if (this.#bodies.delete(body)) {
      this.#ended()
    }
  }

  onCancel (body: ReceivedBody): void {
    this.#writer.error(-body.channel, (body.sequence + 1).toString(16))
    this.#owner.discard(body.channel)
    this.#bodies.delete(body)
    this.#ended()
  }

  #ended (): void {
    this.#outstanding--
    this.#owner.wake()
  }

  #anyWanted (): boolean {
    for (const want of this.#wants.values()) {
      if (want.wanted) {
        return true
      }
    }

    return false
  }

  #want (hash: string): Want {
    let want = this.#wants.get(hash)

    if (want == null) {
      want = new Want(hash, hashLength(hash, this.#limits.maxHashBytes))
      this.#wants.set(hash, want)
      this.#waiting.push(want)
      this.#waitingWants++
      this.#owner.wake()
    }

    return want
  }

  #send (wants: Want[]): void {
    if (this.#outstanding === 0) {
      this.#watch.reset()
    }

    for (const want of wants) {
      want.state = SENT
      want.request = wants
    }

    this.#outstanding += wants.length
    this.#requests.push(wants)
    this.sent++
    this.#writer.rpc({ type: RPCType.REQUEST, hashes: wants.map(want => want.hash) })
  }

  #begin (want: Want, body: ReceivedBody): void {
    this.#promised.delete(body.sequence)
    this.#wants.delete(want.hash)
    want.state = SETTLED
    body.hash = want.hash
    body.order = want.order

    if (body.ended) {
      // it came as a whole before its name
      this.#ended()
    } else {
      this.#bodies.add(body)
    }

    if (!want.wanted) {
      body.cancel(new AbortError())
      return
    }

    body.takers = want.getters + (want.requested ? 1 : 0)
    let taken = want.resolve(body)

    if (want.requested && this.#owner.onResponse(body)) {
      taken = true
    }

    if (!taken) {
      const err = new UnreadError('Nobody listens for responses')
      body.cancel(err)
      this.#owner.onFailed(want.hash, err)
    }
  }

  /**
   * Nobody may want it any more
   */
  #forget (want: Want): void {
    if (want.state === WAITING && !want.wanted) {
      this.#wants.delete(want.hash)
      want.state = SETTLED
      this.#waitingWants--
    }

    this.#owner.wake()
  }

  /**
   * Tells those who want it that it will not come. It may come all the same, and
   * is refused then.
   */
  #fail (owed: Want | ReceivedBody | undefined, err: Error): void {
    if (owed instanceof ReceivedBody) {
      owed.cancel(err)
    } else if (owed != null) {
      const { requested } = owed
      owed.requested = false
      owed.reject(err)
      this.#forget(owed)

      if (requested) {
        this.#owner.onFailed(owed.hash, err)
      }
    }
  }

  /**
   * It will not come
   */
  #drop (want: Want, err: Error): void {
    if (want.state === WAITING) {
      this.#waitingWants--
    }

    want.state = SETTLED
    this.#wants.delete(want.hash)
    this.#fail(want, err)
  }

  /**
   * Bodies that somebody wants, in the order in which they were promised
   */
  #owedBodies (): Array<Want | ReceivedBody> {
    const owed: Array<Want | ReceivedBody> = [...this.#bodies]

    for (const want of this.#promised.values()) {
      if (want.wanted) {
        owed.push(want)
      }
    }

    return owed.sort((a, b) => a.order - b.order)
  }

  /**
   * Nothing has come for too long. What is at the head fails; then, as long as
   * nothing comes, twice as much each time, so that the thousands behind it do
   * not take a time-out each.
   */
  #failOldest (): void {
    const err = new TimeoutError(`Nothing came from the remote for ${this.#limits.requestTimeout} ms`)

    if (this.#unknown.size > 0) {
      throw err
    }

    let units = Math.pow(2, this.#watch.timeouts - 1)

    for (const owed of this.#owedBodies()) {
      if (units-- <= 0) {
        return
      }

      this.#fail(owed, err)
    }

    for (const wants of this.#requests) {
      const wanted = wants.filter(want => want.wanted)

      if (wanted.length > 0) {
        if (units-- <= 0) {
          return
        }

        wanted.forEach(want => { this.#fail(want, err) })
      }
    }

    // those for which there was never room
    let waiting = units * MAX_BATCH_HASHES

    for (const want of this.#waiting) {
      if (want.state === WAITING && waiting-- > 0) {
        this.#fail(want, err)
      }
    }
  }

  #cancelUnread (ms: number): void {
    for (const body of this.#unreadBodies) {
      body.unreadFor += ms

      if (body.unreadFor >= this.#limits.unreadTimeout && this.#outstanding > (body.ended ? 0 : 1)) {
        body.cancel(new UnreadError(`The response was not read for ${this.#limits.unreadTimeout} ms while others waited behind it`))
      }
    }
  }

  /**
   * Bodies of unknown name may only wait for an answer, and must leave room to
   * read it
   */
  #checkUnknown (): void {
    if (this.#unknown.size === 0) {
      return
    }

    if (this.#requests.length === 0) {
      throw new UnrequestedError('The remote sent a body that was not requested')
    }

    if (this.full) {
      let bytes = 0

      for (const body of this.#unknown.values()) {
        bytes += body.unread
      }

      if (bytes >= this.#limits.maxUnreadBytes) {
        throw new LimitError(`The remote sent more than ${this.#limits.maxUnreadBytes} bytes of bodies before their names`)
      }
    }
  }
}
