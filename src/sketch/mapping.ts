import { sha256 } from '@noble/hashes/sha2.js'
import { BLOCK_WORDS, chacha8 } from './chacha.ts'

/**
 * Of a cell: the sum of keys, the sum of their checks, and how many they are, each
 * as numbers of 32 bits
 */
export const CELL_WORDS = 7
export const KEY_WORDS = 4
export const COUNT_WORD = 6

/**
 * How many random numbers there are
 */
const RANGE = 2 ** 32

/**
 * What there is for everybody to use as the secret of a function: the SHA-256 of a
 * name
 */
export function publicSecret (name: string): Int32Array {
  return secretOf(sha256(new TextEncoder().encode(name)))
}

/**
 * 32 bytes as the secret of a function
 */
export function secretOf (bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32)

  return Int32Array.from({ length: 8 }, (_, i) => view.getInt32(4 * i, true))
}

const CHECK_SECRET = publicSecret('/hash-exchange/4.1.0 check')

/**
 * In which cells a key is, and its check. It is in cell i with a probability of
 * 1 / (1 + i / 2), in the same ones for everybody, as they follow from the key, or
 * from the key and a salt. SPEC.md says how.
 *
 * One is used for many keys, one after the other: objects for each would take
 * longer than all the rest.
 */
export class Mapping {
  /**
   * The cells that the last key is in, as many as `add` returned
   */
  public readonly cells: Int32Array
  /**
   * What begins with the check of the last key, two numbers
   */
  public readonly check = new Int32Array(BLOCK_WORDS)

  readonly #secret: Int32Array
  readonly #isSalted: boolean

  /**
   * @param length - how many cells there are
   * @param salt - 32 bytes that nobody knew when the keys were chosen
   */
  constructor (length: number, salt?: Uint8Array) {
    this.cells = new Int32Array(length)
    this.#secret = salt == null ? CHECK_SECRET : secretOf(salt)
    this.#isSalted = salt != null
  }

  /**
   * Makes the check of a key
   */
  makeCheck (key: Int32Array): void {
    chacha8(this.#secret, key, this.check)
  }

  /**
   * Adds a key to those cells that it is in, from one on and before another, or takes
   * it away with a `sign` of -1. Returns how many it is in before that one; `cells`
   * has them. In one go, as the next cell takes so long to be known that it costs
   * little to add to the last one meanwhile.
   */
  add (key: Int32Array, sign: number, words: Int32Array, start: number, end: number): number {
    const { check, cells } = this

    this.makeCheck(key)

    const k0 = key[0]
    const k1 = key[1]
    const k2 = key[2]
    const k3 = key[3]
    const c0 = check[0]
    const c1 = check[1]

    // xoshiro128++ (Blackman and Vigna, "Scrambled Linear Pseudorandom Number
    // Generators", 2021)
    let s0 = this.#isSalted ? check[2] : k0
    let s1 = this.#isSalted ? check[3] : k1
    let s2 = this.#isSalted ? check[4] : k2
    let s3 = this.#isSalted ? check[5] : k3
    let count = 0

    for (let cell = 0; cell < end; count++) {
      cells[count] = cell

      if (cell >= start) {
        const at = cell * CELL_WORDS

        words[at] ^= k0
        words[at + 1] ^= k1
        words[at + 2] ^= k2
        words[at + 3] ^= k3
        words[at + 4] ^= c0
        words[at + 5] ^= c1
        words[at + COUNT_WORD] += sign
      }

      const sum = s0 + s3 | 0
      const random = (sum << 7 | sum >>> 25) + s0 >>> 0
      const shifted = s1 << 9

      s2 ^= s0
      s3 ^= s1
      s1 ^= s2
      s0 ^= s3
      s2 ^= shifted
      s3 = s3 << 11 | s3 >>> 21

      // it is in none of those before cell j with a probability of
      // (cell + 1)(cell + 2) / ((j + 1)(j + 2)): the j where that is the random one.
      // One of 2^32 numbers gives the cell itself.
      cell = Math.max(cell + 1, Math.ceil(Math.sqrt((cell + 1) * (cell + 2) * (RANGE / (random + 1)) + 0.25) - 1.5))
    }

    return count
  }
}
