/**
 * Where something is that is nowhere
 */
export const NOWHERE = -1

/**
 * What can be in one such set at a time
 */
export interface Placed {
  /**
   * Where in the set it is, NOWHERE before. Nobody else changes it.
   */
  place: number
}

/**
 * A set of objects that know their place in it, in no particular order. A `Set` to
 * which as much is added as is deleted is copied again and again, as it does not use
 * the place of what was deleted.
 */
export class PlacedSet<T extends Placed> {
  readonly #items: T[] = []

  get size (): number {
    return this.#items.length
  }

  has (item: T): boolean {
    return this.#items[item.place] === item
  }

  add (item: T): void {
    if (!this.has(item)) {
      item.place = this.#items.push(item) - 1
    }
  }

  /**
   * Returns false if it is not there
   */
  delete (item: T): boolean {
    const { place } = item

    if (this.#items[place] !== item) {
      return false
    }

    const last = this.#items.pop() as T

    if (last !== item) {
      this.#items[place] = last
      last.place = place
    }

    item.place = NOWHERE

    return true
  }

  clear (): void {
    for (const item of this.#items.splice(0)) {
      item.place = NOWHERE
    }
  }

  /**
   * Those that are there now, whatever becomes of them meanwhile
   */
  [Symbol.iterator] (): Iterator<T> {
    return this.#items.slice().values()
  }
}
