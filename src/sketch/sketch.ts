import { SKETCH_CELLS } from '../constants.ts'
import { Cells } from './cells.ts'
import { Mapping } from './mapping.ts'
import { SetSum } from './set-sum.ts'

/**
 * Which keys there were at one time
 */
export interface KeysSnapshot {
  readonly cells: Cells
  readonly sum: SetSum

  /**
   * How many keys there were
   */
  readonly size: number

  /**
   * How many keys had been removed since the sketch was made
   */
  readonly removed: number
}

/**
 * The cells and the sum of a set that changes: what a store of your own keeps up to
 * date to be compared, see {@link StoreSketch}. Keys are four little-endian numbers.
 */
export class Sketch {
  readonly #cells: Cells
  readonly #sum = new SetSum()
  #size = 0
  #removed = 0
  #snapshot?: KeysSnapshot

  /**
   * @param length - how many cells there are
   */
  constructor (length = SKETCH_CELLS) {
    this.#cells = new Cells(new Mapping(length))
  }

  get length (): number {
    return this.#cells.length
  }

  /**
   * How many keys there are
   */
  get size (): number {
    return this.#size
  }

  /**
   * How many keys have been removed since it was made
   */
  get removed (): number {
    return this.#removed
  }

  /**
   * Adds a key that is not there
   */
  add (key: Int32Array): void {
    this.#size++
    this.#change(key, 1)
  }

  /**
   * Removes a key that is there
   */
  remove (key: Int32Array): void {
    this.#size--
    this.#removed++
    this.#change(key, -1)
  }

  /**
   * All as it is now, which does not change any more. Who asks before the next
   * change gets the same one.
   */
  snapshot (): KeysSnapshot {
    this.#snapshot ??= { cells: this.#cells.copy(), sum: this.#sum.copy(), size: this.#size, removed: this.#removed }

    return this.#snapshot
  }

  #change (key: Int32Array, sign: 1 | -1): void {
    this.#snapshot = undefined
    this.#cells.add(key, sign)
    this.#sum.add(key, sign)
  }
}
