import { InvalidMessageError } from '@libp2p/interface'
import { allocUnsafe } from 'uint8arrays/alloc'
import { LimitError } from '../errors.ts'
import { RPC, RPCType } from './rpc.ts'
import { varintLength, writeVarint } from './varint.ts'

export { RPCType } from './rpc.ts'

export interface Mapping {
  hash: string
  sequence: number
}

export interface RPCMessage {
  type: RPCType
  hashes?: string[]
  mapping?: Mapping[]
  sequence?: number
  /**
   * Only of messages by which stores are compared
   */
  data?: Uint8Array<ArrayBuffer>
}

/**
 * A message that was decoded
 */
export type ReceivedRPC = Required<Omit<RPCMessage, 'data'>> & Pick<RPCMessage, 'data'>

export interface RPCLimits {
  /**
   * How many hashes, and how many mappings, a message may have
   */
  maxRPCEntries: number
  /**
   * How many bytes of UTF-8 a hash may have
   */
  maxHashBytes: number
}

/**
 * The largest number that a sequence may have: the name of its body is one more
 * and must fit 32 bits as well
 */
export const MAX_SEQUENCE = Math.pow(2, 32) - 2

/**
 * Encodes a message. One of ASCII alone, as nearly all hashes are, is written in
 * place: the generated encoder makes several objects of each hash. It encodes 1,000
 * of 64 characters at a sixth of the speed (`npm run bench:wire`, Node.js 24).
 */
export function encodeRPC (message: RPCMessage): Uint8Array<ArrayBuffer> {
  const encoded = message.data == null ? new ASCIIEncoder(message).encode() : undefined

  return encoded ?? RPC.encode(message)
}

/**
 * Decodes a message, or returns undefined if it is of a type that we do not
 * know.
 *
 * Not with the generated decoder, which looks neither at the type of a field nor,
 * before it has made it, at the length of a string. It also decodes 1,000 hashes
 * of 64 characters at a quarter of the speed (`npm run bench:wire`, Node.js 24).
 */
export function decodeRPC (data: Uint8Array, limits: RPCLimits): ReceivedRPC | undefined {
  return new RPCDecoder(data, limits).decode()
}

// the number of each type is its place
const TYPES = [
  RPCType.AVAILABLE, RPCType.REQUEST, RPCType.HASHES, RPCType.SINCE, RPCType.CLOSE, RPCType.SEEN, RPCType.ID,
  RPCType.CELLS, RPCType.MORE, RPCType.DONE, RPCType.GIVE_UP, RPCType.SALT, RPCType.WINDOW
]

// those by which stores are compared
const FIRST_WITH_DATA = TYPES.indexOf(RPCType.CELLS)
const LAST_WITH_DATA = TYPES.indexOf(RPCType.SALT)

const TYPE = 0
const HASHES = 1
const MAPPING = 2
const SEQUENCE = 3
const DATA = 4

// of a mapping
const MAPPING_HASH = 0
const MAPPING_SEQUENCE = 1

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

// refuses what is not UTF-8, and does not take a byte order mark away
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

const EMPTY = new Uint8Array(0)

/**
 * Writes a message without data
 */
class ASCIIEncoder {
  readonly #message: RPCMessage
  #buf = EMPTY
  #pos = 0
  // where the characters of the next string are, behind all that is written before
  #text = 0

  constructor (message: RPCMessage) {
    this.#message = message
  }

