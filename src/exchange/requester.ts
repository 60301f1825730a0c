import { AbortError, NotFoundError } from '@libp2p/interface'
import { MAX_BATCH_HASHES } from '../constants.ts'
import { DuplicateSequenceError, RemoteClosedError, UnreadError, UnrequestedError } from '../errors.ts'
import { NumberMap } from '../number-map.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { Arrivals } from './arrivals.ts'
import { Fifo } from './fifo.ts'
import { Overdue } from './overdue.ts'
import { PROMISED, SENT, WAITING } from './want.ts'
import { Wants } from './wants.ts'
import type { ExchangeResponse, ReceivedResponse } from './api.ts'
import type { ArrivalsOwner } from './arrivals.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ReceivedBody } from './received-body.ts'
import type { Want } from './want.ts'
import type { InboundBody } from '../wire/channels.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Mapping } from '../wire/rpc-codec.ts'

export interface RequesterOwner {
  /**
   * If the remote may be told to stop in the middle of a body
   */
  readonly mayCancel: boolean
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
  onResponse(response: ReceivedResponse): boolean
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
export class Requester implements ArrivalsOwner {
  /**
   * How many REQUESTs have been sent, and how many of them were answered
   */
  public sent = 0
  public answered = 0

  readonly #owner: RequesterOwner
  readonly #limits: ExchangeLimits
  readonly #writer: FrameWriter
  readonly #overdue: Overdue
  readonly #wants: Wants
  readonly #arrivals: Arrivals

  // what each REQUEST asked for, in the order in which they will be answered
  readonly #requests = new Fifo<Want[]>()
  // by the sequence under which their bodies will come
  readonly #promised = new NumberMap<Want>()
  #order = 0
  // the sequence that a REQUEST without hashes is to be sent with, if one is, and
  // if one is unanswered
  #nothing?: number
  #nothingSent = false
  // hashes that were sent and whose body has not ended
  #outstanding = 0

  constructor (owner: RequesterOwner, writer: FrameWriter, limits: ExchangeLimits) {
    this.#owner = owner
    this.#writer = writer
    this.#limits = limits
    this.#arrivals = new Arrivals(this, writer, limits)
    this.#wants = new Wants(limits.maxHashBytes, (hash, error) => { owner.onFailed(hash, error) })
    this.#overdue = new Overdue({ wants: this.#wants, requests: this.#requests, promised: this.#promised, arrivals: this.#arrivals }, limits)
  }

  /**
   * If the remote must not send more for now
   */
  get full (): boolean {
    return this.#arrivals.full
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
    return this.#arrivals.coming.size === 0 && !this.#wants.anyWanted && this.#nothing == null
  }

  request (hash: string): void {
    this.#wants.add(hash).requested = true
    this.#owner.wake()
  }

  /**
   * Gets the response of a hash, which `request()` may have asked for as well
   */
  async get (hash: string, signal?: AbortSignal): Promise<ExchangeResponse> {
    signal?.throwIfAborted()

    const want = this.#wants.add(hash)
    const deferred = want.join()
    this.#owner.wake()

    if (signal == null) {
      return deferred.promise
    }

    let body: ReceivedBody | undefined

    const onAbort = (): void => {
      if (body == null) {
        want.leave(deferred, signal.reason)
        this.#wants.release(want)
        this.#owner.wake()
      } else {
        body.cancel(signal.reason)
      }
    }
    signal.addEventListener('abort', onAbort)

    try {
      body = await deferred.promise

      if (signal.aborted) {
        // between the beginning of the body and now
        if (body.takers === 1) {
          body.cancel(signal.reason)
        }

        throw signal.reason
      }
    } finally {
      if (body == null || body.takers > 1 || body.ended) {
        signal.removeEventListener('abort', onAbort)
      } else {
        body.onFinish = () => { signal.removeEventListener('abort', onAbort) }
      }
    }

    return body
  }

