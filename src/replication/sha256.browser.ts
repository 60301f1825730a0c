import { sha256 as noble } from '@noble/hashes/sha2.js'
import { createSHA256 } from 'hash-wasm'
import type { Sha256 } from './sha256.ts'
import type { IHasher } from 'hash-wasm'

/**
 * From how many bytes on WebCrypto, which is asynchronous and off this thread, is
 * faster than WebAssembly, see `benchmarks/README.md`
 */
const SUBTLE_BYTES = 1024

// instances of WebAssembly that nobody uses
const idle: IHasher[] = []
let making = false

/**
 * An instance that nobody uses. They are made asynchronously, so there is none at
 * first, nor where the policy of a page forbids WebAssembly.
 */
function takeIdle (): IHasher | undefined {
  const hasher = idle.pop()

  if (idle.length === 0 && !making) {
    making = true
    createSHA256().then(hasher => {
      idle.push(hasher)
      making = false
    }, () => {
      // it will not be allowed later, either
    })
  }

  return hasher
}

export function createSha256 (): Sha256 {
  const hasher = takeIdle()

  if (hasher == null) {
    const hash = noble.create()

    return {
      update: (bytes) => { hash.update(bytes) },
      digest: () => hash.digest()
    }
  }

  hasher.init()

  return {
    update: (bytes) => { hasher.update(bytes) },
    digest: () => {
      const digest = hasher.digest('binary')
      idle.push(hasher)

      return digest
    }
  }
}

export function sha256 (bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
  // pages that did not come over a secure connection have no WebCrypto
  if (bytes.length >= SUBTLE_BYTES && globalThis.crypto?.subtle != null) {
    return globalThis.crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>).then(digest => new Uint8Array(digest))
  }

  const hash = createSha256()

  hash.update(bytes)
  return hash.digest()
}
