import { hash } from 'node:crypto'
import * as Digest from 'multiformats/hashes/digest'
import { blockHash } from '../../src/index.ts'

/**
 * The block of a number, which no other number has
 */
export function block (number: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size).fill(7)
  new DataView(bytes.buffer).setUint32(0, number)

  return bytes
}

export function hashOf (bytes: Uint8Array): string {
  return blockHash(Digest.create(0x12, hash('sha256', bytes, 'buffer')))
}
