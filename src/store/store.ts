import type { KeysSnapshot } from '../sketch/sketch.ts'
import type { AbortOptions, TypedEventTarget } from '@libp2p/interface'

/**
 * A hash and its place in the log of its store
 */
export interface StoreEntry {
  hash: string

  /**
   * From 1 on. A hash that is deleted and put again gets a new one.
   */
  sequence: number
}

/**
 * Up to where all that a remote announced has been dealt with
 */
export interface StoreCursor {
  /**
   * The ID of the remote's log
   */
  logId: string

  /**
   * The last sequence of that log that needs not be announced again
   */
  sequence: number
}

export interface StoreEvents {
  /**
   * A hash was put that was not there
   */
  put: CustomEvent<StoreEntry>

  /**
   * A hash was deleted
   */
  delete: CustomEvent<StoreEntry>
}

/**
 * Which hashes a store had at one time
 */
export interface SketchSnapshot extends KeysSnapshot {
  /**
   * The sequence of the last hash that had been put
   */
  readonly lastSequence: number
}

/**
 * What a store knows of all of its hashes together, so that where it differs from
 * that of a peer can be found without a list of them. A hash is called by its key here:
 * the first 16 bytes of the SHA-256 that it is, or else of that of its multihash, as
 * four little-endian numbers.
 */
export interface StoreSketch {
  /**
   * How many cells there are
   */
  readonly length: number

  /**
   * How many hashes there are, and how many have been removed since the store was
   * opened
   */
  readonly size: number
  readonly removed: number

  snapshot(): SketchSnapshot

  /**
   * The keys of all hashes there are, one after the other in a copy
   */
  keys(): Int32Array

  /**
   * The sequence of the hash with a key, if it is there
   */
  find(key: Int32Array): number | undefined

  /**
   * What is there of some sequences
   *
   * @param sequences - in ascending order
   */
  entries(sequences: number[], options?: AbortOptions): Iterable<StoreEntry> | AsyncIterable<StoreEntry>
}

/**
 * The bytes of a block, at once or in chunks
 */
export type BlockSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Content by its hash, and a log of what was put in which order. Hashes are
 * those of `blockHash()`: multihashes as text.
 *
 * What is put must not be announced before it can be read again, also after a
 * crash: first the content, then the log.
 */
export interface Store extends TypedEventTarget<StoreEvents> {
  /**
   * Random, made with the log: another one tells peers to ask from the beginning
   */
  readonly logId: string

  /**
   * How many hashes there are
   */
  readonly size: number

  /**
   * The sequence of the last hash that was put, 0 before the first
   */
  readonly lastSequence: number

  /**
   * Without one, peers are always told all that was put since they asked last
   */
  readonly sketch?: StoreSketch

  /**
   * If a hash is there
   */
  has(hash: string, options?: AbortOptions): boolean | Promise<boolean>

  /**
   * The place of a hash in the log, if it is there
   */
  sequence(hash: string, options?: AbortOptions): number | undefined | Promise<number | undefined>

  /**
   * The content of a hash. Nothing is opened before the first chunk is asked
   * for. Throws NotFoundError then if it is not there.
   */
  get(hash: string, options?: AbortOptions): Iterable<Uint8Array> | AsyncIterable<Uint8Array>

  /**
   * Stores content. When it resolves, to the sequence of the hash, both content
   * and log are as durable as what is below makes them. Where the source throws,
   * nothing is stored. What is in the log already is left as it is. It is not checked
   * against the hash here: what comes from a peer has been, before its end is given.
   */
  put(hash: string, source: BlockSource, options?: AbortOptions): Promise<number>

  /**
   * Deletes content, here only: a peer that has it offers it again. Resolves to
   * false if it was not there.
   */
  delete(hash: string, options?: AbortOptions): Promise<boolean>

  /**
   * What was put after a sequence and is still there, the oldest first. What is
   * put meanwhile may be among it.
   *
   * @param sequence - 0 or less for all
   */
  since(sequence: number, options?: AbortOptions): Iterable<StoreEntry> | AsyncIterable<StoreEntry>

  /**
   * The cursor that was kept for a peer. One for each peer is kept.
   */
  cursor(peer: string, options?: AbortOptions): Promise<StoreCursor | undefined>

  /**
   * Keeps a cursor for a peer
   */
  setCursor(peer: string, cursor: StoreCursor, options?: AbortOptions): Promise<void>
}
