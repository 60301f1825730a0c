import { hash } from 'node:crypto'
import * as Digest from 'multiformats/hashes/digest'
import { blockHash } from '../../src/index.ts'
import type { Store } from '../../src/index.ts'

/**
 * So large are all blocks
 */
export const BLOCK_BYTES = 32

/**
 * How many puts wait for each other: as many as the log writes together
 */
const PUTS = 128

/**
 * Of whom a block is: both have the common ones, and each has some of its own in
 * each round
 */
export type Owner = 'common' | 'a' | 'b'

const OWNERS: Owner[] = ['common', 'a', 'b']

interface Block {
  hash: string
  bytes: Uint8Array
}

/**
 * The block of a number, which nobody else has
 */
function block (owner: Owner, round: number, number: number): Block {
  const bytes = new Uint8Array(BLOCK_BYTES)
  const view = new DataView(bytes.buffer)

  view.setUint8(0, OWNERS.indexOf(owner))
  view.setUint8(1, round)
  view.setUint32(4, number)

  return { hash: blockHash(Digest.create(0x12, hash('sha256', bytes, 'buffer'))), bytes }
}

/**
 * Blocks of one owner in one round
 */
export function * blocksOf (owner: Owner, round: number, count: number): Generator<Block> {
  for (let i = 0; i < count; i++) {
    yield block(owner, round, i)
  }
}

/**
 * The common blocks with those of an owner spread over them
 */
export function * mixed (owner: Owner, common: number, own: number): Generator<Block> {
  let given = 0

  for (let i = 0; i < common; i++) {
    for (; given * common < i * own; given++) {
      yield block(owner, 0, given)
    }

    yield block('common', 0, i)
  }

  for (; given < own; given++) {
    yield block(owner, 0, given)
  }
}

export async function putAll (store: Store, blocks: Iterable<Block>, onPut: (count: number) => void = () => {}): Promise<void> {
  let puts: Array<Promise<unknown>> = []
  let count = 0

  for (const { hash, bytes } of blocks) {
    puts.push(store.put(hash, bytes))

    if (puts.length === PUTS) {
      await Promise.all(puts)
      count += puts.length
      puts = []
      onPut(count)
    }
  }

  await Promise.all(puts)
}

/**
 * How many of some blocks a store does not have, or has something else for
 */
export async function lacking (store: Store, blocks: Iterable<Block>): Promise<number> {
  let lacking = 0

  for (const { hash, bytes } of blocks) {
    const chunks: Uint8Array[] = []

    if (await store.has(hash)) {
      for await (const chunk of store.get(hash)) {
        chunks.push(chunk)
      }
    }

    if (!Buffer.concat(chunks).equals(bytes)) {
      lacking++
    }
  }

  return lacking
}

/**
 * A number that is the same for the same hashes, in whatever order
 */
export async function fingerprint (store: Store): Promise<string> {
  const sum = new BigUint64Array(1)

  for await (const { hash: name } of store.since(0)) {
    sum[0] += BigInt(`0x${hash('sha256', name).substring(0, 16)}`)
  }

  return sum[0].toString(16)
}
