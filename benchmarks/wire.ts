/**
 * How fast bytes become frames and messages here, and frames and messages
 * bytes, beside the general parts of the field doing the same work
 */

import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import * as lp from 'it-length-prefixed'
import { Uint8ArrayList } from 'uint8arraylist'
import { MAX_FRAME_HEADER_BYTES, MAX_HASH_BYTES, MAX_RPC_BYTES, MAX_RPC_ENTRIES, SEND_BYTES } from '../src/constants.ts'
import { FrameDecoder, NOTHING, PART } from '../src/wire/frame-decoder.ts'
import { FrameWriter } from '../src/wire/frame-writer.ts'
import { Frame } from '../src/wire/frame.ts'
import { decodeRPC, encodeRPC, RPCType } from '../src/wire/rpc-codec.ts'
import { RPC } from '../src/wire/rpc.ts'

const HELP = `Usage: npm run bench:wire [-- options]

Measures the wire format alone, without a network, in one process:

  write, read   DATA frames of a body with 128 B, 4 KiB and 64 KiB of data each
  encode,       RPC messages with 1,000 hashes of 64 characters, the frame
  decode        around them not counted

'ours' is what this package uses. 'parts' is it-length-prefixed (encode.single,
and its synchronous decode) with the codec that protons generates from
frame.proto, or the one that it generates from rpc.proto alone. Both write into
lists of ${SEND_BYTES} bytes and read the same chunks. The figures are medians, and
'x' is how many times as fast ours is.

Options:
  --rounds <n>   How often each is measured, in turn (default 11)
  --work <n>     How much work each measurement does: 1 is 10,000 frames of 64 KiB,
                 50,000 of 4 KiB, 250,000 of 128 B, and 200 messages (default 1)
  --chunk <n>    How many bytes are read at a time (default 65536)
  --help, -h     Show this
`

/**
 * One way of doing some work; returns what it has counted, so that nothing of
 * it can be left out
 */
type Work = () => number

interface Case {
  name: string
  /**
   * How many messages one run handles
   */
  messages: number
  /**
   * How many bytes of content one run handles
   */
  bytes: number
  /**
   * What a run has to count
   */
  result: number
  ours: Work
  parts: Work
}

const CHANNEL = 2
const WARM_UPS = 3

/**
 * So many frames are made to be read, and read again and again
 */
const BYTES_TO_READ = 16 * 1024 * 1024

function frameCases (size: number, label: string, count: number, chunkBytes: number): Case[] {
  const data = new Uint8Array(size).fill(7)
  const frames = Math.min(count, Math.ceil(BYTES_TO_READ / size))
  const repeats = Math.ceil(count / frames)
  const messages = frames * repeats
  const bytes = framesOf(data, frames)
  const chunks = split(bytes, chunkBytes)

  return [{
    name: `write ${label}`,
    messages,
    bytes: messages * size,
    result: repeats * bytes.byteLength,
    ours: () => {
      const writer = new FrameWriter()
      let sent = 0

      for (let i = 0; i < messages; i++) {
        writer.data(CHANNEL, undefined, data)

        if (writer.byteLength >= SEND_BYTES) {
          sent += writer.take().byteLength
        }
      }

      return sent + writer.take().byteLength
    },
    parts: () => {
      let list = new Uint8ArrayList()
      let sent = 0

      for (let i = 0; i < messages; i++) {
        list.append(lp.encode.single(Frame.encode({ channel: CHANNEL, data })))

        if (list.byteLength >= SEND_BYTES) {
          sent += list.byteLength
          list = new Uint8ArrayList()
        }
      }

      return sent + list.byteLength
    }
  }, {
    name: `read ${label}`,
    messages,
    bytes: messages * size,
    result: messages * size,
    ours: () => {
      const decoder = new FrameDecoder(MAX_FRAME_HEADER_BYTES)
      let received = 0

      for (const chunk of repeat(chunks, repeats)) {
        decoder.push(chunk)

        for (let found = decoder.read(); found !== NOTHING; found = decoder.read()) {
          if (found === PART) {
            received += decoder.part.byteLength
          }
        }
      }

      return received
    },
    parts: () => {
      let received = 0

      for (const bytes of lp.decode(repeat(chunks, repeats))) {
        received += Frame.decode(bytes).data?.byteLength ?? 0
      }

      return received
    }
  }]
}

