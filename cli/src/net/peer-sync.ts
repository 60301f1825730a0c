import { CommandError } from '../errors.ts'
import { explain } from '../explain.ts'
import { RemotePosition } from './remote-position.ts'
import { barState } from './sync-state.ts'
import { totals } from './totals.ts'
import type { Target } from './addresses.ts'
import type { Node } from './node.ts'
import type { Output } from '../output.ts'
import type { Bar } from '../progress.ts'
import type { PeerId } from '@libp2p/interface'
import type { ReplicateMode, ReplicateProgress, ReplicateProgressEvents, ReplicateResult, Store } from 'libp2p-hash-exchange'

/**
 * How long a peer may take to accept a connection, and then an exchange, in ms
 */
const OPEN_TIMEOUT = 30_000

/**
 * How many blocks that did not arrive are told one by one
 */
const MAX_FAILURES_TOLD = 10

export interface PeerSyncInit {
  node: Node
  store: Store
  output: Output
  bar: Bar
  mode: ReplicateMode
  live: boolean
  again: boolean
  signal: AbortSignal
}

/**
 * Makes the store the same as that of one peer
 */
export class PeerSync {
  readonly #target: Target
  readonly #init: PeerSyncInit
  readonly #remote: RemotePosition
  // what the peer can have of us when it ends: what is put later is not offered to it any more
  readonly #last: number
  #position = -1
  #progress?: ReplicateProgress

  constructor (target: Target, init: PeerSyncInit) {
    this.#target = target
    this.#init = init
    this.#remote = new RemotePosition(init.node)
    this.#last = init.store.lastSequence
  }

  /**
   * If a connection was made
   */
  connected = false

  /**
   * What came and went so far, of which nothing is lost however it ends
   */
  get moved (): string | undefined {
    return this.#progress == null ? undefined : totals({ ...this.#progress, failed: [] })
  }

  /**
   * Resolves to true if everything arrived. Rejects if the peer could not be
   * reached, or it did not come to an end.
   */
  async run (): Promise<boolean> {
    const peer = await this.#connect()
    const result = await this.#replicate(peer)

    return this.#tell(peer, result, await this.#offersNothing(peer, result.received.hashes + result.failed.length))
  }

  async #connect (): Promise<PeerId> {
    const { node, output, signal } = this.#init
    const connection = await node.dial(this.#target.addresses, { signal: AbortSignal.any([signal, AbortSignal.timeout(OPEN_TIMEOUT)]) })
    const peer = connection.remotePeer

    this.connected = true
    output.event('connected', { peer: peer.toString(), address: connection.remoteAddr.toString() })

    if (this.#target.peer == null) {
      output.note(`${this.#target.addresses[0]} is peer ${peer}`)
    }

    return peer
  }

  async #replicate (peer: PeerId): Promise<ReplicateResult> {
    const { node, mode, live, again, signal } = this.#init
    const tooLate = new AbortController()

    const timer = setTimeout(() => {
      tooLate.abort(new CommandError(`the peer did not open an exchange within ${OPEN_TIMEOUT / 1000} seconds`))
    }, OPEN_TIMEOUT)

