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
 * What the bar of a peer shows. How many bytes there will be is an estimate: a
 * peer offers hashes, and does not say how large their content is.
 */
export function barState (progress: ReplicateProgress, offered: Offered): BarState {
  return progress.wanted > 0 ? receiving(progress) : sending(progress, offered)
}

function receiving ({ wanted, settled, received, receiving, sent }: ReplicateProgress): BarState {
  const bytes = received.bytes + receiving
  const state: BarState = { bytes, note: `${settled}/${wanted} blocks${sent.bytes > 0 ? `, sent ${formatBytes(sent.bytes)}` : ''}` }

  if (received.hashes > 0) {
    const each = received.bytes / received.hashes

    state.totalBytes = Math.max(bytes, each * wanted)
    state.part = each === 0 ? settled / wanted : bytes / state.totalBytes
  }

  return settled >= wanted ? { ...state, part: 1, totalBytes: bytes } : state
}

/**
 * A peer asks for what it lacks in the order of our log
 */
function sending ({ sent }: ReplicateProgress, { from, to, last }: Offered): BarState {
  const state: BarState = { bytes: sent.bytes, note: `${sent.hashes} blocks sent` }

  if (to > from && last > from) {
    state.part = (to - from) / (last - from)
    state.totalBytes = sent.bytes / state.part
  }

  return state
}
