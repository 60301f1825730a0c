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
 * The one name of a block with a multihash of sha2-256, the usual one. The
 * bytes of its CID, 01 55 12 20 and 32 of the digest, have 288 bits, so that the
 * last of 58 digits has two to spare, which are 0.
 */
const SHA2_256_HASH = /^bafkrei[a-h][a-z2-7]{50}[aeimquy4]$/

/**
 * The one name of a block, whatever CID it is known by: its multihash as the
 * text of a CIDv1 of raw bytes, in base32
 *
 * @param block - its CID, or its multihash
 */
export function blockHash (block: { multihash: MultihashDigest } | MultihashDigest): string {
  return CID.createV1(raw.code, 'multihash' in block ? block.multihash : block).toString()
}

/**
 * The CID that a hash is the text of, or undefined if it is not the one name of
 * a block. Identity multihashes are refused: they name what they contain.
 */
export function parseBlockHash (hash: string): CID | undefined {
  try {
    if (SHA2_256_HASH.test(hash)) {
      return CID.parse(hash)
    }

    const { code, digest } = CID.parse(hash).multihash
    const cid = CID.createV1(raw.code, Digest.create(code, digest))

    // written anew, as there must be no second name of the same block
    return code !== IDENTITY && digest.length <= MAX_DIGEST_BYTES && cid.toString() === hash ? cid : undefined
  } catch {
    return undefined
  }
}

/**
 * If a hash is that of a block by sha2-256
 */
export function isSha256Hash (hash: string): boolean {
  return SHA2_256_HASH.test(hash)
}

/**
 * If a hash is the one name of a block. For the usual ones that is known without
 * parsing them, a hundred times as fast.
 */
export function isBlockHash (hash: string): boolean {
  return SHA2_256_HASH.test(hash) || parseBlockHash(hash) != null
}

/**
 * As {@link parseBlockHash}, but throws InvalidParametersError
 */
export function checkBlockHash (hash: string): CID {
  const cid = parseBlockHash(hash)

  if (cid == null) {
    throw new InvalidParametersError(`"${String(hash).substring(0, 80)}" is not the hash of a block: give the CIDv1 of its raw bytes in base32, as blockHash(cid) does`)
  }

  return cid
}
