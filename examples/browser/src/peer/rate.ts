const WINDOW_MS = 3000

/**
 * Bytes per second, over the last seconds
 */
export class Rate {
  #samples: Array<{ at: number, total: number }> = []

  update (total: number): void {
    const now = performance.now()
    const last = this.#samples.at(-1)

    if (last?.total !== total) {
      this.#samples.push({ at: now, total })
    }
  }

  get current (): number {
    const now = performance.now()

    // the one before the window is where it starts
    while (this.#samples.length > 1 && this.#samples[1].at < now - WINDOW_MS) {
      this.#samples.shift()
    }

    const first = this.#samples[0]
    const last = this.#samples.at(-1)

    if (first == null || last == null || first === last || last.at < now - WINDOW_MS) {
      return 0
    }

    return (last.total - first.total) * 1000 / Math.max(now - first.at, 100)
  }
}
