import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { defaultLimits } from '../../src/exchange/limits.ts'
import { decodeRPC, encodeRPC, MAX_SEQUENCE, RPCType } from '../../src/wire/rpc-codec.ts'
import { RPC } from '../../src/wire/rpc.ts'
import { fromHex, prefixed, toHex, varint } from '../fixtures/bytes.ts'
import { runs } from '../fixtures/runs.ts'
import type { RPCMessage } from '../../src/wire/rpc-codec.ts'

// type 0 and a hash "aa"
const AVAILABLE = '0000 0a026161'

function decode (...hex: string[]): ReturnType<typeof decodeRPC> {
  return decodeRPC(fromHex(...hex), defaultLimits)
}

function expectRefused (hex: string, name: string): void {
  expect(() => decode(hex)).to.throw().with.property('name', name)
}

describe('RPC messages', () => {
  const vectors: Array<[string, RPCMessage]> = [
    ['00000a026161', { type: RPCType.AVAILABLE, hashes: ['aa'] }],
    ['0000', { type: RPCType.AVAILABLE }],
    ['00010a026161', { type: RPCType.REQUEST, hashes: ['aa'] }],
    ['00010a0261610a0262620a00', { type: RPCType.REQUEST, hashes: ['aa', 'bb', ''] }],
    ['00021206020262620801', { type: RPCType.HASHES, mapping: [{ hash: 'bb', sequence: 1 }] }],
    ['0002120602026161080012060202626208' + '01', { type: RPCType.HASHES, mapping: [{ hash: 'aa', sequence: 0 }, { hash: 'bb', sequence: 1 }] }],
    ['00031800', { type: RPCType.SINCE, sequence: 0 }],
    ['000318ffffffff0f', { type: RPCType.SINCE, sequence: 0xffffffff }],
    ['0004', { type: RPCType.CLOSE }],
    ['00051808', { type: RPCType.SEEN, sequence: 8 }],
    ['00060a0661626364c3a90a00', { type: RPCType.ID, hashes: ['abcdé', ''] }]
  ]

  for (const [hex, message] of vectors) {
    it(`${message.type} ${hex} both ways`, () => {
      expect(toHex(encodeRPC(message))).to.equal(hex)
      expect(decode(hex)).to.deep.equal({ hashes: [], mapping: [], sequence: 0, ...message })
    })
  }

  it('of any content come back as they were, and are what the generated encoder makes', () => {
    const uint32 = fc.integer({ min: 0, max: 0xffffffff })
    const anyType = fc.constantFrom(RPCType.AVAILABLE, RPCType.REQUEST, RPCType.HASHES, RPCType.SINCE, RPCType.CLOSE, RPCType.SEEN, RPCType.ID)

    const messageOf = (hash: fc.Arbitrary<string>): fc.Arbitrary<RPCMessage> => fc.record({
      type: anyType,
      hashes: fc.array(hash),
      mapping: fc.array(fc.record({ hash, sequence: fc.integer({ min: 0, max: MAX_SEQUENCE }) })),
      sequence: uint32
    }, { requiredKeys: ['type'] })

    const message = fc.oneof(
      messageOf(fc.string({ unit: 'grapheme-ascii', maxLength: 200 })),
      messageOf(fc.string({ unit: 'binary', maxLength: 100 }))
    )

    fc.assert(fc.property(message, message => {
      const encoded = encodeRPC(message)

      expect(encoded).to.deep.equal(RPC.encode(message))
      expect(decodeRPC(encoded, defaultLimits)).to.deep.equal({ hashes: [], mapping: [], sequence: 0, ...message })
    }), { numRuns: runs(300, 20_000) })
  })

  it('of hashes that are long, or no text, are what the generated encoder makes', () => {
    const long = ['a', 'b'.repeat(127), 'c'.repeat(128), 'd'.repeat(20_000), '']

    for (const hashes of [long, [...long, 'é'], ['\ud83d', '\ude00'], ['a\ud83d'], ['\ude00b', 'c'], ['\0', '\x7f'], ['\x80']]) {
      for (const message of [
        { type: RPCType.REQUEST, hashes },
        { type: RPCType.HASHES, mapping: hashes.map((hash, i) => ({ hash, sequence: MAX_SEQUENCE - i })), sequence: 0xffffffff }
      ]) {
        expect(encodeRPC(message)).to.deep.equal(RPC.encode(message))
      }
    }
  })

  it('of any bytes are decoded or refused by name', () => {
    // of those that mean something, to get beyond the first one
    const bytes = fc.array(fc.oneof(
      fc.constantFrom(...fromHex('00 01 02 03 04 05 06 07 08 0a 12 18 20 21 22 25 7f 80 ff')),
      fc.integer({ min: 0, max: 255 })
    ), { maxLength: 60 })

    fc.assert(fc.property(bytes, bytes => {
      try {
        decodeRPC(Uint8Array.from([0, 0, ...bytes]), defaultLimits)
      } catch (err: any) {
        expect(err.name).to.equal('InvalidMessageError')
      }
    }), { numRuns: runs(1000, 50_000) })
  })

  describe('of an unknown type', () => {
    for (const type of [13, 14, 127, 128, Math.pow(2, 31) - 1, Math.pow(2, 31), Math.pow(2, 32) - 1]) {
      it(`${type} are skipped`, () => {
        expect(decode('00', varint(type), '0a026161 1800')).to.equal(undefined)
      })
    }

    it('are refused where they are malformed', () => {
      expectRefused('0007 0a056161', 'InvalidMessageError')
    })
  })

  it('have data where an original does not know them', () => {
    expect(decode('0007 1805 2202 0102')).to.deep.equal({ type: RPCType.CELLS, hashes: [], mapping: [], sequence: 5, data: fromHex('0102') })
    expect(decode('000a')).to.deep.equal({ type: RPCType.GIVE_UP, hashes: [], mapping: [], sequence: 0, data: new Uint8Array(0) })
    expect(decode('0000 2202 0102')).to.not.have.property('data')
    // a field of that number and another type
    expect(decode('0007 2001')?.data).to.have.lengthOf(0)
    expectRefused('0007 2203 0102', 'InvalidMessageError')

    for (const type of [RPCType.CELLS, RPCType.MORE, RPCType.DONE, RPCType.GIVE_UP, RPCType.SALT]) {
      expect(decodeRPC(encodeRPC({ type, sequence: 1, data: new Uint8Array([3]) }), defaultLimits)).to.deep.equal({ type, hashes: [], mapping: [], sequence: 1, data: new Uint8Array([3]) })
    }
  })

  it('may have fields that are not known', () => {
    const unknown = ['20 00', '20 ffffffffffffffffff01', '21 ffffffffffffffff', '22 00', '22 03 0a0161', '25 ffffffff', 'f8ffffff0f 08']
    const expected = { type: RPCType.HASHES, hashes: ['aa'], mapping: [{ hash: 'bb', sequence: 1 }], sequence: 2 }

    for (const field of [...unknown, unknown.join('')]) {
      expect(decode(field, '0002 0a026161 1206 020262620801 1802')).to.deep.equal(expected)
      expect(decode('0002 0a026161', field, '1206 020262620801 1802')).to.deep.equal(expected)
      expect(decode('0002 0a026161 1206 020262620801 1802', field)).to.deep.equal(expected)
    }

    // in a mapping the numbers of the known ones are lower
    for (const field of [...unknown, '12 00', '18 00', unknown.join('')]) {
      expect(decode('0002 0a026161 12', prefixed(field, '020262620801'), '1802')).to.deep.equal(expected)
      expect(decode('0002 0a026161 12', prefixed('02026262', field, '0801'), '1802')).to.deep.equal(expected)
      expect(decode('0002 0a026161 12', prefixed('020262620801', field), '1802')).to.deep.equal(expected)
    }
  })

  it('may have their fields in any order, and the last of several counts', () => {
    expect(decode('1801 0a026161 0007 0a026262 1802 0000')).to.deep.equal({
      type: RPCType.AVAILABLE, hashes: ['aa', 'bb'], mapping: [], sequence: 2
    })
    expect(decode('0002 12', prefixed('0801 02026161 0802 02026262'))).to.have.property('mapping').that.deep.equals([
      { hash: 'bb', sequence: 2 }
    ])
  })

  describe('are refused', () => {
    for (const [what, hex] of Object.entries({
      'that are empty': '',
      'without a type': '0a026161',
      'with a type of bytes': '02 00',
      'with a type of 32 bits': '05 00000000',
      'with a hash as a number': '0000 08 61',
      'with a hash of 64 bits': '0000 09 6161616161616161',
      'with a mapping as a number': '0002 10 01',
      'with a mapping as a group': '0002 13 14',
      'with a sequence of bytes': '0003 1a 01 00',
      'with a sequence of 32 bits': '0003 1d 00000000',
      'with an unknown group': '0000 23 24',
      'with an unknown field of type 6': '0000 26',
      'with an unknown field of type 7': '0000 27',
      'with a tag that is cut': '0000 80',
      'with a type that is cut': '00',
      'with a type that goes on': '0080',
      'with a length that is cut': '0000 0a',
      'with a length that goes on': '0000 0a82',
      'with a hash that is cut': '0000 0a03 6161',
      'with a mapping that is cut': '0002 1206 0202626208',
      'with a sequence that is cut': '0003 18',
      'with a hash that passes the end of its mapping': '0002 1204 0203 6262 620801',
      'with a length that passes the end by far': `0000 0a ${varint(2 ** 32 - 1)} 61`,
      'with a mapping without a hash': '0002 1202 0801',
      'with a mapping without a sequence': '0002 1204 02026262',
      'with a mapping of nothing': '0002 1200',
      'with a hash of a mapping as a number': '0002 1204 0001 0801',
      'with a sequence of a mapping as bytes': '0002 1207 02026262 0a0101',
      'with an unknown number that is cut': '0000 2080',
      'with unknown bytes that are cut': '0000 2202 00',
      'with unknown 32 bits that are cut': '0000 25 000000',
      'with unknown 64 bits that are cut': '0000 21 00000000000000',
      'with a tag of too many bytes': '0000 808080808000',
      'with a number of too many bytes': '0003 18 808080808000',
      'with a length of too many bytes': '0000 0a 828080808000 6161',
      'with a hash that is not UTF-8': '0000 0a01 ff',
      'with a hash that is cut within a character': '0000 0a02 e282',
      'with a hash of half a surrogate pair': '0000 0a03 eda080',
      'with a hash of too long a form': '0000 0a02 c0af',
      'with a hash in a mapping that is not UTF-8': '0002 1205 0201ff 0801'
    })) {
      it(what, () => {
        expectRefused(hex, 'InvalidMessageError')
      })
    }
  })

  it('keep a byte order mark, which belongs to the hash', () => {
    expect(decode('0000 0a04 efbbbf61')?.hashes).to.deep.equal(['\ufeffa'])
  })

  it('may have zeroes in their hashes', () => {
    expect(decode('0000 0a03 610061')?.hashes).to.deep.equal(['a\0a'])
  })

  describe('with a number', () => {
    const around = [31n, 32n, 53n, 63n, 64n].flatMap(bits => [2n ** bits - 1n, 2n ** bits, 2n ** bits + 1n])

    for (const number of around) {
      if (number < 2n ** 32n) {
        it(`of ${number} are read exactly`, () => {
          expect(decode('0003 18', varint(number))?.sequence).to.equal(Number(number))
        })
      } else {
        it(`of ${number} are refused`, () => {
          expectRefused(`0003 18 ${varint(number)}`, 'InvalidMessageError')
          expectRefused(`00 ${varint(number)}`, 'InvalidMessageError')
          expectRefused(`0000 0a ${varint(number)}`, 'InvalidMessageError')
          expectRefused(`0000 ${varint(number)}`, 'InvalidMessageError')
        })
      }
    }
  })

  describe('with a sequence in a mapping', () => {
    const withSequence = (sequence: number): string => `0002 12 ${prefixed('02026262 08', varint(sequence))}`

    for (const sequence of [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 2]) {
      it(`of ${sequence} are read exactly`, () => {
        expect(decode(withSequence(sequence))?.mapping).to.deep.equal([{ hash: 'bb', sequence }])
      })
    }

    for (const sequence of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, 2 ** 53]) {
      it(`of ${sequence} are refused`, () => {
        expectRefused(withSequence(sequence), 'InvalidMessageError')
      })
    }
  })

  describe('over a limit', () => {
    it('of 512 bytes in a hash are refused', () => {
      const hashes = ['a'.repeat(512), 'é'.repeat(256)]

      expect(decodeRPC(encodeRPC({ type: RPCType.AVAILABLE, hashes }), defaultLimits)?.hashes).to.deep.equal(hashes)

      for (const hash of ['a'.repeat(513), 'é'.repeat(257)]) {
        expectRefused(toHex(encodeRPC({ type: RPCType.AVAILABLE, hashes: [hash] })), 'LimitError')
        expectRefused(toHex(encodeRPC({ type: RPCType.HASHES, mapping: [{ hash, sequence: 1 }] })), 'LimitError')
      }
    })

    // not made of valid text: who makes a string first finds that out first
    const NO_TEXT = '0a01ff'
    const NO_TEXT_MAPPING = '1205 0201ff 0801'

    for (const [what, entry] of Object.entries({ hashes: NO_TEXT, mappings: NO_TEXT_MAPPING })) {
      it(`of 262,144 ${what} are refused before a string is made`, () => {
        const bytes = (count: number): Uint8Array => fromHex('0002', entry.repeat(count))

        expect(() => decodeRPC(bytes(262_144), defaultLimits)).to.throw().with.property('name', 'InvalidMessageError')
        expect(() => decodeRPC(bytes(262_145), defaultLimits)).to.throw().with.property('name', 'LimitError')
      })
    }

    it('may have as many hashes as mappings', () => {
      const limits = { ...defaultLimits, maxRPCEntries: 2 }
      const entry = '0a0161 1205 020161 0801'

      expect(decodeRPC(fromHex('0002', entry, entry), limits)).to.have.property('mapping').with.lengthOf(2)
      expect(() => decodeRPC(fromHex('0002', entry, entry, '0a0161'), limits)).to.throw().with.property('name', 'LimitError')
    })

    it('may have 262,144 hashes', () => {
      const hashes = Array.from({ length: 262_144 }, (_, i) => i.toString(36))

      expect(decodeRPC(encodeRPC({ type: RPCType.AVAILABLE, hashes }), defaultLimits)?.hashes).to.deep.equal(hashes)
    })
  })

  it('are decoded in a part of a buffer', () => {
    const bytes = fromHex('ffffff', AVAILABLE, 'ffffff')

    expect(decodeRPC(bytes.subarray(3, -3), defaultLimits)?.hashes).to.deep.equal(['aa'])
  })
})
