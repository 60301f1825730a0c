import { sha256 as noble } from '@noble/hashes/sha2.js'
import type { Sha256 } from './sha256.ts'

/**
 * From how many bytes on WebCrypto is faster than JavaScript
 */
const SUBTLE_BYTES = 4096

export function createSha256 (): Sha256 {
  const hash = noble.create()

  return {
    update: (bytes) => { hash.update(bytes) },
    digest: () => hash.digest()
  }
}

export function sha256 (bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
  // pages that did not come over a secure connection have no WebCrypto
  if (bytes.length < SUBTLE_BYTES || globalThis.crypto?.subtle == null) {
    return noble(bytes)
  }

  return globalThis.crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>).then(digest => new Uint8Array(digest))
}
