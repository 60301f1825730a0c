import { MAX_PENDING } from '../constants.ts'
import type { ExchangeLimits } from './limits.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * How many hashes of one peer wait for us, on all of the exchanges with it
 */
export class Pending {
  readonly #max: number
  readonly #onUnused?: () => void
  readonly #onRoom = new Set<() => void>()
  #count = 0

  /**
   * @param max - from how many on no more is read from the peer
   * @param onUnused - called when the last exchange has ended
   */
  constructor (max: number, onUnused?: () => void) {
    this.#max = max
    this.#onUnused = onUnused
  }

  get count (): number {
    return this.#count
  }

  get full (): boolean {
    return this.#count >= this.#max
  }

  /**
   * An exchange begins, to be told when it may read on
   */
  join (onRoom: () => void): void {
    this.#onRoom.add(onRoom)
  }

  /**
   * It has ended
   */
  leave (onRoom: () => void): void {
    if (this.#onRoom.delete(onRoom) && this.#onRoom.size === 0) {
      this.#onUnused?.()
    }
  }

  change (by: number): void {
    const wasFull = this.full

    this.#count += by

    if (wasFull && !this.full) {
      this.#onRoom.forEach(onRoom => { onRoom() })
    }
  }
}

/**
 * That of each peer with which there is an exchange
 */
export class PendingOfPeers {
  readonly #byPeer = new Map<string, Pending>()

  of (peer: PeerId, { maxPending = MAX_PENDING }: Partial<ExchangeLimits> = {}): Pending {
    const id = peer.toString()
    let pending = this.#byPeer.get(id)

    if (pending == null) {
      pending = new Pending(maxPending, () => { this.#byPeer.delete(id) })
      this.#byPeer.set(id, pending)
    }

    return pending
  }
}
