import { InvalidMessageError } from '@libp2p/interface'
import { sha256 } from '@noble/hashes/sha2.js'
import { nextTask } from '../exchange/next-task.ts'
import { Cells } from '../sketch/cells.ts'
import { KEY_WORDS, Mapping } from '../sketch/mapping.ts'
import type { SketchSnapshot, StoreSketch } from '../store/store.ts'

/**
 * How many bytes of salt come from each side
 */
const SALT_BYTES = 16

/**
 * How many keys are added in one go: some milliseconds
 */
const SLICE = 8192

/**
 * Our part of a salt
 */
export function makeSalt (): Uint8Array<ArrayBuffer> {
  return globalThis.crypto.getRandomValues(new Uint8Array(SALT_BYTES))
}

/**
 * The remote's part of a salt. Throws InvalidMessageError.
 */
export function checkSalt (data: Uint8Array): Uint8Array {
  if (data.length !== SALT_BYTES) {
    throw new InvalidMessageError(`A salt has ${SALT_BYTES} bytes, not ${data.length}`)
  }

  return data
}

/**
 * The salt of cells that both sides have agreed on
 */
export function joinSalts (opener: Uint8Array, other: Uint8Array): Uint8Array {
  return sha256(new Uint8Array([...opener, ...other]))
}

/**
 * Makes cells with a salt of all that is in a store, in slices between which others
 * have their turn. `mayGoOn` is asked after each, with the ms it took; if not, there
 * are none.
 */
export async function saltedSnapshot (sketch: StoreSketch, salt: Uint8Array, mayGoOn: (ms: number) => boolean): Promise<SketchSnapshot | undefined> {
  const snapshot = sketch.snapshot()
  const keys = sketch.keys()
  const cells = new Cells(new Mapping(sketch.length, salt))

  for (let at = 0; at < keys.length;) {
    const began = performance.now()

    for (const end = Math.min(keys.length, at + SLICE * KEY_WORDS); at < end; at += KEY_WORDS) {
      cells.add(keys.subarray(at, at + KEY_WORDS), 1)
    }

    if (!mayGoOn(performance.now() - began)) {
      return
    }

    await nextTask()
  }

  return { ...snapshot, cells }
}
