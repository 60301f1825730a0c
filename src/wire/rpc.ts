import { decodeMessage, encodeMessage, enumeration, MaxLengthError, message, streamMessage } from 'protons-runtime'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export enum RPCType {
  AVAILABLE = 'AVAILABLE',
  REQUEST = 'REQUEST',
  HASHES = 'HASHES',
  SINCE = 'SINCE',
  CLOSE = 'CLOSE',
  SEEN = 'SEEN',
  ID = 'ID',
  CELLS = 'CELLS',
  MORE = 'MORE',
  DONE = 'DONE',
  GIVE_UP = 'GIVE_UP',
  SALT = 'SALT',
  WINDOW = 'WINDOW'
}

enum __RPCTypeValues {
  AVAILABLE = 0,
  REQUEST = 1,
  HASHES = 2,
  SINCE = 3,
  CLOSE = 4,
  SEEN = 5,
  ID = 6,
  CELLS = 7,
  MORE = 8,
  DONE = 9,
  GIVE_UP = 10,
  SALT = 11,
  WINDOW = 12
}

export namespace RPCType {
  export const codec = (): Codec<RPCType> => {
    return enumeration<RPCType>(__RPCTypeValues)
  }
}

export interface Mapping {
  hash?: string
  sequence?: number
}

export namespace Mapping {
  let _codec: Codec<Mapping>

  export const codec = (): Codec<Mapping> => {
    if (_codec == null) {
      _codec = message<Mapping>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.hash != null) {
          w.uint32(2)
          w.string(obj.hash)
        }

        if (obj.sequence != null) {
          w.uint32(8)
          w.uint32(obj.sequence)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 0: {
              obj.hash = reader.string()
              break
            }
            case 1: {
              obj.sequence = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 0: {
              yield {
                field: `${prefix}.hash`,
                value: reader.string()
              }
              break
            }
            case 1: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface MappingHashFieldEvent {
    field: '$.hash'
    value: string
  }

  export interface MappingSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export function encode (obj: Partial<Mapping>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Mapping.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Mapping>): Mapping {
    return decodeMessage(buf, Mapping.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Mapping>): Generator<MappingHashFieldEvent | MappingSequenceFieldEvent> {
    return streamMessage(buf, Mapping.codec(), opts)
  }
}

export interface RPC {
  type?: RPCType
  hashes: string[]
  mapping: Mapping[]
  sequence?: number
  data?: Uint8Array<ArrayBuffer>
}

export namespace RPC {
  let _codec: Codec<RPC>

  export const codec = (): Codec<RPC> => {
    if (_codec == null) {
      _codec = message<RPC>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.type != null) {
          w.uint32(0)
          RPCType.codec().encode(obj.type, w)
        }

        if (obj.hashes != null && obj.hashes.length > 0) {
          for (const value of obj.hashes) {
            w.uint32(10)
            w.string(value)
          }
        }

        if (obj.mapping != null && obj.mapping.length > 0) {
          for (const value of obj.mapping) {
            w.uint32(18)
            Mapping.codec().encode(value, w)
          }
        }

        if (obj.sequence != null) {
          w.uint32(24)
          w.uint32(obj.sequence)
        }

        if (obj.data != null) {
          w.uint32(34)
          w.bytes(obj.data)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          hashes: [],
          mapping: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 0: {
              obj.type = RPCType.codec().decode(reader)
              break
            }
            case 1: {
              if (opts.limits?.hashes != null && obj.hashes.length === opts.limits.hashes) {
                throw new MaxLengthError('Decode error - repeated field "hashes" had too many elements')
              }

              obj.hashes.push(reader.string())
              break
            }
            case 2: {
              if (opts.limits?.mapping != null && obj.mapping.length === opts.limits.mapping) {
                throw new MaxLengthError('Decode error - repeated field "mapping" had too many elements')
              }

              obj.mapping.push(Mapping.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.mapping$
              }))
              break
            }
            case 3: {
              obj.sequence = reader.uint32()
              break
            }
            case 4: {
              obj.data = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          hashes: 0,
          mapping: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 0: {
              yield {
                field: `${prefix}.type`,
                value: RPCType.codec().decode(reader)
              }
              break
            }
            case 1: {
              if (opts.limits?.hashes != null && obj.hashes === opts.limits.hashes) {
                throw new MaxLengthError('Streaming decode error - repeated field "hashes" had too many elements')
              }

              yield {
                field: `${prefix}.hashes[]`,
                index: obj.hashes,
                value: reader.string()
              }

              obj.hashes++

              break
            }
            case 2: {
              if (opts.limits?.mapping != null && obj.mapping === opts.limits.mapping) {
                throw new MaxLengthError('Streaming decode error - repeated field "mapping" had too many elements')
              }

              for (const evt of Mapping.codec().stream(reader, reader.uint32(), `${prefix}.mapping[]`, {
                limits: opts.limits?.mapping$
              })) {
                yield {
                  ...evt,
                  index: obj.mapping
                }
              }

              obj.mapping++

              break
            }
            case 3: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.data`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface RPCTypeFieldEvent {
    field: '$.type'
    value: RPCType
  }

  export interface RPCHashesFieldEvent {
    field: '$.hashes[]'
    index: number
    value: string
  }

  export interface RPCMappingHashFieldEvent {
    field: '$.mapping[].hash'
    value: string
    index: number
  }

  export interface RPCMappingSequenceFieldEvent {
    field: '$.mapping[].sequence'
    value: number
    index: number
  }

  export interface RPCSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export interface RPCDataFieldEvent {
    field: '$.data'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<RPC>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RPC.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RPC>): RPC {
    return decodeMessage(buf, RPC.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RPC>): Generator<RPCTypeFieldEvent | RPCHashesFieldEvent | RPCMappingHashFieldEvent | RPCMappingSequenceFieldEvent | RPCSequenceFieldEvent | RPCDataFieldEvent> {
    return streamMessage(buf, RPC.codec(), opts)
  }
}
