import { FIRST_CELLS } from '../constants.ts'
import type { SketchSnapshot, StoreSketch } from '../store/store.ts'
import type { RPCMessage } from '../wire/rpc-codec.ts'

/**
 * What the two parts of a comparison need of it
 */
export interface Comparing {
  readonly sketch?: StoreSketch
  /**
   * If it has ended for us, so that nothing is to be done any more
   */
  readonly over: boolean
  tell(message: RPCMessage): void
  /**
   * Does something whose failure ends the exchange
   */
  run(work: Promise<void>): void
  /**
   * If the remote may learn what there is
   */
  mayCompare(): Promise<boolean>
  /**
   * Waits until it is our turn. False if it can't be.
   */
  turn(): Promise<boolean>
  /**
   * If there may be a comparison with a salt
   */
  maySalt(): boolean
  /**
   * Cells with a salt, if they can be had
   */
  salt(salt: Uint8Array): Promise<SketchSnapshot | undefined>
  /**
   * The sequences of hashes that the remote lacks. Undefined if it can't be so.
   */
  sequencesOf(keys: Int32Array[], snapshot: SketchSnapshot): number[] | undefined
  /**
   * We know what only we have, and tell the remote, with what it is to know of
   */
  finish(differences: number[], snapshot: SketchSnapshot, data?: Uint8Array<ArrayBuffer>): void
  /**
   * All must be listed
   */
  giveUp(): void
}

/**
 * How many cells follow those that were sent
 */
export function cellsAfter (cells: number): number {
  return cells === 0 ? FIRST_CELLS : Math.max(1, cells >> 2)
}
