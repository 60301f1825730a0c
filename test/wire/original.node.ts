import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'aegir/chai'
import fc from 'fast-check'
// @ts-expect-error no types
import multiplex from 'multiplex'
// @ts-expect-error no types
import protobuf from 'protocol-buffers'
import { concat } from 'uint8arrays/concat'
import { defaultLimits } from '../../src/exchange/limits.ts'
import { NAMELESS } from '../../src/wire/frame-decoder.ts'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import { decodeRPC, encodeRPC, MAX_SEQUENCE, RPCType } from '../../src/wire/rpc-codec.ts'
import { toHex } from '../fixtures/bytes.ts'
import { cut, cuts } from '../fixtures/cut.ts'
import { createOriginal } from '../fixtures/original.ts'
import { runs } from '../fixtures/runs.ts'
import { ChannelLog, decodeFrames } from '../fixtures/wire-log.ts'
import type { NodeDuplex } from '../fixtures/node-to-duplex.ts'
import type { DecodedFrame } from '../fixtures/wire-log.ts'

const require = createRequire(import.meta.url)
const requireAsMultiplex = createRequire(require.resolve('multiplex'))

// what the original itself uses
const { Frame } = protobuf(readFileSync(require.resolve('multiplex/schema.proto')))
const { RPC, TYPE } = protobuf(readFileSync(require.resolve('hash-exchange/schema.proto')))
const lengthPrefixed = requireAsMultiplex('length-prefixed-stream')

const RPC_TYPES = [RPCType.AVAILABLE, RPCType.REQUEST, RPCType.HASHES, RPCType.SINCE, RPCType.CLOSE, RPCType.SEEN, RPCType.ID]
const FRAME_TYPES = { DATA: 1, END: 2, ERROR: 3 }

interface OriginalFrame {
  channel: number
  name?: string
  type?: number
  data?: Uint8Array
}

/**
 * A stream of multiplex, on either side
 */
interface Stream extends NodeDuplex {
  destroy(err?: Error): void
  meta?: string
}

interface Multiplex extends NodeDuplex {
  createStream(name: string): Stream
}

/**
 * What they make of frames
 */
function encodeFrames (frames: OriginalFrame[]): Uint8Array {
  const encoder = lengthPrefixed.encode()
  const chunks: Uint8Array[] = []

  for (const frame of frames) {
    encoder.write(Frame.encode({ ...frame, data: frame.data == null ? undefined : Buffer.from(frame.data) }))
    chunks.push(encoder.read())
  }

  return concat(chunks)
}

/**
 * What they make of bytes
 */
async function decodeAsOriginal (bytes: Uint8Array): Promise<DecodedFrame[]> {
  const decoder = lengthPrefixed.decode()
  const frames: DecodedFrame[] = []

  decoder.on('data', (chunk: Uint8Array) => {
    const { channel, name, type, data } = Frame.decode(chunk)

    frames.push({
      channel,
      name: name === '' ? NAMELESS : parseInt(name, 16),
      type,
      dataLength: data?.length ?? 0,
      data: toHex(data ?? new Uint8Array(0))
    })
  })

  await new Promise((resolve, reject) => {
    decoder.on('end', resolve)
    decoder.on('error', reject)
    decoder.end(Buffer.from(bytes))
  })

  return frames
}

/**
 * What became of a body, as the side that receives it sees it
 */
interface Outcome {
  data: string
  end?: string
}

/**
 * Collects the bodies that come to a multiplex
 */
class OriginalBodies {
  readonly outcomes: Record<string, Outcome> = {}
  readonly mplex: Multiplex
  readonly sent: Uint8Array[] = []

  constructor (onStream: (stream: Stream, outcome: Outcome) => void = () => {}) {
    this.mplex = multiplex({ error: true }, (stream: Stream, name: string) => {
      const outcome: Outcome = this.outcomes[name] = { data: '' }

      stream.on('data', (chunk: Uint8Array) => { outcome.data += toHex(chunk) })
      stream.on('end', () => { outcome.end ??= 'end' })
      stream.on('error', (err: Error) => { outcome.end ??= `fail ${err.message}` })
      stream.on('close', () => { outcome.end ??= 'fail ' })
      onStream(stream, outcome)
    })

    this.mplex.on('data', (chunk: Uint8Array) => { this.sent.push(chunk) })
  }
}

/**
 * Collects the bodies that Channels tell of
 */
