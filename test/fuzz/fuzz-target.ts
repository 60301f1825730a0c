import fc from 'fast-check'
import { watchRejections } from '../fixtures/unhandled.ts'
import { CORPUS } from './corpus.ts'
import { TARGETS } from './targets.ts'

/**
 * A change of some bytes
 */
interface Edit {
  at: number
  removes: number
  adds: Uint8Array
}

export interface FuzzOptions {
  runs: number
  seed?: number
  /**
   * Tries one input only, that a failure has named
   */
  path?: string
  /**
   * Called after each input
   */
  onInput?(): void
}

const MAX_BYTES = 300
const MAX_EDITS = 4

// 2^31 - 1, 2^31, 2^32 - 1, 2^32, 2^53 - 1 and 2^53 as varints
const EDGES = [
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]
].map(bytes => Uint8Array.from(bytes))

const edits = fc.array(fc.record<Edit>({
  at: fc.nat(MAX_BYTES),
  removes: fc.nat(4),
  adds: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 4 }), fc.constantFrom(...EDGES))
}), { maxLength: MAX_EDITS })

/**
 * Gives a target many inputs: valid ones, valid ones with some changes, and any
 * bytes, which where they are taken for a program are a valid one. Throws what
 * fast-check says of the first that is wrong, made as small as it can.
 */
export async function fuzzTarget (name: string, { runs, seed, path, onInput }: FuzzOptions): Promise<void> {
  const { run } = TARGETS[name]
  const rejections = watchRejections()

  try {
    await fc.assert(fc.asyncProperty(inputs(CORPUS[name]), async (bytes) => {
      // most targets are not async, and need not wait
      const running = run(bytes)

      if (running != null) {
        await running
      }

      rejections.check()
      onInput?.()
    }), {
      numRuns: runs,
      ...(seed == null ? {} : { seed }),
      ...(path == null ? { examples: CORPUS[name].map((bytes): [Uint8Array] => [bytes]) } : { path, endOnFailure: true })
    })
  } finally {
    rejections.stop()
  }
}

function inputs (corpus: Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const any = fc.uint8Array({ maxLength: MAX_BYTES })

  if (corpus.length === 0) {
    return any
  }

  return fc.oneof(
    { arbitrary: any, weight: 1 },
    { arbitrary: fc.tuple(fc.constantFrom(...corpus), edits).map(([bytes, edits]) => edited(bytes, edits)), weight: 3 }
  )
}

function edited (bytes: Uint8Array, edits: Edit[]): Uint8Array {
  const result = [...bytes]

  for (const { at, removes, adds } of edits) {
    result.splice(at % (result.length + 1), removes, ...adds)
  }

  return Uint8Array.from(result)
}
