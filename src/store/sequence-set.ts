/**
 * A set of sequences, from 1 on: a bit for each, so that those of a million
 * hashes take 125 kB
 */
export class SequenceSet {
  #bits = new Uint8Array(1024)
  #size = 0

  get size (): number {
    return this.#size
  }

  has (sequence: number): boolean {
    return ((this.#bits[sequence >>> 3] ?? 0) & maskOf(sequence)) !== 0
  }

  add (sequence: number): void {
    const index = sequence >>> 3

    if (index >= this.#bits.length) {
      const bits = new Uint8Array(index * 2)
      bits.set(this.#bits)
      this.#bits = bits
    }

    if (!this.has(sequence)) {
      this.#bits[index] |= maskOf(sequence)
      this.#size++
    }
  }

  delete (sequence: number): void {
    if (this.has(sequence)) {
      this.#bits[sequence >>> 3] &= ~maskOf(sequence)
      this.#size--
    }
  }
}

function maskOf (sequence: number): number {
  return 1 << (sequence & 7)
}
