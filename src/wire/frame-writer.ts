import * as lp from 'it-length-prefixed'
import { Uint8ArrayList } from 'uint8arraylist'
import { allocUnsafe } from 'uint8arrays/alloc'
import { SEND_BYTES } from '../constants.ts'
import { DATA, END, ERROR } from './frame-decoder.ts'
import { Frame } from './frame.ts'
import { encodeRPC } from './rpc-codec.ts'
import { varintLength, writeVarint } from './varint.ts'
import type { RPCMessage } from './rpc-codec.ts'

/**
 * The channel of our RPC messages: the first one that is opened
 */
export const RPC_CHANNEL = 1

/**
 * Data up to this size is copied behind its header, larger data is passed on as
 * it is: a part of a list costs as much as copying this
 */
const COPY_BYTES = 8192

/**
 * Headers and small data are written into buffers of this size, one after the
 * other, so that 16 of them cost one allocation
 */
const SLAB_BYTES = 64 * 1024

/**
 * length, channel, name, type and the length of the data at their longest
 */
const MAX_HEADER_BYTES = 5 + 6 + 10 + 2 + 6

/**
 * Joins frames into few large chunks: the number of sends is what costs on a
 * libp2p stream, not what they hold.
 *
 * RPC messages are framed by `it-length-prefixed`. Frames of bodies are written in
 * place, as with that and `protons` frames with 128 bytes of data are written at an
 * eleventh of the speed (`npm run bench:wire`, Node.js 24).
 */
export class FrameWriter {
  /**
   * How many bytes are joined into one send: as many messages of the stream as they
   * fill, so that none is sent that is nearly empty
   */
  public readonly sendBytes: number

  #list = new Uint8ArrayList()
  #slab: Uint8Array = EMPTY
  // the part of the slab that is not in the list yet
  #start = 0
  #pos = 0
  #rpcOpened = false

  /**
   * @param maxMessageBytes - the size of the messages of the stream, if it has any
   */
  constructor (maxMessageBytes = SEND_BYTES) {
    this.sendBytes = SEND_BYTES - (maxMessageBytes > 0 ? SEND_BYTES % Math.min(maxMessageBytes, SEND_BYTES) : 0)
  }

  get byteLength (): number {
    return this.#list.byteLength + this.#pos - this.#start
  }

  /**
   * All that was written since the last time
   */
  take (): Uint8ArrayList {
    this.#flushSlab()
    const list = this.#list
    this.#list = new Uint8ArrayList()
    return list
  }

  rpc (message: RPCMessage): void {
    const frame = Frame.encode({
      channel: RPC_CHANNEL,
      name: this.#rpcOpened ? undefined : '0',
      data: encodeRPC(message)
    })

    this.#rpcOpened = true

    // a HASHES is never split, so it may be longer than the default limit
    for (const part of lp.encode.single(frame, { maxDataLength: frame.byteLength })) {
      this.#bytes(part)
    }
  }

  /**
   * A part of a body, of at least one byte. The name goes into the first frame
   * of the body only.
   */
  data (channel: number, name: string | undefined, data: Uint8Array): void {
    this.#header(channel, name, DATA, data.length)
    this.#bytes(data)
  }

  /**
   * The end of a body; with a name it is an empty one
   */
  end (channel: number, name?: string): void {
    this.#header(channel, name, END, 0)
  }

  /**
   * A body that cannot be sent to its end, with a reason that only one of ours
   * may be given; or, on a negative channel, the cancel of a body
   */
  error (channel: number, name?: string, reason?: Uint8Array): void {
    this.#header(channel, name, ERROR, reason?.length ?? 0)

    if (reason != null) {
      this.#bytes(reason)
    }
  }

  #header (channel: number, name: string | undefined, type: number, dataLength: number): void {
    this.#room(MAX_HEADER_BYTES)

    const zigzag = ((channel << 1) ^ (channel >> 31)) >>> 0
    let length = 1 + varintLength(zigzag)

    if (name != null) {
      length += 2 + name.length
    }

    if (type !== DATA) {
      length += 2
    }

    if (dataLength > 0) {
      length += 1 + varintLength(dataLength) + dataLength
    }

    this.#varint(length)
    this.#slab[this.#pos++] = 0x08
    this.#varint(zigzag)

    if (name != null) {
      this.#slab[this.#pos++] = 0x12
      this.#slab[this.#pos++] = name.length

      for (let i = 0; i < name.length; i++) {
        this.#slab[this.#pos++] = name.charCodeAt(i)
      }
    }

    if (type !== DATA) {
      this.#slab[this.#pos++] = 0x18
      this.#slab[this.#pos++] = type
    }

    if (dataLength > 0) {
      this.#slab[this.#pos++] = 0x22
      this.#varint(dataLength)
    }
  }

  #bytes (data: Uint8Array): void {
    if (data.length > COPY_BYTES) {
      this.#flushSlab()
      this.#list.append(data)
    } else {
      this.#room(data.length)
      this.#slab.set(data, this.#pos)
      this.#pos += data.length
    }
  }

  #varint (value: number): void {
    this.#pos = writeVarint(this.#slab, this.#pos, value)
  }

  #room (bytes: number): void {
    if (this.#pos + bytes > this.#slab.length) {
      this.#flushSlab()
      // what is not written never leaves it
      this.#slab = allocUnsafe(SLAB_BYTES)
      this.#start = 0
      this.#pos = 0
    }
  }

  #flushSlab (): void {
    if (this.#pos > this.#start) {
      this.#list.append(this.#slab.subarray(this.#start, this.#pos))
      this.#start = this.#pos
    }
  }
}

const EMPTY = new Uint8Array(0)
