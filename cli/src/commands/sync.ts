import { setTimeout as delay } from 'node:timers/promises'
import { withRepo } from '../context.ts'
import { UsageError } from '../errors.ts'
import { FAILED, OK } from '../exit-codes.ts'
import { explain } from '../explain.ts'
import { parseTargets } from '../net/addresses.ts'
import { createNode } from '../net/node.ts'
import { PeerSync } from '../net/peer-sync.ts'
import type { Context } from '../context.ts'
import type { Target } from '../net/addresses.ts'
import type { PeerSyncInit } from '../net/peer-sync.ts'
import type { ReplicateMode } from 'libp2p-hash-exchange'

/**
 * After which times a peer that was lost is tried again, in ms; the last one
 * again and again
 */
const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000]

/**
 * What is said to those who would have to do it themselves
 */
const AGAIN = / Run the command again, it goes on where it was\.| The next run goes on where this one was\.| and run the command again, it goes on where it was(?=\.)/

export interface SyncOptions {
  /**
   * Only take
   */
  pull?: boolean

  /**
   * Only offer
   */
  push?: boolean

  /**
   * Go on when both have the same
   */
  live?: boolean

  /**
   * Ask the peers for all that they have, not only for what they put since the
   * last time
   */
  again?: boolean
}

/**
 * Makes this repo and those of peers have the same blocks
 */
export async function sync (context: Context, addresses: string[], { pull, push, live = false, again = false }: SyncOptions): Promise<number> {
  const targets = parseTargets(addresses)
  const mode = modeOf(pull === true, push === true)
  const { output, signal } = context

  return withRepo(context, async repo => {
    const node = await createNode(await repo.key(), [], {
      store: repo.store,
      // who only takes does not give
      allow: () => mode !== 'pull'
    })

    try {
      return await output.withProgress(async progress => {
        const arrived = await Promise.all(targets.map(async target => {
          const init = { node, store: repo.store, output, bar: progress.bar(targets.length === 1 ? '' : label(target)), mode, live, again, signal }

          return live ? keepSyncing(target, init) : syncOnce(target, init)
        }))

        signal.throwIfAborted()

        return arrived.includes(false) ? FAILED : OK
      })
    } finally {
      await node.stop()
    }
  })
}

function modeOf (pull: boolean, push: boolean): ReplicateMode {
  if (pull && push) {
    throw new UsageError('Give --pull or --push; without either it does both')
  }

  if (pull) {
    return 'pull'
  }

  return push ? 'push' : 'sync'
}

/**
 * Resolves to true if everything arrived
 */
async function syncOnce (target: Target, init: PeerSyncInit): Promise<boolean> {
  return attempt(new PeerSync(target, init), target, init)
}

/**
 * A peer that was there once is waited for when it is lost
 */
async function keepSyncing (target: Target, init: PeerSyncInit): Promise<boolean> {
  const { output, signal } = init
  let met = false

  for (let failures = 0; ; failures++) {
    const peer: PeerSync = new PeerSync(target, { ...init, again: init.again && !met })

    await attempt(peer, target, init, met)
    met ||= peer.connected

    if (signal.aborted || !met) {
      return false
    }

    failures = peer.connected ? 0 : failures

    const ms = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]

    output.event('lost', { peer: target.peer, addresses: target.addresses.map(String), retry: ms }, `${label(target)} is lost, trying again in ${ms / 1000} s`)
    await delay(ms, undefined, { signal }).catch(() => {})

    if (signal.aborted) {
      return false
    }
  }
}

/**
 * Nobody has to run the command again where it is tried again by itself
 */
async function attempt (peer: PeerSync, target: Target, { output, signal, live }: PeerSyncInit, met = false): Promise<boolean> {
  try {
    return await peer.run()
  } catch (err) {
    if (!signal.aborted) {
      const text = explain(err)

      output.error(`${label(target)}: ${live && (met || peer.connected) ? text.replace(AGAIN, '') : text}`, { peer: target.peer, addresses: target.addresses.map(String) })
    }

    if (peer.moved != null) {
      output.note(`${label(target)}: ${peer.moved} until then; ${live && !signal.aborted ? 'it' : 'the next run'} goes on from there`)
    }

    return false
  }
}

/**
 * Short enough for a line with a bar
 */
function label ({ peer, addresses }: Target): string {
  return peer == null ? addresses[0].toString() : `…${peer.slice(-8)}`
}
