import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { concat } from 'uint8arrays/concat'
import { FrameType } from '../../src/wire/frame.ts'
import { encodeRPC, RPCType } from '../../src/wire/rpc-codec.ts'
import { frame, fromHex, rpcFrame, rpcOpening, toHex, varint } from '../fixtures/bytes.ts'
import { byteByByte, cut, cuts, everyCut } from '../fixtures/cut.ts'
import { runs } from '../fixtures/runs.ts'
import { ChannelLog, readChannels } from '../fixtures/wire-log.ts'
import type { InboundBody } from '../../src/wire/channels.ts'

const HELLO = fromHex('68656c6c6f')
const WORLD = fromHex('776f726c64')

const opening = rpcOpening(encodeRPC({ type: RPCType.AVAILABLE, hashes: ['aa'] }))
const begin = (channel: number, name: string, data = HELLO): Uint8Array => frame({ channel, name, data })
const more = (channel: number, data = WORLD): Uint8Array => frame({ channel, data })
const end = (channel: number, name?: string): Uint8Array => frame({ channel, name, type: FrameType.END })
const fail = (channel: number, name?: string, reason?: Uint8Array): Uint8Array => frame({ channel, name, type: FrameType.ERROR, data: reason })

/**
 * They are refused by name, as a whole and byte by byte
 */
function expectRefused (frames: Uint8Array[], name: string, limits = {}): void {
  expect(() => new ChannelLog(limits).read(...frames)).to.throw().with.property('name', name)
  expect(() => new ChannelLog(limits).read(...byteByByte(...frames))).to.throw().with.property('name', name)
}

/**
 * A bit of all that two peers can say to each other
 */
const CONVERSATION = concat([
  rpcOpening(encodeRPC({ type: RPCType.ID, hashes: ['me', ''] })),
  rpcFrame(encodeRPC({ type: RPCType.REQUEST, hashes: ['aa', 'bb'] })),
  Uint8Array.of(0),
  begin(2, '2'),
  begin(3, '3'),
  more(2),
  rpcFrame(fromHex('000d 0a026161')),
  more(3, new Uint8Array(200).fill(3)),
  fail(-2, '9'),
  end(2),
  begin(2, '4'),
  fail(3, undefined, fromHex('6f6f7073')),
  end(3, '5'),
  end(-4, 'a'),
  more(-4),
  Uint8Array.of(0, 0),
  begin(2, '6'),
  end(2),
  fail(2, '7'),
  rpcFrame(encodeRPC({ type: RPCType.HASHES, mapping: [{ hash: 'bb', sequence: 7 }] })),
  rpcFrame(encodeRPC({ type: RPCType.SEEN, sequence: 300 })),
  rpcFrame(encodeRPC({ type: RPCType.CLOSE }))
])

const CONVERSATION_LINES = [
  'ID me  0',
  'REQUEST aa bb 0',
  'body 1 on 2',
  `data 1 ${toHex(HELLO)}`,
  'body 2 on 3',
  `data 2 ${toHex(HELLO)}`,
  `data 1 ${toHex(WORLD)}`,
  `data 2 ${'03'.repeat(200)}`,
  'cancelled 8 on 2',
  'end 1',
  'body 3 on 2',
  `data 3 ${toHex(HELLO)}`,
  'fail 2 oops',
  'body 4 on 3',
  'end 4',
  'cancelled 9 on 4',
  'cut 3',
  'body 5 on 2',
  `data 5 ${toHex(HELLO)}`,
  'end 5',
  'body 6 on 2',
  'fail 6 ',
  'HASHES bb->7 0',
  'SEEN 300',
  'CLOSE 0'
]

