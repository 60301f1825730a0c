import { ProtocolError, StreamStateError, TimeoutError } from '@libp2p/interface'
import { ExchangeClosedError, RemoteClosedError, toError, UnexpectedEndError } from '../errors.ts'
import { Channels } from '../wire/channels.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { Announcer } from './announcer.ts'
import { Clock } from './clock.ts'
import { CLOSE, Closing, GIVE_UP } from './closing.ts'
import { Inlet } from './inlet.ts'
import { nextTask } from './next-task.ts'
import { Pending } from './pending.ts'
import { Provider } from './provider.ts'
import { Requester } from './requester.ts'
import { Waker } from './waker.ts'
import { Credit, ReadWindow } from './window.ts'
import type { CreateReadStream, ReceivedResponse } from './api.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ProviderOwner } from './provider.ts'
import type { RequesterOwner } from './requester.ts'
import type { ChannelsHandler, InboundBody } from '../wire/channels.ts'
import type { Mapping, RPCMessage, ReceivedRPC } from '../wire/rpc-codec.ts'
import type { PeerId } from '@libp2p/interface'
import type { Source } from 'it-stream-types'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * For how long what came is worked through in one go, in ms
 */
const MAX_TASK_MS = 50

/**
 * How many messages are worked through before those have their turn for whom they
 * came: until then all that has come of small blocks is kept, of 25,000 in a window
 */
const MESSAGES_AT_ONCE = 1024

/**
 * Who is told what happens
 */
export interface SessionOwner {
  /**
   * If so much of the remote waits here that nothing more is to be read
   */
  readonly full: boolean
  /**
   * A message came. What it says is not done yet.
   */
  onMessage(message: ReceivedRPC): void
  onAvailable(hashes: string[]): void
  /**
   * Returns false if nobody takes the response
   */
  onResponse(response: ReceivedResponse): boolean
  onFailed(hash: string, error: Error): void
  onUnsent(hash: string, error: Error): void
  /**
   * Content was sent to its end
   */
  onSent(hash: string, bytes: number): void
  /**
   * Nothing is to be sent now
   */
  onRest(): void
  /**
   * Throws if the remote must not claim this
   */
  onId(id: string): void
  onSince(sequence: number): void
  onSeen(sequence: number): void
  /**
   * Something of the remote or of the application is ignored
   */
  onIgnored(what: string): void
  onEnd(error: Error | null): void
}

export interface SessionInit {
  limits: ExchangeLimits
  peer?: PeerId
  provides?(hash: string): boolean
  /**
   * What waits for us on all exchanges with the remote, where there may be several
   */
  pending?: Pending
  /**
   * How many bytes the remote may send ahead of what was read, if the stream holds
   * nobody back
   */
  window?: number
  /**
   * The size of the messages into which the stream cuts what it sends
   */
  maxMessageBytes?: number
}

/**
 * What goes on during an exchange: joins what we ask of the remote, what it asks
 * of us, and what we announce, over one stream of bytes each way
 */
export class Session implements RequesterOwner, ProviderOwner, ChannelsHandler {
  public readonly requester: Requester
  public readonly announcer: Announcer
  public readonly remotePeer?: PeerId
  /**
   * If the remote is known to run this implementation
   */
  public remoteIsOurs = false
  /**
   * What ended it, if it was not closed
   */
  public error?: Error
  /**
   * Grows whenever something comes or goes
   */
  public activity = 0

  readonly #owner: SessionOwner
  readonly #limits: ExchangeLimits
  readonly #writer: FrameWriter
  readonly #channels: Channels
  readonly #provider: Provider
  readonly #closing: Closing
  readonly #inlet = new Inlet<Uint8Array | Uint8ArrayList>()
  readonly #output = new Waker()
  readonly #room = new Waker()
  readonly #credit = new Credit()
  readonly #window?: ReadWindow
  readonly #closed = Promise.withResolvers<void>()
  #readBegun = false
  #inputEnded = false
  // if nothing more can be sent
  #outputLost = false
  // if what nobody wants any more has not begun for too long
  #impatient = false
  readonly #clock: Clock
  #seen?: number