function rpcCases (messages: number): Case[] {
  const hashes = Array.from({ length: 1000 }, (_, i) => (i * 0x9e3779b1 >>> 0).toString(16).padStart(8, '0').repeat(8))
  const limits = { maxRPCBytes: MAX_RPC_BYTES, maxRPCEntries: MAX_RPC_ENTRIES, maxHashBytes: MAX_HASH_BYTES }
  const message = { type: RPCType.AVAILABLE, hashes }
  const encoded = encodeRPC(message)
  const bytes = messages * 1000 * 64

  return [{
    name: 'encode 1,000 hashes',
    messages,
    bytes,
    result: messages * encoded.byteLength,
    ours: () => times(messages, () => encodeRPC(message).byteLength),
    parts: () => times(messages, () => RPC.encode({ ...message, mapping: [] }).byteLength)
  }, {
    name: 'decode 1,000 hashes',
    messages,
    bytes,
    result: messages * hashes.length,
    ours: () => times(messages, () => decodeRPC(encoded, limits)?.hashes.length ?? 0),
    parts: () => times(messages, () => RPC.decode(encoded).hashes.length)
  }]
}

function times (n: number, work: Work): number {
  let sum = 0

  for (let i = 0; i < n; i++) {
    sum += work()
  }

  return sum
}

function framesOf (data: Uint8Array<ArrayBuffer>, count: number): Uint8Array {
  const frame = lp.encode.single(Frame.encode({ channel: CHANNEL, data })).subarray()
  const frames = new Uint8Array(frame.byteLength * count)

  for (let i = 0; i < count; i++) {
    frames.set(frame, i * frame.byteLength)
  }

  return frames
}

function split (bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = []

  for (let i = 0; i < bytes.byteLength; i += size) {
    chunks.push(bytes.subarray(i, i + size))
  }

  return chunks
}

function * repeat (chunks: Uint8Array[], times: number): Generator<Uint8Array> {
  for (let i = 0; i < times; i++) {
    yield * chunks
  }
}

/**
 * Measures both ways of a case in turn, so that what else the machine does hits
 * both, and returns the median of each in ms
 */
function measure ({ name, result, ours, parts }: Case, rounds: number): { ours: number, parts: number } {
  const taken = { ours: [] as number[], parts: [] as number[] }

  for (let i = -WARM_UPS; i < rounds; i++) {
    for (const [way, work] of [['ours', ours], ['parts', parts]] as const) {
      const started = performance.now()
      const counted = work()
      const ms = performance.now() - started

      if (counted !== result) {
        throw new Error(`${name}: ${way} counted ${counted} instead of ${result}`)
      }

      if (i >= 0) {
        taken[way].push(ms)
      }
    }
  }

  return { ours: median(taken.ours), parts: median(taken.parts) }
}

function median (values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]
}

function perSecond (n: number, ms: number): string {
  return Math.round(n * 1000 / ms).toLocaleString('en')
}

function row (...columns: string[]): string {
  return columns.map((column, i) => i === 0 ? column.padEnd(22) : column.padStart(13)).join(' ') + '\n'
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '11' },
    work: { type: 'string', default: '1' },
    chunk: { type: 'string', default: String(64 * 1024) },
    help: { type: 'boolean', short: 'h' }
  }
})

const rounds = Number(values.rounds)
const work = Number(values.work)
const chunk = Number(values.chunk)

if (values.help === true) {
  process.stdout.write(HELP)
} else if (!(work > 0) || [rounds, chunk].some(n => !Number.isSafeInteger(n) || n < 1)) {
  process.stderr.write(`--rounds and --chunk must be whole numbers above 0, and --work a number above 0\n\n${HELP}`)
  process.exitCode = 2
} else {
  const cases = [
    ...frameCases(128, '128 B', Math.ceil(250_000 * work), chunk),
    ...frameCases(4096, '4 KiB', Math.ceil(50_000 * work), chunk),
    ...frameCases(65_536, '64 KiB', Math.ceil(10_000 * work), chunk),
    ...rpcCases(Math.ceil(200 * work))
  ]

  process.stdout.write(`Node.js ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, medians of ${rounds} rounds\n\n`)
  process.stdout.write(row('', 'ours msg/s', 'ours MB/s', 'parts msg/s', 'parts MB/s', 'x'))

  for (const one of cases) {
    const { ours, parts } = measure(one, rounds)

    process.stdout.write(row(
      one.name,
      perSecond(one.messages, ours),
      perSecond(one.bytes / 1e6, ours),
      perSecond(one.messages, parts),
      perSecond(one.bytes / 1e6, parts),
      (parts / ours).toFixed(2)
    ))
  }
}
