import { AbortError } from '@libp2p/interface'
import { raceSignal } from 'race-signal'
import { PROTOCOL } from '../constants.ts'
import { toError } from '../errors.ts'
import type { Logger, PeerId } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'

/**
 * How long to wait before a peer is tried again, in ms: twice as long each time
 */
const MIN_DELAY = 1000
const MAX_DELAY = 60_000

export interface AutoReplicationInit {
  registrar: Registrar
  log: Logger
  /**
   * Which peers to replicate with
   */
  selects(peer: PeerId): boolean | Promise<boolean>
  /**
   * Replicates live. Settled when that has ended.
   */
  replicate(peer: PeerId, signal: AbortSignal): Promise<unknown>
  runOnLimitedConnection?: boolean
}

/**
 * Replicates with peers as long as they are connected
 */
export class AutoReplication {
  readonly #init: AutoReplicationInit
  readonly #connected = new Map<string, AbortController>()
  #topology?: string

  constructor (init: AutoReplicationInit) {
    this.#init = init
  }

  async start (): Promise<void> {
    this.#topology ??= await this.#init.registrar.register(PROTOCOL, {
      notifyOnLimitedConnection: this.#init.runOnLimitedConnection,
      onConnect: (peer) => { this.#onConnect(peer) },
      onDisconnect: (peer) => { this.#onDisconnect(peer) }
    })
  }

  stop (): void {
    if (this.#topology != null) {
      this.#init.registrar.unregister(this.#topology)
      this.#topology = undefined
    }

    for (const controller of this.#connected.values()) {
      controller.abort(new AbortError('The service was stopped'))
    }

    this.#connected.clear()
  }

  #onConnect (peer: PeerId): void {
    const id = peer.toString()

    if (!this.#connected.has(id)) {
      const controller = new AbortController()

      this.#connected.set(id, controller)
      this.#keepReplicating(peer, controller.signal).catch(err => {
        if (!controller.signal.aborted) {
          this.#init.log.error('will not replicate with %p - %e', peer, err)
        }
      })
    }
  }

  #onDisconnect (peer: PeerId): void {
    const id = peer.toString()

    this.#connected.get(id)?.abort(new AbortError('The peer has disconnected'))
    this.#connected.delete(id)
  }

  async #keepReplicating (peer: PeerId, signal: AbortSignal): Promise<void> {
    const { log, selects, replicate } = this.#init

    if (!await raceSignal(Promise.resolve(selects(peer)), signal)) {
      return
    }

    for (let delay = MIN_DELAY; !signal.aborted; delay = Math.min(MAX_DELAY, delay * 2)) {
      const began = Date.now()

      try {
        await replicate(peer, signal)
        log('replication with %p was closed', peer)
      } catch (thrown) {
        log('replication with %p failed - %e', peer, toError(thrown))
      }

      if (Date.now() - began > MAX_DELAY) {
        // it went well for a while
        delay = MIN_DELAY
      }

      await sleep(delay, signal)
    }
  }
}

async function sleep (ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined

  try {
    await raceSignal(new Promise<void>(resolve => { timer = setTimeout(resolve, ms) }), signal)
  } finally {
    clearTimeout(timer)
  }
}
