import { InvalidMessageError, ProtocolError } from '@libp2p/interface'
import { LimitError } from '../errors.ts'
import { NumberMap } from '../number-map.ts'
import { DATA, END, ERROR, FrameDecoder, HEADER, NAMELESS, NOTHING, PART } from './frame-decoder.ts'
import { RPC_CHANNEL } from './frame-writer.ts'
import { decodeRPC } from './rpc-codec.ts'
import type { RPCLimits, ReceivedRPC } from './rpc-codec.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface ChannelsLimits extends RPCLimits {
  maxRPCBytes: number
  maxFrameHeaderBytes: number
  maxReasonBytes: number
}

/**
 * A body that is being received
 */
export interface InboundBody {
  data(part: Uint8Array): void
  /**
   * The body is complete
   */
  end(): void
  /**
   * The remote cannot send the rest, for a reason that one of ours gives
   */
  fail(reason: string): void
  /**
   * Another body took its channel
   */
  cut(): void
}

/**
 * Who takes what {@link Channels} reads
 */
export interface ChannelsHandler {
  message(message: ReceivedRPC): void
  /**
   * A body begins. Without an answer its content is discarded.
   */
  body(sequence: number, channel: number): InboundBody | undefined
  /**
   * The remote does not want the body of this sequence that we send on this
   * channel
   */
  cancelled(channel: number, sequence: number): void
}

/**
 * What is on a channel whose content is thrown away until its next body
 */
const DISCARDED = Symbol.for('libp2p-hash-exchange/discarded')
/**
 * What is on the channel of RPC messages
 */
const RPC = Symbol.for('libp2p-hash-exchange/rpc')

const EMPTY = new Uint8Array(0)

/**
 * Sorts the frames of a stream to the channels that the remote has opened, and
 * gives RPC messages whole and bodies part by part
 */
export class Channels {
  readonly #decoder: FrameDecoder
  readonly #handler: ChannelsHandler
  readonly #limits: ChannelsLimits
  readonly #open = new NumberMap<InboundBody | typeof DISCARDED | typeof RPC>()
  #rpcOpened = false

  // what is on the channel of the frame that is being read; undefined: nothing
  #current: InboundBody | typeof DISCARDED | typeof RPC | undefined
  // what has come of a message that did not come in one part
  #message: Uint8Array = EMPTY
  #reason = ''

  constructor (handler: ChannelsHandler, limits: ChannelsLimits) {
    this.#handler = handler
    this.#limits = limits
    this.#decoder = new FrameDecoder(limits.maxFrameHeaderBytes)
  }

  /**
   * Adds a chunk. All that came before it must have been read.
   */
  push (chunk: Uint8Array | Uint8ArrayList): void {
    this.#decoder.push(chunk)
  }

  /**
   * If the stream may end here
   */
  get atBoundary (): boolean {
    return this.#decoder.atBoundary
  }

  /**
   * Throws away what comes on a channel until its next body
   */
  discard (channel: number): void {
    this.#open.set(channel, DISCARDED)

    if (this.#decoder.channel === channel && this.#decoder.dataLeft > 0) {
      this.#current = DISCARDED
    }
  }

  /**
   * Reads on by one header or part. Returns false when there are no more bytes.
   */
  read (): boolean {
    switch (this.#decoder.read()) {
      case HEADER: this.#header(); return true
      case PART: this.#part(); return true
      case NOTHING:
      default: return false
    }
  }

  #header (): void {
    const { channel, name, type, dataLength } = this.#decoder

    if (channel < 0) {
      // data has no meaning there and is skipped, END and ERROR are cancels
      this.#current = undefined

      if (type !== DATA) {
        if (channel === -RPC_CHANNEL) {
          throw new ProtocolError('The remote does not read our messages any more')
        }

        this.#handler.cancelled(-channel, name - 1)
      }

      return
    }

    let current = this.#open.get(channel)

    if (name !== NAMELESS) {
      current = this.#begin(channel, name, current)
    } else if (current == null && type === DATA) {
      throw new InvalidMessageError('The first frame of a channel has no name')
    }

    this.#current = current

    if (current === RPC) {
      this.#rpcHeader(type, dataLength)
    } else if (type === ERROR) {
      this.#reason = ''

      if (dataLength === 0) {
        this.#fail(channel)
      }
    } else if (type === END) {
      if (dataLength > 0) {
        throw new InvalidMessageError('A frame that ends a body has data')
      }

      this.#open.delete(channel)

      if (current != null && current !== DISCARDED) {
        current.end()
      }
    }
  }

  #begin (channel: number, name: number, current: InboundBody | typeof DISCARDED | typeof RPC | undefined): InboundBody | typeof DISCARDED | typeof RPC {
    if (current === RPC || (name === 0 && this.#rpcOpened)) {
      throw new ProtocolError('The remote opened the channel of its messages twice')
    }

    if (current != null && current !== DISCARDED) {
      current.cut()
    }

    if (name === 0) {
      this.#rpcOpened = true
      this.#open.set(channel, RPC)
      return RPC
    }

    const body = this.#handler.body(name - 1, channel) ?? DISCARDED

    this.#open.set(channel, body)
    return body
  }

  #rpcHeader (type: number, dataLength: number): void {
    if (type !== DATA) {
      throw new ProtocolError('The remote ended the channel of its messages')
    }

    if (dataLength > this.#limits.maxRPCBytes) {
      throw new LimitError(`A message has more than ${this.#limits.maxRPCBytes} bytes`)
    }

    if (dataLength === 0) {
      throw new InvalidMessageError('A message is empty')
    }
  }

  #part (): void {
    const { part, dataLeft, type, channel } = this.#decoder
    const current = this.#current

    if (type === ERROR) {
      if (channel > 0) {
        this.#readReason(part)

        if (dataLeft === 0) {
          this.#fail(channel)
        }
      }
    } else if (current === RPC) {
      this.#rpcPart(part)
    } else if (current != null && current !== DISCARDED) {
      current.data(part)
    }
  }

  #rpcPart (part: Uint8Array): void {
    const { dataLength, dataLeft } = this.#decoder

    if (part.length < dataLength) {
      const end = dataLength - dataLeft

      // it grows with what comes. A list of the parts would cost a hundred times
      // their bytes where a remote sends one at a time.
      if (end > this.#message.length) {
        const longer = new Uint8Array(Math.min(dataLength, 2 * end))
        longer.set(this.#message)
        this.#message = longer
      }

      this.#message.set(part, end - part.length)

      if (dataLeft > 0) {
        return
      }

      part = this.#message
      this.#message = EMPTY
    }

    const message = decodeRPC(part, this.#limits)

    if (message != null) {
      this.#handler.message(message)
    }
  }

  #readReason (part: Uint8Array): void {
    const room = this.#limits.maxReasonBytes - this.#reason.length

    for (const c of part.subarray(0, Math.max(0, room))) {
      // printable ASCII only: it may end in a log
      this.#reason += c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : '?'
    }
  }

  #fail (channel: number): void {
    const current = this.#current
    this.#open.delete(channel)

    if (current != null && current !== DISCARDED && current !== RPC) {
      current.fail(this.#reason)
    }
  }
}
