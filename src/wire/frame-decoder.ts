import { InvalidMessageError } from '@libp2p/interface'
import { LimitError } from '../errors.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * What {@link FrameDecoder.read} found
 */
export const NOTHING = 0
export const HEADER = 1
export const PART = 2

/**
 * Types of a frame
 */
export const DATA = 1
export const END = 2
export const ERROR = 3

/**
 * The name of a frame that has none
 */
export const NAMELESS = -1

const IN_LENGTH = 0
const IN_HEADER = 1
const IN_DATA = 2

/**
 * Takes the bytes of a stream, split anywhere, and gives headers of frames and
 * parts of their data, both as they come: data is never assembled or copied.
 *
 * It is pulled, not iterated: `read` says what came and leaves it in the fields
 * of the decoder, so that neither a frame nor a part costs an object, and the
 * caller can stop between any two of them. `it-length-prefixed` gives whole
 * frames only, so that a body of 5 MB in one frame would be held in memory; and
 * its synchronous decoder with the generated codec of frame.proto reads frames
 * with 128 bytes of data at a quarter of the speed (`npm run bench:wire`,
 * Node.js 24).
 *
 * @see {@link ../../SPEC.md} for the format
 */
export class FrameDecoder {
  /**
   * The channel of the current frame, as its sender counts
   */
  public channel = 0
  /**
   * The name in the current frame, read as a hexadecimal number, or NAMELESS
   */
  public name = NAMELESS
  public type = DATA
  /**
   * How many bytes of data the current frame has in all
   */
  public dataLength = 0
  /**
   * How many bytes of data are still to come in the current frame
   */
  public dataLeft = 0
  /**
   * The bytes that came, after PART: a view into what was pushed
   */
  public part: Uint8Array = EMPTY

  readonly #maxHeaderBytes: number
  readonly #parts: Uint8Array[] = []
  #next = 0
  #buf: Uint8Array = EMPTY
  #pos = 0

  #state = IN_LENGTH
  #length = 0
  #lengthScale = 1

  // where a header that is split over parts is put together
  readonly #split: Uint8Array
  #splitLength = 0
  // where in a header the parser is
  #cursor = 0

  constructor (maxHeaderBytes: number) {
    this.#maxHeaderBytes = maxHeaderBytes
    this.#split = new Uint8Array(maxHeaderBytes)
  }

  /**
   * Adds a chunk. All that came before it must have been read.
   */
  push (chunk: Uint8Array | Uint8ArrayList): void {
    this.#parts.length = 0
    this.#next = 0

    if (chunk instanceof Uint8Array) {
      this.#buf = chunk
      this.#pos = 0
    } else {
      for (const part of chunk) {
        this.#parts.push(part)
      }

      this.#nextPart()
    }
  }

  /**
   * If the stream may end here
   */
  get atBoundary (): boolean {
    return this.#state === IN_LENGTH && this.#lengthScale === 1
  }

  /**
   * Reads on to the next header or part
   */
  read (): typeof NOTHING | typeof HEADER | typeof PART {
    while (this.#pos < this.#buf.length || this.#nextPart()) {
      if (this.#state === IN_LENGTH) {
        this.#readLength()
      } else if (this.#state === IN_HEADER) {
        if (this.#readHeader()) {
          return HEADER
        }
      } else {
        this.#readPart()
        return PART
      }
    }

    return NOTHING
  }

  #nextPart (): boolean {
    while (this.#next < this.#parts.length) {
      this.#buf = this.#parts[this.#next++]
      this.#pos = 0

      if (this.#buf.length > 0) {
        return true
      }
    }

