import { CELL_WORDS, COUNT_WORD, Mapping } from './mapping.ts'

/**
 * How many bytes of a hash's SHA-256 name it here
 */
export const KEY_BYTES = 16

/**
 * How many bytes a cell takes where it is sent, with its count modulo 2^16
 */
export const CELL_BYTES = 26

/**
 * The beginning of a rateless invertible Bloom lookup table (Yang, Gilad and
 * Alizadeh, "Practical Rateless Set Reconciliation", SIGCOMM 2024): cells, each of
 * which has the sum of those keys of a set that are in it, and of their checks. With
 * enough of them, about 1.4 for each difference, the differences of two sets can be
 * found, however large these are: see {@link Peeling}.
 */
export class Cells {
  public readonly words: Int32Array
  readonly #mapping: Mapping

  constructor (mapping: Mapping, words = new Int32Array(mapping.cells.length * CELL_WORDS)) {
    this.#mapping = mapping
    this.words = words
  }

  get length (): number {
    return this.#mapping.cells.length
  }

  /**
   * Adds a key, or takes it away with a `sign` of -1
   */
  add (key: Int32Array, sign: 1 | -1): void {
    this.#mapping.add(key, sign, this.words, 0, this.length)
  }

  /**
   * The same as they are now
   */
  copy (): Cells {
    return new Cells(this.#mapping, this.words.slice())
  }

  /**
   * Some of them as they are sent
   */
  encode (start: number, end: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array((end - start) * CELL_BYTES)
    const view = new DataView(bytes.buffer)

    for (let i = start, offset = 0; i < end; i++) {
      for (let word = 0; word < COUNT_WORD; word++, offset += 4) {
        view.setInt32(offset, this.words[i * CELL_WORDS + word], true)
      }

      view.setInt16(offset, this.words[i * CELL_WORDS + COUNT_WORD], true)
      offset += 2
    }

    return bytes
  }
}
