import { formatBytes } from '../format.ts'
import { totals } from './totals.ts'
import type { Node } from './node.ts'
import type { Output } from '../output.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * Tells what happens to a node that serves, one line for each event
 */
export class ServeLog {
  readonly #node: Node
  readonly #output: Output
  readonly #synced = new Set<string>()
  #over = false

  constructor (node: Node, output: Output) {
    this.#node = node
    this.#output = output
  }

  start (): void {
    const { hashExchange } = this.#node.services

    this.#node.addEventListener('peer:connect', ({ detail: peer }) => {
      this.#tell('connected', peer, {})
    })

    this.#node.addEventListener('peer:disconnect', ({ detail: peer }) => {
      this.#tell('disconnected', peer, {})
    })

    hashExchange.addEventListener('exchange', ({ detail: exchange }) => {
      const peer = exchange.remotePeer

      if (peer == null) {
        return
      }

      this.#synced.delete(peer.toString())

      exchange.addEventListener('unsent', ({ detail: { hash, error } }) => {
        this.#tell('unsent', peer, { hash, error: error.message }, `${hash} could not be sent: ${error.message}`)
      })

      exchange.addEventListener('close', ({ detail: error }) => {
        if (error != null && this.#synced.has(peer.toString())) {
          // who goes on until Ctrl-C, and had all by then
          this.#tell('closed', peer, {})
        } else if (error != null) {
          this.#tell('broken', peer, { error: error.message }, `the exchange ended before it was done: ${error.message}`)
        } else if (!this.#synced.has(peer.toString())) {
          // who closes it may have heard that all is done a moment before us
          this.#tell('closed', peer, {})
        }
      })
    })

    hashExchange.addEventListener('received', ({ detail: { peer, hash, bytes } }) => {
      // others lack it now
      this.#synced.clear()
      this.#tell('received', peer, { hash, bytes }, `${hash} (${formatBytes(bytes)})`)
    })

    hashExchange.addEventListener('failed', ({ detail: { peer, hash, error } }) => {
      this.#tell('failed', peer, { hash, error: error.message }, `${hash}: ${error.message}`)
    })

    hashExchange.addEventListener('synced', ({ detail: { peer, received, sent, failed, ignored, confirmed } }) => {
      this.#synced.add(peer.toString())
      this.#tell('synced', peer, { received, sent, failed: failed.map(({ hash, error }) => ({ hash, error: error.message })), ignored, confirmed }, totals({ received, sent, failed }))
    })
  }

  /**
   * What happens because it is stopped is not told
   */
  stop (): void {
    this.#over = true
  }

  #tell (event: string, peer: PeerId, data: object, text = ''): void {
    if (this.#over) {
      return
    }

    const time = new Date().toISOString()

    this.#output.event(event, { time, peer: peer.toString(), ...data }, `${time} ${event} ${peer} ${text}`.trimEnd())
  }
}
