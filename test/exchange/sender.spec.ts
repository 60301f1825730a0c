import { expect } from 'aegir/chai'
import { MAX_DATA_BYTES, SEND_BYTES } from '../../src/constants.ts'
import { defaultLimits } from '../../src/exchange/limits.ts'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collect, collectText, content, manyHashes, nothing, repeat, text, thenHang, WatchedSource } from '../fixtures/content.ts'
import { nextOf } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import type { Exchange } from '../../src/index.ts'

const provides = (): boolean => true
const MIB = 1024 * 1024

/**
 * Asks for all of them and reads each to its end
 */
async function getAll (ex: Exchange, hashes: string[], onBody: (hash: string, bytes: Uint8Array) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let left = hashes.length

  ex.addEventListener('failed', ({ detail }) => { reject(detail.error) })
  ex.addEventListener('response', ({ detail: { hash, stream } }) => {
    collect(stream).then(bytes => {
      onBody(hash, bytes)

      if (--left === 0) {
        resolve()
      }
    }, reject)
  })
  ex.request(hashes)

  return promise
}

describe('exchange: sending', () => {
  it('sends bodies in the order of the request, each on the lowest free channel', async () => {
    const ends = new Map<string, PromiseWithResolvers<void>>()
    const ex = exchange((hash) => {
      const end = Promise.withResolvers<void>()
      ends.set(hash, end)

      return {
        stream: (async function * () {
          yield text(hash)
          await end.promise
        })()
      }
    }, { provides, limits: { maxSources: 3 } })
    const peer = new ScriptedPeer(ex)
    const begun = (): Array<[number, string]> => peer.bodyFrames.filter(({ type }) => type === 'DATA').map(({ channel, data }) => [channel, new TextDecoder().decode(data)])

    peer.request('a', 'b', 'c', 'd', 'e')
    await peer.until(() => begun().length === 3)
    expect(begun()).to.deep.equal([[2, 'a'], [3, 'b'], [4, 'c']])

    ends.get('b')?.resolve()
    await peer.until(() => begun().length === 4)
    ends.get('a')?.resolve()
    await peer.until(() => begun().length === 5)

    expect(begun().slice(3)).to.deep.equal([[3, 'd'], [2, 'e']])
    ex.abort()
  })

  it('has few sources open, whatever is requested, and all of it arrives', async function () {
    this.timeout(30_000)

    const hashes = manyHashes(100_000)
    let open = 0
    let most = 0
    const ex = exchange((hash) => ({
      stream: (async function * () {
        most = Math.max(most, ++open)

        try {
          yield text(hash)
        } finally {
          open--
        }
      })()
    }), { provides })
    const other = exchange(nothing, { limits: { maxOutstanding: 100_000 } })
    const received: string[] = []

    connectPair(ex, other)
    await getAll(other, hashes, (hash, bytes) => {
      if (new TextDecoder().decode(bytes) === hash) {
        received.push(hash)
      }
    })

    expect(most).to.equal(defaultLimits.maxSources)
    expect(open).to.equal(0)
    // nothing was slow, so they came in order
    expect(received).to.deep.equal(hashes)
  })

  it('gives way to the next source that has something', async () => {
    const hanging = Array.from({ length: 15 }, (_, i) => `hanging ${i}`)
    const ex = exchange((hash) => ({ stream: hash.startsWith('hanging') ? thenHang() : [text(hash)] }), { provides })
    const peer = new ScriptedPeer(ex)

    peer.request(...hanging, 'a', 'b', 'c')
    await Promise.all([16, 17, 18].map(async sequence => peer.bodyOf(sequence)))

    expect(peer.bodyFrames.filter(({ type }) => type === 'DATA').map(({ data }) => new TextDecoder().decode(data))).to.deep.equal(['a', 'b', 'c'])
    ex.abort()
  })

  it('joins many small frames into few chunks', async () => {
    const hashes = manyHashes(10_000)
    const ex = exchange((hash) => ({ stream: [content(1, 128)] }), { provides })
    const other = exchange(nothing, { limits: { maxOutstanding: 10_000 } })
    const pair = connectPair(ex, other)

    await getAll(other, hashes, () => {})

    const { chunks, bytes } = pair.there
    // each is as full as it may be, but for the last ones
    expect(chunks.length).to.be.at.most(Math.ceil(bytes / SEND_BYTES) + 3)
    expect(chunks.filter(size => size > SEND_BYTES * 0.9)).to.have.lengthOf.at.least(4)
    expect(bytes).to.be.above(10_000 * 128)
  })

  it('joins large frames likewise, none with more than 64 KiB of content', async () => {
    const ex = exchange(() => ({ stream: repeat(content(1, 100_000), 50) }), { provides })
    const other = exchange(nothing)
    const pair = connectPair(ex, other)
    const body = await collect((await other.get('a')).stream)

    expect(body).to.have.lengthOf(5_000_000)
    expect(pair.there.chunks.length).to.be.at.most(Math.ceil(pair.there.bytes / SEND_BYTES) + 3)
    expect(Math.max(...pair.there.chunks)).to.be.at.most(SEND_BYTES)

    const peer = new ScriptedPeer(exchange(() => ({ stream: [content(1, 500_000)] }), { provides }))
    peer.request('a')
    expect(Math.max(...(await peer.bodyOf(1)).map(({ data }) => data.byteLength))).to.equal(MAX_DATA_BYTES)
  })

  describe('with a reader that pauses', () => {
    it('takes from the source what the limits allow, of 256 MiB', async function () {
      this.timeout(30_000)

      const chunk = content(1, MAX_DATA_BYTES)
      const source = new WatchedSource(repeat(chunk, 256 * MIB / MAX_DATA_BYTES))
      const ex = exchange(() => ({ stream: source }), { provides })
      const other = exchange(nothing)
      const pair = connectPair(ex, other)
      const { stream } = await other.get('a')
      const reader = stream[Symbol.asyncIterator]()
      let read = 0

      // what waits for the reader, what is read ahead, and what is on its way: a chunk in each of the steps between
      const most = defaultLimits.maxUnreadBytes + defaultLimits.maxReadAheadBytes + 4 * SEND_BYTES

      for (let paused = 0; paused < 5; paused++) {
        await laps(3)
        expect(source.bytes - read).to.be.within(defaultLimits.maxUnreadBytes, most)

        // it goes on when it is read on
        for (let i = 0; i < 10 * MIB / MAX_DATA_BYTES; i++) {
          read += (await reader.next()).value?.byteLength
        }
      }

      for (let { done, value } = await reader.next(); done !== true; { done, value } = await reader.next()) {
        read += value.byteLength
      }

      expect(read).to.equal(256 * MIB)
      expect(pair.there.bytes).to.be.within(256 * MIB, 256 * MIB * 1.001)
    })

    it('holds all others back, and their messages', async () => {
      const ex = exchange(() => ({ stream: repeat(content(1, 10_000), 100) }), { provides, id: 'ex' })
      const other = exchange(nothing, { limits: { maxUnreadBytes: 100_000 } })
      connectPair(ex, other)
      const available = nextOf(other, 'available', 1)
      let came = false
      available.then(() => { came = true }, () => {})

      const { stream } = await other.get('a')
      await laps(1)
      void ex.provide('later')
      await laps(3)
      expect(came).to.be.false()

      expect(await collect(stream)).to.have.lengthOf(1_000_000)
      expect(await available).to.deep.equal([['later']])
    })
  })

  describe('with a network that stands still', () => {
    it('reads ahead as far as the limit', async () => {
      const chunk = content(1, 10_000)
      const sources = new Map(manyHashes(100).map(hash => [hash, new WatchedSource(repeat(chunk, 30))]))
      const ex = exchange((hash) => ({ stream: sources.get(hash) as WatchedSource }), { provides })
      const other = exchange(nothing)
      const pair = connectPair(ex, other)
      const taken = (): number => [...sources.values()].reduce((sum, { bytes }) => sum + bytes, 0)

      pair.there.hold()
      const all = getAll(other, [...sources.keys()], () => {})
      await laps(5)

      const { maxReadAheadBytes, maxSources } = defaultLimits
      // each of the open ones may be asked for a chunk while there is room; one send is on its way
      expect(taken()).to.be.within(maxReadAheadBytes, maxReadAheadBytes + maxSources * chunk.byteLength + SEND_BYTES)
      expect([...sources.values()].filter(({ opened }) => opened)).to.have.lengthOf(maxSources)

      pair.there.release()
      await all
      expect(taken()).to.equal(100 * 300_000)
    })

    it('reads nothing ahead of sources that are not async', async () => {
      const source = repeat(content(1, 10_000))
      let taken = 0
      const ex = exchange(() => ({
        stream: (function * () {
          for (const chunk of source) {
            taken += chunk.byteLength
            yield chunk
          }
        })()
      }), { provides })
      const peer = new ScriptedPeer(ex)

      peer.hold()
      peer.request('a')
      await laps(5)

      expect(taken).to.be.within(1, 2 * SEND_BYTES)
      ex.abort()
      peer.release()
    })
  })

  it('sends messages before bodies', async () => {
    const ex = exchange((hash) => ({ stream: hash === 'endless' ? repeat(content(1, 100_000)) : [text(hash)] }), { provides: hash => hash !== 'unknown' })
    const other = exchange(nothing)
    const pair = connectPair(ex, other)
    const endless = await other.get('endless')
    let read = 0

    // the answer, the announcement and the rest come in the midst of it
    const missing = other.get('unknown')
    const announced = nextOf(other, 'available', 3)
    const since = nextOf(other, 'since', 1)
    const asked = nextOf(other, 'seen', 1)

    void ex.provide(manyHashes(3000))
    ex.since(5)
    ex.seen(6)
    const reading = (async () => {
      for await (const chunk of endless.stream) {
        read += chunk.byteLength
      }
    })()

    await expect(missing).to.eventually.be.rejected.with.property('name', 'NotFoundError')
    expect((await announced).flat()).to.have.lengthOf(3000)
    expect([await since, await asked]).to.deep.equal([[5], [6]])
    // it would go on for ever otherwise
    expect(read).to.be.below(20 * SEND_BYTES)

    endless.abort()
    await expect(reading).to.eventually.be.rejected.with.property('name', 'AbortError')
    expect(pair.there.bytes).to.be.above(read)
  })

  it('sends announcements after answers and bodies, and one by one', async () => {
    const ex = exchange((hash) => ({ stream: [content(1, SEND_BYTES)] }), { provides })
    const peer = new ScriptedPeer(ex)

    peer.hold()
    peer.request('a', 'b')
    void ex.provide(manyHashes(3000))
    await laps(2)
    // this is the chunk that has been taken already
    const before = peer.frames.length
    peer.request('c', 'd')
    await laps(2)
    peer.release()
    await peer.until(() => peer.hashesOf(RPCType.AVAILABLE).length === 3000)
    await peer.bodyOf(4)

    const order = peer.frames.slice(before).map(({ rpc, channel }) => rpc?.type ?? `body on ${channel}`)
    const first = order.indexOf(RPCType.AVAILABLE)

    expect(order.indexOf(RPCType.HASHES)).to.be.within(0, first)
    // each of the others is behind some of the bodies
    expect(order.indexOf(RPCType.AVAILABLE, first + 1)).to.be.above(first + 1)
  })

  it('sends short and long ones at once without mixing them up', async () => {
    const contents = new Map(manyHashes(60).map((hash, i) => [hash, content(i, (i * 7919) % 200_000)]))
    const ex = exchange((hash) => ({
      stream: (async function * () {
        const bytes = contents.get(hash) as Uint8Array

        for (let i = 0; i < bytes.byteLength; i += 9973) {
          if (i % 3 === 0) {
            await Promise.resolve()
          }

          yield bytes.subarray(i, i + 9973)
        }
      })()
    }), { provides })
    const other = exchange(nothing)
    const received = new Map<string, Uint8Array>()

    connectPair(ex, other)
    await getAll(other, [...contents.keys()], (hash, bytes) => { received.set(hash, bytes) })

    for (const [hash, bytes] of contents) {
      expect(received.get(hash)).to.deep.equal(bytes)
    }
  })

  it('goes on with what is left when sources end in any order', async () => {
    const ends = new Map<string, () => void>()
    const ex = exchange((hash) => ({
      stream: (async function * () {
        await new Promise<void>(resolve => { ends.set(hash, resolve) })
        yield text(hash)
      })()
    }), { provides, limits: { maxSources: 4 } })
    const other = exchange(nothing)
    const hashes = manyHashes(12)
    const gets = hashes.map(async hash => collectText((await other.get(hash)).stream))

    connectPair(ex, other)

    while (ends.size < hashes.length) {
      await laps(1)
      // the last of those that are open
      const [hash, end] = [...ends].filter(([, end]) => end !== nothing).at(-1) ?? []
      ends.set(hash as string, nothing)
      end?.()
    }

    for (const end of ends.values()) {
      end()
    }

    expect(await Promise.all(gets)).to.deep.equal(hashes)
  })
})
