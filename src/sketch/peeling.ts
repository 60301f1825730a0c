import { CELL_BYTES } from './cells.ts'
import { CELL_WORDS, COUNT_WORD, KEY_WORDS, Mapping } from './mapping.ts'
import type { Cells } from './cells.ts'

/**
 * How many cells are needed for each difference: 1.35 to 1.4 of many. The estimate
 * of their number from 256 cells has a standard deviation of 9 %, so that with less
 * than that not many cells are likely to be superfluous.
 */
const CELLS_OF_DIFFERENCE = 1.35
const CELLS_OF_ESTIMATED = 1.2

/**
 * Counts are sent modulo this
 */
const MODULUS = 2 ** 16

/**
 * Finds the differences of two sets: from the cells of one those of the other are
 * taken away, which leaves the sums of those keys that only one of them has. A cell
 * with a single key tells which, that is taken away from the other cells it is in,
 * and so on, until none is left.
 */
export class Peeling {
  /**
   * How many cells of the remote have come
   */
  public length = 0
  /**
   * The keys that only the remote has
   */
  public readonly remote: Int32Array[] = []
  /**
   * The keys that only we have
   */
  public readonly own: Int32Array[] = []
  /**
   * If no difference is left
   */
  public complete = false
  /**
   * If these are not the cells of a set of that size, or keys were chosen so that the sum of
   * some looks like another one
   */
  public failed = false

  readonly #cells: Cells
  readonly #words: Int32Array
  readonly #mapping: Mapping
  // cells that may have a single key
  readonly #single: number[] = []
  // by how many keys the remote has more
  readonly #excess: number
  // the sum of the squares of what counts are off, each as a multiple of what one
  // difference makes of it on average
  #deviation = 0

  /**
   * @param cells - ours
   * @param excess - by how many keys the remote has more
   * @param salt - with which the cells were made
   */
  constructor (cells: Cells, excess: number, salt?: Uint8Array) {
    this.#cells = cells
    this.#words = new Int32Array(cells.words.length)
    this.#mapping = new Mapping(cells.length, salt)
    this.#excess = excess
  }

  /**
   * Takes the next cells of the remote. More than we have are ignored.
   */
  add (bytes: Uint8Array): void {
    const start = this.length
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

    this.length = Math.min(this.#cells.length, start + Math.floor(bytes.length / CELL_BYTES))

    for (let cell = start; cell < this.length; cell++) {
      this.#subtract(cell, view, (cell - start) * CELL_BYTES)
    }

    // what has been found is in these as well
    this.remote.forEach(key => { this.#apply(key, -1, start) })
    this.own.forEach(key => { this.#apply(key, 1, start) })

    for (let cell = start; cell < this.length; cell++) {
      this.#look(cell)
    }
  }

  /**
   * Takes keys away as long as there are any to be seen, up to a number of them.
   * Returns false if there are more.
   */
  proceed (max: number): boolean {
    for (let i = 0; i < max; i++) {
      const cell = this.#single.pop()

      if (cell == null || this.failed) {
        break
      }

      this.#take(cell)
    }

    if (this.#single.length > 0 && !this.failed) {
      return false
    }

    this.#conclude()

    return true
  }

  /**
   * About how many differences there are: each moves the count of a cell by 1, up or
   * down, so that the squares of the counts are about as large as the number of those
   * that are in it
   */
  get differences (): number {
    return Math.max(Math.abs(this.#excess), this.length > 1 ? this.#deviation / (this.length - 1) : 0)
  }

  /**
   * How many cells are certain to be needed, more or less
   */
  get needs (): number {
    return Math.ceil(Math.max(CELLS_OF_ESTIMATED * this.differences, CELLS_OF_DIFFERENCE * Math.abs(this.#excess)))
  }

  /**
   * All keys are in the first cell, so that it is empty when all have been found. But
   * a remote may have made up cells, or the size of its set.
   */
  #conclude (): void {
    if (!this.failed && this.length > 0 && this.#isEmpty(1)) {
      this.complete = this.#isEmpty(this.length) && this.remote.length - this.own.length === this.#excess
      this.failed = !this.complete
    }
  }

  /**
   * If none of the first cells has a key
   */
  #isEmpty (cells: number): boolean {
    return this.#words.subarray(0, cells * CELL_WORDS).every(word => word === 0)
  }

  #subtract (cell: number, view: DataView, offset: number): void {
    const at = cell * CELL_WORDS
    const own = this.#cells.words

    for (let word = 0; word < COUNT_WORD; word++) {
      this.#words[at + word] = view.getInt32(offset + word * 4, true) ^ own[at + word]
    }

    const probability = 1 / (1 + cell / 2)
    const expected = this.#excess * probability
    const remainder = view.getInt16(offset + COUNT_WORD * 4, true) - own[at + COUNT_WORD]
    // of which only the lowest 16 bits are known
    const count = remainder + Math.round((expected - remainder) / MODULUS) * MODULUS

    this.#words[at + COUNT_WORD] = count

    if (cell > 0) {
      this.#deviation += (count - expected) ** 2 / (probability * (1 - probability))
    }
  }

  /**
   * Remembers a cell that may have a single key
   */
  #look (cell: number): void {
    if (Math.abs(this.#words[cell * CELL_WORDS + COUNT_WORD]) === 1) {
      this.#single.push(cell)
    }
  }

  #take (cell: number): void {
    const words = this.#words
    const at = cell * CELL_WORDS
    const count = words[at + COUNT_WORD]

    if (Math.abs(count) !== 1) {
      // its key was found in another one
      return
    }

    const key = words.slice(at, at + KEY_WORDS)
    const { check } = this.#mapping

    this.#mapping.makeCheck(key)

    if (check[0] === words[at + KEY_WORDS] && check[1] === words[at + KEY_WORDS + 1]) {
      (count === 1 ? this.remote : this.own).push(key)
      this.#apply(key, -count, 0)

      // it is in other cells than that in which it was found, or there are more
      // differences than cells
      this.failed = words[at + COUNT_WORD] !== 0 || this.remote.length + this.own.length > this.length
    }
  }

  /**
   * Adds a key to the cells that it is in, from one on, or takes it away
   */
  #apply (key: Int32Array, sign: number, start: number): void {
    const { cells } = this.#mapping
    const count = this.#mapping.add(key, sign, this.#words, start, this.length)

    for (let i = 0; i < count; i++) {
      if (cells[i] >= start) {
        this.#look(cells[i])
      }
    }
  }
}
