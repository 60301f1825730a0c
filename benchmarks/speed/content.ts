import { createHash, hash } from 'node:crypto'

/**
 * Blocks of one size, by their numbers
 */
export interface BlockSet {
  first: number
  count: number
  size: number
  /**
   * How many of them a receiver lacks, all if not set. It has the others from
   * before.
   */
  lacking?: number
}

/**
 * In what chunks a block is made
 */
const CHUNK_BYTES = 64 * 1024

const POOL = random(CHUNK_BYTES, 0x2545f491)

/**
 * The content of a block, made from its number as it is read: every chunk has a
 * number of its own, so no two are the same
 */
export function * contentOf (block: number, size: number): Generator<Uint8Array> {
  for (let chunk = 0, left = size; left > 0; chunk++, left -= CHUNK_BYTES) {
    const bytes = POOL.slice(0, Math.min(left, CHUNK_BYTES))
    const view = new DataView(bytes.buffer)

    view.setUint32(0, block)
    view.setUint32(4, chunk)

    yield bytes
  }
}

/**
 * A small block in one piece
 */
export function blockOf (block: number, size: number): Uint8Array {
  const [first, ...others] = contentOf(block, size)

  return others.length === 0 ? first : Buffer.concat([first, ...others])
}

/**
 * The SHA-256 of a block
 */
export function digestOf (block: number, size: number): Buffer {
  if (size <= CHUNK_BYTES) {
    return hash('sha256', blockOf(block, size), 'buffer')
  }

  const hasher = createHash('sha256')

  for (const chunk of contentOf(block, size)) {
    hasher.update(chunk)
  }

  return hasher.digest()
}

export function * numbersOf ({ first, count }: BlockSet): Generator<number> {
  for (let i = 0; i < count; i++) {
    yield first + i
  }
}

/**
 * If a block is one that the receiver lacks: they are spread evenly
 */
export function lacks ({ first, count, lacking = count }: BlockSet, block: number): boolean {
  return (block - first) % Math.ceil(count / lacking) === 0
}

/**
 * Bytes that can't be compressed, the same each time (xorshift32)
 */
function random (length: number, seed: number): Uint8Array {
  const words = new Uint32Array(length / 4)

  for (let i = 0, x = seed; i < words.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    words[i] = x
  }

  return new Uint8Array(words.buffer)
}
