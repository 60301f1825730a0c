import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { concat } from 'uint8arrays/concat'
import { DATA, END, ERROR, FrameDecoder, HEADER, NAMELESS, NOTHING, PART } from '../../src/wire/frame-decoder.ts'
import { FrameType } from '../../src/wire/frame.ts'
import { frame, fromHex, prefixed, toHex, varint } from '../fixtures/bytes.ts'
import { byteByByte, cut, cuts, everyCut } from '../fixtures/cut.ts'
import { runs } from '../fixtures/runs.ts'
import { decodeFrames } from '../fixtures/wire-log.ts'

const TYPE_NUMBERS = { [FrameType.UNSET]: 0, [FrameType.DATA]: DATA, [FrameType.END]: END, [FrameType.ERROR]: ERROR }

/**
 * One of each kind
 */
const CONVERSATION = fromHex(
  '0d 0802 120130 220600000a026161', // a message, and the name of its channel
  '00', // nothing
  '08 0802 2204 00031800', // a message
  '0c 0804 120132 2205 68656c6c6f', // a body begins
  '00 00', // nothing, twice
  '04 0804 1802', // and ends
  '07 0803 120132 1803', // a cancel
  '06 0804 1801 2200', // no data, and a type that could have been left out
  '0d 0803 22 09 000000000000000000', // data of zeroes, which look like frames of nothing
  '09 08 ffffffff0f 12 01 66', // the largest channel
  '11 28 80808080808080808001 0806 3a 02 ffff' // fields that are not known
)

const DECODED = [
  { channel: 1, name: 0, type: DATA, dataLength: 6, data: '00000a026161' },
  { channel: 1, name: NAMELESS, type: DATA, dataLength: 4, data: '00031800' },
  { channel: 2, name: 2, type: DATA, dataLength: 5, data: '68656c6c6f' },
  { channel: 2, name: NAMELESS, type: END, dataLength: 0, data: '' },
  { channel: -2, name: 2, type: ERROR, dataLength: 0, data: '' },
  { channel: 2, name: NAMELESS, type: DATA, dataLength: 0, data: '' },
  { channel: -2, name: NAMELESS, type: DATA, dataLength: 9, data: '000000000000000000' },
  { channel: -2147483648, name: 15, type: DATA, dataLength: 0, data: '' },
  { channel: 3, name: NAMELESS, type: DATA, dataLength: 0, data: '' }
]

/**
 * The frame is refused, however its bytes come
 */
function expectRefused (bytes: Uint8Array, name: string): void {
  expect(() => decodeFrames([bytes])).to.throw().with.property('name', name)
  expect(() => decodeFrames(byteByByte(bytes))).to.throw().with.property('name', name)
  expect(() => decodeFrames([new Uint8ArrayList(...byteByByte(bytes))])).to.throw().with.property('name', name)
}

