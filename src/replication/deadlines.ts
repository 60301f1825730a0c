import { PlacedSet } from '../placed-set.ts'
import type { Placed } from '../placed-set.ts'

export interface Task extends Placed {
  /**
   * When it began, in ms
   */
  began: number
}

/**
 * A time-out for each of many tasks that go on at the same time, with one timer
 */
export class Deadlines<T extends Task> {
  readonly #ms: number
  readonly #onLate: (task: T, err: Error) => void
  readonly #tasks = new PlacedSet<T>()
  #timer?: ReturnType<typeof setTimeout>

  /**
   * @param ms - how long each may take
   * @param onLate - told of each that takes longer. It must end it.
   */
  constructor (ms: number, onLate: (task: T, err: Error) => void) {
    this.#ms = ms
    this.#onLate = onLate
  }

  begin (task: T): void {
    task.began = performance.now()
    this.#tasks.add(task)
    this.#timer ??= this.#wait(this.#ms)
  }

  /**
   * Returns false if it has ended before
   */
  end (task: T): boolean {
    const isOpen = this.#tasks.delete(task)

    if (this.#tasks.size === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }

    return isOpen
  }

  #wait (ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => { this.#check() }, ms)
  }

  #check (): void {
    const late = performance.now() - this.#ms
    let oldest = Infinity

    for (const task of this.#tasks) {
      if (task.began <= late) {
        this.#onLate(task, new Error(`it took longer than ${this.#ms} ms`))
      } else {
        oldest = Math.min(oldest, task.began)
      }
    }

    // one that has begun meanwhile may have found that nobody waits
    clearTimeout(this.#timer)
    this.#timer = this.#tasks.size === 0 ? undefined : this.#wait(Math.min(oldest - late, this.#ms))
  }
}
