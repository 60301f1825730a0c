import { expect } from 'aegir/chai'
import { defaultLimits } from '../../src/exchange/limits.ts'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collect, content, manyHashes, nothing } from '../fixtures/content.ts'
import { nextOf, record } from '../fixtures/events.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'

describe('exchange: limits', () => {
  it('must be known and above 0', () => {
    for (const name of Object.keys(defaultLimits)) {
      for (const wrong of [0, -1, NaN, 'x', {}] as any[]) {
        expect(() => exchange(nothing, { limits: { [name]: wrong } }), `${name}: ${wrong}`).to.throw().with.property('name', 'InvalidParametersError')
      }

      exchange(nothing, { limits: { [name]: 1_000_000 } })
      exchange(nothing, { limits: { [name]: undefined } })
    }

    expect(() => exchange(nothing, { limits: { maxHashes: 5 } as any })).to.throw().with.property('name', 'InvalidParametersError')
  })

  it('take an original that sends all that it has in one message', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const hashes = manyHashes(100_000)
    const available = nextOf(ex, 'available', 100)

    // more than can be arguments in a web worker, whose stack is small
    peer.rpc({ type: RPCType.AVAILABLE, hashes })

    expect((await available).flat()).to.deep.equal(hashes)
  })

  it('take a body in a frame of any length, part by part', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const body = content(1, 20_000_000)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.body(2, 1, body)

    const { stream } = await got
    let length = 0

    for await (const chunk of stream) {
      length += chunk.byteLength
    }

    expect(length).to.equal(body.byteLength)
  })

  it('take what is just within them', async () => {
    const ex = exchange(nothing, { limits: { maxRPCEntries: 3, maxHashBytes: 4, maxUnknownBodies: 2, maxUnreadBytes: 1000 } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const gets = ['a', 'b'].map(async hash => ex.get(hash))

    peer.available('1234', 'éé', '')
    await peer.message(RPCType.REQUEST)
    // each part costs 256 bytes more
    peer.body(2, 1, content(1, 200))
    peer.body(3, 2, content(2, 200))
    peer.hashes(['a', 1], ['b', 2])

    for (const [i, got] of gets.entries()) {
      expect(await collect((await got).stream)).to.deep.equal(content(i + 1, 200))
    }

    expect(recorded.available).to.deep.equal(['1234', 'éé', ''])
    expect(recorded.closes).to.be.empty()
  })

  it('believe no length before its bytes come', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    await peer.sync()
    // a frame of 2^40 bytes, of which some are there; it would not fit into any buffer
    peer.bytes(0x8c, 0x80, 0x80, 0x80, 0x80, 0x20, 0x08, 0x04, 0x12, 0x01, 0x32, 0x22, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x41)

    const reader = (await got).stream[Symbol.asyncIterator]()
    expect((await reader.next()).value).to.deep.equal(Uint8Array.of(0x41))
    expect(recorded.closes).to.be.empty()
    ex.abort()
  })
})
