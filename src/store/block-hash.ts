import { InvalidParametersError } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import type { MultihashDigest } from 'multiformats'

/**
 * The multihash that is the content itself
 */
const IDENTITY = 0x00

/**
 * The longest digest that is taken, in bytes: those of all usual hash functions
 * have at most 64
 */
const MAX_DIGEST_BYTES = 128

/**
 * How the names of blocks begin: the letter of the base, and 15 bits of the 16 of 01
 * 55, in digits of 5. How long they are at most: with a code of 8 bytes, and a length
 * of two.
 */
const PREFIX = 'bafk'
const MAX_LENGTH = PREFIX.length + Math.ceil(((8 + 2 + MAX_DIGEST_BYTES) * 8 + 1) / 5)

/**
 * How the one name of a block with a multihash of sha2-256, the usual one, begins,
 * and how long it is: 01 55 12 20 and 32 bytes of digest have 288 bits
 */
const SHA2_256_PREFIX = 'bafkrei'
const SHA2_256_LENGTH = 59

const SHA2_256 = 0x12
const SHA2_256_BYTES = 32

/**
 * What stands before the multihash in a CIDv1 of raw bytes
 */
const CID_PREFIX = Uint8Array.of(1, raw.code)

const SHA2_256_CID_BYTES = CID_PREFIX.length + SHA2_256_BYTES + 2

/**
 * How many CIDs have their bytes in one buffer. A buffer for each takes longer than
 * all else of a CID; and one CID that is kept keeps 1 kB. As those of small Buffers
 * of Node.js, it is not to be transferred.
 */
const CIDS_AT_ONCE = 28

let room = { buffer: new ArrayBuffer(0), offset: 0 }

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const DIGITS = Uint8Array.from(BASE32, digit => digit.charCodeAt(0))
const NO_DIGIT = 32
const VALUES = new Uint8Array(128).fill(NO_DIGIT)

DIGITS.forEach((digit, value) => { VALUES[digit] = value })

/**
 * The one name of a block, whatever CID it is known by: its multihash as the
 * text of a CIDv1 of raw bytes, in base32
 *
 * @param block - its CID, or its multihash
 */
export function blockHash (block: { multihash: MultihashDigest } | MultihashDigest): string {
  return hashOf('multihash' in block ? block.multihash : block)
}

function hashOf (multihash: MultihashDigest): string {
  if (last.cid != null && multihash === last.cid.multihash) {
    return last.hash
  }

  const { code, digest, bytes } = multihash

  if (code === SHA2_256 && digest.length === SHA2_256_BYTES) {
    return encodeSha256(bytes)
  }

  return CID.createV1(raw.code, multihash).toString()
}

/**
 * The one name of a block by the bytes of its multihash. Throws an error if they
 * are none.
 */
export function hashOfMultihash (bytes: Uint8Array): string {
  return isSha256Multihash(bytes) ? encodeSha256(bytes) : hashOf(Digest.decode(bytes))
}

/**
 * If these are the bytes of a usual multihash, of sha2-256
 */
export function isSha256Multihash (bytes: Uint8Array): boolean {
  return bytes[0] === SHA2_256 && bytes[1] === SHA2_256_BYTES && bytes.length === SHA2_256_BYTES + 2
}

/**
 * The same text that a CID gives, ten times as fast: it is made for each block
 */
function encodeSha256 (multihash: Uint8Array): string {
  const text: number[] = [0x62]
  // 01 55, the version and the code of raw bytes, in base32: 15 bits, and one left
  let bits = 1
  let value = 1

  text.push(DIGITS[0], DIGITS[5], DIGITS[10])

  for (let i = 0; i < SHA2_256_BYTES + 2; i++) {
    value = (value << 8 | multihash[i]) & 0xfff
    bits += 8

    while (bits >= 5) {
      bits -= 5
      text.push(DIGITS[value >>> bits & 31])
    }
  }

  text.push(DIGITS[value << 5 - bits & 31])

  return String.fromCharCode(...text)
}

interface Decoded {
  hash: string
  /**
   * The bytes of the multihash, if it is a usual one. They must not be changed.
   */
  multihash?: Uint8Array<ArrayBuffer>
  cid?: CID
}

/**
 * What was decoded last. A hash that comes, or is asked for, is looked at several
 * times in a row, which is a tenth of what a small block costs.
 */
let last: Decoded = { hash: '' }

function decoded (hash: string): Decoded {
  if (hash !== last.hash) {
    last = { hash, multihash: hasShapeOfSha256(hash) ? decodeSha256(hash) : undefined }
  }

  return last
}

/**
 * The multihash of what has the shape of a name: how that begins is not looked at
 */
function decode (hash: string): Uint8Array<ArrayBuffer> | undefined {
  // the last bit of 01 55 is the first one of the first digit after the prefix
  const multihash = new Uint8Array(((hash.length - PREFIX.length) * 5 - 1) >>> 3)
  let bits = -1
  let value = 0
  let length = 0
  let wrong = 0

  for (let i = PREFIX.length; i < hash.length; i++) {
    const digit = VALUES[hash.charCodeAt(i)] ?? NO_DIGIT

    wrong |= digit & NO_DIGIT
    value = (value << 5 | digit) & 0x1fff
    bits += 5

    if (bits >= 8) {
      bits -= 8
      multihash[length++] = value >>> bits
    }
  }

  // what is left are fewer bits than a digit has, and none of them is set
  return wrong === 0 && bits < 5 && (value & (1 << bits) - 1) === 0 ? multihash : undefined
}