function ourBodies (lines: string[]): Record<string, Outcome> {
  const outcomes: Record<string, Outcome> = {}

  for (const line of lines) {
    const [what, sequence, ...rest] = line.split(' ')
    const name = (Number(sequence) + 1).toString(16)

    if (what === 'body') {
      outcomes[name] = { data: '' }
    } else if (what === 'data') {
      outcomes[name].data += rest[0]
    } else if (what === 'end' || what === 'fail') {
      outcomes[name].end = [what, ...rest].join(' ')
    }
  }

  return outcomes
}

/**
 * Waits until the streams of 2015 have passed on all they have
 */
async function settled (...written: Uint8Array[][]): Promise<void> {
  let before = -1

  for (let count = 0, quiet = 0; quiet < 3; before = count) {
    await setImmediate()
    count = written.reduce((sum, chunks) => sum + chunks.length, 0)
    quiet = count === before ? quiet + 1 : 0
  }
}

const channels = fc.oneof(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -0x40000000, max: 0x3fffffff })).filter(channel => channel !== 0)
const names = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0xffffffff })).map(name => name.toString(16))
const data = fc.oneof(
  { weight: 20, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 8100, max: 8300 }).map(length => new Uint8Array(length).fill(length)) }
)
const reasons = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 })
const hashes = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'grapheme-ascii', maxLength: 300 }), fc.constantFrom('__proto__', 'constructor', ''))

/**
 * What may be done with one of a few bodies at a time
 */
const steps = fc.array(fc.record({
  slot: fc.nat({ max: 3 }),
  action: fc.oneof(
    fc.record({ what: fc.constant('write' as const), data }),
    fc.record({ what: fc.constant('end' as const) }),
    fc.record({ what: fc.constant('error' as const), reason: reasons }),
    fc.record({ what: fc.constant('rpc' as const), hashes: fc.array(hashes) }),
    fc.record({ what: fc.constant('wait' as const) })
  )
}), { maxLength: 30, size: 'max' })

type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never

/**
 * Does these steps with a multiplex of the original as an exchange does
 */
async function act (mplex: Multiplex, steps: Steps): Promise<void> {
  const slots: Array<Stream | undefined> = []
  const rpc = mplex.createStream('0')
  let sequence = 0

  rpc.write(RPC.encode({ type: TYPE.ID, hashes: ['me'] }))

  const open = (): Stream => {
    const stream = mplex.createStream((++sequence + 1).toString(16))
    stream.on('error', () => {})
    return stream
  }

  for (const { slot, action } of steps) {
    if (action.what === 'write') {
      (slots[slot] ??= open()).write(Buffer.from(action.data))
    } else if (action.what === 'end') {
      (slots[slot] ?? open()).end()
      slots[slot] = undefined
    } else if (action.what === 'error') {
      // what it has not passed on yet would go out after the error
      await setImmediate()
      const stream = slots[slot] ?? open()
      stream.destroy(new Error(action.reason))
      slots[slot] = undefined
    } else if (action.what === 'rpc') {
      rpc.write(RPC.encode({ type: TYPE.REQUEST, hashes: action.hashes }))
    } else {
      await setImmediate()
    }
  }
}

