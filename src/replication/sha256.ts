import { createHash, hash } from 'node:crypto'

/**
 * A digest of what comes in parts
 */
export interface Sha256 {
  update(bytes: Uint8Array): void
  digest(): Uint8Array
}

export function createSha256 (): Sha256 {
  const hash = createHash('sha256')

  return {
    update: (bytes) => { hash.update(bytes) },
    digest: () => hash.digest()
  }
}

const DIGEST_BYTES = 32

/**
 * A digest of what is there, which for small content is several times as fast. As a
 * string, because a buffer outside of the heap would take longer than the digest.
 *
 * Not on another thread, as `crypto.subtle` would: see `sha256.browser.ts`.
 */
export function sha256 (bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
  const text = hash('sha256', bytes, 'binary')
  const digest = new Uint8Array(DIGEST_BYTES)

  for (let i = 0; i < DIGEST_BYTES; i++) {
    digest[i] = text.charCodeAt(i)
  }

  return digest
}
