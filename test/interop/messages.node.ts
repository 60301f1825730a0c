import { Readable } from 'node:stream'
import { expect } from 'aegir/chai'
import { pipe } from 'it-pipe'
import { exchange } from '../../src/index.ts'
import { connect } from '../fixtures/connect.ts'
import { collect, collectText, content, manyHashes, nothing, serve, text } from '../fixtures/content.ts'
import { next, nextOf, record } from '../fixtures/events.ts'
import { contentsOf, createOriginal, nextResponse, originalToDuplex, OriginalResponses, readAll, readable } from '../fixtures/original.ts'
import { createRawPeer } from '../fixtures/raw-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import type { Original } from '../fixtures/original.ts'

const MESSAGES = ['AVAILABLE', 'REQUEST', 'HASHES', 'SINCE', 'CLOSE', 'SEEN', 'ID']

function * failing (): Generator<Uint8Array> {
  yield text('a part')
  throw new RangeError()
}

describe('messages between ours and originals', () => {
  describe('a request that repeats a hash', () => {
    it('has two mappings and one body from an original', async () => {
      const raw = createRawPeer()
      const original = createOriginal(contentsOf(new Map([['a', text('content of a')]])))

      connect(raw.duplex, originalToDuplex(original))
      original.provide(['a'])
      raw.send({ type: 'REQUEST', hashes: ['a', 'a'] })
      // answered behind the bodies
      raw.send({ type: 'REQUEST', hashes: [] })
      await raw.received.message('HASHES', ({ mapping }) => mapping.length === 0)

      const { mapping } = await raw.received.message('HASHES')
      expect(mapping.map(({ hash }) => hash)).to.deep.equal(['a', 'a'])
      expect(raw.received.bodies.filter(({ name }) => name != null)).to.have.lengthOf(1)
    })

    it('is answered once by ours', async () => {
      const raw = createRawPeer()
      const ours = exchange(serve({ a: 'content of a', b: 'content of b' }))

      connect(ours, raw.duplex)
      void ours.provide(['a', 'b'])
      raw.send({ type: 'REQUEST', hashes: ['a', 'b', 'a', 'a'] })

      const { mapping } = await raw.received.message('HASHES')
      expect(mapping).to.deep.equal([{ hash: 'a', sequence: 1 }, { hash: 'b', sequence: 2 }])
      expect(await raw.content(1)).to.deep.equal(text('content of a'))
      expect(await raw.content(2)).to.deep.equal(text('content of b'))
      await laps(3)
      expect(raw.received.bodies.filter(({ name }) => name != null)).to.have.lengthOf(2)

      ours.abort()
    })

    it('is never sent by ours', async () => {
      const original = createOriginal(contentsOf(new Map([['a', text('content of a')]])))
      const ours = exchange(nothing)
      const { there, ended } = connect(ours, originalToDuplex(original))

      original.provide(['a'])
      const response = next(ours, 'response')
      ours.request(['a', 'a'])
      ours.request('a')
      const { stream } = await ours.get('a')
      expect(stream).to.equal((await response).stream)
      expect(await collectText(stream)).to.equal('content of a')

      original.close()
      await Promise.all([ours.close(), ended])
      expect(there.hashes('REQUEST')).to.deep.equal(['a'])
    })
  })

  describe('no hashes at all', () => {
    it('are sent as a message by an original, and not dispatched by ours', async () => {
      const original = createOriginal()
      const ours = exchange(nothing)
      const { back, ended } = connect(ours, originalToDuplex(original))
      const { available } = record(ours)
      const batch = next(ours, 'available')

      original.provide([])
      original.provide(['a'])

      expect(await batch).to.deep.equal(['a'])
      expect(back.messages.map(({ type, hashes }) => [type, ...hashes])).to.deep.equal([['AVAILABLE'], ['AVAILABLE', 'a']])

      original.close()
      await Promise.all([ours.close(), ended])
      expect(available).to.deep.equal(['a'])
    })

    it('that are not provided here, too, are not dispatched', async () => {
      const original = createOriginal()
      const ours = exchange(nothing)
      const { back, ended } = connect(ours, originalToDuplex(original))
      const batches: string[][] = []

      ours.addEventListener('available', ({ detail }) => { batches.push(detail) })
      void ours.provide(['a', 'b'])
      original.provide(['a', 'b'])
      original.provide(['a', 'c', 'b'])

      original.close()
      await back.message('CLOSE')
      await Promise.all([ours.close(), ended])
      expect(batches).to.deep.equal([['c']])
    })

    it('are not sent by ours', async () => {
      const original = createOriginal()
      const ours = exchange(nothing)
      const { there, ended } = connect(ours, originalToDuplex(original))
      const since = new Promise(resolve => { original.once('since', resolve) })

      await ours.provide([])
      ours.request([])
      await laps(3)
      ours.since(4)
      expect(await since).to.equal(4)

      original.close()
      await Promise.all([ours.close(), ended])
      expect(there.messages.map(({ type }) => type)).to.deep.equal(['SINCE', 'CLOSE'])
    })

    it('are answered with none by ours as by an original', async () => {
      const raw = createRawPeer()
      const ours = exchange(nothing)

      connect(ours, raw.duplex)
      raw.send({ type: 'REQUEST', hashes: [] })
      expect((await raw.received.message('HASHES')).mapping).to.be.empty()
      ours.abort()

      const another = createRawPeer()
      connect(another.duplex, originalToDuplex(createOriginal()))
      another.send({ type: 'REQUEST', hashes: [] })
      expect((await another.received.message('HASHES')).mapping).to.be.empty()
    })
  })

  describe('the ID', () => {
    /**
     * What forkdb does with an ID
     */
    async function parsedId (original: Original): Promise<unknown> {
      return new Promise((resolve, reject) => {
        original.once('id', (id: string) => {
          try {
            resolve(JSON.parse(id))
          } catch (err: any) {
            original.destroy()
            reject(err)
          }
        })
      })
    }

    it('reaches an original as it was given', async () => {
      const original = createOriginal()
      const ours = exchange(nothing, { id: JSON.stringify({ id: 'fork', seq: 4 }) })
      const parsed = parsedId(original)
      const { there, ended } = connect(ours, originalToDuplex(original))

      expect(await parsed).to.deep.equal({ id: 'fork', seq: 4 })

      original.close()
      await Promise.all([ours.close(), ended])
      expect(there.messages.map(({ type }) => type)).to.deep.equal(['ID', 'CLOSE'])
    })

    it('of an original is reported, and does not make it one of ours', async () => {
      const original = createOriginal()
      const ours = exchange(() => ({ stream: failing() }))
      const id = next(ours, 'id')
      const { there, ended } = connect(ours, originalToDuplex(original))

      original.id('an original')
      expect(await id).to.equal('an original')

      void ours.provide('a')
      original.request(['a'])
      expect(await there.frame(({ type }) => type === 'ERROR')).to.have.property('size', 0)

      original.close()
      await Promise.all([ours.close(), ended])
    })

    it('is not sent without being given', async () => {
      const original = createOriginal()
      const ours = exchange(nothing)
      const { there, ended } = connect(ours, originalToDuplex(original))

      original.close()
      await Promise.all([ours.close(), ended])
      expect(there.messages.map(({ type }) => type)).to.deep.equal(['CLOSE'])
    })
  })

  describe('a sequence', () => {
    it('of -1 means all in SINCE and SEEN, both ways', async () => {
      const original = createOriginal()
      const ours = exchange(nothing)
      const { ended } = connect(ours, originalToDuplex(original))
      const told: Array<[string, number]> = []
      const { since, seen } = record(ours)

      original.on('since', (sequence) => { told.push(['since', sequence]) })
      original.on('seen', (sequence) => { told.push(['seen', sequence]) })

      for (const sequence of [-1, 0, 4_294_967_294]) {
        original.since(sequence)
        original.seen(sequence)
        ours.since(sequence)
        ours.seen(sequence)
      }

      await laps(5)
      original.close()
      await Promise.all([ours.close(), ended])
      expect(since).to.deep.equal([-1, 0, 4_294_967_294])
      expect(seen).to.deep.equal([-1, 0, 4_294_967_294])
      expect(told.map(String)).to.deep.equal(['since,-1', 'seen,-1', 'since,0', 'seen,0', 'since,4294967294', 'seen,4294967294'])
    })

    it('of -1 makes an original send half a message, at which ours end by name', async () => {
      const original = createOriginal((hash, callback) => { callback(null, readable(text('lost')), -1) })
      const ours = exchange(nothing)
      const duplex = originalToDuplex(original)
      const asking = ours.get('a')

      original.provide(['a'])
      // without a log, as the decoder of the original never comes to an end with it
      await expect(pipe(ours, duplex, ours)).to.eventually.be.rejected.with.property('name', 'InvalidMessageError')
      await expect(asking).to.eventually.be.rejected.with.property('name', 'InvalidMessageError')
    })

    it('of -1 is refused by ours, and its hash not found', async () => {
      const original = createOriginal()
      const ours = exchange((hash) => ({ stream: [text('lost')], sequence: -1 }))
      const { there, ended } = connect(ours, originalToDuplex(original))
      const unsent = next(ours, 'unsent')

      void ours.provide('a')
      original.request(['a'])
      expect(await unsent).to.have.nested.property('error.name', 'InvalidParametersError')
      expect((await there.message('HASHES')).mapping).to.be.empty()

      original.close()
      await Promise.all([ours.close(), ended])
    })

    it('of a body may be the first and the last that there is', async () => {
      const sequences = new Map([['a', 0], ['b', 4_294_967_294]])
      const contents = new Map([['a', text('content of a')], ['b', text('content of b')]])
      const original = createOriginal(contentsOf(contents, hash => sequences.get(hash) ?? -1))
      const ours = exchange((hash) => ({ stream: [contents.get(hash) ?? text('')], sequence: sequences.get(hash) }))
      const { ended } = connect(ours, originalToDuplex(original))
      const responses = new OriginalResponses(original)

      original.provide(['a', 'b'])
      void ours.provide(['a', 'b'])
      original.request(['a', 'b'])

      for (const [hash, sequence] of sequences) {
        const response = await ours.get(hash)
        expect(response.sequence).to.equal(sequence)
        expect(await collect(response.stream)).to.deep.equal(contents.get(hash))
      }

      await responses.count(2)
      expect(responses.received.map(({ hash, sequence }) => [hash, sequence])).to.have.deep.members([...sequences])

      original.close()
      await Promise.all([ours.close(), ended])
    })
  })

  it('100,000 hashes in one message arrive in batches', async () => {
    const hashes = manyHashes(100_000)
    const original = createOriginal()
    const ours = exchange(nothing)
    const { back, ended } = connect(ours, originalToDuplex(original))
    const batches = nextOf(ours, 'available', 100)

    original.provide(hashes)

    for (const batch of await batches) {
      expect(batch).to.have.lengthOf.at.most(1000)
    }
    expect((await batches).flat()).to.deep.equal(hashes)
    expect(back.messages).to.have.lengthOf(1)
    expect(back.frames[0].size).to.equal(4_200_002)

    original.close()
    await Promise.all([ours.close(), ended])
  })

  it('many hashes of ours arrive in messages of no more than 1,000', async () => {
    const hashes = manyHashes(10_000)
    const original = createOriginal()
    const ours = exchange(nothing)
    const { there, ended } = connect(ours, originalToDuplex(original))
    const available: string[][] = []

    original.on('available', batch => { available.push(batch) })
    await ours.provide(hashes)
    original.close()
    await Promise.all([ours.close(), ended])

    expect(available.flat()).to.deep.equal(hashes)
    expect(Math.max(...available.map(({ length }) => length))).to.equal(1000)
    expect(there.hashes('AVAILABLE')).to.deep.equal(hashes)
  })

  it('a large chunk of an original, which is one frame, arrives; ours are split', async () => {
    const large = content(1, 5_000_000)
    const original = createOriginal(contentsOf(new Map([['a', large]])))
    const ours = exchange(() => ({ stream: [large] }))
    const { there, back, ended } = connect(ours, originalToDuplex(original))
    const response = nextResponse(original, readAll)

    original.provide(['a'])
    void ours.provide('b')
    original.request(['b'])

    expect(await collect((await ours.get('a')).stream)).to.deep.equal(large)
    expect(await response).to.deep.equal(large)

    original.close()
    await Promise.all([ours.close(), ended])
    expect(back.bodies.map(({ size }) => size)).to.deep.equal([5_000_000, 0])
    expect(Math.max(...there.bodies.map(({ size }) => size))).to.equal(65_536)
  })

  it('a chunk of no bytes is not sent, as an original stalls on it', async () => {
    const original = createOriginal()
    const ours = exchange((hash) => ({
      stream: hash === 'empty' ? [text(''), text('')] : [text(''), text('content '), text(''), text('of a'), text('')]
    }))
    const { there, ended } = connect(ours, originalToDuplex(original))
    const responses = new OriginalResponses(original)

    void ours.provide(['empty', 'a'])
    original.request(['empty', 'a'])
    await responses.count(2)

    original.close()
    await Promise.all([ours.close(), ended])
    expect(responses.texts).to.have.members(['empty: ', 'a: content of a'])
    expect(there.bodies.map(({ type, size }) => `${type} ${size}`)).to.have.members(['END 0', 'DATA 8', 'DATA 4', 'END 0'])
  })

  it('a chunk of no bytes of an original does no harm', async () => {
    const original = createOriginal((hash, callback) => {
      callback(null, Readable.from([Buffer.alloc(0), Buffer.from('content of a'), Buffer.alloc(0)]))
    })
    const ours = exchange(nothing)
    const { back, ended } = connect(ours, originalToDuplex(original))

    original.provide(['a'])
    expect(await collectText((await ours.get('a')).stream)).to.equal('content of a')

    original.close()
    await Promise.all([ours.close(), ended])
    expect(back.bodies.map(({ type, size }) => `${type} ${size}`)).to.deep.equal(['DATA 0', 'DATA 12', 'DATA 0', 'END 0'])
  })

  it('are of types that an original knows, and ours skips others', async () => {
    const raw = createRawPeer()
    const ours = exchange(serve({ a: 'content of a' }), { id: 'one of ours' })
    const { there } = connect(ours, raw.duplex)
    const since = next(ours, 'since')

    raw.sendRaw(Uint8Array.of(0, 7))
    raw.sendRaw(Uint8Array.of(0, 99, 10, 1, 97))
    raw.send({ type: 'SINCE', sequence: 3 })
    expect(await since).to.equal(2)

    raw.send({ type: 'REQUEST', hashes: ['a'] })
    void ours.provide('a')
    ours.since(1)
    ours.seen(1)
    ours.request('b')
    raw.send({ type: 'HASHES' })
    // its multiplexer throws if the end comes while it works on what came before
    await raw.content(1)
    raw.send({ type: 'CLOSE' })
    await ours.close()

    expect(new Set(there.messages.map(({ type }) => type))).to.deep.equal(new Set(MESSAGES))
    // none that the codec of the original could not read
    expect(there.frames.filter(({ channel, rpc }) => channel === 1 && rpc == null)).to.be.empty()
  })
})