describe('the codecs of the original', () => {
  it('read the frames that we write, and write the same bytes', async () => {
    const writes = fc.array(fc.oneof(
      fc.record({ type: fc.constant('DATA' as const), channel: channels, name: fc.option(names, { nil: undefined }), data }),
      fc.record({ type: fc.constant('END' as const), channel: channels, name: fc.option(names, { nil: undefined }), data: fc.constant(undefined) }),
      fc.record({ type: fc.constant('ERROR' as const), channel: channels, name: fc.option(names, { nil: undefined }), data: fc.option(data, { nil: undefined }) })
    ))

    await fc.assert(fc.asyncProperty(writes, async writes => {
      const writer = new FrameWriter()

      for (const { type, channel, name, data } of writes) {
        if (type === 'DATA') {
          writer.data(channel, name, data)
        } else if (type === 'END') {
          writer.end(channel, name)
        } else {
          writer.error(channel, name, data)
        }
      }

      const bytes = writer.take().subarray()
      const frames = writes.map(write => ({ ...write, type: write.type === 'DATA' ? undefined : FRAME_TYPES[write.type] }))

      expect(toHex(bytes)).to.equal(toHex(encodeFrames(frames)))
      expect(await decodeAsOriginal(bytes)).to.deep.equal(writes.map(({ type, channel, name, data }) => ({
        channel,
        name: name == null ? NAMELESS : parseInt(name, 16),
        type: FRAME_TYPES[type],
        dataLength: data?.byteLength ?? 0,
        data: toHex(data ?? new Uint8Array(0))
      })))
    }), { numRuns: runs(200, 20_000) })
  })

  it('write the frames that we read, however their bytes are cut', () => {
    const frames = fc.array(fc.record({
      channel: channels,
      name: fc.option(names, { nil: undefined }),
      type: fc.option(fc.constantFrom(...Object.values(FRAME_TYPES)), { nil: undefined }),
      data: fc.option(fc.oneof(data, fc.constant(new Uint8Array(0))), { nil: undefined })
    }))

    fc.assert(fc.property(frames, cuts, (frames, cuts) => {
      expect(decodeFrames(cut(encodeFrames(frames), cuts))).to.deep.equal(frames.map(({ channel, name, type, data }) => ({
        channel,
        name: name == null ? NAMELESS : parseInt(name, 16),
        type: type ?? FRAME_TYPES.DATA,
        dataLength: data?.byteLength ?? 0,
        data: toHex(data ?? new Uint8Array(0))
      })))
    }), { numRuns: runs(200, 20_000) })
  })

  it('read the messages that we write, write the same bytes, and write messages that we read', () => {
    const messages = fc.record({
      type: fc.constantFrom(...RPC_TYPES),
      hashes: fc.array(hashes),
      mapping: fc.array(fc.record({ hash: hashes, sequence: fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: MAX_SEQUENCE })) })),
      sequence: fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 0xffffffff }))
    })

    fc.assert(fc.property(messages, message => {
      const ours = encodeRPC(message)
      const theirs: Uint8Array = RPC.encode({ ...message, type: TYPE[message.type] })
      const decoded = RPC.decode(Buffer.from(ours))

      expect(toHex(ours)).to.equal(toHex(theirs))
      expect(decodeRPC(theirs, defaultLimits)).to.deep.equal(message)
      // an object of a class of theirs
      expect({ ...decoded, mapping: decoded.mapping.map((one: object) => ({ ...one })) }).to.deep.equal({ ...message, type: TYPE[message.type] })
    }), { numRuns: runs(200, 20_000) })
  })

  it('leave fields out that a message does not need, as we do', () => {
    const messages = [
      { type: RPCType.CLOSE },
      { type: RPCType.AVAILABLE, hashes: [] },
      { type: RPCType.HASHES, mapping: [] },
      { type: RPCType.SINCE, sequence: 0 }
    ]

    for (const message of messages) {
      const theirs: Uint8Array = RPC.encode({ ...message, type: TYPE[message.type] })

      expect(toHex(encodeRPC(message))).to.equal(toHex(theirs))
      expect(decodeRPC(theirs, defaultLimits)).to.deep.equal({ hashes: [], mapping: [], sequence: 0, ...message })
    }
  })

  it('write half a surrogate pair as text that we read', () => {
    const theirs: Uint8Array = RPC.encode({ type: TYPE.AVAILABLE, hashes: ['a\ud800b'] })

    expect(decodeRPC(theirs, defaultLimits)?.hashes).to.deep.equal(['a\ufffdb'])
  })
})