  /**
   * Writes REQUESTs for what waits, as far as the remote may have them
   */
  fill (): void {
    if (this.#nothing != null && !this.#nothingSent) {
      this.#requests.push([])
      this.sent++
      this.#writer.rpc({ type: RPCType.REQUEST, hashes: [], sequence: this.#nothing + 1 })
      this.#nothing = undefined
      this.#nothingSent = true
    }

    const room = this.#limits.maxOutstanding - this.#outstanding
    const waiting = this.#wants.waiting

    // not one by one, as bodies come to their ends
    if (waiting === 0 || room < Math.min(waiting, MAX_BATCH_HASHES, this.#limits.maxOutstanding)) {
      return
    }

    if (this.#outstanding === 0) {
      this.#overdue.reset()
    }

    for (const wants of this.#wants.take(room)) {
      this.#outstanding += wants.length
      this.#requests.push(wants)
      this.sent++
      this.#writer.rpc({ type: RPCType.REQUEST, hashes: wants.map(({ hash }) => hash) })
    }

    // where too many hashes of the remote wait, it is read on while it owes us something
    this.#owner.onRoom()
  }

  /**
   * Sends a REQUEST without hashes, when the last one of these has been answered
   *
   * @param sequence - of the last announcement that nothing is wanted of, -1 if
   * there was none
   */
  requestNothing (sequence: number): void {
    this.#nothing = sequence
    this.#owner.wake()
  }

  /**
   * Takes back that nothing is wanted. Returns false if there was nothing to take
   * back, or it had been sent.
   */
  takeBackNothing (): boolean {
    const waited = this.#nothing != null

    this.#nothing = undefined

    return waited
  }

  /**
   * Whoever waits for a hash whose body has not begun is told that it will not
   * come
   */
  giveUp (hash: string, err: Error): void {
    const want = this.#wants.get(hash)

    if (want != null) {
      this.#wants.fail(want, err)
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
    this.#overdue.reset()

    if (wants.length === 0) {
      this.#nothingSent = false
    }

    let next = 0

    for (const { hash, sequence } of mapping) {
      // those of most peers come in the order of the request
      while (next < wants.length && wants[next].hash !== hash) {
        next++
      }

      this.#promise(wants, wants[next++] ?? this.#wants.get(hash), hash, sequence)
    }

    for (const want of wants) {
      if (want.state === SENT) {
        this.#outstanding--
        this.#wants.drop(want, new NotFoundError(`The remote does not have "${want.hash}"`))
      }
    }

    for (const { sequence } of mapping) {
      const want = this.#promised.get(sequence)
      const body = this.#arrivals.adopt(sequence)

      if (want != null && body != null) {
        this.#begin(want, body)
      }
    }

    this.#checkUnknown()
    // others may be sent in the place of what was not found
    this.#owner.wake()
  }

  /**
   * A body begins
   */
  onBody (sequence: number, channel: number): InboundBody | undefined {
    const want = this.#promised.get(sequence)

    if (want != null) {
      const body = this.#arrivals.add(sequence, channel)
      this.#begin(want, body)
      return body.ended ? undefined : body
    }

    const body = this.#arrivals.addUnknown(sequence, channel)
    this.#checkUnknown()
    return body
  }

  /**
   * One of ours has closed: it answers no more
   */
  onRemoteClose (): void {
    this.#forgetRequests()

    for (const want of [...this.#wants]) {
      if (want.state === SENT) {
        this.#outstanding--
      }

      if (want.state === WAITING || want.state === SENT) {
        this.#wants.drop(want, new RemoteClosedError())
      }
    }
  }

  /**
   * The stream of the remote has ended: it answers no more, and nothing has to wait
   * for that
   */
  onInputEnd (): void {
    this.#forgetRequests()
    this.answered = this.sent
  }

  /**
   * The exchange has ended
   */
  end (err: Error): void {
    this.#forgetRequests()

    for (const want of [...this.#wants]) {
      this.#wants.drop(want, err)
    }

    this.#arrivals.end(err)
    this.#promised.clear()
  }

  /**
   * Some time has passed
   *
   * @param ms - how much
   * @param closing - if the end of the exchange waits for us
   * @param remoteClosed - if the remote has closed, which may still owe an answer to
   * a REQUEST without hashes
   */
  tick (ms: number, closing: boolean, remoteClosed: boolean): void {
    // what it has asked for may wait for that
    const mustAnswer = this.#nothingSent && remoteClosed

    if (this.full) {
      this.#arrivals.tick(ms, body => closing || this.#outstanding > (body.ended ? 0 : 1))
    } else if (this.#outstanding === 0 && this.#wants.waiting === 0 && !mustAnswer) {
      this.#overdue.reset()
    } else {
      this.#overdue.tick(ms, mustAnswer)
    }
  }

  // ArrivalsOwner

  get mayCancel (): boolean {
    return this.#owner.mayCancel
  }

  onRoom (): void {
    this.#owner.onRoom()
  }

  discard (channel: number): void {
    this.#owner.discard(channel)
  }

  onBytes (body: ReceivedBody, bytes: number): void {
    this.#overdue.onBytes(body, bytes)
  }

  onDone (): void {
    this.#outstanding--
    this.#owner.wake()
  }

  /**
   * None will be answered any more
   */
  #forgetRequests (): void {
    this.#requests.clear()
    this.#nothing = undefined
    this.#nothingSent = false
  }

  #promise (wants: Want[], want: Want | undefined, hash: string, sequence: number): void {
    if (want?.state !== SENT || want.request !== wants) {
      throw new UnrequestedError(`The remote promised ${JSON.stringify(hash.substring(0, 80))}, which it was not asked for`)
    }

    if (this.#promised.has(sequence)) {
      throw new DuplicateSequenceError(`The remote promised two bodies under sequence ${sequence}`)
    }

    want.state = PROMISED
    want.order = this.#order++
    this.#promised.set(sequence, want)
  }

  #begin (want: Want, body: ReceivedBody): void {
    this.#promised.delete(body.sequence)
    this.#wants.settle(want)
    body.hash = want.hash
    body.order = want.order
    body.takers = want.takers

    if (body.ended) {
      // it came as a whole before its name
      this.onDone()
    }

    if (!want.wanted) {
      body.cancel(new AbortError())
      return
    }

    const { requested } = want
    const given = want.resolve(body)
    const taken = requested && this.#owner.onResponse(body)

    if (!given && !taken) {
      const err = new UnreadError('Nobody listens for responses')
      body.cancel(err)
      this.#owner.onFailed(want.hash, err)
    }
  }

  /**
   * Bodies of unknown name may only come while an answer is to come
   */
  #checkUnknown (): void {
    if (this.#arrivals.unknown > 0 && this.#requests.length === 0) {
      throw new UnrequestedError('The remote sent a body that was not requested')
    }
  }
}
