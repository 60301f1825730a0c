/**
 * How many are kept, of up to 512 bytes each, of each exchange and each call
 */
const MAX_IGNORED = 1000

/**
 * Hashes of a peer that are ignored. They may be announced several times: where its
 * list comes again, or over another exchange.
 */
export class Ignored {
  readonly #hashes = new Set<string>()

  get size (): number {
    return this.#hashes.size
  }

  add (hashes: string[]): void {
    for (const hash of hashes) {
      if (this.#hashes.size === MAX_IGNORED) {
        return
      }

      this.#hashes.add(hash)
    }
  }
}