  /**
   * Returns undefined if there is something else than ASCII
   */
  encode (): Uint8Array<ArrayBuffer> | undefined {
    const { type, hashes = [], mapping = [], sequence } = this.#message
    const text = hashes.join('') + mapping.map(({ hash }) => hash).join('')

    this.#buf = allocUnsafe(this.#length())
    this.#text = this.#buf.length - text.length

    // all in one go, to be moved to their places then
    if (encoder.encodeInto(text, this.#buf.subarray(this.#text)).read !== text.length) {
      return
    }

    this.#field(TYPE, VARINT, TYPES.indexOf(type))

    for (const hash of hashes) {
      this.#string(HASHES, hash)
    }

    for (const entry of mapping) {
      this.#field(MAPPING, BYTES, mappingLength(entry))
      this.#string(MAPPING_HASH, entry.hash)
      this.#field(MAPPING_SEQUENCE, VARINT, entry.sequence)
    }

    if (sequence != null) {
      this.#field(SEQUENCE, VARINT, sequence)
    }

    return this.#buf
  }

  #length (): number {
    const { hashes = [], mapping = [], sequence } = this.#message
    let length = sequence == null ? 2 : 2 + 1 + varintLength(sequence)

    for (const hash of hashes) {
      length += stringLength(hash)
    }

    for (const entry of mapping) {
      const entryLength = mappingLength(entry)

      length += 1 + varintLength(entryLength) + entryLength
    }

    return length
  }

  #string (field: number, { length }: string): void {
    this.#field(field, BYTES, length)
    this.#buf.copyWithin(this.#pos, this.#text, this.#text + length)
    this.#text += length
    this.#pos += length
  }

  #field (field: number, wireType: number, value: number): void {
    this.#buf[this.#pos++] = field << 3 | wireType
    this.#pos = writeVarint(this.#buf, this.#pos, value)
  }
}

function stringLength ({ length }: string): number {
  return 1 + varintLength(length) + length
}

function mappingLength ({ hash, sequence }: Mapping): number {
  return stringLength(hash) + 1 + varintLength(sequence)
}

/**
 * Reads the whole of a message before it makes a string of any part of it
 */
class RPCDecoder {
  readonly #buf: Uint8Array
  readonly #limits: RPCLimits
  #pos = 0
  #type = -1
  #sequence = 0
  // where the data starts and ends
  #data = [0, 0]
  // where each hash starts and ends
  readonly #hashes: number[] = []
  // where the hash of each mapping starts and ends, and its sequence
  readonly #mapping: number[] = []

  constructor (buf: Uint8Array, limits: RPCLimits) {
    this.#buf = buf
    this.#limits = limits
  }

  decode (): ReceivedRPC | undefined {
    while (this.#pos < this.#buf.length) {
      this.#readField(this.#buf.length)
    }

    if (this.#type === -1) {
      throw new InvalidMessageError('A message has no type')
    }

    if (TYPES[this.#type] == null) {
      return undefined
    }

    const hashes: string[] = []
    const mapping: Mapping[] = []

    for (let i = 0; i < this.#hashes.length; i += 2) {
      hashes.push(this.#string(this.#hashes[i], this.#hashes[i + 1]))
    }

    for (let i = 0; i < this.#mapping.length; i += 3) {
      mapping.push({
        hash: this.#string(this.#mapping[i], this.#mapping[i + 1]),
        sequence: this.#mapping[i + 2]
      })
    }

    const message: ReceivedRPC = { type: TYPES[this.#type], hashes, mapping, sequence: this.#sequence }

    if (this.#type >= FIRST_WITH_DATA && this.#type <= LAST_WITH_DATA) {
      message.data = this.#buf.slice(...this.#data)
    }

    return message
  }

  #readField (end: number): void {
    const tag = this.#varint(end)

    switch (tag >>> 3) {
      case TYPE:
        this.#expect(tag, VARINT)
        this.#type = this.#varint(end)
        break
      case HASHES:
        this.#expect(tag, BYTES)
        this.#checkEntries(this.#hashes.length / 2)
        this.#readHash(end)
        break
      case MAPPING:
        this.#expect(tag, BYTES)
        this.#checkEntries(this.#mapping.length / 3)
        this.#readMapping(this.#length(end))
        break
      case SEQUENCE:
        this.#expect(tag, VARINT)
        this.#sequence = this.#varint(end)
        break
      default:
        this.#readUnknown(tag, end)
    }
  }

  /**
   * A field that an original does not know and passes over
   */
  #readUnknown (tag: number, end: number): void {
    if (tag === (DATA << 3 | BYTES)) {
      const dataEnd = this.#length(end)

      this.#data = [this.#pos, dataEnd]
      this.#pos = dataEnd
    } else {
      this.#skip(tag, end)
    }
  }

  #readHash (end: number): void {
    const hashEnd = this.#hashEnd(end)
    this.#hashes.push(this.#pos, hashEnd)
    this.#pos = hashEnd
  }

  #readMapping (end: number): void {
    let hashStart = -1
    let hashEnd = -1
    let sequence = -1

    while (this.#pos < end) {
      const tag = this.#varint(end)

      switch (tag >>> 3) {
        case MAPPING_HASH:
          this.#expect(tag, BYTES)
          hashEnd = this.#hashEnd(end)
          hashStart = this.#pos
          this.#pos = hashEnd
          break
        case MAPPING_SEQUENCE:
          this.#expect(tag, VARINT)
          sequence = this.#varint(end)
          break
        default:
          this.#skip(tag, end)
      }
    }

    if (hashStart === -1 || sequence === -1) {
      throw new InvalidMessageError('A mapping has no hash or no sequence')
    }

    if (sequence > MAX_SEQUENCE) {
      throw new InvalidMessageError('The sequence of a mapping is out of range')
    }

    this.#mapping.push(hashStart, hashEnd, sequence)
  }

