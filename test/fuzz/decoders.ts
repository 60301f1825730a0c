import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { blockHash, blockStore } from '../../src/index.ts'
import { hashOfMultihash, multihashOf, parseBlockHash } from '../../src/store/block-hash.ts'
import { decodePage, encodePage } from '../../src/store/log-page.ts'
import { Channels } from '../../src/wire/channels.ts'
import { FrameDecoder, HEADER, NOTHING } from '../../src/wire/frame-decoder.ts'
import { decodeRPC, encodeRPC } from '../../src/wire/rpc-codec.ts'
import { expectName, expectSame } from './expectations.ts'
import { FuzzInput } from './input.ts'
import type { ChannelsHandler, InboundBody } from '../../src/wire/channels.ts'

/**
 * Small, so that a short input can exceed them
 */
const LIMITS = { maxRPCBytes: 256, maxFrameHeaderBytes: 64, maxReasonBytes: 8, maxRPCEntries: 8, maxHashBytes: 64 }

const WIRE_ERRORS = ['InvalidMessageError', 'LimitError', 'ProtocolError']

/**
 * A message: what can be decoded means the same when it is encoded again
 */
export function rpc (bytes: Uint8Array): void {
  expectName(WIRE_ERRORS, () => {
    const message = decodeRPC(bytes, LIMITS)

    if (message != null) {
      expectSame(decodeRPC(encodeRPC(message), LIMITS), message)
    }
  })
}

/**
 * Frames: the same comes of them however they are cut, and what they mean is also
 * what comes of them when they are written again
 */
export function frames (bytes: Uint8Array): void {
  const input = new FuzzInput(bytes)
  const sizes = [1 + input.below(8), 1 + input.below(64)]
  const wire = input.rest()
  const whole = read([wire])

  expectSame(read(cut(wire, sizes)), whole)
  expectSame(read(cut(wire, [1])), whole)
}

/**
 * Channels: the same is told of them however they are cut
 */
export function channels (bytes: Uint8Array): void {
  const input = new FuzzInput(bytes)
  const sizes = [1 + input.below(8), 1 + input.below(64)]
  const wire = input.rest()

  expectSame(told(cut(wire, sizes)), told([wire]))
}

/**
 * The hash of a block: only one name of each is taken
 */
export function blockHashes (bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes)
  const cid = parseBlockHash(text)
  const multihash = multihashOf(text)

  expectSame(multihash, cid?.multihash.bytes)

  if (cid != null) {
    expectSame(blockHash(cid), text)
    expectSame(hashOfMultihash(cid.multihash.bytes), text)
  }

  // the other way round most are no multihashes
  try {
    const hash = hashOfMultihash(bytes)
    const again = parseBlockHash(hash)

    if (again != null) {
      expectSame(again.multihash.bytes, bytes)
    }
  } catch (err: any) {
    // of multiformats, which has no names for them
    expectSame(err instanceof Error && !(err instanceof TypeError), true)
  }
}

/**
 * A page of the log
 */
export function logPage (bytes: Uint8Array): void {
  expectName(['StoreCorruptError'], () => {
    expectSame(decodePage(encodePage(decodePage(bytes))), decodePage(bytes))
  })
}

/**
 * The records of a store: it opens and has what the pages say, or is refused
 */
export async function store (bytes: Uint8Array): Promise<void> {
  const input = new FuzzInput(bytes)
  const datastore = new MemoryDatastore()
  const pages = 1 + input.below(3)
  const length = input.byte()
  const rest = input.rest()

  for (let i = 0; i < pages; i++) {
    // the last one has all that is left
    const page = rest.subarray(i * length, i < pages - 1 ? (i + 1) * length : undefined)

    await datastore.put(new Key(`/hash-exchange/log/${i.toString(16).padStart(8, '0')}`), page)
  }

  await datastore.put(new Key('/hash-exchange/cursor/pfxxkyg'), rest)

  try {
    const store = await blockStore({ blockstore: new MemoryBlockstore(), datastore })
    let size = 0

    for await (const { hash, sequence } of store.since(0)) {
      size++

      if (parseBlockHash(hash) != null) {
        // where one is there twice the last one counts
        expectSame((await store.sequence(hash) ?? 0) >= sequence, true)
      }
    }

    expectSame(size, store.size)
    await store.cursor('you')
  } catch (err: any) {
    if (err.name !== 'StoreCorruptError') {
      throw err
    }
  }
}

/**
 * What came of the frames in some chunks, and how they ended
 */
function read (chunks: Iterable<Uint8Array>): unknown[] {
  const decoder = new FrameDecoder(LIMITS.maxFrameHeaderBytes)
  const found: unknown[] = []

  const end = expectName(WIRE_ERRORS, () => {
    for (const chunk of chunks) {
      decoder.push(chunk)

      for (let what = decoder.read(); what !== NOTHING; what = decoder.read()) {
        if (what === HEADER) {
          const { channel, name, type, dataLength } = decoder
          found.push({ channel, name, type, dataLength, data: [] })
        } else {
          (found.at(-1) as { data: number[] }).data.push(...decoder.part)
        }
      }
    }
  })

  return [...found, end ?? decoder.atBoundary]
}

/**
 * What a handler is told of the frames in some chunks
 */
function told (chunks: Iterable<Uint8Array>): unknown[] {
  const events: unknown[] = []
  const data: Record<string, number[]> = {}
  let bodies = 0

  const body = (): InboundBody => {
    const id = `body ${bodies++}`

    data[id] = []

    return {
      data: (part) => { data[id].push(...part) },
      end: () => { events.push(`${id} ended`) },
      fail: (reason) => { events.push(`${id} failed: ${reason}`) },
      cut: () => { events.push(`${id} cut`) }
    }
  }

  const handler: ChannelsHandler = {
    message: (message) => { events.push(message) },
    // some are not wanted
    body: (sequence, channel) => {
      events.push(`body ${sequence} on ${channel}`)
      return sequence % 4 === 3 ? undefined : body()
    },
    cancelled: (channel, sequence) => { events.push(`cancelled ${sequence} on ${channel}`) }
  }

  const channels = new Channels(handler, LIMITS)

  const end = expectName(WIRE_ERRORS, () => {
    for (const chunk of chunks) {
      channels.push(chunk)

      while (channels.read()) {}
    }
  })

  return [...events, data, end ?? channels.atBoundary]
}

function * cut (bytes: Uint8Array, sizes: number[]): Generator<Uint8Array> {
  for (let pos = 0, i = 0; pos < bytes.length; i++) {
    const end = pos + sizes[i % sizes.length]

    yield bytes.slice(pos, end)
    pos = end
  }
}
