import { expect } from 'aegir/chai'
import { encodeRPC, RPCType } from '../../src/wire/rpc-codec.ts'
import { fromHex, rpcOpening, varint } from '../fixtures/bytes.ts'
import { MiB, used } from '../fixtures/used-memory.ts'
import { ChannelLog } from '../fixtures/wire-log.ts'

/**
 * Where a frame begins whose data has this length
 */
function declared (channel: string, name: string, length: number): Uint8Array {
  return fromHex(varint(length + 6 + varint(length).length / 2), '08', channel, '1201', name, '22', varint(length))
}

describe('the memory that Channels take', () => {
  it('is not that of the length that a message claims', () => {
    const before = used()
    const logs = Array.from({ length: 100 }, () => new ChannelLog().read(declared('02', '30', 16 * MiB), fromHex('0000')))

    expect(used() - before).to.be.lessThan(4 * MiB)
    expect(logs).to.have.lengthOf(100)
  })

  it('is not that of the length that a body claims', () => {
    let received = 0
    const chunk = new Uint8Array(MiB)
    const log = new ChannelLog()

    log.body = () => ({
      data: part => { received += part.byteLength },
      end: () => {},
      fail: () => {},
      cut: () => {}
    })
    log.read(declared('04', '32', Math.pow(2, 40)))

    const before = used()

    for (let i = 0; i < 256; i++) {
      log.read(chunk)
    }

    expect(used() - before).to.be.lessThan(4 * MiB)
    expect(received).to.equal(256 * MiB)
  })

  it('is that of the bytes of a message, also when they come one at a time', () => {
    const hashes = Array.from({ length: 8000 }, (_, i) => i.toString(16).padStart(128, '0'))
    const bytes = rpcOpening(encodeRPC({ type: RPCType.AVAILABLE, hashes }))
    const byte = new Uint8Array(1)
    const log = new ChannelLog()
    const before = used()

    for (let i = 0; i < bytes.byteLength - 1; i++) {
      byte[0] = bytes[i]
      log.read(byte)
    }

    expect(used() - before).to.be.lessThan(4 * MiB)
    expect(log.read(bytes.subarray(-1)).messages[0].hashes).to.deep.equal(hashes)
  })
})
