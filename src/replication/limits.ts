import { defaultLimits } from '../exchange/limits.ts'
import type { ExchangeLimits } from '../exchange/limits.ts'

/**
 * What bounds replication, beside what bounds its exchanges
 */
export interface ReplicationLimits extends ExchangeLimits {
  /**
   * How many hashes that a peer offers and that are not here are remembered. The
   * rest is asked for again when half of them have come.
   *
   * @default 65536
   */
  maxWanted: number

  /**
   * As `maxWanted`, for all peers together
   *
   * @default 524288
   */
  maxWantedOfAll: number

  /**
   * How many offered hashes may wait to be looked up here before the peer is
   * held back
   *
   * @default 16384
   */
  maxUnchecked: number

  /**
   * How many bytes of content may wait to be stored before peers are held back
   *
   * @default 33554432
   */
  maxUnstoredBytes: number

  /**
   * How large a block may be, in bytes
   *
   * @default 4294967296
   */
  maxBlockBytes: number

  /**
   * How large a block may be that is held in memory to be checked, in bytes: one
   * whose hash is not sha2-256
   *
   * @default 4194304
   */
  maxHeldBlockBytes: number

  /**
   * How many hashes of a peer may fail before the exchange is given up
   *
   * @default 16384
   */
  maxFailed: number

  /**
   * How many wrong contents are taken from a peer before it is left alone
   *
   * @default 16
   */
  maxWrongContents: number

  /**
   * For how long a peer is left alone that sent too much wrong content, in ms
   *
   * @default 600000
   */
  leaveAlone: number

  /**
   * How long to wait for the remote to say from where on it wants to hear, or
   * who it is, before we begin, in ms
   *
   * @default 1000
   */
  beginTimeout: number

  /**
   * How long nothing may come or go before an original is taken to be done, in ms
   *
   * @default 5000
   */
  quiet: number

  /**
   * How long nothing may come from one of ours that has not said that it is done
   * before replication is given up, in ms. It says so every quarter of this time
   * if it still waits for others.
   *
   * @default 120000
   */
  stallTimeout: number

  /**
   * How long the store may take to put content that has come, a hasher to check it,
   * and the store to find hashes or a cursor, in ms
   *
   * @default 60000
   */
  storeTimeout: number
}

export const defaultReplicationLimits: ReplicationLimits = {
  ...defaultLimits,
  // 60 bytes of text each, with what is known of them 20 MB
  maxWanted: 65_536,
  // eight peers that all offer something else
  maxWantedOfAll: 524_288,
  // sixteen full messages
  maxUnchecked: 16_384,
  // a disk that writes 300 MB/s is busy for 0.1 s
  maxUnstoredBytes: 32 * 1024 * 1024,
  // a long film; without a bound a peer could fill any disk with one block
  maxBlockBytes: 4 * 1024 * 1024 * 1024,
  // twice the largest block that others exchange
  maxHeldBlockBytes: 4 * 1024 * 1024,
  maxFailed: 16_384,
  maxWrongContents: 16,
  leaveAlone: 600_000,
  beginTimeout: 1000,
  quiet: 5000,
  stallTimeout: 120_000,
  storeTimeout: 60_000
}