describe('FrameDecoder', () => {
  it('reads every kind of frame', () => {
    expect(decodeFrames([CONVERSATION])).to.deep.equal(DECODED)
  })

  it('reads the same however the bytes are cut', () => {
    for (const chunks of everyCut(CONVERSATION)) {
      expect(decodeFrames(chunks)).to.deep.equal(DECODED)
    }
  })

  it('reads what another codec writes, however the bytes are cut', () => {
    const frames = fc.array(fc.record({
      channel: fc.integer({ min: -0x80000000, max: 0x7fffffff }).filter(channel => channel !== 0),
      name: fc.option(fc.integer({ min: 0, max: 0xffffffff }), { nil: undefined }),
      type: fc.constantFrom(undefined, FrameType.DATA, FrameType.END, FrameType.ERROR),
      data: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined })
    }))

    fc.assert(fc.property(frames, cuts, (frames, cuts) => {
      const bytes = concat(frames.map(({ name, ...fields }) => frame({ ...fields, name: name?.toString(16) })))

      expect(decodeFrames(cut(bytes, cuts))).to.deep.equal(frames.map(({ channel, name, type, data }) => ({
        channel,
        name: name ?? NAMELESS,
        type: type == null ? DATA : TYPE_NUMBERS[type],
        dataLength: data?.byteLength ?? 0,
        data: toHex(data ?? new Uint8Array(0))
      })))
    }), { numRuns: runs(300, 20_000) })
  })

  it('refuses or reads any bytes, and does the same however they are cut', () => {
    const outcome = (chunks: ReturnType<typeof cut>): unknown => {
      try {
        return decodeFrames(chunks)
      } catch (err: any) {
        return { name: err.name, message: err.message }
      }
    }

    // of those bytes that mean something, to get beyond the first one
    const bytes = fc.array(fc.oneof(
      fc.constantFrom(...fromHex('00 01 02 03 04 05 07 08 0d 10 12 18 22 28 29 2a 2d 30 61 66 7f 80 ff')),
      fc.integer({ min: 0, max: 255 })
    ), { maxLength: 60 }).map(bytes => Uint8Array.from(bytes))

    fc.assert(fc.property(bytes, cuts, (bytes, cuts) => {
      const expected = outcome([bytes])

      expect(outcome(cut(bytes, cuts))).to.deep.equal(expected)
      expect(expected).to.satisfy((expected: any) => Array.isArray(expected) || ['InvalidMessageError', 'LimitError'].includes(expected.name))
    }), { numRuns: runs(1000, 50_000) })
  })

  describe('data', () => {
    it('is passed on in parts that are views on what was pushed', () => {
      const size = 1024 * 1024
      const decoder = new FrameDecoder(1024)
      const bytes = frame({ channel: 2, name: '2', data: new Uint8Array(size).map((_, i) => i) })
      let received = 0

      for (let start = 0; start < bytes.byteLength; start += 50_000) {
        const chunk = bytes.slice(start, start + 50_000)
        decoder.push(chunk)

        for (let found = decoder.read(); found !== NOTHING; found = decoder.read()) {
          if (found === PART) {
            expect(decoder.part.buffer).to.equal(chunk.buffer)
            expect(decoder.part[0]).to.equal(received % 256)
            // all that has come of it at once
            expect(decoder.part.byteOffset + decoder.part.byteLength).to.equal(chunk.byteLength)
            received += decoder.part.byteLength
            expect(decoder.dataLeft).to.equal(size - received)
          }
        }
      }

      expect(received).to.equal(size)
    })

    it('is passed on in parts that are views on the parts of a list', () => {
      const decoder = new FrameDecoder(1024)
      const parts = [fromHex('0c 0804 120132 2205 6865'), fromHex('6c6c'), fromHex('6f')]
      const buffers: unknown[] = []

      decoder.push(new Uint8ArrayList(...parts))

      for (let found = decoder.read(); found !== NOTHING; found = decoder.read()) {
        if (found === PART) {
          buffers.push(decoder.part.buffer)
        }
      }

      expect(buffers).to.have.lengthOf(3)
      buffers.forEach((buffer, i) => { expect(buffer).to.equal(parts[i].buffer) })
    })

    it('of any length is announced before it comes', () => {
      const length = Math.pow(2, 40)
      const decoder = new FrameDecoder(1024)

      decoder.push(fromHex(varint(length + 3 + 6), '0804 22', varint(length), 'aabb'))

      expect(decoder.read()).to.equal(HEADER)
      expect(decoder).to.include({ channel: 2, dataLength: length, dataLeft: length })
      expect(decoder.read()).to.equal(PART)
      expect(toHex(decoder.part)).to.equal('aabb')
      expect(decoder.dataLeft).to.equal(length - 2)
      expect(decoder.read()).to.equal(NOTHING)
    })

    it('may be left where it is between two parts', () => {
      const decoder = new FrameDecoder(1024)

      decoder.push(fromHex('0c 0804 120132 2205 6865'))
      expect(decoder.read()).to.equal(HEADER)
      expect(decoder.read()).to.equal(PART)
      expect(decoder.read()).to.equal(NOTHING)
      expect(decoder.read()).to.equal(NOTHING)
      decoder.push(new Uint8Array(0))
      expect(decoder.read()).to.equal(NOTHING)
      decoder.push(fromHex('6c6c6f 04 0804 1802'))
      expect(decoder.read()).to.equal(PART)
      expect(decoder.read()).to.equal(HEADER)
      expect(decoder).to.include({ channel: 2, type: END, name: NAMELESS, dataLength: 0, dataLeft: 0 })
      expect(decoder.read()).to.equal(NOTHING)
    })
  })

  it('takes a list of very many parts', () => {
    const list = new Uint8ArrayList()

    for (let i = 0; i < 300_000; i++) {
      list.append(Uint8Array.of(0))
    }

    list.append(fromHex('04 0804 1802'))

    expect(decodeFrames([list])).to.have.lengthOf(1)
  })

  it('knows if the stream may end', () => {
    const decoder = new FrameDecoder(1024)
    const frames = [fromHex('0c 0804 120132 2205 68656c6c6f'), fromHex('00'), fromHex('04 0804 1802'), fromHex('8a00 0804 2206 010203040506')]

    expect(decoder.atBoundary).to.equal(true)

    for (const bytes of frames) {
      byteByByte(bytes).forEach((byte, i) => {
        decoder.push(byte)

        while (decoder.read() !== NOTHING) {
          // until nothing is left of it
        }

        expect(decoder.atBoundary).to.equal(i === bytes.byteLength - 1)
      })
    }
  })

  describe('the name', () => {
    for (const [hex, name] of Object.entries({ 30: 0, 31: 1, 66: 15, 3130: 16, 613062: 0xa0b, 6666666666666666: 0xffffffff, 3830303030303030: 0x80000000 })) {
      it(`${hex} is ${name}`, () => {
        expect(decodeFrames([fromHex(prefixed('0804 12', prefixed(hex)))])).to.have.nested.property('[0].name', name)
      })
    }

    for (const [what, hex] of Object.entries({
      'that is empty': '',
      'with an upper case letter': '41',
      'with zeroes in front': '30 31',
      'of two zeroes': '30 30',
      'of nine digits': '31 30 30 30 30 30 30 30 30',
      'with a letter beyond f': '67',
      'with a sign': '2d 31',
      'with a space': '31 20',
      'with a prefix': '30 78 31',
      'that is no text': 'ff',
      'with the character before 0': '2f',
      'with the character after 9': '3a',
      'with the character before a': '60'
    })) {
      it(`${what} is refused`, () => {
        expectRefused(fromHex(prefixed('0804 12', prefixed(hex))), 'InvalidMessageError')
      })
    }
  })

  describe('the channel', () => {
    for (const [zigzag, channel] of [[1, -1], [2, 1], [0x7ffffffe, 0x3fffffff], [0x7fffffff, -0x40000000], [0x80000000, 0x40000000], [0xfffffffe, 0x7fffffff], [0xffffffff, -0x80000000]]) {
      it(`${channel} is read`, () => {
        expect(decodeFrames([fromHex(prefixed('08', varint(zigzag)))])).to.have.nested.property('[0].channel', channel)
      })
    }

    for (const zigzag of [0, Math.pow(2, 32), Math.pow(2, 32) + 2, Math.pow(2, 53) - 2]) {
      it(`${zigzag / 2} is refused`, () => {
        expectRefused(fromHex(prefixed('08', varint(zigzag))), 'InvalidMessageError')
      })
    }

    it('is always there', () => {
      expectRefused(fromHex(prefixed('120132')), 'InvalidMessageError')
      expectRefused(fromHex(prefixed('220132')), 'InvalidMessageError')
    })
  })

  describe('a length', () => {
    // length of the frame, of which 2 bytes are the channel and 1 is the tag of the data
    for (const length of [Math.pow(2, 31), Math.pow(2, 32), Math.pow(2, 53)]) {
      for (const around of [length - 1, length, length + 1].filter(Number.isSafeInteger)) {
        it(`of ${around} is read exactly`, () => {
          const bytesOfLength = varint(around - 16).length / 2
          const dataLength = around - 3 - bytesOfLength

          expect(decodeFrames([fromHex(varint(around), '0804 22', varint(dataLength))])).to.deep.equal([
            { channel: 2, name: NAMELESS, type: DATA, dataLength, data: '' }
          ])
        })
      }
    }

    for (const length of [2n ** 53n, 2n ** 53n + 1n, 2n ** 56n - 1n, 2n ** 56n, 2n ** 63n, 2n ** 64n]) {
      it(`of ${length} is refused`, () => {
        expectRefused(fromHex(varint(length)), 'InvalidMessageError')
        expectRefused(fromHex(varint(1000), '0804 22', varint(length)), 'InvalidMessageError')
        expectRefused(fromHex(varint(1000), '0804 12', varint(length)), 'InvalidMessageError')
      })
    }

    it('of too many bytes is refused', () => {
      expectRefused(fromHex('8080808080808080 00'), 'InvalidMessageError')
      expectRefused(fromHex('ffffffffffffffff'), 'InvalidMessageError')
      expectRefused(fromHex(prefixed('0804 22 8080808080808080 00')), 'InvalidMessageError')
      // refused before its end
      expectRefused(fromHex('30 0804 22 8080808080808080'), 'InvalidMessageError')
    })

    it('of more bytes than it needs is read', () => {
      expect(decodeFrames([fromHex('87808000 0884808000 1802')])).to.deep.equal([
        { channel: 2, name: NAMELESS, type: END, dataLength: 0, data: '' }
      ])
    })
  })

  describe('refuses', () => {
    for (const [what, hex] of Object.entries({
      'a channel of 64 bits': '09 0400000000000000',
      'a channel of bytes': '0a 01 04',
      'a channel of 32 bits': '0d 04000000',
      'a name as a number': '0804 10 02',
      'a name of 32 bits': '0804 15 32000000',
      'a type of bytes': '0804 1a 01 02',
      'a type of 64 bits': '0804 19 0200000000000000',
      'data as a number': '0804 20 02',
      'data of 32 bits': '0804 25 00000000',
      'data as a group': '0804 23 24',
      'field number 0': '0804 00 00',
      'field number 0 of bytes': '0804 02 00',
      'the type 0': '0804 18 00',
      'the type 4': '0804 18 04',
      'the type 2^32 + 1': `0804 18 ${varint(2 ** 32 + 1)}`,
      'the type -1': '0804 18 ffffffffffffffffff01',
      'an unknown group': '0804 2b 2c',
      'an unknown field of type 6': '0804 2e 00',
      'an unknown field of type 7': '0804 2f 00',
      'a tag that is cut': '0804 a8',
      'a channel that is cut': '08 84',
      'a channel that is not there': '08',
      'a name that is cut': '0804 12 03 31 32',
      'a length of a name that is cut': '0804 12 83',
      'a type that is cut': '0804 18 82',
      'a length of data that is cut': '0804 22 85',
      'data that passes the end of its frame': '0804 22 05 68656c6c',
      'data that passes it by far': `0804 22 ${varint(2 ** 40)} 68`,
      'data that ends before its frame': '0804 22 01 68 1802',
      'data that is not the last field': '0804 22 05 68656c6c6f 1801',
      'data before the channel': '22 01 68 0804',
      'an unknown number that is cut': '0804 28 80',
      'unknown bytes that are cut': '0804 2a 02 00',
      'unknown 32 bits that are cut': '0804 2d 000000',
      'unknown 64 bits that are cut': '0804 29 00000000000000'
    })) {
      it(what, () => {
        expectRefused(fromHex(prefixed(hex)), 'InvalidMessageError')
      })
    }
  })

  it('passes over fields that it does not know', () => {
    const unknown = [
      '28 00', // a number
      '28 ffffffffffffffffff01', // -1
      '29 ffffffffffffffff', // 64 bits
      '2a 00', // no bytes
      '2a 03 080400', // bytes
      '2d ffffffff', // 32 bits
      'f8ffffff0f 08' // the largest number that a field can have
    ]

    for (const field of [...unknown, unknown.join('')]) {
      const bytes = fromHex(
        prefixed(field, '0804 120132 1801 2201 68'),
        prefixed('0804', field, '120132 1801 2201 68'),
        prefixed('0804 120132', field, '1801 2201 68'),
        prefixed('0804 120132 1801', field, '2201 68')
      )
      const expected = { channel: 2, name: 2, type: DATA, dataLength: 1, data: '68' }

      expect(decodeFrames([bytes])).to.deep.equal(Array.from({ length: 4 }, () => expected))
      expect(decodeFrames(byteByByte(bytes))).to.deep.equal(Array.from({ length: 4 }, () => expected))
    }
  })

  describe('what comes before the data', () => {
    const padding = (bytes: number): string => `2a ${varint(bytes - 3)} ${'00'.repeat(bytes - 3)}`

    it('may have 1 KiB', () => {
      // 1,019 bytes and five of channel, tag and length
      const bytes = fromHex(prefixed('0804', padding(1019), '22 05 68656c6c6f'), prefixed('0804', padding(1022)))
      const expected = [
        { channel: 2, name: NAMELESS, type: DATA, dataLength: 5, data: '68656c6c6f' },
        { channel: 2, name: NAMELESS, type: DATA, dataLength: 0, data: '' }
      ]

      expect(decodeFrames([bytes])).to.deep.equal(expected)
      expect(decodeFrames(byteByByte(bytes))).to.deep.equal(expected)
    })

    for (const [what, hex] of Object.entries({
      'before its data': prefixed('0804', padding(1021), '22 05 68656c6c6f'),
      'without data': prefixed('0804', padding(1023)),
      'of which the last would be wrong': prefixed('0804', padding(1022), '18 09'),
      'in one field': `${varint(2 ** 40)} 0804 2a ${varint(2 ** 39)} ${'00'.repeat(1024)}`,
      'in its name': `${varint(2 ** 40)} 0804 12 ${varint(2 ** 39)} ${'30'.repeat(1024)}`
    })) {
      it(`may not have more, ${what}`, () => {
        expectRefused(fromHex(hex), 'LimitError')
      })
    }

    it('is refused when it has come, not when its frame has', () => {
      const bytes = fromHex(varint(2 ** 40), '0804 2a', varint(2 ** 39), '00'.repeat(2000))
      const decoder = new FrameDecoder(1024)
      const taken = byteByByte(bytes).findIndex(byte => {
        decoder.push(byte)

        try {
          return decoder.read() !== NOTHING
        } catch {
          return true
        }
      })

      // the length of the frame takes six bytes
      expect(taken).to.equal(6 + 1024 - 1)
    })

    it('may have another bound', () => {
      const bytes = frame({ channel: 2, name: 'ffffffff', data: new Uint8Array(10) })

      expect(decodeFrames([bytes], 14)).to.have.lengthOf(1)
      expect(() => decodeFrames([bytes], 13)).to.throw().with.property('name', 'LimitError')
    })
  })
})
