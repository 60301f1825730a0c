import { count, formatBytes } from '../format.ts'
import type { ReplicateResult, ReplicateTotals } from 'libp2p-hash-exchange'

/**
 * 'received 12 blocks (1.20 MB), sent nothing'
 */
export function totals ({ received, sent, failed }: Pick<ReplicateResult, 'received' | 'sent' | 'failed'>): string {
  const parts = [`received ${blocks(received)}`, `sent ${blocks(sent)}`]

  if (failed.length > 0) {
    parts.push(`${count(failed.length, 'block')} failed`)
  }

  return parts.join(', ')
}

function blocks ({ hashes, bytes }: ReplicateTotals): string {
  return hashes === 0 ? 'nothing' : `${count(hashes, 'block')} (${formatBytes(bytes)})`
}