describe('Channels', () => {
  it('read a conversation', () => {
    expect(readChannels(CONVERSATION)).to.deep.equal(CONVERSATION_LINES)
  })

  it('tell the same however the bytes are cut', () => {
    for (const chunks of everyCut(CONVERSATION)) {
      expect(readChannels(...chunks)).to.deep.equal(CONVERSATION_LINES)
    }

    fc.assert(fc.property(cuts, cuts => {
      expect(readChannels(...cut(CONVERSATION, cuts))).to.deep.equal(CONVERSATION_LINES)
    }), { numRuns: runs(200, 20_000) })
  })

  describe('a body', () => {
    it('comes in parts that are views on what was pushed', () => {
      const size = 300_000
      const log = new ChannelLog()
      const parts: Uint8Array[] = []
      const body: InboundBody = {
        data: (part) => { parts.push(part) },
        end: () => {},
        fail: () => {},
        cut: () => {}
      }
      log.body = () => body

      const bytes = begin(2, '2', new Uint8Array(size))
      const chunks = [bytes.slice(0, 100_000), bytes.slice(100_000, 200_000), bytes.slice(200_000)]
      log.read(...chunks)

      expect(parts.map(part => part.buffer)).to.deep.equal(chunks.map(chunk => chunk.buffer))
      parts.forEach((part, i) => { expect(part.buffer).to.equal(chunks[i].buffer) })
      expect(parts.reduce((sum, part) => sum + part.byteLength, 0)).to.equal(size)
    })

    it('may have any length in one frame, which is not waited for', () => {
      const length = Math.pow(2, 40)

      expect(readChannels(fromHex(varint(length + 6 + 6), '0804 120132 22', varint(length), 'aabb'))).to.deep.equal([
        'body 1 on 2', 'data 1 aabb'
      ])
    })

    it('may be empty', () => {
      expect(readChannels(end(2, '2'))).to.deep.equal(['body 1 on 2', 'end 1'])
    })

    it('may have frames without data', () => {
      expect(readChannels(begin(2, '2', new Uint8Array(0)), more(2), frame({ channel: 2 }), end(2))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(WORLD)}`, 'end 1'
      ])
    })

    it('may have the largest sequence', () => {
      expect(readChannels(end(2, 'ffffffff'))).to.deep.equal([`body ${Math.pow(2, 32) - 2} on 2`, `end ${Math.pow(2, 32) - 2}`])
    })

    it('may be on any channel, also on several at a time', () => {
      expect(readChannels(begin(0x7fffffff, '2'), begin(5, '3'), more(0x7fffffff), end(5), end(0x7fffffff))).to.deep.equal([
        `body 1 on ${0x7fffffff}`, `data 1 ${toHex(HELLO)}`,
        'body 2 on 5', `data 2 ${toHex(HELLO)}`,
        `data 1 ${toHex(WORLD)}`,
        'end 2', 'end 1'
      ])
    })

    it('may take the channel of one that has ended', () => {
      expect(readChannels(begin(2, '2'), end(2), begin(2, '3'), fail(2), end(2, '4'))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`, 'end 1',
        'body 2 on 2', `data 2 ${toHex(HELLO)}`, 'fail 2 ',
        'body 3 on 2', 'end 3'
      ])
    })

    it('is cut by another one on its channel', () => {
      expect(readChannels(begin(2, '2'), begin(2, '3'), end(2))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`, 'cut 1',
        'body 2 on 2', `data 2 ${toHex(HELLO)}`, 'end 2'
      ])
    })

    it('is cut by one that is empty', () => {
      expect(readChannels(begin(2, '2'), end(2, '3'), begin(2, '4'))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`, 'cut 1',
        'body 2 on 2', 'end 2',
        'body 3 on 2', `data 3 ${toHex(HELLO)}`
      ])
    })

    it('is cut by one of its own name', () => {
      expect(readChannels(begin(2, '2'), begin(2, '2'))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`, 'cut 1',
        'body 1 on 2', `data 1 ${toHex(HELLO)}`
      ])
    })

    it('may fail with a reason, of which what can be printed is kept', () => {
      const reason = fromHex('4572726f72 0a 1b c3a9 7e 7f')

      expect(readChannels(begin(2, '2'), fail(2, undefined, reason), fail(3, '3', reason))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`, 'fail 1 Error????~?',
        'body 2 on 3', 'fail 2 Error????~?'
      ])
    })

    it('may fail with a reason of any length, of which the first bytes are kept', () => {
      const reason = new Uint8Array(10_000).fill(0x61)

      expect(readChannels(begin(2, '2'), ...byteByByte(fail(2, undefined, reason)), end(2, '3'))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`, `fail 1 ${'a'.repeat(256)}`,
        'body 2 on 2', 'end 2'
      ])
    })
  })

  describe('a body that is not wanted', () => {
    it('is discarded until its end', () => {
      for (const last of [end(2), fail(2), fail(2, undefined, HELLO)]) {
        const log = new ChannelLog()
        log.onBody = sequence => sequence !== 1

        expect(log.read(begin(2, '2'), more(2), more(2), last, begin(2, '3'), end(2)).lines).to.deep.equal([
          'body 1 on 2', 'body 2 on 2', `data 2 ${toHex(HELLO)}`, 'end 2'
        ])
      }
    })

    it('is discarded until another one begins', () => {
      const log = new ChannelLog()
      log.onBody = sequence => sequence !== 1

      expect(log.read(begin(2, '2'), more(2), begin(2, '3'), end(2)).lines).to.deep.equal([
        'body 1 on 2', 'body 2 on 2', `data 2 ${toHex(HELLO)}`, 'end 2'
      ])
    })

    it('may be empty', () => {
      const log = new ChannelLog()
      log.onBody = sequence => sequence !== 1

      expect(log.read(end(2, '2'), begin(2, '3')).lines).to.deep.equal(['body 1 on 2', 'body 2 on 2', `data 2 ${toHex(HELLO)}`])
    })

    it('may be cancelled when part of it has come', () => {
      const log = new ChannelLog()

      log.read(begin(2, '2'))
      log.channels.discard(2)

      expect(log.read(more(2), more(2), end(2), begin(2, '3'), end(2)).lines).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`,
        'body 2 on 2', `data 2 ${toHex(HELLO)}`, 'end 2'
      ])
    })

    it('may be cancelled within a frame', () => {
      const bytes = begin(2, '2')
      const log = new ChannelLog()

      log.read(bytes.subarray(0, -3))
      log.channels.discard(2)

      expect(log.read(bytes.subarray(-3), more(2), begin(3, '3'), end(2), end(2, '4')).lines).to.deep.equal([
        'body 1 on 2', 'data 1 6865',
        'body 2 on 3', `data 2 ${toHex(HELLO)}`,
        'body 3 on 2', 'end 3'
      ])
    })

    it('may be cancelled while another frame comes', () => {
      const bytes = begin(3, '3')
      const log = new ChannelLog()

      log.read(begin(2, '2'), bytes.subarray(0, -3))
      log.channels.discard(2)

      expect(log.read(bytes.subarray(-3), more(2), end(3)).lines).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`,
        'body 2 on 3', `data 2 ${toHex(HELLO)}`, 'end 2'
      ])
    })

    it('may be cancelled as soon as it begins', () => {
      const log = new ChannelLog()

      log.onBody = (sequence, channel) => {
        log.channels.discard(channel)
        return false
      }

      expect(log.read(begin(2, '2'), more(2), end(2)).lines).to.deep.equal(['body 1 on 2'])
    })

    it('is not cut, as nobody has it', () => {
      const log = new ChannelLog()
      log.onBody = () => false

      expect(log.read(begin(2, '2'), begin(2, '3'), end(2)).lines).to.deep.equal(['body 1 on 2', 'body 2 on 2'])
    })
  })

  describe('a cancel', () => {
    it('names the body and its channel', () => {
      expect(readChannels(fail(-2, '2'), fail(-0x7fffffff, 'ffffffff'))).to.deep.equal([
        'cancelled 1 on 2', `cancelled ${Math.pow(2, 32) - 2} on ${0x7fffffff}`
      ])
    })

    it('may be an END', () => {
      expect(readChannels(end(-2, '2'))).to.deep.equal(['cancelled 1 on 2'])
    })

    it('may have data, which means nothing', () => {
      expect(readChannels(fail(-2, '2', HELLO), frame({ channel: -2, name: '2', type: FrameType.END, data: HELLO }), end(2, '3'))).to.deep.equal([
        'cancelled 1 on 2', 'cancelled 1 on 2', 'body 2 on 2', 'end 2'
      ])
    })

    it('without a name is of no body', () => {
      expect(readChannels(fail(-2), end(-2))).to.deep.equal(['cancelled -2 on 2', 'cancelled -2 on 2'])
    })

    it('is not data', () => {
      expect(readChannels(more(-2), begin(-2, '2'), more(-1), end(2, '2'))).to.deep.equal(['body 1 on 2', 'end 1'])
    })

    it('leaves the body on the same channel in the other direction alone', () => {
      expect(readChannels(begin(2, '2'), fail(-2, '2'), more(-2), more(2), end(2))).to.deep.equal([
        'body 1 on 2', `data 1 ${toHex(HELLO)}`, 'cancelled 1 on 2', `data 1 ${toHex(WORLD)}`, 'end 1'
      ])
    })

    it('of our messages is refused', () => {
      expectRefused([fail(-1, '0')], 'ProtocolError')
      expectRefused([end(-1, '0')], 'ProtocolError')
      expectRefused([fail(-1)], 'ProtocolError')
    })
  })

  describe('messages', () => {
    it('may be on any channel', () => {
      const close = fromHex('0004')

      expect(readChannels(begin(1, '2'), frame({ channel: 7, name: '0', data: close }), frame({ channel: 7, data: close }), end(1))).to.deep.equal([
        'body 1 on 1', `data 1 ${toHex(HELLO)}`, 'CLOSE 0', 'CLOSE 0', 'end 1'
      ])
    })

    it('may come in parts that are used again', () => {
      const message = encodeRPC({ type: RPCType.AVAILABLE, hashes: ['aa', 'bb'.repeat(100), 'cc'] })
      const buffer = new Uint8Array(1)
      const log = new ChannelLog()

      for (const [byte] of byteByByte(rpcOpening(message), rpcFrame(message))) {
        buffer[0] = byte
        log.read(buffer)
      }

      const line = `AVAILABLE aa ${'bb'.repeat(100)} cc 0`
      expect(log.lines).to.deep.equal([line, line])
    })

    it('of an unknown type are skipped', () => {
      expect(readChannels(opening, rpcFrame(fromHex('000d')), rpcFrame(fromHex('00ff01 0a026161')), rpcFrame(fromHex('0004')))).to.deep.equal([
        'AVAILABLE aa 0', 'CLOSE 0'
      ])
    })

    it('of any length up to 16 MiB are taken, above from their length alone refused', () => {
      const max = 16 * 1024 * 1024
      const declared = (length: number): Uint8Array => fromHex(varint(length + 6 + varint(length).length / 2), '0802 120130 22', varint(length))

      expect(readChannels(declared(max))).to.deep.equal([])
      expectRefused([declared(max + 1)], 'LimitError')
      expectRefused([declared(Math.pow(2, 40))], 'LimitError')
    })

    it('of 16 MiB are read', () => {
      // an unknown field makes them long
      const bytes = new Uint8Array(16 * 1024 * 1024)
      bytes.set(fromHex('0004 22 f9ffff07'))

      expect(readChannels(frame({ channel: 1, name: '0', data: bytes }))).to.deep.equal(['CLOSE 0'])
      expect(readChannels(...cut(frame({ channel: 1, name: '0', data: bytes }), [{ at: 10, inList: false }, { at: 10_000_000, inList: false }]))).to.deep.equal(['CLOSE 0'])
    })

    it('may have another bound', () => {
      expect(new ChannelLog({ maxRPCBytes: 6 }).read(opening).lines).to.deep.equal(['AVAILABLE aa 0'])
      expectRefused([opening], 'LimitError', { maxRPCBytes: 5 })
    })

    it('are refused where they are malformed', () => {
      expectRefused([rpcOpening(fromHex('0000 0a05 6161'))], 'InvalidMessageError')
      expectRefused([opening, rpcFrame(fromHex('0a026161'))], 'InvalidMessageError')
    })

    it('are refused where they have too many entries, or too long ones', () => {
      expectRefused([rpcOpening(encodeRPC({ type: RPCType.AVAILABLE, hashes: ['a', 'b', 'c'] }))], 'LimitError', { maxRPCEntries: 2 })
      expectRefused([rpcOpening(encodeRPC({ type: RPCType.AVAILABLE, hashes: ['abc'] }))], 'LimitError', { maxHashBytes: 2 })
    })

    it('are not empty', () => {
      expectRefused([frame({ channel: 1, name: '0' })], 'InvalidMessageError')
      expectRefused([frame({ channel: 1, name: '0', data: new Uint8Array(0) })], 'InvalidMessageError')
      expectRefused([opening, frame({ channel: 1 })], 'InvalidMessageError')
    })

    it('have one channel, which does not end', () => {
      expectRefused([opening, end(1)], 'ProtocolError')
      expectRefused([opening, fail(1)], 'ProtocolError')
      expectRefused([opening, fail(1, undefined, HELLO)], 'ProtocolError')
      expectRefused([end(1, '0')], 'ProtocolError')
      expectRefused([fail(1, '0')], 'ProtocolError')
      expectRefused([opening, begin(2, '0')], 'ProtocolError')
      expectRefused([opening, opening], 'ProtocolError')
      expectRefused([opening, begin(1, '2')], 'ProtocolError')
      expectRefused([opening, end(1, '2')], 'ProtocolError')
    })
  })

  describe('what is malformed', () => {
    it('is the first frame of a channel without a name', () => {
      expectRefused([more(2)], 'InvalidMessageError')
      expectRefused([opening, more(2)], 'InvalidMessageError')
      expectRefused([begin(2, '2'), end(2), more(2)], 'InvalidMessageError')
      expectRefused([begin(2, '2'), fail(2), more(2)], 'InvalidMessageError')
    })

    it('is data in the end of a body', () => {
      expectRefused([begin(2, '2'), frame({ channel: 2, type: FrameType.END, data: HELLO })], 'InvalidMessageError')
    })

    it('is a frame that cannot be read', () => {
      expectRefused([begin(2, '2'), frame({ channel: 0, data: HELLO })], 'InvalidMessageError')
      expectRefused([begin(2, 'A')], 'InvalidMessageError')
      expectRefused([fromHex('04 0804 1804')], 'InvalidMessageError')
    })

    it('is not the end of a channel that is not open, which means nothing', () => {
      expect(readChannels(end(2), fail(2), fail(2, undefined, HELLO), end(2, '2'), end(2))).to.deep.equal(['body 1 on 2', 'end 1'])
    })

    it('is too much before the data', () => {
      expectRefused([fromHex(varint(2000), '0804 2a', varint(1900), '00'.repeat(1100))], 'LimitError')
      expectRefused([begin(2, '2')], 'LimitError', { maxFrameHeaderBytes: 6 })
      expect(new ChannelLog({ maxFrameHeaderBytes: 7 }).read(begin(2, '2')).lines).to.have.lengthOf(2)
    })
  })

  it('know if the stream may end', () => {
    const { channels } = new ChannelLog()
    const log = new ChannelLog()

    expect(channels.atBoundary).to.equal(true)

    byteByByte(begin(2, '2')).forEach((byte, i, { length }) => {
      expect(log.read(byte).channels.atBoundary).to.equal(i === length - 1)
    })
  })
})
