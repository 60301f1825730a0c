import { BLOCK_WORDS, chacha8 } from './chacha.ts'
import { publicSecret } from './mapping.ts'

const WORDS = 2 * BLOCK_WORDS

/**
 * How many bytes a sum has where it is sent
 */
export const SUM_BYTES = WORDS * 4

const SECRETS = [publicSecret('/hash-exchange/4.1.0 sum 1'), publicSecret('/hash-exchange/4.1.0 sum 2')]

const block = new Int32Array(BLOCK_WORDS)

/**
 * The sum of a set of keys: that of two blocks of ChaCha8 of each, in 32 numbers of 32
 * bits. Two sets that were found to be the same by their cells are not, if somebody
 * has chosen keys so that the XOR of some is that of others, which is a matter of
 * linear equations; for these sums, as of Wagner's "A Generalized Birthday Problem"
 * (2002), it takes 2^64 steps.
 */
export class SetSum {
  readonly #words: Int32Array

  constructor (words = new Int32Array(WORDS)) {
    this.#words = words
  }

  /**
   * Adds a key, or takes it away with a `sign` of -1
   */
  add (key: Int32Array, sign: 1 | -1): void {
    const words = this.#words

    for (let half = 0; half < 2; half++) {
      const start = half * BLOCK_WORDS

      chacha8(SECRETS[half], key, block)

      for (let i = 0; i < BLOCK_WORDS; i++) {
        words[start + i] += sign * block[i]
      }
    }
  }

  copy (): SetSum {
    return new SetSum(this.#words.slice())
  }

  equals (other: SetSum): boolean {
    return this.#words.every((word, i) => word === other.#words[i])
  }

  encode (): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(SUM_BYTES)
    const view = new DataView(bytes.buffer)

    this.#words.forEach((word, i) => { view.setInt32(4 * i, word, true) })

    return bytes
  }

  /**
   * @param bytes - at least {@link SUM_BYTES}
   */
  static decode (bytes: Uint8Array): SetSum {
    const view = new DataView(bytes.buffer, bytes.byteOffset, SUM_BYTES)

    return new SetSum(Int32Array.from({ length: WORDS }, (_, i) => view.getInt32(4 * i, true)))
  }
}
