import { formatBytes } from '../format.ts'
import { totals } from './totals.ts'
import type { Node } from './node.ts'
import type { Output } from '../output.ts'
import type { PeerId } from '@libp2p/interface'

/**
 * How an exchange ends whose peer has left, as by Ctrl-C
 */
const LEFT = ['StreamResetError', 'ConnectionClosedError', 'UnexpectedEndError']

/**
 * Tells what happens to a node that serves, one line for each event
 */
export class ServeLog {
  readonly #node: Node
  readonly #output: Output
  // what is known of the peers that have an exchange open
  readonly #peers = new Map<string, { takes: boolean, synced: boolean }>()
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

      const known = { takes: false, synced: false }

      this.#peers.set(peer.toString(), known)
      exchange.addEventListener('since', () => { known.takes = true })

      exchange.addEventListener('unsent', ({ detail: { hash, error } }) => {
        this.#tell('unsent', peer, { hash, error: error.message }, `${hash} could not be sent: ${error.message}`)
      })

      exchange.addEventListener('close', ({ detail: error }) => {
        if (this.#peers.get(peer.toString()) === known) {
          this.#peers.delete(peer.toString())
        }

        if (error != null && !(known.synced && LEFT.includes(error.name))) {
          this.#tell('broken', peer, { error: error.message }, `the exchange ended before it was done: ${error.message}`)
        } else if (error != null || !known.synced) {
          // who closes it may have heard that all is done a moment before us
          this.#tell('closed', peer, {})
        }
      })
    })

    hashExchange.addEventListener('received', ({ detail: { peer, hash, bytes } }) => {
      for (const [id, known] of this.#peers) {
        // more may come from this one, and others lack it now
        known.synced &&= id !== peer.toString() && !known.takes
      }

      this.#tell('received', peer, { hash, bytes }, `${hash} (${formatBytes(bytes)})`)
    })

    hashExchange.addEventListener('failed', ({ detail: { peer, hash, error } }) => {
      this.#tell('failed', peer, { hash, error: error.message }, `${hash}: ${error.message}`)
    })

    hashExchange.addEventListener('synced', ({ detail: { peer, received, sent, failed, ignored, confirmed } }) => {
      const known = this.#peers.get(peer.toString())

      if (known != null) {
        known.synced = true
      }

      // what failed has been told
      this.#tell('synced', peer, { received, sent, ignored, confirmed }, totals({ received, sent, failed }))
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
