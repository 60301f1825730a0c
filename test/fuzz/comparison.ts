import { nextTask } from '../../src/exchange/next-task.ts'
import { Reconciliation } from '../../src/replication/reconciliation.ts'
import { Reconciling } from '../../src/replication/reconciling.ts'
import { Sketch } from '../../src/sketch/sketch.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { cellsOf, keysFrom, sumOf } from '../fixtures/keys.ts'
import { expectSame } from './expectations.ts'
import { FuzzInput } from './input.ts'
import type { Store } from '../../src/index.ts'
import type { ReceivedRPC, RPCMessage } from '../../src/wire/rpc-codec.ts'

/**
 * Just enough for cells to be sent
 */
const COUNT = 110
const LENGTH = 330
const KEYS = keysFrom(1, COUNT + 6)
const OWN = KEYS.slice(0, COUNT)
const TYPES = [RPCType.CELLS, RPCType.CELLS, RPCType.CELLS, RPCType.MORE, RPCType.DONE, RPCType.GIVE_UP, RPCType.SALT]
const SIZES = [COUNT, COUNT + 1, COUNT + 2, COUNT - 4, 0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
const MAX_STEPS = 30

// of sets with most of it in common, of one with nothing, and of none
const REMOTE = [KEYS, OWN, KEYS.slice(4, COUNT + 2), keysFrom(2, COUNT), []].map(keys => ({ set: cellsOf(keys, LENGTH), sum: sumOf(keys) }))

function storeOf (keys: Int32Array[]): Store {
  const sketch = new Sketch(LENGTH)
  const sequences = new Map(keys.map((key, i) => [key.join(), i + 1]))

  keys.forEach(key => { sketch.add(key) })

  const store: Partial<Store> = {
    size: keys.length,
    sketch: {
      length: LENGTH,
      size: keys.length,
      removed: 0,
      snapshot: () => ({ ...sketch.snapshot(), lastSequence: keys.length }),
      keys: () => Int32Array.from(keys.flatMap(key => [...key])),
      find: key => sequences.get(key.join()),
      entries: () => []
    }
  }

  return store as Store
}

const store = storeOf(OWN)

/**
 * A comparison whose remote says whatever the bytes make of it
 */
export async function comparison (bytes: Uint8Array): Promise<void> {
  const input = new FuzzInput(bytes)
  const reconciling = new Reconciling()
  const told: RPCMessage[] = []
  const flags = input.byte()
  const opener = (flags & 1) === 0
  const fatal: Error[] = []
  let sent = 0

  const reconciliation = new Reconciliation({
    peer: 'peer',
    opener,
    store,
    reconciling,
    mayReadAll: async () => (flags & 14) !== 0,
    tell: message => { told.push(message) },
    onReconciled: () => {},
    onFatal: err => { fatal.push(err) }
  })

  reconciliation.begin((flags & 112) !== 0)

  const { set, sum } = input.pick(REMOTE)

  try {
    for (let step = 0; step < MAX_STEPS && !input.atEnd && fatal.length === 0; step++) {
      const type = input.pick(TYPES)
      let data: Uint8Array<ArrayBuffer> = new Uint8Array(0)

      if (type === RPCType.CELLS) {
        const end = Math.min(LENGTH, sent + (sent === 0 ? 256 : sent >> 2))

        data = new Uint8Array([...(sent === 0 ? sum.encode() : []), ...set.encode(sent, end)])
        sent = end
      } else if (type === RPCType.DONE) {
        data = Uint8Array.from(input.some(KEYS).flatMap(key => [...new Uint8Array(key.slice().buffer)]))
      } else if (type === RPCType.SALT) {
        data = new Uint8Array(16).fill(input.byte())
        sent = 0
      }

      // most of them are well-formed
      if (input.below(8) === 0) {
        data = Uint8Array.from([...data.subarray(0, data.length - input.below(4)), ...input.bytes(input.below(4))])
      }

      if (input.below(8) === 0 && data.length > 0) {
        data[input.byte() * 26 % data.length] ^= 1 << input.below(8)
      }

      const message: ReceivedRPC = { type, hashes: [], mapping: [], sequence: input.pick(SIZES), data }

      reconciliation.onMessage(message)

      if (input.below(3) > 0) {
        await nextTask()
      }
    }
  } catch (err: any) {
    if (!['ProtocolError', 'InvalidMessageError'].includes(err?.name)) {
      throw err
    }
  }

  // whatever has happened, it comes to its end, and once
  await nextTask()
  reconciliation.tick(1, 1)
  await nextTask()

  // one that has found all, and does not hear if the other one agrees
  const waits = told.some(({ type }) => type === RPCType.DONE) && reconciliation.result == null

  expectSame(fatal.map(({ name }) => name), waits ? ['TimeoutError'] : [])

  const ends = told.filter(({ type }) => type === RPCType.DONE || type === RPCType.GIVE_UP)

  expectSame(ends.length, 1)
  expectSame(ends[0].type === RPCType.GIVE_UP && reconciliation.result === 'differences', false)
  expectSame(told[told.length - 1], ends[0])
  expectSame(reconciliation.differences.every(sequence => sequence >= 1 && sequence <= COUNT), true)

  reconciliation.stop()

  // it is somebody else's turn
  expectSame(await reconciling.begin('peer', new AbortController().signal), true)
}
