/**
 * A queue whose `shift` takes the same time whatever its length: that of an
 * array of 100,000 moves all of it
 */
export class Fifo<T> {
  #items: Array<T | undefined> = []
  #head = 0

  get length (): number {
    return this.#items.length - this.#head
  }

  push (item: T): void {
    this.#items.push(item)
  }

  peek (): T | undefined {
    return this.#items[this.#head]
  }

  shift (): T | undefined {
    if (this.#head === this.#items.length) {
      return undefined
    }

    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined

    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }

    return item
  }

  clear (): void {
    this.#items = []
    this.#head = 0
  }

  * [Symbol.iterator] (): Generator<T> {
    for (let i = this.#head; i < this.#items.length; i++) {
      yield this.#items[i] as T
    }
  }
}
