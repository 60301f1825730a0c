import * as Digest from 'multiformats/hashes/digest'
import { blockHash } from '../../src/store/block-hash.ts'
import { content } from '../fixtures/content.ts'

const hashes = new Map<number, string>()

/**
 * A hash of sha2-256, of nothing in particular: a store takes its word for it
 */
export function hashOf (index: number): string {
  const hash = hashes.get(index) ?? blockHash(Digest.create(0x12, content(index, 32)))
  hashes.set(index, hash)

  return hash
}

/**
 * What is put under `hashOf(index)`
 */
export function blockOf (index: number): Uint8Array {
  return content(index, 1 + index % 200)
}

/**
 * Numbers from `first` on
 */
export function range (first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}