  #hashEnd (end: number): number {
    const hashEnd = this.#length(end)

    if (hashEnd - this.#pos > this.#limits.maxHashBytes) {
      throw new LimitError(`A hash has more than ${this.#limits.maxHashBytes} bytes`)
    }

    return hashEnd
  }

  #checkEntries (count: number): void {
    if (count >= this.#limits.maxRPCEntries) {
      throw new LimitError(`A message has more than ${this.#limits.maxRPCEntries} entries`)
    }
  }

  #string (start: number, end: number): string {
    try {
      return utf8.decode(this.#buf.subarray(start, end))
    } catch {
      throw new InvalidMessageError('A hash is not UTF-8')
    }
  }

  #expect (tag: number, wireType: number): void {
    if ((tag & 7) !== wireType) {
      throw new InvalidMessageError(`Field ${tag >>> 3} of a message has the wrong type ${tag & 7}`)
    }
  }

  #skip (tag: number, end: number): void {
    switch (tag & 7) {
      case VARINT: this.#skipVarint(end); break
      case FIXED64: this.#advance(8, end); break
      case BYTES: this.#pos = this.#length(end); break
      case FIXED32: this.#advance(4, end); break
      default: throw new InvalidMessageError(`A field of a message is of unknown type ${tag & 7}`)
    }
  }

  /**
   * Reads a length and returns where what it is the length of ends
   */
  #length (end: number): number {
    const length = this.#varint(end)

    if (this.#pos + length > end) {
      throw new InvalidMessageError('A field passes the end of its message')
    }

    return this.#pos + length
  }

  #advance (bytes: number, end: number): void {
    this.#pos += bytes

    if (this.#pos > end) {
      throw new InvalidMessageError('A field passes the end of its message')
    }
  }

  /**
   * Passes over a number of any length, as it may be of 64 bits
   */
  #skipVarint (end: number): void {
    while (this.#pos < end && this.#buf[this.#pos] >= 0x80) {
      this.#pos++
    }

    this.#advance(1, end)
  }

  #varint (end: number): number {
    let value = 0
    let scale = 1

    while (this.#pos < end) {
      const byte = this.#buf[this.#pos++]
      value += (byte & 0x7f) * scale

      if (value > 0xffffffff) {
        throw new InvalidMessageError('A number in a message is out of range')
      }

      if (byte < 0x80) {
        return value
      }

      scale *= 0x80

      if (scale > 0x100000000) {
        throw new InvalidMessageError('A number in a message has too many bytes')
      }
    }

    throw new InvalidMessageError('A message ends within a field')
  }
}
