import { formatBytes } from '../format.ts'
import type { BarState } from '../progress.ts'
import type { ReplicateProgress } from 'libp2p-hash-exchange'

/**
 * How far a peer is in our log, as far as that is known: sequences
 */
export interface Offered {
  from: number
  to: number
  last: number
}

/**
 * What the bar of a peer shows: how many of the blocks are there. How many bytes
 * there will be is an estimate, only for the time that is left: a peer offers
 * hashes, and does not say how large their content is.
 */
export function barState (progress: ReplicateProgress, offered: Offered): BarState {
  return progress.wanted > 0 ? receiving(progress) : sending(progress, offered)
}

function receiving ({ wanted, settled, received, receiving, sent }: ReplicateProgress): BarState {
  const bytes = received.bytes + receiving
  const state: BarState = { bytes, part: settled / wanted, note: `${settled}/${wanted} blocks${sent.bytes > 0 ? `, sent ${formatBytes(sent.bytes)}` : ''}` }

  if (received.hashes > 0) {
    const each = received.bytes / received.hashes

    state.leftBytes = Math.max(0, (wanted - settled) * each - receiving)
  }

  return state
}

/**
 * A peer asks for what it lacks in the order of our log
 */
function sending ({ sent }: ReplicateProgress, { from, to, last }: Offered): BarState {
  const state: BarState = { bytes: sent.bytes, note: `${sent.hashes} blocks sent` }

  if (to > from && last > from) {
    state.part = (to - from) / (last - from)
    state.leftBytes = sent.bytes / state.part - sent.bytes
  }

  return state
}
