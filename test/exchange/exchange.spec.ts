import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { expect } from 'aegir/chai'
import { pipe } from 'it-pipe'
import { Exchange } from '../../src/exchange/exchange.ts'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collectText, nothing, serve } from '../fixtures/content.ts'
import { next, nextOf, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { cutInto, everyByte, joined, laps } from '../fixtures/slicing.ts'
import type { ReadStreamOptions } from '../../src/index.ts'
import type { PeerId } from '@libp2p/interface'

async function createPeerId (): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

describe('exchange', () => {
  it('replicates what two peers lack', async () => {
    const results: string[] = []

    const peers = [['hey yo', 'WHATEVER', 'beep'], ['beep', 'boop', 'hey yo']].map((list, i) => {
      const ex = exchange(serve(Object.fromEntries(list.map(value => [value, value]))), { id: `${i}` })

      void ex.provide(list)
      ex.addEventListener('available', ({ detail }) => { ex.request(detail) })

      return { ex, response: next(ex, 'response') }
    })
    const pair = connectPair(peers[0].ex, peers[1].ex)

    for (const { ex, response } of peers) {
      const { hash, stream } = await response

      results.push(hash, await collectText(stream))
      void ex.close()
    }

    expect(results).to.deep.equal(['boop', 'boop', 'WHATEVER', 'WHATEVER'])
    expect((await pair.ended).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled'])
  })

  it('can be piped in the form of the original', async () => {
    const a = exchange(serve({ a: 'A' }), { provides: () => true, id: 'a' })
    const b = exchange(nothing, { id: 'b' })
    const piped = pipe(a, b, a)

    expect(await collectText((await b.get('a')).stream)).to.equal('A')

    await Promise.all([a.close(), b.close()])
    await piped
  })

  for (const [name, slicing] of Object.entries({ 'cut at every byte': everyByte, 'cut anywhere': cutInto([3, 1, 50, 7, 1000]), joined })) {
    it(`takes its bytes ${name}`, async () => {
      const contents = { a: 'A'.repeat(1000), b: '', c: 'C' }
      const ex = exchange(serve(contents), { id: 'ex' })
      const other = exchange(nothing, { id: 'other' })
      const pair = connectPair(ex, other, { there: slicing, back: slicing })

      void ex.provide(Object.keys(contents))
      expect(await next(other, 'available')).to.deep.equal(['a', 'b', 'c'])

      for (const [hash, value] of Object.entries(contents)) {
        expect(await collectText((await other.get(hash)).stream)).to.equal(value)
      }

      await Promise.all([ex.close(), other.close()])
      await pair.ended
    })
  }

  it('can be logged', () => {
    expect(Object.prototype.toString.call(exchange(nothing))).to.include('libp2p-hash-exchange')
  })

  it('dispatches nothing and asks for nothing before it is piped', async () => {
    const other = exchange(serve({ a: 'A' }), { id: 'other' })
    const chunks: Uint8Array[] = []

    void other.provide('a')
    other.since(3)

    // all that the other has to say has come
    const iterator = other.source[Symbol.asyncIterator]()
    chunks.push((await iterator.next()).value?.subarray())

    const ex = exchange(nothing)
    const recorded = record(ex)
    ex.request('a')
    void ex.provide('b')
    await laps(2)
    expect(recorded).to.deep.include({ available: [], ids: [], since: [], failed: [] })

    const sunk = ex.sink((async function * () {
      yield * chunks
      await new Promise(() => {})
    })())
    // nor before the task that pipes it is over
    expect(recorded).to.deep.include({ available: [], ids: [], since: [], failed: [] })

    await laps(1)
    expect(recorded).to.deep.include({ available: ['a'], ids: ['other'], since: [3] })

    ex.abort()
    other.abort()
    await expect(sunk).to.eventually.be.rejected()
  })

  describe('since and seen', () => {
    it('go from -1 to 2^32 - 2', async () => {
      const ex = exchange(nothing)
      const other = exchange(nothing)
      const sequences = [-1, 0, 1, 127, 128, 4294967294]
      const since = nextOf(other, 'since', sequences.length)
      const seen = nextOf(other, 'seen', sequences.length)

      connectPair(ex, other)

      for (const sequence of sequences) {
        ex.since(sequence)
        ex.seen(sequence)
      }

      expect(await since).to.deep.equal(sequences)
      expect(await seen).to.deep.equal(sequences)
    })

    it('are sent as one more', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)

      ex.since(-1)
      ex.seen(4294967294)

      expect(await peer.message(RPCType.SINCE)).to.have.property('sequence', 0)
      expect(await peer.message(RPCType.SEEN)).to.have.property('sequence', 4294967295)
    })

    it('take nothing else', () => {
      const ex = exchange(nothing)

      for (const wrong of [-2, 0.5, 4294967295, NaN, Infinity, '1', null, undefined, 1n] as any[]) {
        expect(() => { ex.since(wrong) }).to.throw().with.property('name', 'InvalidParametersError')
        expect(() => { ex.seen(wrong) }).to.throw().with.property('name', 'InvalidParametersError')
      }
    })

    it('are ignored after the end', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const closed = ex.close()

      await peer.message(RPCType.CLOSE)
      ex.since(1)
      ex.seen(1)
      peer.close()
      peer.finish()
      await closed
      ex.since(2)
      ex.seen(2)
      await peer.ended

      expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.CLOSE])
    })
  })

  describe('id', () => {
    it('is the first message, with an empty ID of a log', async () => {
      const ex = exchange(nothing, { id: 'me' })
      ex.since(-1)
      void ex.provide('a')
      const peer = new ScriptedPeer(ex)

      await peer.sync()

      expect(peer.messages[0]).to.deep.include({ type: RPCType.ID, hashes: ['me', ''] })
    })

    it('is not sent without one', async () => {
      for (const id of [undefined, false] as const) {
        const peer = new ScriptedPeer(exchange(nothing, { id }))

        await peer.sync()

        expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.HASHES])
      }
    })

    it('is dispatched as it is claimed, if there is one', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.id('somebody')
      peer.id('{"anything":true}', 'log')
      peer.id('')
      peer.id('', '')
      peer.id()
      await peer.sync()

      expect(recorded.ids).to.deep.equal(['somebody', '{"anything":true}'])
    })

    it('may not be that of another peer where the remote is authenticated', async () => {
      const ex = new Exchange(nothing, { remotePeer: await createPeerId() })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)
      const got = ex.get('a')
      const closed = next(ex, 'close')

      await peer.message(RPCType.REQUEST)
      peer.id((await createPeerId()).toString(), '')

      expect(await closed).to.have.property('name', 'ForeignIdError')
      await expect(got).to.eventually.be.rejected.with.property('name', 'ForeignIdError')
      await expect(peer.sunk).to.eventually.be.rejected.with.property('name', 'ForeignIdError')
      expect(recorded.ids).to.be.empty()
    })

    it('may not be that of another peer, whatever its key and its text', async () => {
      const other = await createPeerId()
      const others = [
        other.toString(),
        other.toCID().toString(),
        peerIdFromPrivateKey(await generateKeyPair('secp256k1')).toString(),
        // RSA
        'QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC'
      ]

      for (const claim of others) {
        expect(peerIdFromString(claim).toString()).to.be.a('string')

        const ex = new Exchange(nothing, { remotePeer: await createPeerId() })
        const peer = new ScriptedPeer(ex)
        const closed = next(ex, 'close')

        peer.id(claim, '')

        expect(await closed, claim).to.have.property('name', 'ForeignIdError')
        await expect(peer.sunk).to.eventually.be.rejected.with.property('name', 'ForeignIdError')
      }
    })

    it('may be its own, or no peer ID at all', async () => {
      const remotePeer = await createPeerId()
      const ex = new Exchange(nothing, { remotePeer })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)
      // the same ID as a CID
      const claims = [
        remotePeer.toString(),
        remotePeer.toCID().toString(),
        'no peer',
        '{}',
        // a block, one byte as an identity multihash, and what only begins as a peer ID
        'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy',
        '15Z',
        '12D',
        'Qm',
        ''
      ]

      claims.forEach(claim => { peer.id(claim, '') })
      await peer.sync()

      expect(recorded.ids).to.deep.equal(claims.slice(0, -1))
      expect(recorded.closes).to.be.empty()
    })

    it('may be anything over a plain pipe', async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const id = (await createPeerId()).toString()
      const claimed = next(ex, 'id')

      peer.id(id, '')

      expect(await claimed).to.equal(id)
    })

    it('is what createReadStream is told where it is known', async () => {
      const remotePeer = await createPeerId()
      let options: ReadStreamOptions | undefined
      const ex = new Exchange((hash, opts) => {
        options = opts
        return undefined
      }, { remotePeer, protocol: '/test/1', provides: () => true })
      const peer = new ScriptedPeer(ex)

      peer.request('a')
      await peer.message(RPCType.HASHES)

      expect(options?.peer).to.equal(remotePeer)
      expect(ex.remotePeer).to.equal(remotePeer)
      expect(ex.protocol).to.equal('/test/1')
    })

    it('has at most 512 bytes', () => {
      expect(() => exchange(nothing, { id: 'x'.repeat(513) })).to.throw().with.property('name', 'InvalidParametersError')
      expect(() => exchange(nothing, { id: 5 as any })).to.throw().with.property('name', 'InvalidParametersError')
      exchange(nothing, { id: 'x'.repeat(512) })
    })
  })
})