/**
 * Only the multihash. A CID takes twice as long, and most hashes are only looked up.
 */
function decodeSha256 (hash: string): Uint8Array<ArrayBuffer> | undefined {
  const multihash = decode(hash)

  // the prefix ends within a digit
  return multihash?.[1] === SHA2_256_BYTES ? multihash : undefined
}

function hasShapeOfSha256 (hash: string): boolean {
  return typeof hash === 'string' && hash.length === SHA2_256_LENGTH && hash.startsWith(SHA2_256_PREFIX)
}

/**
 * The bytes of the multihash that a hash is the text of, or undefined if it is not
 * the one name of a block
 */
export function multihashOf (hash: string): Uint8Array | undefined {
  return decoded(hash).multihash ?? parseBlockHash(hash)?.multihash.bytes
}

/**
 * The CID that a hash is the text of, or undefined if it is not the one name of
 * a block. Identity multihashes are refused: they name what they contain.
 */
export function parseBlockHash (hash: string): CID | undefined {
  const usual = decoded(hash)

  if (usual.multihash != null) {
    usual.cid ??= cidOfSha256(usual.multihash)

    return usual.cid
  }

  return hasShape(hash) ? parseUnusual(hash) : undefined
}

/**
 * Without CID.parse: of what is none, which anybody may announce without an end, it
 * makes errors, which take longer than anything else here. Codes from 2^53 on, of
 * which a number does not hold all, are refused.
 */
function parseUnusual (hash: string): CID | undefined {
  const multihash = decode(hash)
  const code = multihash == null ? undefined : varintAt(multihash, 0)
  const length = multihash == null || code == null ? undefined : varintAt(multihash, code.end)

  if (multihash == null || code == null || code.value === IDENTITY || length == null) {
    return
  }

  const digest = multihash.subarray(length.end)

  if (digest.length === length.value && digest.length <= MAX_DIGEST_BYTES) {
    return CID.createV1(raw.code, Digest.create(code.value, digest))
  }
}

function varintAt (bytes: Uint8Array, start: number): { value: number, end: number } | undefined {
  let value = 0

  for (let i = start, unit = 1; i < bytes.length && unit < 2 ** 53; i++, unit *= 128) {
    value += (bytes[i] & 0x7f) * unit

    if (bytes[i] < 0x80) {
      // a last byte of zeros would make another name of the same number
      return (bytes[i] > 0 || i === start) && value <= Number.MAX_SAFE_INTEGER ? { value, end: i + 1 } : undefined
    }
  }
}

/**
 * If something begins as the name of a block, and is not longer than one can be
 */
function hasShape (hash: string): boolean {
  return typeof hash === 'string' && hash.length <= MAX_LENGTH && hash.startsWith(PREFIX) &&
    // the last bit of 55 is the first one of this digit
    VALUES[hash.charCodeAt(PREFIX.length)] >= 16
}

function cidOfSha256 (multihash: Uint8Array<ArrayBuffer>): CID {
  // a buffer that somebody has transferred to a worker has no bytes any more
  if (room.offset + SHA2_256_CID_BYTES > room.buffer.byteLength) {
    room = { buffer: new ArrayBuffer(CIDS_AT_ONCE * SHA2_256_CID_BYTES), offset: 0 }
  }

  const { buffer, offset } = room
  const bytes = new Uint8Array(buffer, offset, SHA2_256_CID_BYTES)

  room.offset += SHA2_256_CID_BYTES
  bytes.set(CID_PREFIX)
  bytes.set(multihash, CID_PREFIX.length)

  const digest = new Digest.Digest(SHA2_256, SHA2_256_BYTES,
    new Uint8Array(buffer, offset + CID_PREFIX.length + 2, SHA2_256_BYTES),
    new Uint8Array(buffer, offset + CID_PREFIX.length, SHA2_256_BYTES + 2))

  return new CID(1, raw.code, digest, bytes)
}

/**
 * If a hash is that of a block by sha2-256
 */
export function isSha256Hash (hash: string): boolean {
  return decoded(hash).multihash != null
}

/**
 * If a hash is the one name of a block
 */
export function isBlockHash (hash: string): boolean {
  return isSha256Hash(hash) || parseBlockHash(hash) != null
}

/**
 * As {@link parseBlockHash}, but throws InvalidParametersError
 */
export function checkBlockHash (hash: string): CID {
  const cid = parseBlockHash(hash)

  if (cid == null) {
    throw new InvalidParametersError(`"${String(hash).substring(0, 80)}" ${isIdentity(hash)
      ? 'has an identity multihash, which is the content itself: there is nothing to be stored under it'
      : 'is not the hash of a block: give the CIDv1 of its raw bytes in base32, as blockHash(cid) does'}`)
  }

  return cid
}

function isIdentity (hash: string): boolean {
  return hasShape(hash) && decode(hash)?.[0] === IDENTITY
}
