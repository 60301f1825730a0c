const EMPTY: Uint8Array = new Uint8Array(0)

/**
 * Bytes in one piece that come in many: however small these are, no more is held
 * than twice the bytes
 */
export class GatheredBytes {
  readonly #mayBeView: boolean
  #bytes = EMPTY
  #length = 0

  /**
   * @param mayBeView - if what comes in one part is not copied
   */
  constructor (mayBeView = false) {
    this.#mayBeView = mayBeView
  }

  get length (): number {
    return this.#length
  }

  add (part: Uint8Array): void {
    const length = this.#length + part.length

    if (this.#length === 0) {
      // often there is no other one. A copy, which slice() of a Buffer is not.
      this.#bytes = this.#mayBeView ? part : new Uint8Array(part)
    } else {
      if (length > this.#bytes.length) {
        const bytes = new Uint8Array(Math.max(length, this.#bytes.length * 2))
        bytes.set(this.#bytes.subarray(0, this.#length))
        this.#bytes = bytes
      }

      this.#bytes.set(part, this.#length)
    }

    this.#length = length
  }

  /**
   * All of them, in a buffer of their own unless they may be a view
   */
  take (): Uint8Array {
    const bytes = this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length)

    this.#bytes = EMPTY
    this.#length = 0

    return bytes
  }
}

/**
 * All parts in a buffer of their own: a view would keep a larger one with it, also
 * one that a small Buffer of Node.js is. If they may be a view, one part is not copied.
 */
export function joined (parts: Uint8Array[], mayBeView = false): Uint8Array {
  const [first] = parts

  if (parts.length === 1 && (mayBeView || first.byteLength === first.buffer.byteLength)) {
    return first
  }

  const bytes = new Uint8Array(lengthOf(parts))
  let offset = 0

  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.byteLength
  }

  return bytes
}

export function lengthOf (parts: Uint8Array[]): number {
  return parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
}
