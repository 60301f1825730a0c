import { comparison } from './comparison.ts'
import { blockHashes, channels, frames, logPage, rpc, store } from './decoders.ts'
import { exchangeBytes, exchangeProgram, replicationProgram } from './exchanges.ts'

export interface Target {
  /**
   * Throws, or rejects, if something is wrong with what the bytes cause
   */
  run(bytes: Uint8Array): void | Promise<void>
  /**
   * What share of all inputs it is given
   */
  share: number
}

/**
 * All that takes bytes of others
 */
export const TARGETS: Record<string, Target> = {
  rpc: { run: rpc, share: 0.25 },
  frames: { run: frames, share: 0.2 },
  channels: { run: channels, share: 0.2 },
  'block-hashes': { run: blockHashes, share: 0.15 },
  'log-page': { run: logPage, share: 0.07 },
  comparison: { run: comparison, share: 0.03 },
  store: { run: store, share: 0.03 },
  'exchange-bytes': { run: exchangeBytes, share: 0.03 },
  'exchange-program': { run: exchangeProgram, share: 0.03 },
  'replication-program': { run: replicationProgram, share: 0.01 }
}