  constructor (createReadStream: CreateReadStream, owner: SessionOwner, init: SessionInit) {
    const limits = this.#limits = init.limits

    this.#owner = owner
    this.remotePeer = init.peer
    this.#window = init.window == null ? undefined : new ReadWindow(init.window)
    this.#writer = new FrameWriter(init.maxMessageBytes)
    this.#channels = new Channels(this, limits)
    this.#closing = new Closing(limits)
    this.requester = new Requester(this, this.#writer, limits)
    this.#provider = new Provider(createReadStream, this, this.#writer, limits, init.pending ?? new Pending(limits.maxPending))
    this.announcer = new Announcer(() => { this.wake() }, this.#writer, limits, init.provides)
    this.#clock = new Clock(limits, (ms) => { this.#tick(ms) })

    // whoever waits for it is told; it may be that nobody does
    this.#closed.promise.catch(() => {})
  }

  /**
   * Settled when both sides have closed, or when something else has ended it
   */
  get closed (): Promise<void> {
    return this.#closed.promise
  }

  /**
   * Why nothing more can be requested, if that is so
   */
  get refusal (): Error | undefined {
    if (this.error != null) {
      return this.error
    }

    if (this.#closing.begun) {
      return this.#closing.byRemote ? new RemoteClosedError() : new ExchangeClosedError()
    }
  }

  /**
   * If all that was asked for has come, also here, and all that was to be
   * announced is on its way
   */
  get settled (): boolean {
    return this.idle && this.requester.answered === this.requester.sent
  }

  /**
   * The same, but for answers that nobody waits for any more
   */
  get idle (): boolean {
    return this.requester.settled && this.#provider.idle && this.announcer.idle
  }

  /**
   * Takes what has come of the remote's CLOSE for all that will come of it
   */
  closeWithoutRemote (): void {
    if (this.#closing.sent) {
      this.#closing.received = true
      this.wake()
    }
  }

  /**
   * Sends a message at once, before any body
   */
  tell (message: RPCMessage): void {
    if (this.#closing.sent || this.error != null) {
      this.#owner.onIgnored(`${message.type} of ours, as the exchange is closed`)
    } else {
      this.#writer.rpc(message)
      this.wake()
    }
  }

  /**
   * Sends a SEEN, or only a later one if that comes before it could be sent
   */
  seen (sequence: number): void {
    this.#seen = sequence
    this.wake()
  }

  /**
   * Closes when nothing is left to be answered
   */
  close (): void {
    this.#clock.start()
    this.#closing.begin()
    this.announcer.close(new ExchangeClosedError())
    this.wake()
  }

  /**
   * Takes the bytes of the remote
   */
  async read (source: Source<Uint8Array | Uint8ArrayList>): Promise<void> {
    if (this.#readBegun) {
      throw new StreamStateError('The sink of an exchange can be used only once')
    }

    this.#readBegun = true

    try {
      this.#clock.start()

      if (this.error != null) {
        throw this.error
      }

      for await (const chunk of this.#inlet.read(source)) {
        await this.#readChunk(chunk)
      }

      this.#onInputEnd()
    } catch (thrown) {
      if (!this.#closing.over) {
        const err = toError(thrown)
        this.end(err)
        throw err
      }
    } finally {
      this.#inputEnded = true

      if (this.#closing.over) {
        this.#clock.stop()
      }
    }
  }

  /**
   * Gives the bytes for the remote
   */
  async * write (): AsyncGenerator<Uint8ArrayList> {
    try {
      this.#clock.start()

      while (true) {
        const announced = this.#fill()

        if (this.#writer.byteLength > 0 && this.#provider.reading) {
          await this.#join()
        }

        if (this.error != null) {
          throw this.error
        }

        if (this.#writer.byteLength > 0) {
          this.#closing.onProgress()
          this.activity++
          const bytes = this.#writer.take()
          this.#credit.spend(bytes.byteLength)

          if (this.#credit.spent) {
            // who waits to read on must hear how much more may be sent
            this.#room.wake()
          }

          yield bytes

          if (announced) {
            // otherwise what the remote asks for is not read before all is announced,
            // or as much as a window takes, and all of that waits at the remote
            await nextTask()
          }
        } else if (this.#isOver) {
          this.#finish()
          return
        } else {
          this.#owner.onRest()
          await this.#output.sleep()
        }
      }
    } finally {
      // where the stream is lost, it tells the reader why
      if (!this.#closing.over && !this.#outputLost) {
        this.end(new UnexpectedEndError('The stream was closed for writing before the exchange was closed'))
      }
    }
  }

  /**
   * Waits for what the sources have ready next, as long as they have something: a
   * send for each block that comes from a disk would cost more than the block
   */
  async #join (): Promise<void> {
    for (let before = 0; before < this.#writer.byteLength && this.#writer.byteLength < this.#writer.sendBytes / 2;) {
      before = this.#writer.byteLength
      await nextTask()

      if (this.error == null) {
        this.#fill()
      }
    }
  }

  /**
   * Nothing more can be sent, so that nothing has to be kept for it. What has come
   * is still read: one that did not read, as too much waited to be sent, would never
   * notice that the stream is lost.
   */
  loseOutput (err: Error): void {
    this.#outputLost = true
    this.#provider.end(err)
    this.#room.wake()
  }

  /**
   * Ends it at once, unless it has ended
   */
  end (err: Error): void {
    if (this.#closing.over) {
      // all was said, only the end of the stream may be missing
      this.#inlet.interrupt(err)
      return
    }

    if (this.error != null) {
      return
    }

    this.error = err
    this.requester.end(err)
    this.#provider.end(err)
    this.announcer.end(err)
    this.#clock.stop()
    this.#closed.reject(err)
    this.#inlet.interrupt(err)
    this.#room.wake()
    this.wake()
    this.#owner.onEnd(err)
  }

  /**
   * Time-outs run from now on
   */
  startClock (): void {
    this.#clock.start()
  }

  // RequesterOwner and ProviderOwner

  /**
   * Over libp2p one of ours says so first. Over anything else it may not, and
   * then a body that never ends could not be stopped.
   */
  get mayCancel (): boolean {
    return this.remoteIsOurs || this.remotePeer == null
  }

  wake (): void {
    this.#output.wake()
  }

  onRoom (): void {
    this.#grant()
    this.#room.wake()
  }

  discard (channel: number): void {
    this.#channels.discard(channel)
  }

  get requests (): { sent: number, answered: number } {
    return this.requester
  }

  isProvided (hash: string): boolean {
    return this.announcer.isProvided(hash)
  }

  onResponse (response: ReceivedResponse): boolean {
    return this.#owner.onResponse(response)
  }

  onFailed (hash: string, error: Error): void {
    this.#owner.onFailed(hash, error)
  }

  onUnsent (hash: string, error: Error): void {
    this.#owner.onUnsent(hash, error)
  }

  onSent (hash: string, bytes: number): void {
    this.#owner.onSent(hash, bytes)
  }

  // ChannelsHandler

  message (message: ReceivedRPC): void {
    if (this.#closing.received && this.remoteIsOurs) {
      throw new ProtocolError(`The remote sent ${message.type} after its CLOSE`)
    }

    this.#owner.onMessage(message)
    this.#handlers[message.type](message)
  }

  body (sequence: number, channel: number): InboundBody | undefined {
    return this.requester.onBody(sequence, channel)
  }

  cancelled (channel: number, sequence: number): void {
    this.#provider.cancelled(channel, sequence)
  }

  readonly #handlers: Record<RPCType, (message: ReceivedRPC) => void> = {
    [RPCType.AVAILABLE]: ({ hashes }) => { this.#owner.onAvailable(hashes) },
    [RPCType.REQUEST]: ({ hashes }) => { this.#onRequest(hashes) },
    [RPCType.HASHES]: ({ mapping }) => { this.requester.onHashes(mapping as Mapping[]) },
    [RPCType.SINCE]: ({ sequence }) => { this.#owner.onSince(sequence - 1) },
    [RPCType.SEEN]: ({ sequence }) => { this.#owner.onSeen(sequence - 1) },
    [RPCType.ID]: ({ hashes }) => { this.#onId(hashes) },
    [RPCType.CLOSE]: () => { this.#onClose() },
    // between two who replicate stores, which is none of our business
    [RPCType.CELLS]: () => {},
    [RPCType.MORE]: () => {},
    [RPCType.DONE]: () => {},
    [RPCType.GIVE_UP]: () => {},
    [RPCType.SALT]: () => {},
    [RPCType.WINDOW]: ({ sequence }) => { this.#onWindow(sequence) }
  }

  #onRequest (hashes: string[]): void {
    if (this.#outputLost) {
      this.#owner.onIgnored(`a request of ${hashes.length} hashes, as nothing more can be sent`)
    } else if (this.#closing.sent) {
      // the CLOSE that tells the remote so is on its way
      this.#owner.onIgnored(`a request of ${hashes.length} hashes, as we have closed`)
    } else {
      this.#provider.onRequest(hashes)
    }
  }

  #onId ([id, log]: string[]): void {
    if (log != null && !this.remoteIsOurs) {
      this.remoteIsOurs = true
      this.#grant(true)
      // bodies may have waited to know who asks for them
      this.wake()
    }

    if (id != null && id !== '') {
      this.#owner.onId(id)
    }
  }

  /**
   * Lets the remote send as much as was read, if it knows what that is
   */
  #grant (begins = false): void {
    if (!this.#closing.sent && !this.#isBehind) {
      const bytes = this.#window?.grant(begins)

      if (bytes != null) {
        this.tell({ type: RPCType.WINDOW, sequence: bytes })
      }
    }
  }

  #onWindow (bytes: number): void {
    this.#credit.grant(bytes)
    this.wake()
  }

  #onClose (): void {
    this.#closing.received = true

    if (this.remoteIsOurs) {
      // neither does it answer any more, nor can it ask for anything
      this.close()
      this.requester.onRemoteClose()
    }

    this.wake()
  }

  /**
   * If nothing is left to be said or heard
   */
  get #isOver (): boolean {
    return this.#closing.sent && this.#closing.received && this.requester.settled && this.#provider.idle &&
      // what nobody wants any more can be cancelled only when it begins
      (!this.requester.owed || this.#inputEnded || this.#impatient)
  }

  /**
   * If so much of what has come waits here that no more should
   */
  get #isBehind (): boolean {
    return this.#owner.full || this.requester.full
  }

  /**
   * If the remote has to wait before more is read. While it owes us something, or
   * lets us send nothing more, its requests do not make it wait: it might wait for
   * us in the same way. For the same reason what it was allowed to send is read.
   */
  get #isFull (): boolean {
    return (this.#isBehind && this.#window?.open !== true) || (this.#provider.full && !this.requester.owed && !this.#credit.spent)
  }

  /**
   * Writes what can be sent now, up to one full send: answers and requests
   * first, then bodies, then one announcement. What is long waits until the
   * remote has read what was sent before, unless it waits for the end of it all.
   * Returns if something was announced.
   */
  #fill (): boolean {
    let announced = false

    if (this.#seen != null && !this.#closing.sent) {
      this.#writer.rpc({ type: RPCType.SEEN, sequence: this.#seen + 1 })
      this.#seen = undefined
    }

    const mayBeLong = !this.#credit.spent || this.#closing.received

    this.requester.fill()
    this.#provider.fill(mayBeLong)

    if (mayBeLong) {
      announced = this.announcer.fill()
    }

    if (this.#closing.begun && !this.#closing.sent && this.requester.settled && this.#provider.answered && this.announcer.idle) {
      this.#closing.sent = true
      this.#writer.rpc({ type: RPCType.CLOSE })
    }

    return announced
  }

