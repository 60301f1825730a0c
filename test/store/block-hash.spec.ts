import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { base32 } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { blockHash, checkBlockHash, hashOfMultihash, isBlockHash, isSha256Hash, multihashOf, parseBlockHash } from '../../src/store/block-hash.ts'
import { content } from '../fixtures/content.ts'
import { runs } from '../fixtures/runs.ts'

const SHA2_256 = 0x12
const digest = Digest.create(SHA2_256, content(1, 32))
const hash = blockHash(digest)

/**
 * The text of a CIDv1 of raw bytes with these bytes as its multihash
 */
function textOf (...multihash: number[]): string {
  return base32.encode(Uint8Array.from([0x01, 0x55, ...multihash]))
}

function isNone (hash: any): void {
  expect(parseBlockHash(hash), hash).to.be.undefined()
  expect(isBlockHash(hash), hash).to.be.false()
  expect(() => checkBlockHash(hash), hash).to.throw().with.property('name', 'InvalidParametersError')
}

describe('block hashes', () => {
  it('are not what was looked at last for something without a multihash', () => {
    const broken: any = { multihash: undefined }

    for (const other of [hash, 'something else']) {
      parseBlockHash(other)
      expect(() => blockHash(broken)).to.throw(TypeError)
    }
  })

  it('are known when the bytes of the CID of another one were transferred', () => {
    const others = [2, 3].map(seed => blockHash(Digest.create(SHA2_256, content(seed, 32))))

    structuredClone(null, { transfer: [checkBlockHash(others[0]).bytes.buffer] })

    expect(parseBlockHash(others[1])?.toString()).to.equal(others[1])
    expect(parseBlockHash(hash)?.toString()).to.equal(hash)
  })

  it('are those that CIDs were parsed of, and no others', () => {
    const other = blockHash(Digest.create(0x12, content(99, 32)))
    const cids = [hash, other].map(hash => checkBlockHash(hash))

    expect(cids.map(cid => blockHash(cid))).to.deep.equal([hash, other])
    checkBlockHash(hash)
    expect(cids.map(cid => blockHash(cid))).to.deep.equal([hash, other])
  })

  it('are the same for all CIDs of a block', () => {
    for (const cid of [CID.createV0(digest as any), CID.createV1(0x70, digest), CID.createV1(raw.code, digest)]) {
      expect(blockHash(cid)).to.equal(hash)
    }

    expect(hash).to.match(/^bafkrei.{52}$/)
  })

  it('are the text that a CID has, and back', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
      const digest = Digest.create(SHA2_256, bytes)
      const cid = CID.createV1(raw.code, digest)
      const hash = blockHash(digest)

      expect(hash).to.equal(cid.toString())
      expect(hashOfMultihash(digest.bytes)).to.equal(hash)
      expect(multihashOf(hash)).to.deep.equal(digest.bytes)
      expect(parseBlockHash(hash)?.equals(cid)).to.be.true()
      expect(parseBlockHash(hash)?.multihash.digest).to.deep.equal(bytes)
    }), { numRuns: runs(200, 5000) })
  })

  it('are parsed, whatever their hash function', () => {
    // sha2-256 cut to 20 bytes and to none, sha2-512, blake2b-256, and one that is twice as long as usual
    for (const multihash of [digest, Digest.create(SHA2_256, content(1, 20)), Digest.create(SHA2_256, content(1, 0)), Digest.create(0x13, content(1, 64)), Digest.create(0xb220, content(1, 32)), Digest.create(0x13, content(1, 128)), Digest.create(Number.MAX_SAFE_INTEGER, content(1, 128))]) {
      const hash = blockHash(multihash)
      const cid = parseBlockHash(hash)

      expect(cid?.multihash.bytes).to.deep.equal(multihash.bytes)
      expect(cid?.multihash.digest).to.deep.equal(multihash.digest)
      expect(cid).to.include({ version: 1, code: raw.code })
      expect(cid?.toString()).to.equal(hash)
      expect(checkBlockHash(hash).equals(cid)).to.be.true()
      expect(isBlockHash(hash)).to.be.true()
      expect(multihashOf(hash)).to.deep.equal(multihash.bytes)
      expect(hashOfMultihash(multihash.bytes)).to.equal(hash)
      expect(isSha256Hash(hash)).to.equal(multihash === digest)
    }
  })

  it('have no second name', () => {
    const multihash = [...digest.bytes]

    for (const other of [
      hash.toUpperCase(),
      `b${hash.slice(1).toUpperCase()}`,
      `${hash.slice(0, 8)}${hash[8].toUpperCase()}${hash.slice(9)}`,
      // base58, base16, CIDv0, dag-pb
      CID.createV1(raw.code, digest).toString(base58btc),
      CID.createV0(digest as any).toString(),
      CID.createV1(0x70, digest).toString(),
      // a version 1, a codec, a code and a length of two bytes instead of one
      base32.encode(Uint8Array.from([0x81, 0x00, 0x55, ...multihash])),
      base32.encode(Uint8Array.from([0x01, 0xd5, 0x00, ...multihash])),
      textOf(0x92, 0x00, ...multihash.slice(1)),
      textOf(0x12, 0xa0, 0x00, ...multihash.slice(2)),
      // a codec that begins with the same digits
      base32.encode(Uint8Array.from([0x01, 0x54, ...multihash])),
      base32.encode(Uint8Array.from([0x01, 0x54, ...Digest.create(0x13, content(1, 64)).bytes])),
      // one byte more, one less
      textOf(...multihash, 0),
      textOf(...multihash.slice(0, -1)),
      `${hash}=`,
      `${hash}a`,
      ` ${hash}`,
      `${hash}\n`,
      hash.slice(0, -1)
    ]) {
      isNone(other)
    }
  })

  it('have no other last digit than the one that their bits make', () => {
    const last = 'abcdefghijklmnopqrstuvwxyz234567'

    const taken = [...last].filter(digit => isBlockHash(hash.slice(0, -1) + digit))

    expect(taken.join('')).to.equal('aeimquy4')

    for (const digit of last) {
      expect(parseBlockHash(hash.slice(0, -1) + digit) != null).to.equal(taken.includes(digit))
    }
  })

  it('are not identities, nor too long ones, nor anything else', () => {
    isNone(blockHash(Digest.create(0x00, content(1, 32))))
    isNone(blockHash(Digest.create(0x13, content(1, 129))))
    isNone(blockHash(Digest.create(Number.MAX_SAFE_INTEGER, content(1, 129))))
    // a code of 2^53
    isNone(textOf(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 32, ...content(1, 32)))
    expect(() => checkBlockHash(blockHash(Digest.create(0x00, content(1, 32))))).to.throw('has an identity multihash, which is the content itself')

    for (const other of ['', 'b', 'bafkrei', 'hello', '../id', undefined, null, 1, {}]) {
      isNone(other)
    }
  })

  it('are those that multiformats parses and writes again as they were', () => {
    const multihash = fc.oneof(
      fc.uint8Array({ maxLength: 150 }),
      fc.tuple(fc.oneof(fc.nat(200), fc.maxSafeNat()), fc.uint8Array({ maxLength: 140 })).map(([code, digest]) => Digest.create(code, digest).bytes)
    )
    const text = multihash.map(bytes => textOf(...bytes))
    const changed = fc.tuple(text, fc.nat(), fc.constantFrom(...'abkqrz2789AZ1= é')).map(([text, position, digit]) => {
      const at = position % text.length

      return text.slice(0, at) + digit + text.slice(at + 1)
    })

    fc.assert(fc.property(fc.oneof(text, changed, text.map(text => text.slice(0, -1)), fc.string().map(text => `bafk${text}`)), text => {
      let expected: CID | undefined

      try {
        const { code, digest } = CID.parse(text).multihash
        const cid = CID.createV1(raw.code, Digest.create(code, digest))

        expected = code !== 0 && code <= Number.MAX_SAFE_INTEGER && digest.length <= 128 && cid.toString() === text ? cid : undefined
      } catch {}

      expect(parseBlockHash(text)?.multihash).to.deep.equal(expected?.multihash)
      expect(parseBlockHash(text)?.bytes).to.deep.equal(expected?.bytes)
    }), { numRuns: runs(1000, 100_000) })
  })

  it('are known faster than they are parsed, and the same ones', () => {
    const position = fc.nat(58)
    const digit = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567', 'A', '0', '1', '8', '=', '/')

    fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), position, digit, (bytes, position, digit) => {
      const hash = blockHash(Digest.create(SHA2_256, bytes))
      const other = hash.slice(0, position) + digit + hash.slice(position + 1)

      for (const text of [hash, other]) {
        let expected: string | undefined

        try {
          const cid = CID.parse(text)
          expected = cid.multihash.code === 0 ? undefined : blockHash(cid)
        } catch {
          expected = undefined
        }

        expect(isBlockHash(text)).to.equal(expected === text)
        expect(parseBlockHash(text) != null).to.equal(expected === text)
      }
    }), { numRuns: runs(500, 50_000) })
  })
})
