/**
 * What a target decides by, taken from the bytes of a fuzzer one after the other. At
 * their end everything is 0.
 */
export class FuzzInput {
  readonly #bytes: Uint8Array
  #pos = 0

  constructor (bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd (): boolean {
    return this.#pos >= this.#bytes.length
  }

  byte (): number {
    return this.#bytes[this.#pos++] ?? 0
  }

  /**
   * A whole number from 0 on and below a limit of at most 256
   */
  below (limit: number): number {
    return this.byte() % limit
  }

  pick <T> (values: readonly T[]): T {
    return values[this.below(values.length)]
  }

  /**
   * Some of them, at most 7, with repetitions
   */
  some <T> (values: readonly T[]): T[] {
    return Array.from({ length: this.below(8) }, () => this.pick(values))
  }

  bytes (length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.byte())
  }

  rest (): Uint8Array {
    const rest = this.#bytes.subarray(this.#pos)
    this.#pos = this.#bytes.length

    return rest
  }
}
