import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collect, collectText, content, manyHashes, nothing, repeat, serve, text, thenHang, WatchedSource } from '../fixtures/content.ts'
import { names, next, nextOf, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import { laps } from '../fixtures/slicing.ts'
import type { Content, ReadStreamOptions } from '../../src/index.ts'

const provides = (): boolean => true

/**
 * Lookups that end when the test says so
 */
class Lookups {
  readonly started: string[] = []
  readonly signals = new Map<string, AbortSignal>()
  readonly #waiting = new Map<string, (content?: Content) => void>()

  createReadStream = async (hash: string, { signal }: ReadStreamOptions): Promise<Content | undefined> => {
    this.started.push(hash)
    this.signals.set(hash, signal)

    return new Promise(resolve => { this.#waiting.set(hash, resolve) })
  }

  found (hash: string, content: Content = { stream: [text(hash)] }): void {
    this.#waiting.get(hash)?.(content)
  }

  notFound (hash: string): void {
    this.#waiting.get(hash)?.()
  }
}

describe('exchange: what the remote asks for', () => {
  it('is answered and sent', async () => {
    const ex = exchange(serve({ a: 'A', b: 'B' }), { provides })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b')
    const frames = [...await peer.bodyOf(1), ...await peer.bodyOf(2)]

    // those that we choose start at 1
    expect(peer.mapping).to.deep.equal([{ hash: 'a', sequence: 1 }, { hash: 'b', sequence: 2 }])
    expect(frames).to.deep.equal([
      { channel: 2, type: 'DATA', sequence: 1, data: text('A') },
      { channel: 2, type: 'END', data: text('') },
      { channel: 2, type: 'DATA', sequence: 2, data: text('B') },
      { channel: 2, type: 'END', data: text('') }
    ])
  })

  it('gets one HASHES for each REQUEST, also for an empty one', async () => {
    const ex = exchange(serve({ a: 'A' }), { provides })
    const peer = new ScriptedPeer(ex)

    peer.request()
    peer.request('a')
    peer.request('unknown')
    peer.request()
    await peer.message(RPCType.HASHES, 4)

    expect(peer.messages.map(({ type, mapping }) => [type, mapping.length])).to.deep.equal([
      [RPCType.HASHES, 0],
      [RPCType.HASHES, 1],
      [RPCType.HASHES, 0],
      [RPCType.HASHES, 0]
    ])
  })

  it('is answered once where a hash is named twice', async () => {
    const ex = exchange(serve({ a: 'A', b: 'B' }), { provides })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b', 'a')
    await peer.bodyOf(2)

    expect(peer.mapping.map(({ hash }) => hash)).to.deep.equal(['a', 'b'])
  })

  it('is answered in order, whatever the lookups take', async () => {
    const lookups = new Lookups()
    const ex = exchange(lookups.createReadStream, { provides })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b')
    peer.request('c')
    peer.request('d', 'e')
    await laps(1)

    // they run at once
    expect(lookups.started).to.deep.equal(['a', 'b', 'c', 'd', 'e'])

    lookups.found('e')
    lookups.found('c')
    lookups.notFound('b')
    await laps(1)
    expect(peer.messages).to.be.empty()

    lookups.found('a')
    await peer.message(RPCType.HASHES, 2)
    lookups.found('d')
    await peer.message(RPCType.HASHES, 3)

    expect(peer.messages.map(({ mapping }) => mapping.map(({ hash }) => hash))).to.deep.equal([['a'], ['c'], ['d', 'e']])
  })

  it('is looked up for few hashes at a time', async () => {
    const lookups = new Lookups()
    const ex = exchange(lookups.createReadStream, { provides, limits: { maxLookups: 3 } })
    const peer = new ScriptedPeer(ex)

    peer.request('a', 'b', 'c', 'd')
    peer.request('e')
    await laps(1)
    expect(lookups.started).to.deep.equal(['a', 'b', 'c'])

    lookups.found('b')
    await laps(1)
    expect(lookups.started).to.deep.equal(['a', 'b', 'c', 'd'])

    for (const hash of ['c', 'a', 'd']) {
      lookups.found(hash)
    }
    await laps(1)
    lookups.found('e')

    expect(await collectFrames(peer, 5)).to.have.members(['a', 'b', 'c', 'd', 'e'])
  })

  it('is not found in many ways, by none of which the others are lost', async () => {
    const late = new WatchedSource([text('too late')])
    const lookups = new Lookups()
    let signal: AbortSignal | undefined
    const ex = exchange((hash, options): any => {
      switch (hash) {
        case 'undefined': return undefined
        case 'null': return null
        case 'later undefined': return Promise.resolve()
        case 'throws': throw new RangeError('Broken')
        case 'rejects': return Promise.reject(new SyntaxError('Broken'))
        case 'hangs':
          signal = options.signal
          return lookups.createReadStream(hash, options)
        default: return { stream: [text(hash)] }
      }
    }, { provides: (hash) => hash !== 'not provided', limits: { serveTimeout: 100 } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)

    peer.request('not provided', 'undefined', 'first', 'null', 'later undefined')
    peer.request('throws', 'second', 'rejects')
    peer.request('hangs', 'third')
    peer.request('fourth')
    await peer.message(RPCType.HASHES, 4)

    expect(peer.messages.map(({ mapping }) => mapping.map(({ hash }) => hash))).to.deep.equal([['first'], ['second'], ['third'], ['fourth']])
    expect(await collectFrames(peer, 4)).to.deep.equal(['first', 'second', 'third', 'fourth'])
    expect(names(recorded.unsent)).to.have.members(['throws: RangeError', 'rejects: SyntaxError', 'hangs: TimeoutError'])
    expect(signal).to.have.property('aborted', true)

    // what is found at last is given back
    lookups.found('hangs', { stream: late })
    await late.wasReturned
    expect(late.opened).to.be.false()
  })

  it('is told what it may want to know', async () => {
    let seen: ReadStreamOptions | undefined
    const ex = exchange((hash, options) => {
      seen = options
      return undefined
    }, { provides })
    const peer = new ScriptedPeer(ex)

    peer.request('a')
    await peer.message(RPCType.HASHES)

    expect(seen?.signal).to.have.property('aborted', false)
    expect(seen?.peer).to.be.undefined()
  })

  it('is reported where createReadStream gives something else', async () => {
    const wrong: Record<string, any> = {
      number: 5,
      string: 'content',
      bytes: text('content'),
      empty: {},
      'no stream': { stream: null },
      'number as stream': { stream: 5 },
      'string as stream': { stream: 'content' },
      'object as stream': { stream: {} },
      promise: Promise.resolve({}),
      'promise of a number': Promise.resolve(5)
    }
    const ex = exchange((hash) => hash === 'right' ? { stream: [] } : wrong[hash], { provides })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)

    peer.request(...Object.keys(wrong), 'right')
    await peer.message(RPCType.HASHES)

    expect(peer.mapping.map(({ hash }) => hash)).to.deep.equal(['right'])
    expect(names(recorded.unsent)).to.have.members(Object.keys(wrong).map(hash => `${hash}: InvalidParametersError`))
  })

  it('waits for nothing after it has been sent', async () => {
    const lookups = new Lookups()
    const ex = exchange(lookups.createReadStream, { provides })
    const peer = new ScriptedPeer(ex)

    peer.request('a')
    await laps(1)
    lookups.found('a')
    await peer.bodyOf(1)

    expect(lookups.signals.get('a')).to.have.property('aborted', false)
  })

  describe('with sequences of the application', () => {
    it('uses them, from 0 to 2^32 - 2', async () => {
      const sequences: Record<string, number> = { low: 0, high: 4294967294, other: 5 }
      const ex = exchange((hash) => ({ stream: [text(hash)], sequence: sequences[hash] }), { provides })
      const other = exchange(nothing)

      connectPair(ex, other)

      for (const [hash, sequence] of Object.entries(sequences)) {
        const response = await other.get(hash)

        expect(response.sequence).to.equal(sequence)
        expect(await collectText(response.stream)).to.equal(hash)
      }
    })

    it('names their bodies one more, in hexadecimal', async () => {
      const ex = exchange((hash) => ({ stream: [text(hash)], sequence: Number(hash) }), { provides })
      const peer = new ScriptedPeer(ex)

      peer.request('4294967294')
      const frames = await peer.bodyOf(4294967294)

      expect(frames[0].data).to.deep.equal(text('4294967294'))
    })

    it('reports those that are out of range, and gives the source back', async () => {
      const wrong: Record<string, any> = { negative: -1, high: 4294967295, half: 0.5, nan: NaN, infinite: Infinity, string: '1', big: 1n }
      const sources = new Map(Object.keys(wrong).map(hash => [hash, new WatchedSource([text(hash)])]))
      const ex = exchange((hash) => {
        const content = { stream: sources.get(hash) as WatchedSource, sequence: wrong[hash] }

        return hash === 'high' ? Promise.resolve(content) : content
      }, { provides })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request(...Object.keys(wrong))

      expect((await peer.message(RPCType.HASHES)).mapping).to.be.empty()
      expect(names(recorded.unsent)).to.have.members(Object.keys(wrong).map(hash => `${hash}: InvalidParametersError`))

      for (const source of sources.values()) {
        await source.wasReturned
      }
    })

    it('leaves out the second of two in one request', async () => {
      const sources = [new WatchedSource([text('first')]), new WatchedSource([text('second')])]
      const ex = exchange((hash) => ({ stream: sources[hash === 'a' ? 0 : 1], sequence: 7 }), { provides })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request('a', 'b')
      await peer.bodyOf(7)

      expect(peer.mapping).to.deep.equal([{ hash: 'a', sequence: 7 }])
      expect(names(recorded.unsent)).to.deep.equal(['b: DuplicateSequenceError'])
      await sources[1].wasReturned
      expect(sources[1].opened).to.be.false()

      // it can be asked for again
      peer.request('b')
      await peer.message(RPCType.HASHES, 2)
      expect(peer.mapping.at(-1)).to.deep.equal({ hash: 'b', sequence: 7 })
    })

    it('promises one again when the earlier body has sent its first frame', async () => {
      const first = Promise.withResolvers<Uint8Array>()
      const end = Promise.withResolvers<Uint8Array>()
      const ex = exchange((hash) => hash === 'a'
        ? {
            sequence: 7,
            stream: (async function * () {
              yield await first.promise
              yield await end.promise
            })()
          }
        : { sequence: hash === 'b' ? 7 : undefined, stream: [text(hash)] }, { provides })
      const peer = new ScriptedPeer(ex)

      peer.request('a')
      await peer.message(RPCType.HASHES)
      peer.request('b', 'c')
      peer.request('d')
      await laps(2)
      expect(peer.messages).to.have.lengthOf(1)

      first.resolve(text('first'))
      await peer.message(RPCType.HASHES, 3)

      // the first frame comes before the HASHES
      const started = peer.frames.findIndex(({ sequence }) => sequence === 7)
      const promised = peer.frames.findIndex(({ rpc }) => rpc?.mapping[0]?.hash === 'b')
      expect(started).to.be.within(0, promised)

      const body = await peer.bodyOf(7, 2)
      expect(body[0].data).to.deep.equal(text('b'))
      end.resolve(text('end'))
      expect((await peer.bodyOf(7, 1)).map(({ data }) => data)).to.deep.equal([text('first'), text('end'), text('')])
      expect(peer.mapping.map(({ hash }) => hash)).to.deep.equal(['a', 'b', 'c', 'd'])
    })

    it('does not choose one that still waits for its body', async () => {
      const ex = exchange((hash) => ({ stream: hash.startsWith('given') ? thenHang() : [], sequence: hash.startsWith('given') ? Number(hash.slice(5)) : undefined }), { provides })
      const peer = new ScriptedPeer(ex)

      peer.request('given1', 'given3')
      peer.request('a', 'b', 'c')
      await peer.message(RPCType.HASHES, 2)

      expect(peer.mapping.map(({ sequence }) => sequence)).to.deep.equal([1, 3, 2, 4, 5])
    })

    it('arrives at one of ours, also where all of them are the same', async () => {
      const ex = exchange((hash) => ({ stream: [text(hash), text('!')], sequence: 3 }), { provides, id: 'ex' })
      const other = exchange(nothing, { id: 'other', limits: { maxOutstanding: 1 } })
      const hashes = manyHashes(50)
      const responses = nextOf(other, 'response', hashes.length)

      other.request(hashes)
      connectPair(ex, other)

      for (const [i, { hash, stream }] of (await responses).entries()) {
        expect(hash).to.equal(hashes[i])
        expect(await collectText(stream)).to.equal(`${hash}!`)
      }
    })
  })

  describe('of a remote that may be an original', () => {
    it('has its bodies wait until it has answered what it was asked before', async () => {
      const ex = exchange(serve({ a: 'A' }), { provides })
      const peer = new ScriptedPeer(ex)

      ex.request(['x'])
      await peer.message(RPCType.REQUEST)
      ex.request(['y'])
      await peer.message(RPCType.REQUEST, 2)
      peer.request('a')
      // the HASHES does not wait
      await peer.message(RPCType.HASHES)
      peer.hashes()
      await peer.sync()
      expect(peer.bodyFrames).to.be.empty()

      // neither does it wait for what it is asked later
      ex.request('z')
      peer.hashes()

      await peer.bodyOf(1)
    })

    it('has its bodies wait no longer when it turns out to be one of ours', async () => {
      const ex = exchange(serve({ a: 'A' }), { provides })
      const peer = new ScriptedPeer(ex)

      ex.request('x')
      await peer.message(RPCType.REQUEST)
      peer.request('a')
      await peer.sync()
      expect(peer.bodyFrames).to.be.empty()

      peer.id('somebody')
      await peer.sync()
      expect(peer.bodyFrames).to.be.empty()

      peer.id('somebody', '')
      await peer.bodyOf(1)
    })

    it('has its bodies at once when it has answered', async () => {
      const ex = exchange(serve({ a: 'A' }), { provides })
      const peer = new ScriptedPeer(ex)

      peer.request('a')
      await peer.bodyOf(1)
    })
  })

  describe('with much of it pending', () => {
    it('is read no further than the limit', async () => {
      const lookups = new Lookups()
      const ex = exchange(lookups.createReadStream, { provides: (hash) => hash !== 'new', limits: { maxPending: 10 } })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request('a1', 'a2', 'a3', 'a4', 'a5', 'a6')
      // counted before a message: it is taken as a whole
      peer.request('b1', 'b2', 'b3', 'b4', 'b5', 'b6')
      peer.available('new')
      peer.request('c')
      await laps(2)

      expect(lookups.started).to.have.lengthOf(12)
      expect(recorded.available).to.be.empty()

      // they are pending until their last frame, or their HASHES where they are not found
      for (const hash of lookups.started.slice(0, 6)) {
        lookups.notFound(hash)
      }
      await next(ex, 'available')
      await laps(1)

      expect(lookups.started).to.have.lengthOf(13)
    })

    it('is read further while something is owed to us', async () => {
      const lookups = new Lookups()
      const ex = exchange(lookups.createReadStream, { provides, limits: { maxPending: 3 } })
      const peer = new ScriptedPeer(ex)
      const got = ex.get('x')

      await peer.message(RPCType.REQUEST)
      peer.request(...manyHashes(5))
      peer.request('a')
      peer.hashes(['x', 1])
      peer.body(2, 1, text('X'))

      expect(await collectText((await got).stream)).to.equal('X')
      expect(lookups.started).to.have.lengthOf(6)
    })

    it('is read again when we ask for something', async () => {
      const lookups = new Lookups()
      const ex = exchange(lookups.createReadStream, { provides, limits: { maxPending: 3 } })
      const peer = new ScriptedPeer(ex)

      peer.request(...manyHashes(5))
      peer.available('x')
      await laps(2)

      // otherwise the two could wait for each other
      const got = ex.get('x')
      await peer.message(RPCType.REQUEST)
      peer.hashes(['x', 1])
      peer.body(2, 1, text('X'))

      expect(await collectText((await got).stream)).to.equal('X')
    })

    it('ends the exchange past the second limit', async () => {
      const lookups = new Lookups()
      const ex = exchange(lookups.createReadStream, { provides, limits: { maxPending: 3, maxPendingWhileRequesting: 10 } })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      ex.request('x')
      await peer.message(RPCType.REQUEST)
      peer.request(...manyHashes(6))
      peer.request(...manyHashes(4))
      await laps(1)
      expect(recorded.closes).to.be.empty()

      peer.request('one more')
      expect(await next(ex, 'close')).to.have.property('name', 'LimitError')
      expect(names(recorded.failed)).to.deep.equal(['x: LimitError'])
    })

    it('may be more than that in one message, where it would be read anyway', async () => {
      const lookups = new Lookups()
      const ex = exchange(lookups.createReadStream, { provides, limits: { maxPending: 3, maxPendingWhileRequesting: 10, maxLookups: 100 } })
      const peer = new ScriptedPeer(ex)

      ex.request('x')
      await peer.message(RPCType.REQUEST)
      peer.request('a', 'b')
      peer.request(...manyHashes(20))
      await laps(1)
      expect(lookups.started).to.have.lengthOf(22)

      peer.request()
      expect(await next(ex, 'close')).to.have.property('name', 'LimitError')
    })

    for (const hashes of [['unknown'], []]) {
      it(`is read no further by a remote that does not read its answers, of ${hashes.length} hashes each`, async () => {
        const ex = exchange(nothing, { limits: { maxPending: 100 } })
        const peer = new ScriptedPeer(ex)
        const recorded = record(ex)

        await peer.sync()
        peer.hold()
        // fills what is between us
        peer.request()
        await laps(1)

        for (let i = 0; i < 1000; i++) {
          peer.request(...hashes)
        }

        peer.available('a')
        await laps(2)
        expect(recorded.available).to.be.empty()

        peer.release()
        await next(ex, 'available')
        await peer.message(RPCType.HASHES, 1002)
      })
    }

    it('does not lock two who cancel what they send each other', async () => {
      // the cancels come behind bodies that nobody reads any more
      const exchanges = ['first', 'second'].map(id => exchange((hash) => ({ stream: hash === 'endless' ? repeat(content(1, 10_000)) : [text(hash)] }), { id, provides, limits: { maxPending: 1 } }))

      connectPair(exchanges[0], exchanges[1])
      const endless = await Promise.all(exchanges.map(async ex => ex.get('endless')))
      await laps(1)
      endless.forEach(({ abort }, i) => { abort.call(endless[i]) })
      await laps(1)

      for (const ex of exchanges) {
        expect(await collectText((await ex.get('a')).stream)).to.equal('a')
      }

      await Promise.all(exchanges.map(async ex => ex.close()))
    })

    it('does not lock two who ask each other for 50,000 at once', async function () {
      this.timeout(30_000)

      const ids = [{ id: 'one' }, { id: 'two' }]

      for (const [one, two] of [ids, [{}, {}]]) {
        // far more than either may have pending
        const limits = { maxOutstanding: 50_000, maxPending: 1000 }
        const first = exchange(hash => ({ stream: [text(hash)] }), { provides, limits, ...one })
        const second = exchange(hash => ({ stream: [text(hash)] }), { provides, limits, ...two })
        const hashes = manyHashes(50_000)

        const all = Promise.all([first, second].map(async ex => {
          let right = 0
          const { promise, resolve } = Promise.withResolvers<number>()

          ex.addEventListener('response', ({ detail: { hash, stream } }) => {
            collectText(stream).then(value => {
              right += value === hash ? 1 : 0

              if (right === hashes.length) {
                resolve(right)
              }
            }, () => {})
          })
          ex.request(hashes)

          return promise
        }))

        const pair = connectPair(first, second)

        expect(await all).to.deep.equal([50_000, 50_000])

        await Promise.all([first.close(), second.close()])
        await pair.ended
      }
    })
  })

  it('is ignored after our CLOSE', async () => {
    const asked: string[] = []
    const ex = exchange((hash) => {
      asked.push(hash)
      return { stream: [] }
    }, { provides })
    const peer = new ScriptedPeer(ex)
    const closed = ex.close()

    await peer.message(RPCType.CLOSE)
    peer.request('a')
    peer.close()
    await closed

    expect(asked).to.be.empty()
    expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.CLOSE])
  })

  describe('when the exchange ends meanwhile', () => {
    it('stops lookups and gives back what they found', async () => {
      const lookups = new Lookups()
      const found = new WatchedSource([])
      const late = new WatchedSource([])
      const ex = exchange(lookups.createReadStream, { provides })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      peer.request('a', 'b')
      await laps(1)
      lookups.found('a', { stream: found })
      await laps(1)
      ex.abort()
      await found.wasReturned

      expect([...lookups.signals.values()].map(({ aborted }) => aborted)).to.deep.equal([true, true])
      lookups.found('b', { stream: late })
      await late.wasReturned
      expect(recorded.unsent).to.be.empty()
    })

    it('looks nothing up any more, also where that has ended it', async () => {
      const source = new WatchedSource([])
      const asked: string[] = []
      const ex = exchange((hash) => {
        asked.push(hash)
        ex.abort()
        return { stream: source }
      }, { provides })
      const peer = new ScriptedPeer(ex)

      peer.request('a', 'b')
      peer.request('c')
      await peer.ended
      await source.wasReturned

      expect(asked).to.deep.equal(['a'])
    })
  })

  it('is the content of all, from many', async () => {
    const contents = new Map(manyHashes(200).map((hash, i) => [hash, content(i, i * 701)]))
    const ex = exchange((hash) => ({ stream: [contents.get(hash) as Uint8Array] }), { provides })
    const other = exchange(nothing)
    connectPair(ex, other)

    for (const { hash, bytes } of await Promise.all([...contents.keys()].map(async hash => ({ hash, bytes: await collect((await other.get(hash)).stream) })))) {
      expect(bytes).to.deep.equal(contents.get(hash))
    }
  })
})

/**
 * The contents of the first bodies, as text, in the order of their ends
 */
async function collectFrames (peer: ScriptedPeer, count: number): Promise<string[]> {
  await peer.until(() => peer.bodyFrames.filter(({ type }) => type === 'END').length >= count)

  return peer.bodyFrames.filter(({ type }) => type === 'DATA').map(({ data }) => new TextDecoder().decode(data))
}
