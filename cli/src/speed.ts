/**
 * Over how much time a rate is taken: long enough not to jump, short enough to
 * follow, in ms
 */
const WINDOW_MS = 5000

/**
 * How far apart samples are at least, in ms
 */
const SAMPLE_MS = 100

/**
 * How fast a growing number has grown lately
 */
export class Speed {
  readonly #samples: Array<{ time: number, value: number }> = []

  constructor (time = performance.now()) {
    this.#samples.push({ time, value: 0 })
  }

  update (value: number, time = performance.now()): void {
    const last = this.#samples[this.#samples.length - 1]

    if (this.#samples.length > 1 && time - last.time < SAMPLE_MS) {
      last.value = value
      return
    }

    this.#samples.push({ time, value })

    while (this.#samples.length > 2 && time - this.#samples[1].time >= WINDOW_MS) {
      this.#samples.shift()
    }
  }

  /**
   * Per second
   */
  get perSecond (): number {
    const first = this.#samples[0]
    const last = this.#samples[this.#samples.length - 1]

    return last.time <= first.time ? 0 : (last.value - first.value) * 1000 / (last.time - first.time)
  }
}
