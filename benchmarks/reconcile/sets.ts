import { randomFillSync } from 'node:crypto'
import { SKETCH_CELLS } from '../../src/constants.ts'
import { Sketch } from '../../src/sketch/sketch.ts'
import { HashIndex } from '../../src/store/hash-index.ts'
import type { Store } from '../../src/index.ts'

const MULTIHASH_BYTES = 34

/**
 * What a store knows of its hashes, without the blocks
 */
export class HashSet {
  readonly #sketch = new Sketch(SKETCH_CELLS)
  readonly #index = new HashIndex(this.#sketch)
  #last = 0

  add (multihashes: Uint8Array): void {
    for (let at = 0; at < multihashes.length; at += MULTIHASH_BYTES) {
      this.#index.set(multihashes.subarray(at, at + MULTIHASH_BYTES), ++this.#last)
    }
  }

  remove (multihashes: Uint8Array): void {
    for (let at = 0; at < multihashes.length; at += MULTIHASH_BYTES) {
      this.#index.delete(multihashes.subarray(at, at + MULTIHASH_BYTES))
    }
  }

  /**
   * As much of a store as is needed to compare it
   */
  get store (): Store {
    const sketch = this.#sketch
    const store: Partial<Store> = {
      size: sketch.size,
      sketch: {
        length: SKETCH_CELLS,
        get size () { return sketch.size },
        get removed () { return sketch.removed },
        snapshot: () => ({ ...sketch.snapshot(), lastSequence: this.#last }),
        keys: () => this.#index.names(),
        find: key => this.#index.find(key),
        entries: () => []
      }
    }

    return store as Store
  }
}

/**
 * Multihashes of sha2-256, one after the other
 */
export function multihashes (count: number): Uint8Array {
  const bytes = new Uint8Array(count * MULTIHASH_BYTES)

  randomFillSync(bytes)

  for (let at = 0; at < bytes.length; at += MULTIHASH_BYTES) {
    bytes[at] = 0x12
    bytes[at + 1] = 32
  }

  return bytes
}

/**
 * How long it takes to know of a hash, with the cells and without, in microseconds
 */
export function measurePut (hashes: number): { withCells: number, without: number } {
  const some = multihashes(hashes)

  const time = (index: HashIndex): number => {
    const began = performance.now()

    for (let i = 0; i < hashes; i++) {
      index.set(some.subarray(i * MULTIHASH_BYTES, (i + 1) * MULTIHASH_BYTES), i + 1)
    }

    return (performance.now() - began) * 1000 / hashes
  }

  return { without: time(new HashIndex()), withCells: time(new HashIndex(new Sketch(SKETCH_CELLS))) }
}