    this.#buf = EMPTY
    this.#pos = 0
    return false
  }

  #readLength (): void {
    const byte = this.#buf[this.#pos++]
    this.#length += (byte & 0x7f) * this.#lengthScale

    if (byte >= 0x80) {
      this.#lengthScale *= 0x80

      if (this.#lengthScale > MAX_SCALE) {
        throw new InvalidMessageError('The length of a frame has too many bytes')
      }
    } else {
      if (!Number.isSafeInteger(this.#length)) {
        throw new InvalidMessageError('The length of a frame is out of range')
      }

      this.#lengthScale = 1
      this.#splitLength = 0
      // a frame of no bytes means nothing
      this.#state = this.#length === 0 ? IN_LENGTH : IN_HEADER
    }
  }

  /**
   * Returns true when the header is complete
   */
  #readHeader (): boolean {
    const before = this.#splitLength
    let header = this.#buf
    let start = this.#pos
    // never more than a header may have, so that what is refused does not
    // depend on how it was split
    let end = Math.min(header.length, start + Math.min(this.#length, this.#maxHeaderBytes) - before)

    if (before > 0) {
      this.#split.set(header.subarray(start, end), before)
      header = this.#split
      end += before - start
      start = 0
    }

    if (!this.#parse(header, start, end)) {
      const size = end - start

      if (size === this.#length) {
        throw new InvalidMessageError('A field passes the end of its frame')
      }

      if (size === this.#maxHeaderBytes) {
        throw new LimitError(`A frame has more than ${this.#maxHeaderBytes} bytes before its data`)
      }

      // keep what there is and wait for the rest
      if (before === 0) {
        this.#split.set(header.subarray(start, end))
      }

      this.#splitLength = size
      this.#pos = this.#buf.length
      return false
    }

    const taken = this.#cursor - start

    if (this.#length - taken !== this.dataLength) {
      throw new InvalidMessageError('The data of a frame does not end with it')
    }

    if (this.channel === 0) {
      throw new InvalidMessageError('A frame has no channel')
    }

    this.#pos += taken - before
    this.dataLeft = this.dataLength
    this.#toNextFrameAfterData()
    return true
  }

  #readPart (): void {
    const size = Math.min(this.dataLeft, this.#buf.length - this.#pos)
    this.part = this.#buf.subarray(this.#pos, this.#pos + size)
    this.#pos += size
    this.dataLeft -= size
    this.#toNextFrameAfterData()
  }

  #toNextFrameAfterData (): void {
    if (this.dataLeft > 0) {
      this.#state = IN_DATA
    } else {
      this.#state = IN_LENGTH
      this.#length = 0
      this.#splitLength = 0
    }
  }

  /**
   * Reads fields up to the data or to the end of the frame, whichever comes
   * first. Returns false if it needs bytes after `end`.
   */
  #parse (buf: Uint8Array, start: number, end: number): boolean {
    this.channel = 0
    this.name = NAMELESS
    this.type = DATA
    this.dataLength = 0
    this.#cursor = start

    while (this.#cursor - start < this.#length) {
      const tag = this.#varint(buf, end)

      if (tag === INCOMPLETE) {
        return false
      }

      const wireType = tag & 7

      if (tag === CHANNEL_TAG) {
        const value = this.#varint(buf, end)

        if (value === INCOMPLETE) {
          return false
        }

        if (value > 0xffffffff) {
          throw new InvalidMessageError('The channel of a frame is out of range')
        }

        this.channel = (value >>> 1) ^ -(value & 1)
      } else if (tag === NAME_TAG) {
        const length = this.#varint(buf, end)

        if (length === INCOMPLETE || this.#cursor + length > end) {
          return false
        }

        this.name = readName(buf, this.#cursor, length)
        this.#cursor += length
      } else if (tag === TYPE_TAG) {
        const value = this.#varint(buf, end)

        if (value === INCOMPLETE) {
          return false
        }

        if (value < DATA || value > ERROR) {
          throw new InvalidMessageError(`A frame is of unknown type ${value}`)
        }

        this.type = value
      } else if (tag === DATA_TAG) {
        const length = this.#varint(buf, end)

        if (length === INCOMPLETE) {
          return false
        }

        this.dataLength = length
        return true
      } else if (tag < 0x28) {
        throw new InvalidMessageError(`Field ${tag >>> 3} of a frame has the wrong type ${wireType}`)
      } else if (!this.#skip(buf, end, wireType)) {
        return false
      }
    }

    return true
  }

  /**
   * Passes over a field that we do not know
   */
  #skip (buf: Uint8Array, end: number, wireType: number): boolean {
    let size = 0

    if (wireType === VARINT) {
      // of any length, as it may be of 64 bits
      while (this.#cursor < end && buf[this.#cursor] >= 0x80) {
        this.#cursor++
      }

      size = 1
    } else if (wireType === BYTES) {
      size = this.#varint(buf, end)
    } else if (wireType === FIXED64) {
      size = 8
    } else if (wireType === FIXED32) {
      size = 4
    } else {
      throw new InvalidMessageError(`A field of a frame is of unknown type ${wireType}`)
    }

    if (size === INCOMPLETE || this.#cursor + size > end) {
      return false
    }

    this.#cursor += size
    return true
  }

  #varint (buf: Uint8Array, end: number): number {
    let value = 0
    let scale = 1

    while (this.#cursor < end) {
      const byte = buf[this.#cursor++]

      if (byte < 0x80) {
        value += byte * scale

        if (!Number.isSafeInteger(value)) {
          throw new InvalidMessageError('A number in a frame is out of range')
        }

        return value
      }

      value += (byte & 0x7f) * scale
      scale *= 0x80

      if (scale > MAX_SCALE) {
        throw new InvalidMessageError('A number in a frame has too many bytes')
      }
    }

    return INCOMPLETE
  }
}

const EMPTY = new Uint8Array(0)
const INCOMPLETE = -1
// eight bytes of seven bits are more than a safe integer has
const MAX_SCALE = Math.pow(2, 49)

// how a field is written, in the last three bits of its tag
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

const CHANNEL_TAG = 0x08
const NAME_TAG = 0x12
const TYPE_TAG = 0x18
const DATA_TAG = 0x22

const MAX_NAME_LENGTH = 8

/**
 * A name is "0" or sequence + 1 in lower-case hexadecimal digits
 */
function readName (buf: Uint8Array, start: number, length: number): number {
  let value = 0

  for (let i = start; i < start + length; i++) {
    value = value * 16 + readDigit(buf[i])
  }

  // neither empty, nor too long, nor with a zero in front, nor with other letters
  if (length === 0 || length > MAX_NAME_LENGTH || (length > 1 && buf[start] === 0x30) || Number.isNaN(value)) {
    throw new InvalidMessageError('The name of a channel is not a hexadecimal number')
  }

  return value
}

function readDigit (c: number): number {
  if (c >= 0x30 && c <= 0x39) {
    return c - 0x30
  }

  return c >= 0x61 && c <= 0x66 ? c - 0x57 : NaN
}
