import { expect } from 'aegir/chai'
import fc from 'fast-check'
import * as lp from 'it-length-prefixed'
import { concat } from 'uint8arrays/concat'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import { Frame, FrameType } from '../../src/wire/frame.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { RPC } from '../../src/wire/rpc.ts'
import { frame, fromHex, toHex } from '../fixtures/bytes.ts'
import { runs } from '../fixtures/runs.ts'
import type { RPCMessage } from '../../src/wire/rpc-codec.ts'

/**
 * What is written, in hex
 */
function written (write: (writer: FrameWriter) => void): string {
  const writer = new FrameWriter()
  write(writer)

  return toHex(writer.take().subarray())
}

/**
 * Some bytes that are not all the same
 */
function bytesOf (length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => i * 7 + (i >> 8))
}

describe('FrameWriter', () => {
  it('writes messages on channel 1, with its name in the first one', () => {
    const messages: RPCMessage[] = [
      { type: RPCType.AVAILABLE, hashes: ['aa'] },
      { type: RPCType.SINCE, sequence: 0 },
      { type: RPCType.CLOSE }
    ]

    expect(written(writer => { messages.forEach(message => { writer.rpc(message) }) })).to.equal(
      '0d0802120130220600000a026161' + '080802220400031800' + '06080222020004'
    )
  })

  it('writes bodies with their names in their first frames', () => {
    expect(written(writer => {
      writer.data(2, '2', fromHex('68656c6c6f'))
      writer.data(2, undefined, fromHex('68656c6c6f'))
      writer.end(2)
    })).to.equal('0c0804120132220568656c6c6f' + '090804220568656c6c6f' + '0408041802')
  })

  it('writes an empty body as its end', () => {
    expect(written(writer => { writer.end(3, 'ffffffff') })).to.equal('0e0806' + '12086666666666666666' + '1802')
  })

  it('writes a body that failed, with or without a reason', () => {
    expect(written(writer => {
      writer.error(2)
      writer.error(2, '2')
      writer.error(2, undefined, fromHex('6f686e6f'))
    })).to.equal('0408041803' + '0708041201321803' + '0a080418032204' + '6f686e6f')
  })

  it('writes a cancel', () => {
    expect(written(writer => { writer.error(-2, '2') })).to.equal('0708031201321803')
  })

  it('writes what another codec reads, whatever the sizes', () => {
    const writer = new FrameWriter()
    const channels = [1, -1, 63, 64, -64, -65, 8191, 8192, -8192, 1048576, 134217728, 0x7fffffff, -0x80000000]
    const sizes = [1, 127, 128, 16_383, 16_384, 8191, 8192, 8193, 65_535, 65_536, 65_537, 300_000, 2_097_152]
    const expected = channels.flatMap(channel => sizes.map(size => ({ channel, name: undefined, type: undefined, data: bytesOf(size) })))

    expected.forEach(({ channel, data }) => { writer.data(channel, undefined, data) })

    const frames = [...lp.decode(writer.take(), { maxDataLength: 4_000_000 })]

    expect(frames).to.have.lengthOf(expected.length)
    frames.forEach((bytes, i) => {
      const { channel, type, name, data } = Frame.decode(bytes)

      expect({ channel, type, name }).to.deep.equal({ channel: expected[i].channel, type: undefined, name: undefined })
      expect(data?.byteLength).to.equal(expected[i].data.byteLength)
      expect(toHex(data?.subarray(-20) ?? new Uint8Array(0))).to.equal(toHex(expected[i].data.subarray(-20)))
    })
  })

  it('writes the same as another codec', () => {
    const channel = fc.integer({ min: -0x80000000, max: 0x7fffffff })
    const name = fc.option(fc.integer({ min: 0, max: 0xffffffff }).map(name => name.toString(16)), { nil: undefined })
    const data = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 8000, max: 8400 }).map(bytesOf))
    const hashes = fc.array(fc.string({ unit: 'grapheme' }))

    const write = fc.oneof(
      fc.record({ what: fc.constant('data' as const), channel, name, data }),
      fc.record({ what: fc.constant('end' as const), channel, name }),
      fc.record({ what: fc.constant('error' as const), channel, name, data: fc.option(data, { nil: undefined }) }),
      fc.record({ what: fc.constant('rpc' as const), hashes }),
      fc.record({ what: fc.constant('take' as const) })
    )

    fc.assert(fc.property(fc.array(write), writes => {
      const writer = new FrameWriter()
      const taken: Uint8Array[] = []
      const expected: Uint8Array[] = []
      let named = false

      for (const write of writes) {
        const { byteLength } = writer

        if (write.what === 'rpc') {
          const message = { type: RPCType.REQUEST, hashes: write.hashes }

          writer.rpc(message)
          expected.push(frame({ channel: 1, name: named ? undefined : '0', data: RPC.encode(message) }))
          named = true
        } else if (write.what === 'data') {
          writer.data(write.channel, write.name, write.data)
          expected.push(frame({ channel: write.channel, name: write.name, data: write.data }))
        } else if (write.what === 'end') {
          writer.end(write.channel, write.name)
          expected.push(frame({ channel: write.channel, name: write.name, type: FrameType.END }))
        } else if (write.what === 'error') {
          writer.error(write.channel, write.name, write.data)
          expected.push(frame({ channel: write.channel, name: write.name, type: FrameType.ERROR, data: write.data }))
        } else {
          // not joined yet: what is written later must not change it
          taken.push(...writer.take())
          expect(writer.byteLength).to.equal(0)
          continue
        }

        expect(writer.byteLength).to.equal(byteLength + expected[expected.length - 1].byteLength)
      }

      expect(toHex(concat([...taken, ...writer.take()]))).to.equal(toHex(concat(expected)))
    }), { numRuns: runs(300, 5000) })
  })

  it('gives what was written since the last time', () => {
    const writer = new FrameWriter()

    expect(writer.take().byteLength).to.equal(0)
    writer.end(2)
    expect(writer.byteLength).to.equal(5)
    expect(toHex(writer.take().subarray())).to.equal('0408041802')
    expect(writer.byteLength).to.equal(0)
    expect(writer.take().byteLength).to.equal(0)
    writer.end(3)
    expect(toHex(writer.take().subarray())).to.equal('0408061802')
  })

  it('joins many small frames into few parts', () => {
    const writer = new FrameWriter()

    for (let i = 0; i < 2000; i++) {
      writer.data(2, undefined, bytesOf(128))
    }

    expect(writer.byteLength).to.equal(2000 * (128 + 7))
    expect([...writer.take()].length).to.be.lessThan(10)
  })

  it('does not copy large data', () => {
    const writer = new FrameWriter()
    const data = bytesOf(65_536)

    writer.data(2, undefined, data)

    const parts = [...writer.take()]

    expect(parts).to.have.lengthOf(2)
    expect(parts[1]).to.equal(data)
  })

  it('copies small data, which may be used again', () => {
    const writer = new FrameWriter()
    const data = fromHex('68656c6c6f')

    writer.data(2, '2', data)
    data.fill(0)

    expect(toHex(writer.take().subarray())).to.equal('0c0804120132220568656c6c6f')
  })

  it('writes a message of any length in one frame', () => {
    const writer = new FrameWriter()
    const mapping = Array.from({ length: 200_000 }, (_, sequence) => ({ hash: sequence.toString(16).padStart(40, '0'), sequence }))

    writer.rpc({ type: RPCType.HASHES, mapping })

    const frames = [...lp.decode(writer.take(), { maxDataLength: Infinity })]

    expect(frames).to.have.lengthOf(1)
    expect(RPC.decode(Frame.decode(frames[0]).data ?? new Uint8Array(0)).mapping).to.have.lengthOf(mapping.length)
  })

  it('writes a reason of any length', () => {
    const reason = bytesOf(100_000)

    expect(written(writer => { writer.error(2, '2', reason) })).to.equal(toHex(frame({
      channel: 2, name: '2', type: FrameType.ERROR, data: reason
    })))
  })
})