describe('the multiplexer of the original', () => {
  it('writes bodies and messages that we read as it does, however their bytes are cut', async () => {
    await fc.assert(fc.asyncProperty(steps, cuts, async (steps, cuts) => {
      const sender = new OriginalBodies()
      const receiver = new OriginalBodies()

      sender.mplex.pipe(receiver.mplex)
      await act(sender.mplex, steps)
      await settled(sender.sent, receiver.sent)

      const bytes = concat(sender.sent)
      const log = new ChannelLog().read(...cut(bytes, cuts))
      const { 0: messages, ...bodies } = receiver.outcomes

      expect(decodeFrames(cut(bytes, cuts))).to.deep.equal(await decodeAsOriginal(bytes))
      expect(ourBodies(log.lines)).to.deep.equal(bodies)
      expect(toHex(concat(log.messages.map(encodeMessage)))).to.equal(messages.data)
    }), { numRuns: runs(200, 5000) })
  })

  it('reads the bodies and messages that we write', async () => {
    await fc.assert(fc.asyncProperty(steps, async steps => {
      const receiver = new OriginalBodies()
      const writer = new FrameWriter()
      const expected: Record<string, Outcome> = { 0: { data: '' } }
      const slots: Array<{ channel: number, outcome: Outcome } | undefined> = []
      let sequence = 0

      for (const { slot, action } of steps) {
        if (action.what === 'rpc') {
          const message = { type: RPCType.REQUEST, hashes: action.hashes }

          writer.rpc(message)
          expected[0].data += toHex(encodeRPC(message))
        } else if (action.what !== 'wait') {
          const channel = slot + 2
          const name = slots[slot] == null ? (++sequence + 1).toString(16) : undefined
          const { outcome } = slots[slot] ??= { channel, outcome: { data: '' } }

          if (name != null) {
            expected[name] = outcome
          }

          if (action.what === 'write') {
            writer.data(channel, name, action.data)
            outcome.data += toHex(action.data)
          } else if (action.what === 'end') {
            writer.end(channel, name)
            outcome.end = 'end'
            slots[slot] = undefined
          } else {
            writer.error(channel, name, Buffer.from(action.reason))
            outcome.end = `fail ${action.reason}`
            slots[slot] = undefined
          }
        }
      }

      for (const part of writer.take()) {
        receiver.mplex.write(Buffer.from(part))
      }

      await settled(receiver.sent)

      const outcomes = receiver.outcomes
      outcomes[0] ??= { data: '' }

      for (const [name, { end, data }] of Object.entries(expected)) {
        expect(outcomes[name]?.end).to.equal(end)

        if (end == null || end === 'end') {
          expect(outcomes[name].data).to.equal(data)
        }
      }

      expect(Object.keys(outcomes)).to.have.members(Object.keys(expected))
    }), { numRuns: runs(200, 5000) })
  })

  it('writes cancels that we read', async () => {
    const reactions = fc.array(fc.constantFrom('read', 'destroy', 'fail', 'end', 'write'))
    let read = 0

    await fc.assert(fc.asyncProperty(steps, reactions, cuts, async (steps, reactions, cuts) => {
      const sender = new OriginalBodies()

      const receiver = new OriginalBodies((stream) => {
        // what still comes after a cancel has no name and is no body
        if (stream.meta !== '' && stream.meta !== '0') {
          switch (reactions.shift()) {
            case 'destroy': stream.destroy(); break
            case 'fail': stream.destroy(new Error('not wanted')); break
            case 'end': stream.end(); break
            case 'write': stream.write(Buffer.from('nobody reads this')); break
            default:
          }
        }
      })

      sender.mplex.pipe(receiver.mplex)
      receiver.mplex.pipe(sender.mplex)
      await act(sender.mplex, steps.filter(({ action }) => action.what !== 'error'))
      await settled(sender.sent, receiver.sent)

      const bytes = concat(receiver.sent)
      const cancels = (await decodeAsOriginal(bytes)).filter(({ type }) => type !== FRAME_TYPES.DATA)

      expect(new ChannelLog().read(...cut(bytes, cuts)).lines).to.deep.equal(
        cancels.map(({ channel, name }) => `cancelled ${name - 1} on ${-channel}`)
      )
      read += cancels.length
    }), { numRuns: runs(200, 5000) })

    expect(read).to.be.greaterThan(0)
  })
})

describe('a body of an original that is cancelled', () => {
  it('goes on for a while, even within the next one on its channel', async () => {
    const first = Array.from({ length: 200 }, () => Buffer.alloc(65_536, 'a'))
    const second = [Buffer.from('b'), Buffer.from('b'), Buffer.from('b')]
    const original = createOriginal((hash, callback) => {
      callback(null, Readable.from(hash === 'first' ? first : second))
    })
    const writer = new FrameWriter()
    const received: Uint8Array[] = []

    const tell = async (): Promise<void> => {
      original.write(Buffer.from(writer.take().subarray()))
      await settled(received)
    }

    original.provide(['first', 'second'])
    writer.rpc({ type: RPCType.REQUEST, hashes: ['first'] })
    await tell()

    // it gives what it has, queues more, and is not asked for it, as where a network is busy
    received.push(original.read() ?? expect.fail('It sent nothing'))
    await settled(received)
    writer.error(-2, '2')
    writer.rpc({ type: RPCType.REQUEST, hashes: ['second'] })
    await tell()

    for (let chunk = original.read(); chunk != null; chunk = original.read()) {
      received.push(chunk)
      await settled(received)
    }

    const frames = decodeFrames(received).filter(({ channel }) => channel === 2)
    const afterCancel = frames.slice(frames.findIndex(({ name }) => name === 3))
    const end = afterCancel.findIndex(({ type }) => type === FRAME_TYPES.END)
    const senders = afterCancel.map(({ data }) => Buffer.from(data.slice(0, 2), 'hex').toString())

    expect(senders.slice(0, end)).to.include.members(['a', 'b'])
    expect(senders.slice(end + 1)).to.include('a')
  })
})

function encodeMessage ({ type, hashes }: { type: RPCType, hashes: string[] }): Uint8Array {
  return encodeRPC({ type, hashes })
}
