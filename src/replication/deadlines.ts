export interface Task {
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
  // the oldest first
  readonly #tasks = new Set<T>()
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
    this.#timer ??= setTimeout(() => { this.#check() }, this.#ms)
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

  #check (): void {
    const now = performance.now()

    this.#timer = undefined

    for (const task of this.#tasks) {
      const left = task.began + this.#ms - now

      if (left > 0) {
        this.#timer = setTimeout(() => { this.#check() }, left)
        return
      }

      this.#onLate(task, new Error(`it took longer than ${this.#ms} ms`))
    }
  }
}
