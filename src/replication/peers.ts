import { PeerQuotaError, UntrustedPeerError } from '../errors.ts'
import { remember } from './remember.ts'
import type { ReplicationLimits } from './limits.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * What is remembered of peers from one exchange to the next: how much they have
 * added, and that they sent what is wrong
 */
export class PeerRecords {
  readonly #limits: ReplicationLimits
  readonly #maxBytes: number
  // the one used last is the last
  readonly #added = new Map<string, { since: number, bytes: number }>()
  readonly #wrong = new Map<string, { contents: number, until: number }>()

  constructor (limits: ReplicationLimits, maxBytes = Infinity) {
    this.#limits = limits
    this.#maxBytes = maxBytes
  }

  /**
   * Some bytes came from a peer. Throws PeerQuotaError.
   */
  add (peer: string, bytes: number): void {
    if (this.#maxBytes === Infinity) {
      return
    }

    let added = this.#added.get(peer)

    if (added == null || Date.now() - added.since >= DAY_MS) {
      added = { since: Date.now(), bytes: 0 }
    }

    added.bytes += bytes
    remember(this.#added, peer, added)

    if (added.bytes > this.#maxBytes) {
      throw new PeerQuotaError(`${peer} may add ${this.#maxBytes} bytes a day`)
    }
  }

  /**
   * A peer sent wrong content. Throws UntrustedPeerError if that was too often.
   */
  onWrongContent (peer: string): void {
    const { contents } = this.#wrong.get(peer) ?? { contents: 0 }

    remember(this.#wrong, peer, { contents: contents + 1, until: Date.now() + this.#limits.leaveAlone })
    this.checkTrust(peer)
  }

  /**
   * Throws UntrustedPeerError if a peer is to be left alone
   */
  checkTrust (peer: string): void {
    const wrong = this.#wrong.get(peer)

    if (wrong != null && Date.now() >= wrong.until) {
      this.#wrong.delete(peer)
    } else if (wrong != null && wrong.contents >= this.#limits.maxWrongContents) {
      throw new UntrustedPeerError(`${peer} sent ${wrong.contents} wrong contents and is left alone until ${new Date(wrong.until).toISOString()}`)
    }
  }
}