  async #readChunk (chunk: Uint8Array | Uint8ArrayList): Promise<void> {
    if (this.#closing.over) {
      return
    }

    if (!this.#closing.begun) {
      this.#closing.onProgress()
    }

    this.#channels.push(chunk)
    this.#window?.onRead(chunk.byteLength)
    this.activity++

    let began = Date.now()

    for (let i = 1; this.#channels.read(); i++) {
      if (i % 256 === 0 && Date.now() - began > MAX_TASK_MS) {
        // a chunk may hold many small messages, and others must have their turn
        await new Promise(resolve => setTimeout(resolve))
        began = Date.now()
      } else if (i % MESSAGES_AT_ONCE === 0) {
        await Promise.resolve()
      }

      while (this.#isFull && this.error == null) {
        await this.#room.sleep()
      }

      if (this.error != null) {
        throw this.error
      }
    }

    this.#grant()
  }

  #onInputEnd (): void {
    if (this.#closing.over) {
      return
    }

    // an original that closes second ends after the first byte of its CLOSE
    if (!this.#channels.atBoundary && !this.#closing.sent) {
      throw new UnexpectedEndError('The stream ended within a frame')
    }

    if (!this.requester.settled || !(this.#closing.received || this.#closing.sent)) {
      throw new UnexpectedEndError()
    }

    this.requester.onInputEnd()
    this.#closing.received = true
    this.close()
  }

  #finish (): void {
    const ended = new ExchangeClosedError()

    this.#closing.over = true
    this.#closing.onProgress()
    this.requester.end(ended)
    this.#provider.end(ended)
    this.announcer.end(ended)
    this.#closed.resolve()

    if (this.#inputEnded) {
      this.#clock.stop()
    }

    this.#owner.onEnd(null)
  }

  #tick (ms: number): void {
    try {
      this.#provider.tick(ms)

      if (!this.#owner.full) {
        this.requester.tick(ms, this.#closing.begun, this.#closing.received)
      }

      if (!this.requester.full) {
        this.#tickClosing(ms)
      }
    } catch (err) {
      this.end(toError(err))
    }
  }

  #tickClosing (ms: number): void {
    const { settled } = this.requester
    const { answered, idle } = this.#provider

    switch (this.#closing.tick(ms, { settled, answered, idle })) {
      case CLOSE: this.close(); break
      case GIVE_UP: this.#giveUp(new TimeoutError(`The remote did not close within ${this.#limits.closeTimeout} ms`)); break
      default:
    }
  }

  #giveUp (err: Error): void {
    if (this.#closing.over) {
      // only the end of the stream is missing, which is no error
      this.#inlet.interrupt(err)
    } else if (this.#closing.sent && this.#closing.received && this.#provider.idle) {
      this.#impatient = true
      this.wake()
    } else {
      this.end(err)
    }
  }
}
