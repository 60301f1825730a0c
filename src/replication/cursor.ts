/**
 * The hashes of one announcement, as far as they are not here
 */
export interface Batch {
  /**
   * That of its last hash, in the log of the remote
   */
  readonly sequence: number
  /**
   * How many of its hashes have not been settled
   */
  left: number
  failed: boolean
  /**
   * If it does not matter any more: the list is asked for again, or the cursor
   * stays before it
   */
  forgotten: boolean
}

/**
 * Up to where in the log of a remote everything is here or was refused. It never
 * passes a hash that failed.
 */
export class Cursor {
  /**
   * The last such sequence, -1 before the first
   */
  public position: number

  readonly #batches: Batch[] = []
  /**
   * Before the first that failed: it stays there, until that is asked for again
   */
  public failedAt = Infinity

  constructor (position: number) {
    this.position = position
  }

  /**
   * A list is asked for from a sequence on. What has been announced before is
   * still waited for: more of that list may be on its way.
   */
  begin (sequence: number): void {
    this.position = Math.max(this.position, sequence)

    if (sequence <= this.failedAt) {
      this.failedAt = Infinity
    }
  }

  /**
   * An announcement has come, of hashes that follow those of the last one.
   * Returns nothing where that can't matter any more. `left` of its hashes are not
   * here.
   */
  note (sequence: number, left: number): Batch | undefined {
    if (sequence > this.failedAt) {
      return undefined
    }

    const last = this.#batches.at(-1)

    if (left === 0 && last?.left === 0 && !last.failed) {
      // a peer may announce ever more of what is here while one hash is fetched
      this.#batches.pop()
    }

    const batch = { sequence, left, failed: false, forgotten: false }
    this.#batches.push(batch)
    this.#advance()

    return batch
  }

  /**
   * A hash is here, or was refused
   */
  settle (batch: Batch): void {
    batch.left--
    this.#advance()
  }

  /**
   * A hash could not be had
   */
  fail (batch: Batch): void {
    batch.left--
    batch.failed = true
    this.#advance()
  }

  /**
   * The list is asked for again from a sequence on
   */
  forgetAfter (sequence: number): void {
    for (const batch of this.#batches) {
      batch.forgotten = batch.sequence > sequence
    }

    const kept = this.#batches.filter(({ forgotten }) => !forgotten)
    this.#batches.splice(0, Infinity, ...kept)

    if (this.failedAt > sequence) {
      this.failedAt = Infinity
    }
  }

  /**
   * No announcement matters any more
   */
  forget (): void {
    this.#batches.splice(0).forEach(batch => { batch.forgotten = true })
  }

  #advance (): void {
    while (this.#batches.length > 0) {
      const { sequence, left, failed } = this.#batches[0]

      if (failed) {
        // it stays before this one, whatever becomes of the others
        this.failedAt = sequence - 1
        this.forget()
      } else if (left > 0) {
        return
      } else {
        this.position = Math.max(this.position, sequence)
        this.#batches.shift()
      }
    }
  }
}
