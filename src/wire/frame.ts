import { decodeMessage, encodeMessage, enumeration, message, streamMessage } from 'protons-runtime'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export enum FrameType {
  UNSET = 'UNSET',
  DATA = 'DATA',
  END = 'END',
  ERROR = 'ERROR'
}

enum __FrameTypeValues {
  UNSET = 0,
  DATA = 1,
  END = 2,
  ERROR = 3
}

export namespace FrameType {
  export const codec = (): Codec<FrameType> => {
    return enumeration<FrameType>(__FrameTypeValues)
  }
}

export interface Frame {
  channel?: number
  name?: string
  type?: FrameType
  data?: Uint8Array<ArrayBuffer>
}

export namespace Frame {
  let _codec: Codec<Frame>

  export const codec = (): Codec<Frame> => {
    if (_codec == null) {
      _codec = message<Frame>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.channel != null) {
          w.uint32(8)
          w.sint32(obj.channel)
        }

        if (obj.name != null) {
          w.uint32(18)
          w.string(obj.name)
        }

        if (obj.type != null) {
          w.uint32(24)
          FrameType.codec().encode(obj.type, w)
        }

        if (obj.data != null) {
          w.uint32(34)
          w.bytes(obj.data)
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
            case 1: {
              obj.channel = reader.sint32()
              break
            }
            case 2: {
              obj.name = reader.string()
              break
            }
            case 3: {
              obj.type = FrameType.codec().decode(reader)
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
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.channel`,
                value: reader.sint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.name`,
                value: reader.string()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.type`,
                value: FrameType.codec().decode(reader)
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

  export interface FrameChannelFieldEvent {
    field: '$.channel'
    value: number
  }

  export interface FrameNameFieldEvent {
    field: '$.name'
    value: string
  }

  export interface FrameTypeFieldEvent {
    field: '$.type'
    value: FrameType
  }

  export interface FrameDataFieldEvent {
    field: '$.data'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Frame>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Frame.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Frame>): Frame {
    return decodeMessage(buf, Frame.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Frame>): Generator<FrameChannelFieldEvent | FrameNameFieldEvent | FrameTypeFieldEvent | FrameDataFieldEvent> {
    return streamMessage(buf, Frame.codec(), opts)
  }
}
