import { remember } from './remember.ts'
import { saltedSnapshot } from './salted.ts'
import type { SketchSnapshot, StoreSketch } from '../store/store.ts'

/**
 * How many comparisons with peers go on at a time: each takes up to 3 MB, and the
 * processor for up to 0.1 s. More wait for their turn.
 */
const MAX_AT_A_TIME = 32

const HOUR_MS = 60 * 60 * 1000

/**
 * How long the cells of one comparison with a salt may take to make, and those of
 * all together in an hour, in ms of the processor: a million hashes take one second
 */
const MAX_SALTED_MS = 2000
const MAX_SALTED_MS_PER_HOUR = 60_000

/**
 * What the comparisons of a node with all of its peers may take together
 */
export class Reconciling {
  // those that have their turn, or wait for it
  readonly #peers = new Set<string>()
  readonly #waiting = new Set<PromiseWithResolvers<boolean>>()
  #free = MAX_AT_A_TIME
  // when each peer had its last comparison with a salt
  readonly #salted = new Map<string, number>()
  #hour = -Infinity
  #saltedMs = 0
  #salting = false

  /**
   * Resolves when it is a peer's turn, until `end`. False if it is already, on
   * another stream, or if that is not waited for any more.
   */
  async begin (peer: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted || this.#peers.has(peer)) {
      return false
    }

    this.#peers.add(peer)

    if (this.#free > 0) {
      this.#free--
      return true
    }

    const turn = Promise.withResolvers<boolean>()
    const leave = (): void => {
      this.#waiting.delete(turn)
      turn.resolve(false)
    }

    this.#waiting.add(turn)
    signal.addEventListener('abort', leave)

    const hasTurn = await turn.promise

    signal.removeEventListener('abort', leave)

    if (!hasTurn) {
      this.#peers.delete(peer)
    }

    return hasTurn
  }

  end (peer: string): void {
    this.#peers.delete(peer)

    const [next] = this.#waiting

    if (next == null) {
      this.#free++
    } else {
      this.#waiting.delete(next)
      next.resolve(true)
    }
  }

  /**
   * If a peer may have a comparison with a salt now. It has had it then.
   */
  maySalt (peer: string): boolean {
    const now = performance.now()

    if (now - this.#hour >= HOUR_MS) {
      this.#hour = now
      this.#saltedMs = 0
    }

    if (this.#saltedMs >= MAX_SALTED_MS_PER_HOUR || now - (this.#salted.get(peer) ?? -Infinity) < HOUR_MS) {
      return false
    }

    remember(this.#salted, peer, now)

    return true
  }

  /**
   * Makes cells with a salt, unless others are being made, or it takes too long, or
   * nobody waits for them any more
   */
  async salt (sketch: StoreSketch, salt: Uint8Array, signal: AbortSignal): Promise<SketchSnapshot | undefined> {
    let left = MAX_SALTED_MS

    if (this.#salting) {
      return
    }

    this.#salting = true

    try {
      return await saltedSnapshot(sketch, salt, ms => {
        left -= ms
        this.#saltedMs += ms

        return left >= 0 && !signal.aborted
      })
    } finally {
      this.#salting = false
    }
  }
}
