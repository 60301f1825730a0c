import { expect } from 'aegir/chai'
import { fromString } from 'uint8arrays'
import { defaultLimits } from '../../src/exchange/limits.ts'
import { DATA, END, ERROR, NAMELESS } from '../../src/wire/frame-decoder.ts'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import { decodeRPC, encodeRPC, RPCType } from '../../src/wire/rpc-codec.ts'
import { fromHex, toHex } from '../fixtures/bytes.ts'
import { byteByByte } from '../fixtures/cut.ts'
import { CONVERSATION, FRAMES, REFUSED } from '../fixtures/spec-vectors.ts'
import { ChannelLog, decodeFrames, readChannels } from '../fixtures/wire-log.ts'
import type { FrameVector } from '../fixtures/spec-vectors.ts'

const TYPES: Record<string, number> = { DATA, END, ERROR }

function write ({ channel, name, type = 'DATA', data, rpc }: FrameVector): string {
  const writer = new FrameWriter()

  if (rpc != null) {
    if (name == null) {
      // so that this is not the first one
      writer.rpc({ type: RPCType.CLOSE })
      writer.take()
    }

    writer.rpc(rpc)
  } else if (type === 'END') {
    writer.end(channel, name)
  } else if (type === 'ERROR') {
    writer.error(channel, name, data == null ? undefined : fromString(data))
  } else {
    writer.data(channel, name, fromString(data ?? ''))
  }

  return toHex(writer.take().subarray())
}

describe('the vectors of SPEC.md', () => {
  describe('frames', () => {
    for (const vector of FRAMES) {
      const { hex, channel, name, type = 'DATA', data, rpc } = vector
      const bytes = fromHex(hex)

      it(`${hex} is read`, () => {
        const content = rpc != null ? encodeRPC(rpc) : fromString(data ?? '')

        for (const chunks of [[bytes], byteByByte(bytes)]) {
          expect(decodeFrames(chunks)).to.deep.equal([{
            channel,
            name: name == null ? NAMELESS : parseInt(name, 16),
            type: TYPES[type],
            dataLength: content.byteLength,
            data: toHex(content)
          }])
        }

        if (rpc != null) {
          expect(decodeRPC(content, defaultLimits)).to.deep.equal({ hashes: [], mapping: [], sequence: 0, ...rpc })
        }
      })

      it(`${hex} is written`, () => {
        expect(write(vector)).to.equal(toHex(bytes))
      })
    }
  })

  describe('the conversation', () => {
    for (const side of ['A', 'B']) {
      const vectors = CONVERSATION.filter(({ from }) => from === side)

      it(`is read as ${side} says it`, () => {
        const log = new ChannelLog()

        for (const { hex, tells } of vectors) {
          const told = log.lines.length
          log.read(fromHex(hex))
          expect(log.lines.slice(told)).to.deep.equal(tells)
        }

        expect(readChannels(...byteByByte(...vectors.map(({ hex }) => fromHex(hex))))).to.deep.equal(vectors.flatMap(({ tells }) => tells))
      })
    }

    it('is written as A says it', () => {
      const writer = new FrameWriter()

      writer.rpc({ type: RPCType.ID, hashes: ['A'] })
      writer.rpc({ type: RPCType.SINCE, sequence: 0 })
      writer.rpc({ type: RPCType.AVAILABLE, hashes: ['aa', 'ee'] })
      writer.rpc({ type: RPCType.HASHES, mapping: [{ hash: 'aa', sequence: 1 }, { hash: 'ee', sequence: 2 }] })
      writer.data(2, '2', fromString('hello'))
      writer.end(2)
      writer.end(3, '3')
      writer.rpc({ type: RPCType.REQUEST, hashes: ['bb'] })
      writer.rpc({ type: RPCType.SEEN, sequence: 1 })
      writer.rpc({ type: RPCType.CLOSE })

      const vectors = CONVERSATION.filter(({ from }) => from === 'A')
      expect(toHex(writer.take().subarray())).to.equal(vectors.map(({ hex }) => toHex(fromHex(hex))).join(''))
    })

    it('is written as B says it', () => {
      const writer = new FrameWriter()

      writer.rpc({ type: RPCType.ID, hashes: ['B'] })
      writer.rpc({ type: RPCType.SINCE, sequence: 42 })
      writer.rpc({ type: RPCType.AVAILABLE, hashes: ['bb'] })
      writer.rpc({ type: RPCType.REQUEST, hashes: ['aa', 'ee', 'nn'] })
      writer.rpc({ type: RPCType.HASHES, mapping: [{ hash: 'bb', sequence: 1 }] })
      writer.data(2, '2', fromString('world, this is B'))
      writer.end(2)
      writer.rpc({ type: RPCType.CLOSE })

      const vectors = CONVERSATION.filter(({ from }) => from === 'B')
      expect(toHex(writer.take().subarray())).to.equal(vectors.map(({ hex }) => toHex(fromHex(hex))).join(''))
    })
  })

  describe('what is refused', () => {
    for (const { hex, error } of REFUSED) {
      it(`${hex} is a ${error}`, () => {
        const bytes = fromHex(hex)

        expect(() => readChannels(bytes)).to.throw().with.property('name', error)
        expect(() => readChannels(...byteByByte(bytes))).to.throw().with.property('name', error)
      })
    }
  })
})
