import { randomFillSync } from 'node:crypto'
import { ALTERNATIVES } from '../speed/packages.ts'

const MODULE = new URL('node_modules/@peerbit/riblt/dist/index.js', ALTERNATIVES)

/**
 * How long @peerbit/riblt takes for the same: its encoder and decoder are given all
 * hashes for each comparison, as they can't be asked for the cells of a set that
 * changes. It must be installed.
 */
export async function measureRiblt (hashes: number, differences: number): Promise<{ ms: number, cells: number }> {
  const { ready, EncoderWrapper, DecoderWrapper } = await import(MODULE.href)
  const symbols = new BigUint64Array(hashes + differences)

  randomFillSync(symbols)
  await ready

  const began = performance.now()
  const encoder = new EncoderWrapper()
  const decoder = new DecoderWrapper()

  for (let i = 0; i < hashes + differences; i++) {
    // the first half of the differences is on one side, the second on the other
    if (i < hashes + differences / 2) {
      encoder.add_symbol(symbols[i])
    }

    if (i < hashes || i >= hashes + differences / 2) {
      decoder.add_symbol(symbols[i])
    }
  }

  let cells = 0

  do {
    decoder.add_coded_symbol(encoder.produce_next_coded_symbol())
    decoder.try_decode()
    cells++
  } while (decoder.decoded() !== true)

  const ms = performance.now() - began

  encoder.free()
  decoder.free()

  return { ms, cells }
}
