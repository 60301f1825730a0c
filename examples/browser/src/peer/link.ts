import { isPeerId } from '@libp2p/interface'
import { explain } from './explain.ts'
import { transportOf } from './node.ts'
import { Rate } from './rate.ts'
import { isFull } from './storage.ts'
import type { Node } from './node.ts'
import type { PeerEntry, PeerStatus } from '../model.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { ReplicateProgressEvents } from 'libp2p-hash-exchange'

/**
 * How long to wait before a peer is tried again, in ms: twice as long each time
 */
const MIN_DELAY = 1000
const MAX_DELAY = 30_000

/**
 * How often in a row a peer that has come by itself is tried again
 */
const MAX_TRIES = 4

export interface LinkInit {
  node: Node
  /**
   * Where the peer is, or who it is, if it has connected to this one
   */
  target: Multiaddr | PeerId
  /**
   * What it is called, if it is a known one
   */
  name?: string
  /**
   * If it is given up when it cannot be reached: it has come by itself, and may again
   */
  passive?: boolean
  onChange(): void
  /**
   * Both have the same
   */
  onSynced(): void
}

/**
 * Keeps this peer and another one the same, also when the connection is lost
 */
export class Link {
  readonly entry: PeerEntry
  readonly #init: LinkInit
  readonly #ended = new AbortController()
  #current = new AbortController()
  // if the peer is to be asked for all it has, and not only for what is new
  #again = false
  readonly #rates = { received: new Rate(), sent: new Rate() }
  // of the connections before
  #before = { received: { hashes: 0, bytes: 0 }, sent: { hashes: 0, bytes: 0 } }
  #hurry = (): void => {}

  constructor (init: LinkInit) {
    const { target, name } = init
    const id = isPeerId(target) ? target.toString() : target.getComponents().findLast(({ name }) => name === 'p2p')?.value ?? target.toString()

    this.#init = init
    this.entry = {
      id,
      name: name ?? id.slice(-8),
      state: 'connecting',
      received: { hashes: 0, bytes: 0 },
      sent: { hashes: 0, bytes: 0 },
      wanted: 0,
      settled: 0,
      rate: { received: 0, sent: 0 }
    }
  }

  get ended (): boolean {
    return this.#ended.signal.aborted
  }

  /**
   * Ends when `end()` was called, or nothing can come of it
   */
  async run (): Promise<void> {
    const { signal } = this.#ended

    for (let delay = MIN_DELAY; !signal.aborted; delay = Math.min(MAX_DELAY, delay * 2)) {
      const began = Date.now()

      try {
        await this.#replicate(signal)
        this.#lose('The other side has closed the exchange.')
      } catch (err) {
        if (signal.aborted) {
          return
        }

        if (isFull(err) || isFull(this.#current.signal.reason)) {
          this.#set({ state: 'failed', problem: 'This browser gives no more space, so what the peer has does not fit. Remove files here, or free space on this device, then try again.' })
          await this.#told()
          continue
        }

        if (this.#current.signal.aborted) {
          // to begin anew
          continue
        }

        this.#lose(explain(err))
      }

      if (Date.now() - began > MAX_DELAY) {
        // it went well for a while
        delay = MIN_DELAY
      }

      if (this.#init.passive === true && delay >= MIN_DELAY * 2 ** MAX_TRIES) {
        return
      }

      this.#set({ retryAt: Date.now() + delay })
      await Promise.race([this.#told(), new Promise(resolve => setTimeout(resolve, delay))])
    }
  }

  /**
   * Tries it now, if it waits to be tried again
   */
  retry (): void {
    this.#hurry()
  }

  /**
   * Asks the peer again for what it has
   */
  restart (): void {
    this.#again = true
    this.#current.abort()
  }

  end (): void {
    this.#ended.abort()
    this.#hurry()
  }

  /**
   * Some time has passed
   */
  tick (): void {
    const rate = { received: this.#rates.received.current, sent: this.#rates.sent.current }

    if (rate.received !== this.entry.rate.received || rate.sent !== this.entry.rate.sent) {
      this.#set({ rate })
    }

    this.onConnection()
  }

  /**
   * A connection has come or gone
   */
  onConnection (): void {
    const transport = transportOf(this.#init.node.getConnections().filter(({ remotePeer }) => remotePeer.toString() === this.entry.id))
    const { state } = this.entry

    const { wanted, settled } = this.entry

    if (transport === 'relayed' && (state === 'connecting' || (state === 'syncing' && wanted > settled))) {
      this.#set({ transport, state: 'waiting' })
    } else if (state === 'waiting' && transport !== 'relayed') {
      this.#set({ transport, state: 'connecting' })
    } else if (transport !== this.entry.transport) {
      this.#set({ transport })
    }
  }

  async #replicate (signal: AbortSignal): Promise<void> {
    const { node, target } = this.#init

    this.#set({ state: 'connecting', problem: undefined, retryAt: undefined })
    this.#before = { received: this.entry.received, sent: this.entry.sent }

    this.#current = new AbortController()
    await node.services.hashExchange.replicate(target, {
      live: true,
      since: this.#again ? -1 : undefined,
      signal: AbortSignal.any([signal, this.#current.signal]),
      onProgress: event => { this.#onProgress(event) }
    })
  }

  #onProgress (event: ReplicateProgressEvents): void {
    const { type, detail } = event
    const { received, sent, receiving, wanted, settled } = detail
    const before = this.#before

    this.#rates.received.update(before.received.bytes + received.bytes + receiving)
    this.#rates.sent.update(before.sent.bytes + sent.bytes)

    if (type === 'hash-exchange:replicate:open') {
      this.entry.id = detail.peer.toString()
      this.onConnection()
    }

    this.#set({
      state: this.#stateAt(type, wanted > settled),
      problem: this.#problemAt(event),
      received: { hashes: before.received.hashes + received.hashes, bytes: before.received.bytes + received.bytes + receiving },
      sent: { hashes: before.sent.hashes + sent.hashes, bytes: before.sent.bytes + sent.bytes },
      wanted,
      settled
    })

    if (type === 'hash-exchange:replicate:failed' && isFull(detail.error)) {
      // what comes next would not fit either, and nobody would be told that there is more
      this.#current.abort(detail.error)
    }

    if (type === 'hash-exchange:replicate:synced') {
      this.#again = false
      this.#init.onSynced()
    }
  }

  #problemAt ({ type, detail }: ReplicateProgressEvents): string | undefined {
    switch (type) {
      case 'hash-exchange:replicate:failed': return `${detail.hash} did not come: ${explain(detail.error)}`
      case 'hash-exchange:replicate:received': return undefined
      default: return this.entry.problem
    }
  }

  #stateAt (type: ReplicateProgressEvents['type'], wanting: boolean): PeerStatus {
    if (type === 'hash-exchange:replicate:synced') {
      return 'synced'
    }

    if (wanting && this.entry.transport === 'relayed') {
      return 'waiting'
    }

    // what is sent and confirmed while both are in sync is no news
    return this.entry.state === 'synced' && !wanting && type !== 'hash-exchange:replicate:bytes' ? 'synced' : 'syncing'
  }

  #lose (problem: string): void {
    this.#set({ state: 'lost', transport: undefined, problem })
  }

  #set (changes: Partial<PeerEntry>): void {
    Object.assign(this.entry, changes)
    this.#init.onChange()
  }

  /**
   * Resolves when it is to be tried now
   */
  async #told (): Promise<void> {
    await new Promise<void>(resolve => { this.#hurry = resolve })
  }
}
