import { InvalidMessageError } from '@libp2p/interface'
import { LimitError } from '../errors.ts'
import { RPC, RPCType } from './rpc.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

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
}

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

export function encodeRPC (message: RPCMessage): Uint8Array<ArrayBuffer> {
  return RPC.encode(message)
}

/**
 * Decodes a message, or returns undefined if it is of a type that we do not
 * know. Throws InvalidMessageError or LimitError before a string is made, as the
 * generated decoder neither looks at the type of a field nor, before it has made
 * it, at the length of a string.
 */
export function decodeRPC (data: Uint8Array | Uint8ArrayList, limits: RPCLimits): Required<RPCMessage> | undefined {
  const bytes = data.subarray()
  const type = new RPCCheck(bytes, limits).run()

  if (TYPES[type] == null) {
    return undefined
  }

  const { hashes, mapping, sequence = 0 } = RPC.decode(bytes)

  return {
    type: TYPES[type],
    hashes,
    // the check has seen that none of their fields is missing
    mapping: mapping as Mapping[],
    sequence
  }
}

// the number of each type is its place
const TYPES = [RPCType.AVAILABLE, RPCType.REQUEST, RPCType.HASHES, RPCType.SINCE, RPCType.CLOSE, RPCType.SEEN, RPCType.ID]

const TYPE = 0
const HASHES = 1
const MAPPING = 2
const SEQUENCE = 3

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

class RPCCheck {
  readonly #buf: Uint8Array
  readonly #limits: RPCLimits
  #pos = 0

  constructor (buf: Uint8Array, limits: RPCLimits) {
    this.#buf = buf
    this.#limits = limits
  }

  /**
   * Returns the number of the message's type
   */
  run (): number {
    const end = this.#buf.length
    let type = -1
    let hashes = 0
    let mappings = 0

    while (this.#pos < end) {
      const tag = this.#varint(end)
      const field = tag >>> 3

      if (field === TYPE) {
        this.#expect(tag, VARINT)
        type = this.#varint(end)
      } else if (field === HASHES) {
        this.#expect(tag, BYTES)
        this.#hash(end)
        hashes++
      } else if (field === MAPPING) {
        this.#expect(tag, BYTES)
        this.#mapping(end)
        mappings++
      } else if (field === SEQUENCE) {
        this.#expect(tag, VARINT)
        this.#varint(end)
      } else {
        this.#skip(tag, end)
      }

      if (hashes > this.#limits.maxRPCEntries || mappings > this.#limits.maxRPCEntries) {
        throw new LimitError(`A message has more than ${this.#limits.maxRPCEntries} entries`)
      }
    }

    if (type === -1) {
      throw new InvalidMessageError('A message has no type')
    }

    return type
  }

  #mapping (outerEnd: number): void {
    const end = this.#length(outerEnd)
    let hash = false
    let sequence = false

    while (this.#pos < end) {
      const tag = this.#varint(end)
      const field = tag >>> 3

      if (field === 0) {
        this.#expect(tag, BYTES)
        this.#hash(end)
        hash = true
      } else if (field === 1) {
        this.#expect(tag, VARINT)

        if (this.#varint(end) > MAX_SEQUENCE) {
          throw new InvalidMessageError('The sequence of a mapping is out of range')
        }

        sequence = true
      } else {
        this.#skip(tag, end)
      }
    }

    if (!hash || !sequence) {
      throw new InvalidMessageError('A mapping has no hash or no sequence')
    }
  }

  #hash (end: number): void {
    const hashEnd = this.#length(end)

    if (hashEnd - this.#pos > this.#limits.maxHashBytes) {
      throw new LimitError(`A hash has more than ${this.#limits.maxHashBytes} bytes`)
    }

    this.#pos = hashEnd
  }

  #expect (tag: number, wireType: number): void {
    if ((tag & 7) !== wireType) {
      throw new InvalidMessageError(`Field ${tag >>> 3} of a message has the wrong type ${tag & 7}`)
    }
  }

  #skip (tag: number, end: number): void {
    switch (tag & 7) {
      case VARINT: this.#varint(end); break
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