    try {
      return await node.services.hashExchange.replicate(peer, {
        mode,
        live,
        since: again ? -1 : undefined,
        signal: AbortSignal.any([signal, tooLate.signal]),
        onProgress: event => {
          clearTimeout(timer)
          this.#onProgress(peer, event)
        }
      })
    } finally {
      clearTimeout(timer)
    }
  }

  #onProgress (peer: PeerId, event: ReplicateProgressEvents): void {
    const { output, store } = this.#init
    const progress = this.#progress = event.detail
    const id = peer.toString()

    switch (event.type) {
      case 'hash-exchange:replicate:open':
        this.#remote.listen(peer)
        break
      case 'hash-exchange:replicate:received':
        output.event('received', { peer: id, hash: event.detail.hash, bytes: event.detail.bytes })
        break
      case 'hash-exchange:replicate:sent':
        output.event('sent', { peer: id, hash: event.detail.hash, bytes: event.detail.bytes })

        Promise.resolve(store.sequence(event.detail.hash)).then((sequence = -1) => {
          this.#position = Math.max(this.#position, sequence)
        }, () => {})

        break
      case 'hash-exchange:replicate:failed':
        output.event('failed', { peer: id, hash: event.detail.hash, error: explain(event.detail.error) })
        break
      case 'hash-exchange:replicate:synced':
        this.#onSynced(id, progress)
        break
      default:
    }

    this.#showProgress(id, progress)
  }

  #showProgress (peer: string, progress: ReplicateProgress): void {
    const { output, bar } = this.#init
    const { wanted, settled, received, sent, receiving, listed } = progress

    bar.update(barState(progress, { from: Math.max(0, this.#remote.since ?? 0), to: this.#position, last: this.#last }))
    output.progress({ peer, wanted, settled, received, sent, receiving, listed }, peer)
  }

  #onSynced (peer: string, { received, sent }: ReplicateProgress): void {
    // otherwise the result follows
    if (this.#init.live) {
      this.#init.output.event('synced', { peer, received, sent }, `${peer} ${this.#outcome(true)}: ${totals({ received, sent, failed: [] })}`)
    }
  }

  /**
   * If nothing is, or ever was, in the list of the peer. Of what it does not allow
   * it says as much as of what it does not have: nothing.
   */
  async #offersNothing (peer: PeerId, came: number): Promise<boolean> {
    return this.#init.mode !== 'push' && came === 0 && await this.#init.store.cursor(peer.toString()) == null
  }

  #tell (peer: PeerId, result: ReplicateResult, offersNothing: boolean): boolean {
    const { output, mode } = this.#init
    const { received, sent, failed, ignored, confirmed } = result
    const problems = [...this.#notReceived(result), ...this.#notSent(peer)]
    const complete = problems.length === 0

    output.event('result', {
      peer: peer.toString(),
      complete,
      confirmed,
      offered: mode === 'push' ? undefined : !offersNothing,
      takes: mode === 'pull' ? undefined : this.#remote.since != null,
      received,
      sent,
      failed: failed.map(({ hash, error }) => ({ hash, error: explain(error) })),
      ignored
    }, `${peer} ${this.#outcome(complete)}: ${totals(result)}`)

    problems.forEach(problem => { output.error(problem) })

    if (offersNothing && confirmed) {
      output.note(`The peer offers nothing to this one (${this.#init.node.peerId}): its repo is empty, or it is served with --allow and does not name this peer.`)
    }

    if (ignored > 0) {
      output.note(`Hashes that the peer offers and that can't be checked here: ${ignored.toLocaleString('en')}. What they name was left out, as only blocks by the CIDv1 of their raw bytes with SHA-256 are taken.`)
    }

    if (complete && this.#takesNothing) {
      output.note(`The peer takes nothing from this one (which is ${this.#init.node.peerId}); "serve --accept" there would change that.`)
    }

    return complete
  }

  #notReceived ({ failed, confirmed }: ReplicateResult): string[] {
    const problems = failed.slice(0, MAX_FAILURES_TOLD).map(({ hash, error }) => `${hash} did not arrive: ${explain(error)}`)

    if (failed.length > MAX_FAILURES_TOLD) {
      problems.push(`${failed.length - MAX_FAILURES_TOLD} more did not arrive`)
    }

    if (!confirmed) {
      problems.push('The peer did not confirm that it has offered all it has: it may be one that can\'t.')
    }

    return problems
  }

  #notSent (peer: PeerId): string[] {
    const { mode, node } = this.#init
    const { since, has } = this.#remote

    if (mode === 'pull' || this.#last === 0 || has >= this.#last || (mode === 'sync' && since == null)) {
      return []
    }

    return [since == null
      ? `The peer ${peer} takes nothing from this one. It must be served with --accept ${node.peerId}, or --accept-all.`
      : `Not everything was taken by ${peer}: see there what failed.`]
  }

  get #takesNothing (): boolean {
    return this.#init.mode === 'sync' && this.#remote.since == null && this.#last > 0
  }

  #outcome (complete: boolean): string {
    if (!complete) {
      return 'not in sync'
    }

    return this.#takesNothing ? 'gave all it offers' : 'in sync'
  }
}
