import { HashMismatchError, StoreError } from '../errors.ts'
import { isSha256Hash, parseBlockHash } from '../store/block-hash.ts'
import { inTime } from './in-time.ts'
import { createSha256, sha256 } from './sha256.ts'
import type { CID, MultihashDigest, MultihashHasher } from 'multiformats'

const SHA2_256 = 0x12

/**
 * Checks content against its hash
 */
export class Verifier {
  readonly #hashers: Map<number, MultihashHasher>
  readonly #timeout: number

  /**
   * @param hashers - beside sha2-256
   * @param timeout - how long one of them may take, in ms
   */
  constructor (hashers: MultihashHasher[] = [], timeout: number) {
    this.#timeout = timeout
    this.#hashers = new Map(hashers.map(hasher => [hasher.code, hasher]))
  }

  /**
   * If something is the hash of a block whose content can be checked
   */
  knows (hash: string): boolean {
    // which is several times as fast as to parse it
    if (isSha256Hash(hash)) {
      return true
    }

    const code = parseBlockHash(hash)?.multihash.code

    return code != null && code !== SHA2_256 && this.#hashers.has(code)
  }

  /**
   * If content of this hash can be checked as it comes, without all of it being
   * held in memory
   */
  streams ({ multihash }: CID): boolean {
    return multihash.code === SHA2_256 && !this.#hashers.has(SHA2_256)
  }

  /**
   * Throws HashMismatchError, at once or later, and StoreError if a hasher of the
   * application takes too long
   */
  check (cid: CID, bytes: Uint8Array): void | Promise<void> {
    const digest = this.#digest(cid.multihash, bytes)

    if (digest instanceof Uint8Array) {
      compare(cid, digest)
    } else {
      return digest.then(digest => { compare(cid, digest) })
    }
  }

  /**
   * Passes on what comes, and throws HashMismatchError in the place of the end
   */
  async * pass (cid: CID, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const hash = createSha256()

    for await (const chunk of source) {
      hash.update(chunk)
      yield chunk
    }

    compare(cid, hash.digest())
  }

  #digest ({ code }: MultihashDigest, bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const hasher = this.#hashers.get(code)

    if (hasher == null) {
      return sha256(bytes)
    }

    // what the application passes comes first
    const digest = hasher.encode(bytes)

    return digest instanceof Uint8Array
      ? digest
      : inTime(digest, this.#timeout, () => new StoreError(`The hasher ${hasher.name} did not answer within ${this.#timeout} ms`))
  }
}

/**
 * A truncated digest is compared as far as it goes: 16 bytes at least
 */
function compare (cid: CID, digest: Uint8Array): void {
  const expected = cid.multihash.digest

  if (expected.length < MIN_DIGEST_BYTES || !beginsWith(digest, expected)) {
    throw new HashMismatchError(`What came is not the content of ${cid}`)
  }
}

/**
 * Without a view, which for a small block would take longer than to compare
 */
function beginsWith (digest: Uint8Array, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) {
    if (digest[i] !== expected[i]) {
      return false
    }
  }

  return true
}

/**
 * A shorter digest could be met by trying
 */
const MIN_DIGEST_BYTES = 16
