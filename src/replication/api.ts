import type { ReplicationLimits } from './limits.ts'
import type { ExchangeFailure } from '../exchange/api.ts'
import type { Store } from '../store/store.ts'
import type { AbortOptions, PeerId } from '@libp2p/interface'
import type { MultihashHasher } from 'multiformats'
import type { ProgressEvent, ProgressOptions } from 'progress-events'

type Await<T> = T | Promise<T>

export interface ReplicationInit {
  /**
   * What is served to peers, and where what they send is put
   */
  store: Store

  /**
   * To which of the peers that connect and speak the protocol to open an
   * exchange by ourselves, to replicate in both directions and live. It is tried
   * again, ever later, as long as the peer is connected. Needs the identify
   * service, on both sides.
   *
   * @default nobody
   */
  autoReplicate?(peer: PeerId): Await<boolean>

  /**
   * From whom to take when they open an exchange
   *
   * @default those of `autoReplicate`
   */
  accept?(peer: PeerId): Await<boolean>

  /**
   * Who may read what. Without a hash the question is if the peer may read
   * everything, which saves one question for each hash: whoever may not read some
   * hash must get `false` then, or the list names that hash all the same. What is
   * refused looks like what is not there, also in lists. For example
   * `(peer, hash) => hash != null && !secrets.has(hash)`.
   *
   * @default everybody everything
   */
  allow?(peer: PeerId, hash?: string): Await<boolean>

  /**
   * Which of the hashes that a peer offers to take
   *
   * @default all
   */
  want?(peer: PeerId, hash: string): Await<boolean>

  /**
   * How many bytes one peer may add to the store in a day. What would exceed it
   * fails with PeerQuotaError. It is counted in memory: a restart begins anew.
   *
   * @default Infinity
   */
  maxBytes?: number

  /**
   * Hash functions by which content may be checked, beside sha2-256. Blocks of
   * others are not taken. With these a block is held in memory to be checked, so
   * it may have at most `limits.maxHeldBlockBytes`.
   *
   * @default none
   */
  hashers?: MultihashHasher[]

  /**
   * Deviations from the default limits
   */
  limits?: Partial<ReplicationLimits>
}

/**
 * `pull` only takes, `push` only offers, `sync` does both
 */
export type ReplicateMode = 'sync' | 'pull' | 'push'

export interface ReplicateOptions extends AbortOptions, ProgressOptions<ReplicateProgressEvents> {
  /**
   * What this side does. What the other one does is up to it: it offers what we
   * may read, and takes if it accepts from us.
   *
   * @default 'sync'
   */
  mode?: ReplicateMode

  /**
   * Go on when both sides have the same, with what is put later. The promise is
   * settled when the exchange ends; `synced` tells each time that both have all.
   *
   * @default false
   */
  live?: boolean

  /**
   * From which sequence of the remote's log on to ask for its list: -1 for all of
   * it.
   *
   * @default all that the stores differ in where they are compared, otherwise what is
   * new since last time
   */
  since?: number

  /**
   * Overrides the option of the same name of the service
   */
  runOnLimitedConnection?: boolean
}

/**
 * How many hashes, and how many bytes of content
 */
export interface ReplicateTotals {
  hashes: number
  bytes: number
}

export interface ReplicateResult {
  /**
   * What was fetched from this peer and stored
   */
  received: ReplicateTotals

  /**
   * What was sent to this peer to its end; it may have stored less
   */
  sent: ReplicateTotals

  /**
   * What this peer offered and could not be had, from it or from others that
   * offered it as well
   */
  failed: ExchangeFailure[]

  /**
   * How many hashes this peer offered, up to 1,000, that are neither here nor names of
   * blocks that could be checked here: of another hash function than sha2-256 and those
   * of `hashers`, or something else than `blockHash()` makes. What was offered to an
   * earlier call may not be offered again.
   */
  ignored: number

  /**
   * If the peer has confirmed that it offered all it had, and got all it wanted.
   * An original can't: with one, nothing came or went for a while.
   */
  confirmed: boolean
}

export interface ReplicateProgress {
  peer: PeerId

  /**
   * What this peer offered so far that is not here: known to the end when the
   * remote's list has ended
   */
  wanted: number

  /**
   * How many of these have come, from this peer or another, or failed
   */
  settled: number

  received: ReplicateTotals
  sent: ReplicateTotals

  /**
   * Bytes that came of content that has not come to its end yet
   */
  receiving: number

  /**
   * If the remote's list has ended: `wanted` is final unless something is put
   */
  listed: boolean
}

/**
 * Dispatched as `onProgress({ type, detail })`
 */
export type ReplicateProgressEvents =
  ProgressEvent<'hash-exchange:replicate:open', ReplicateProgress> |
  ProgressEvent<'hash-exchange:replicate:offered', ReplicateProgress> |
  ProgressEvent<'hash-exchange:replicate:listed', ReplicateProgress> |
  ProgressEvent<'hash-exchange:replicate:bytes', ReplicateProgress> |
  ProgressEvent<'hash-exchange:replicate:received', ReplicateProgress & { hash: string, bytes: number }> |
  ProgressEvent<'hash-exchange:replicate:failed', ReplicateProgress & ExchangeFailure> |
  ProgressEvent<'hash-exchange:replicate:sent', ReplicateProgress & { hash: string, bytes: number }> |
  ProgressEvent<'hash-exchange:replicate:synced', ReplicateProgress>

export interface ReplicationEvents {
  /**
   * A peer and we have nothing outstanding any more
   */
  synced: CustomEvent<{ peer: PeerId } & ReplicateResult>

  /**
   * Content was received from a peer and stored
   */
  received: CustomEvent<{ peer: PeerId, hash: string, bytes: number }>

  /**
   * What a peer offered could not be had
   */
  failed: CustomEvent<{ peer: PeerId } & ExchangeFailure>
}
