import { expect } from 'aegir/chai'
import { Exchange } from '../../src/exchange/exchange.ts'
import { Pending } from '../../src/exchange/pending.ts'
import { PROTOCOL, streamToDuplex } from '../../src/index.ts'
import { text, thenHang } from '../fixtures/content.ts'
import { createBareNode, createNode, stopNodes } from '../fixtures/nodes.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import type { Stream } from '@libp2p/interface'

const MAX_PENDING = 16
const EXCHANGES = 4

describe('what a peer asks for on several exchanges', () => {
  const asked = new Set<string>()
  const streams: Stream[] = []
  const peers: ScriptedPeer[] = []

  beforeEach(async () => {
    asked.clear()

    const node = await createNode({
      provides: () => true,
      createReadStream: (hash) => {
        asked.add(hash)
        return { stream: thenHang() }
      },
      limits: { maxPending: MAX_PENDING, maxSources: 1 }
    })
    const remote = await createBareNode()

    for (let i = 0; i < EXCHANGES; i++) {
      const stream = await remote.dialProtocol(node.getMultiaddrs(), PROTOCOL)

      streams.push(stream)
      peers.push(new ScriptedPeer(streamToDuplex(stream) as unknown as Exchange))
    }
  })

  afterEach(async () => {
    streams.length = 0
    peers.length = 0
    await stopNodes()
  })

  async function askOn (i: number): Promise<void> {
    for (let n = 0; n < 2 * MAX_PENDING; n++) {
      peers[i].request(`${i} ${n}`)
    }

    await laps(20)
  }

  it('counts together, and a little of each is always taken', async () => {
    await askOn(0)

    const onFirst = asked.size

    // with one that is being sent, and one that is read before it is known
    expect(onFirst).to.be.within(MAX_PENDING, MAX_PENDING + 2)

    for (let i = 1; i < EXCHANGES; i++) {
      await askOn(i)
    }

    const onOthers = asked.size - onFirst

    expect(onOthers).to.be.within(EXCHANGES - 1, 3 * (EXCHANGES - 1))
  })

  it('is taken when there is room again', async () => {
    for (let i = 0; i < EXCHANGES; i++) {
      await askOn(i)
    }

    const before = asked.size

    streams[0].abort(new Error('It is not wanted'))
    await laps(20)

    expect(asked.size).to.be.above(before + MAX_PENDING / 2)
  })

  it('is counted once, also where it is cancelled after nothing more can be sent', async () => {
    const pending = new Pending(MAX_PENDING)
    const ex = new Exchange(() => ({ stream: thenHang(text('A')) }), { provides: () => true, pending })
    const peer = new ScriptedPeer(ex)

    peer.request('a')
    await peer.until(() => peer.bodyFrames.length > 0)
    expect(pending.count).to.equal(1)

    ex.loseOutput(new Error('The stream is lost'))
    expect(pending.count).to.equal(0)

    peer.error(-2, 1)
    await laps(5)
    expect(pending.count).to.equal(0)

    ex.abort()
    await peer.ended
    expect(pending.count).to.equal(0)
  })
})
