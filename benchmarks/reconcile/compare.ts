import { defaultLimits } from '../../src/exchange/limits.ts'
import { Reconciliation } from '../../src/replication/reconciliation.ts'
import { Reconciling } from '../../src/replication/reconciling.ts'
import { CELL_BYTES } from '../../src/sketch/cells.ts'
import { SUM_BYTES } from '../../src/sketch/set-sum.ts'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import { decodeRPC, encodeRPC, RPCType } from '../../src/wire/rpc-codec.ts'
import type { HashSet } from './sets.ts'
import type { RPCMessage } from '../../src/wire/rpc-codec.ts'

/**
 * What an announcement of 1,000 hashes of blocks is made of
 */
const ANNOUNCED = { type: RPCType.AVAILABLE, hashes: new Array(1000).fill(`bafkrei${'a'.repeat(52)}`), sequence: 1_000_000 }

export interface Comparison {
  /**
   * Bytes of frames, both ways
   */
  bytes: number
  /**
   * How many of them cells were
   */
  cells: number
  roundTrips: number
  /**
   * Of the processor, both sides together, in ms
   */
  cpu: number
  ms: number
  /**
   * What was found, on both sides
   */
  found: number
}

/**
 * Bytes on the wire of a list of so many hashes
 */
export function listBytes (hashes: number): number {
  const writer = new FrameWriter()

  writer.rpc(ANNOUNCED)
  writer.take()
  writer.rpc(ANNOUNCED)

  return writer.take().byteLength / ANNOUNCED.hashes.length * hashes
}

/**
 * Compares two sets as two peers do, by the same messages but without a network.
 * Throws if it came to nothing.
 */
export async function compare (opener: HashSet, other: HashSet): Promise<Comparison> {
  const totals = { bytes: 0, cells: 0, roundTrips: 0 }
  const over = Promise.withResolvers<void>()
  // what goes to each side, the opener first
  const queues: Uint8Array[][] = [[], []]
  const sides = [opener, other].map(({ store }, i) => {
    const writer = new FrameWriter()

    return new Reconciliation({
      peer: 'peer',
      opener: i === 0,
      store,
      reconciling: new Reconciling(),
      mayReadAll: async () => true,
      tell: (message: RPCMessage) => {
        writer.rpc(message)
        totals.bytes += writer.take().byteLength
        // before the first of them is the sum
        totals.cells += message.type === RPCType.CELLS ? Math.floor(((message.data?.length ?? 0) - (totals.cells === 0 ? SUM_BYTES : 0)) / CELL_BYTES) : 0
        queues[1 - i].push(encodeRPC(message))
      },
      onReconciled: () => {
        if (sides.every(({ result }) => result != null)) {
          over.resolve()
        }
      },
      onFatal: err => { over.reject(err) }
    })
  })
  const began = performance.now()
  const cpu = process.cpuUsage()

  sides[0].begin(true)

  // all that one side has said is a part of one way
  const deliver = (): void => {
    for (const side of [1, 0]) {
      const messages = queues[side].splice(0)

      totals.roundTrips += side === 0 && messages.length > 0 ? 1 : 0

      for (const message of messages) {
        const decoded = decodeRPC(message, defaultLimits)

        if (decoded != null) {
          sides[side].onMessage(decoded)
        }
      }
    }

    timer = setImmediate(deliver)
  }

  let timer = setImmediate(deliver)

  try {
    await over.promise
  } finally {
    clearImmediate(timer)
  }

  const { user, system } = process.cpuUsage(cpu)

  if (sides.some(({ result }) => result !== 'differences')) {
    throw new Error('There were not enough cells')
  }

  return { ...totals, cpu: (user + system) / 1000, ms: performance.now() - began, found: sides[0].differences.length + sides[1].differences.length }
}
