import type { Node } from './node.ts'
import type { PeerId } from '@libp2p/interface'
import type { Exchange } from 'libp2p-hash-exchange'

/**
 * Up to where in our log a peer has everything, by what it says of that: from
 * where on it wants our list (SINCE), and up to where it has stored it (SEEN)
 */
export class RemotePosition {
  /**
   * From where on it asked first; undefined as long as it has not asked: who
   * takes nothing never does
   */
  since?: number

  /**
   * Up to where it has everything
   */
  has = -1

  readonly #node: Node
  readonly #listened = new WeakSet<Exchange>()

  constructor (node: Node) {
    this.#node = node
  }

  /**
   * Listens to the exchanges with a peer that are open
   */
  listen (peer: PeerId): void {
    for (const exchange of this.#node.services.hashExchange.exchanges) {
      if (exchange.remotePeer?.equals(peer) === true && !this.#listened.has(exchange)) {
        this.#listened.add(exchange)

        exchange.addEventListener('since', ({ detail }) => {
          this.since ??= detail
          this.has = Math.max(this.has, detail)
        })

        exchange.addEventListener('seen', ({ detail }) => {
          this.has = Math.max(this.has, detail)
        })
      }
    }
  }
}
