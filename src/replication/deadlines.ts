export interface Task {
  began: number
  onLate(err: Error): void
}

/**
 * A time-out for each of many tasks that go on at the same time, with one timer
 */
export class Deadlines {
  readonly #ms: number
  // the oldest first
  readonly #tasks = new Set<Task>()
  #timer?: ReturnType<typeof setTimeout>

  /**
   * @param ms - how long each may take
   */
  constructor (ms: number) {
    this.#ms = ms
  }

  /**
   * A task begins. Returns what is to be given to `end()`.
   */
  begin (onLate: (err: Error) => void): Task {
    const task = { began: performance.now(), onLate }

    this.#tasks.add(task)
    this.#timer ??= setTimeout(() => { this.#check() }, this.#ms)

    return task
  }

  end (task: Task): void {
    this.#tasks.delete(task)

    if (this.#tasks.size === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
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

      this.#tasks.delete(task)
      task.onLate(new Error(`it took longer than ${this.#ms} ms`))
    }
  }
}
