import { yamux } from '@chainsafe/libp2p-yamux'
import { multiaddrConnectionPair, streamPair } from '@libp2p/utils'
import { expect } from 'aegir/chai'
import all from 'it-all'
import { Uint8ArrayList } from 'uint8arraylist'
import { nextTask } from '../src/exchange/next-task.ts'
import { streamToDuplex } from '../src/stream-to-duplex.ts'
import type { MultiaddrConnection, Stream } from '@libp2p/interface'

const KIB = 1024
const MIB = 1024 * KIB

type Muxer = ReturnType<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>

interface YamuxPair {
  connection: MultiaddrConnection
  remoteConnection: MultiaddrConnection
  muxer: Muxer
  stream: Stream
  remote: Stream
}

const connections: MultiaddrConnection[] = []

/**
 * A stream with a receive window that is held back for real, which the mock
 * muxer does not do
 */
async function yamuxPair (): Promise<YamuxPair> {
  const [connection, remoteConnection] = multiaddrConnectionPair({ capacity: 1000 })
  connections.push(connection, remoteConnection)
  const muxer = yamux()().createStreamMuxer(connection)
  const remoteMuxer = yamux()().createStreamMuxer(remoteConnection)
  const remote = event<CustomEvent<Stream>>(remoteMuxer, 'stream').then(evt => evt.detail)
  const stream = await muxer.createStream()
  // the muxer begins with a ping, which later ones would join
  await muxer.ping()

  return { connection, remoteConnection, muxer, stream, remote: await remote }
}

async function event<T extends Event = Event> (target: EventTarget, type: string): Promise<T> {
  return new Promise<any>(resolve => {
    target.addEventListener(type, resolve, { once: true })
  })
}

/**
 * After a round trip behind what was sent, all of it has arrived
 */
async function arrived (pair: YamuxPair): Promise<void> {
  await pair.muxer.ping()
}

/**
 * Nothing more happens when a round trip has changed nothing
 */
async function settled (pair: YamuxPair, progress: () => number): Promise<number> {
  let before

  do {
    before = progress()
    await pair.muxer.ping()
  } while (progress() !== before)

  return before
}

function listeners (stream: Stream): Record<string, number> {
  return Object.fromEntries(['message', 'remoteCloseWrite', 'drain', 'close', 'end', 'idle'].map(type => [type, stream.listenerCount(type)]))
}

/**
 * Each send, and how full the stream was before
 */
function sends (stream: Stream): Array<{ bytes: number, full: boolean, waiting: number }> {
  const sent: Array<{ bytes: number, full: boolean, waiting: number }> = []
  const send = stream.send.bind(stream)

  stream.send = (data) => {
    sent.push({ bytes: data.byteLength, full: stream.writableNeedsDrain, waiting: stream.writeBufferLength })
    return send(data)
  }

  return sent
}

async function drain (source: AsyncIterable<Uint8ArrayList>): Promise<number> {
  let bytes = 0

  for await (const list of source) {
    bytes += list.byteLength
  }

  return bytes
}

/**
 * A source that never gives anything, and tells when it is left
 */
function silence (): AsyncIterable<Uint8Array> & { left: Promise<void> } {
  const left = Promise.withResolvers<void>()
  const next = Promise.withResolvers<IteratorResult<Uint8Array>>()

  return {
    left: left.promise,
    [Symbol.asyncIterator]: () => ({
      next: async () => next.promise,
      return: async () => {
        left.resolve()
        return { done: true, value: undefined }
      }
    })
  }
}

describe('stream-to-duplex', () => {
  const unhandled: unknown[] = []

  // mocha does not fail for them
  const onUnhandled = (evt: any): void => {
    unhandled.push(evt.reason ?? evt)
  }

  before(() => {
    globalThis.addEventListener?.('unhandledrejection', onUnhandled)
    globalThis.process?.on?.('unhandledRejection', onUnhandled)
  })

  after(() => {
    globalThis.removeEventListener?.('unhandledrejection', onUnhandled)
    globalThis.process?.off?.('unhandledRejection', onUnhandled)
  })

  afterEach(() => {
    // their keep-alive would not let the process end
    connections.splice(0).forEach(connection => { connection.abort(new Error('The test is over')) })
    expect(unhandled.splice(0)).to.be.empty()
  })

  describe('source', () => {
    it('should give all that came at once, without joining it', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)

      for (let i = 0; i < 10; i++) {
        pair.remote.send(Uint8Array.from([i, i]))
      }

      await arrived(pair)

      const { value } = await source.next()

      expect(value).to.be.instanceOf(Uint8ArrayList)
      expect(value.subarray()).to.equalBytes(Uint8Array.from([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]))
      expect([...value]).to.have.lengthOf(10)
    })

    it('should give what comes while it waits', async () => {
      const [stream, remote] = await streamPair()
      const { source } = streamToDuplex(stream)

      for (let i = 0; i < 3; i++) {
        const next = source.next()
        remote.send(Uint8Array.from([i]))

        expect((await next).value.subarray()).to.equalBytes(Uint8Array.from([i]))
      }
    })

    it('should end when the remote closes its writing end', async () => {
      const [stream, remote] = await streamPair()
      const { source } = streamToDuplex(stream)
      const next = source.next()
      await remote.close()

      await expect(next).to.eventually.have.property('done', true)
    })

    it('should lose nothing when the remote ended before it was read', async () => {
      const [stream, remote] = await streamPair()
      const { source } = streamToDuplex(stream)
      const end = event(stream, 'remoteCloseWrite')
      remote.send(new Uint8Array(100))
      await remote.close()
      await end

      await expect(drain(source)).to.eventually.equal(100)
    })

    for (const bytes of [0, 100]) {
      it(`should give the ${bytes} bytes of a remote that had ended before`, async () => {
        const [stream, remote] = await streamPair()
        const end = event(stream, 'remoteCloseWrite')

        if (bytes > 0) {
          remote.send(new Uint8Array(bytes))
        }

        await remote.close()
        await end
        const { source } = streamToDuplex(stream)

        await expect(drain(source)).to.eventually.equal(bytes)
      })
    }

    it('should give what was pushed back onto the stream', async () => {
      const [stream, remote] = await streamPair()
      const end = event(stream, 'remoteCloseWrite')
      await remote.close()
      await end
      stream.push(new Uint8Array(100))

      await expect(drain(streamToDuplex(stream).source)).to.eventually.equal(100)
    })

    it('should give what was pushed back when the connection goes', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      const next = source.next()
      pair.stream.push(new Uint8Array(100))
      pair.connection.abort(new Error('Urk!'))

      await expect(next).to.eventually.have.nested.property('value.byteLength', 100)
      await expect(source.next()).to.eventually.be.rejected.with.property('name', 'ConnectionClosedError')
    })

    it('should give what came before both ends were closed', async () => {
      const [stream, remote] = await streamPair()
      const { source } = streamToDuplex(stream)
      const closed = event(stream, 'close')
      remote.send(new Uint8Array(100))
      await remote.close()
      await stream.close()
      await closed

      await expect(drain(source)).to.eventually.equal(100)
    })

    it('should give what came before a reset, then throw', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      pair.remote.send(new Uint8Array(100))
      pair.remote.abort(new Error('Urk!'))
      await arrived(pair)

      await expect(source.next()).to.eventually.have.nested.property('value.byteLength', 100)
      await expect(source.next()).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('should throw when the remote resets the stream while it waits', async () => {
      const [stream, remote] = await streamPair()
      const next = streamToDuplex(stream).source.next()
      remote.abort(new Error('Urk!'))

      await expect(next).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('should throw when the remote resets the stream after its end was seen', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      pair.remote.send(new Uint8Array(100))
      await pair.remote.close()
      pair.remote.abort(new Error('Urk!'))
      await arrived(pair)

      await expect(drain(source)).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('should throw the reason of an abort, before what is unread', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      pair.remote.send(new Uint8Array(100))
      await arrived(pair)
      const err = new Error('Urk!')
      pair.stream.abort(err)

      await expect(source.next()).to.eventually.be.rejected.and.equal(err)
    })

    it('should throw the reason of an abort while it waits', async () => {
      const [stream] = await streamPair()
      const next = streamToDuplex(stream).source.next()
      const err = new Error('Urk!')
      stream.abort(err)

      await expect(next).to.eventually.be.rejected.and.equal(err)
    })

    it('should throw when the connection goes before the remote has ended', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      pair.remote.send(new Uint8Array(100))
      await arrived(pair)
      pair.connection.abort(new Error('Urk!'))

      await expect(source.next()).to.eventually.have.nested.property('value.byteLength', 100)
      await expect(source.next()).to.eventually.be.rejected.with.property('name', 'ConnectionClosedError')
    })

    it('should throw when the connection goes while it waits', async () => {
      const pair = await yamuxPair()
      const next = streamToDuplex(pair.stream).source.next()
      const closed = pair.remoteConnection.close()

      await expect(next).to.eventually.be.rejected.with.property('name', 'ConnectionClosedError')
      await closed
    })

    it('should end when the connection goes after the remote has ended', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      pair.remote.send(new Uint8Array(100))
      await pair.remote.close()
      await arrived(pair)
      pair.connection.abort(new Error('Urk!'))

      await expect(drain(source)).to.eventually.equal(100)
    })

    it('should throw for a stream that was reset before', async () => {
      const pair = await yamuxPair()
      pair.remote.send(new Uint8Array(100))
      pair.remote.abort(new Error('Urk!'))
      await arrived(pair)
      const before = listeners(pair.stream)
      const { source, sink } = streamToDuplex(pair.stream)

      expect(listeners(pair.stream)).to.deep.equal(before)
      await expect(source.next()).to.eventually.have.nested.property('value.byteLength', 100)
      await expect(source.next()).to.eventually.be.rejected.with.property('name', 'StreamResetError')
      await expect(sink([])).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('should throw for a stream that was aborted before', async () => {
      const [stream] = await streamPair()
      stream.abort(new Error('Urk!'))
      const { source, sink } = streamToDuplex(stream)

      await expect(source.next()).to.eventually.be.rejected.with.property('name', 'StreamAbortedError')
      await expect(sink([])).to.eventually.be.rejected.with.property('name', 'StreamAbortedError')
    })

    it('should throw for a stream that was closed before', async () => {
      const pair = await yamuxPair()
      pair.remote.send(new Uint8Array(100))
      await arrived(pair)
      await pair.connection.close()
      const { source, sink } = streamToDuplex(pair.stream)

      await expect(source.next()).to.eventually.have.nested.property('value.byteLength', 100)
      await expect(source.next()).to.eventually.be.rejected.with.property('name', 'ConnectionClosedError')
      await expect(sink([])).to.eventually.be.rejected.with.property('name', 'ConnectionClosedError')
    })

    it('should abort the stream when it is left early', async () => {
      const [stream, remote] = await streamPair()
      const { source, sink } = streamToDuplex(stream)
      const sunk = sink(silence())
      const reset = event(remote, 'close')
      remote.send(new Uint8Array(100))

      for await (const list of source) {
        if (list.byteLength === 100) {
          break
        }
      }

      expect(stream).to.have.property('status', 'aborted')
      await expect(sunk).to.eventually.be.rejected.with.property('name', 'AbortError')
      await expect(reset).to.eventually.have.nested.property('error.name', 'StreamResetError')
    })

    it('should abort the stream when it is left before it has begun', async () => {
      const [stream] = await streamPair()
      const before = listeners(stream)
      const { source } = streamToDuplex(stream)
      await source.return(undefined)

      expect(stream).to.have.property('status', 'aborted')
      expect(listeners(stream).message).to.equal(before.message)
    })

    it('should abort the stream when it is left while it waits', async () => {
      const [stream] = await streamPair()
      const { source } = streamToDuplex(stream)
      const next = source.next()
      const left = source.return(undefined)

      await expect(next).to.eventually.be.rejected.with.property('name', 'AbortError')
      await expect(left).to.eventually.have.property('done', true)
      expect(stream).to.have.property('status', 'aborted')
    })

    it('should abort the stream when it is left with something to read', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      pair.remote.send(new Uint8Array(100))
      await pair.remote.close()
      await arrived(pair)
      await source.return(undefined)

      expect(pair.stream).to.have.property('status', 'aborted')
    })

    it('should not abort the stream when it is left with nothing to come', async () => {
      const pair = await yamuxPair()
      const { source, sink } = streamToDuplex(pair.stream)
      pair.remote.send(new Uint8Array(100))
      await pair.remote.close()
      await arrived(pair)

      for await (const list of source) {
        if (list.byteLength === 100) {
          break
        }
      }

      const theirs = drain(streamToDuplex(pair.remote).source)
      await sink([new Uint8Array(10)])
      await expect(theirs).to.eventually.equal(10)
    })

    it('should be of use once', async () => {
      const [stream, remote] = await streamPair()
      const { source } = streamToDuplex(stream)
      await remote.close()
      await drain(source)

      await expect(drain(source)).to.eventually.be.rejected.with.property('name', 'StreamStateError')
    })

    it('should hold the remote back until it is read', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      let accepted = 0

      const sunk = streamToDuplex(pair.remote).sink((async function * () {
        for (; accepted < 16 * MIB; accepted += 64 * KIB) {
          yield new Uint8Array(64 * KIB)
        }
      })())

      await settled(pair, () => accepted)
      expect(accepted).to.be.within(256 * KIB, 512 * KIB)

      await expect(drain(source)).to.eventually.equal(16 * MIB)
      await sunk
    })

    it('should hold the remote back when its window has grown', async () => {
      const pair = await yamuxPair()
      const { source } = streamToDuplex(pair.stream)
      let accepted = 0
      let got = 0

      const sunk = streamToDuplex(pair.remote).sink((async function * () {
        for (; accepted < 64 * MIB; accepted += 64 * KIB) {
          yield new Uint8Array(64 * KIB)
        }
      })())

      while (got < 32 * MIB) {
        got += (await source.next()).value.byteLength
      }

      await settled(pair, () => accepted)
      expect(accepted - got).to.be.within(256 * KIB, 4 * MIB + 256 * KIB)
      expect(pair.stream.readBufferLength).to.be.at.most(4 * MIB)

      got += await drain(source)
      expect(got).to.equal(64 * MIB)
      await sunk
    })

    it('should let the remote send on after the answer to what it sent', async () => {
      const pair = await yamuxPair()
      const { source, sink } = streamToDuplex(pair.stream)
      const sent: string[] = []
      const send = pair.connection.send.bind(pair.connection)

      // the second byte of a frame tells what it is
      pair.connection.send = data => {
        sent.push(['data', 'window'][data.subarray(1, 2)[0]])
        return send(data)
      }

      const sunk = sink((async function * () {
        for await (const { byteLength } of source) {
          yield new Uint8Array(byteLength)
        }
      })())

      const ask = async (): Promise<void> => {
        const answer = event(pair.remote, 'message')
        pair.remote.send(new Uint8Array(100))
        await answer
        // one that the duplex waits for has begun before
        await nextTask()
      }

      // the first window is told when the stream is new
      await ask()
      sent.length = 0
      await ask()
      expect(sent).to.deep.equal(['data', 'window'])

      await pair.remote.close()
      await sunk
    })

    it('should survive what the remote was allowed to send before', async () => {
      const pair = await yamuxPair()
      const chunk = new Uint8Array(256 * KIB)

      // as if somebody had read from the stream for a while: the window is 16 MiB
      const before = async (): Promise<void> => {
        for (let got = 0; got < 32 * MIB;) {
          got += (await event<any>(pair.stream, 'message')).data.byteLength
        }
      }

      const reading = before()
      let sent = 0
      const sunk = streamToDuplex(pair.remote).sink((async function * () {
        for (; sent < 96 * MIB; sent += chunk.byteLength) {
          yield chunk
        }
      })())

      await reading
      const { source } = streamToDuplex(pair.stream)
      await settled(pair, () => sent)
      expect(pair.stream).to.have.property('status', 'open')
      await drain(source)
      await sunk
    })
  })

  describe('sink', () => {
    it('should send what it is given, chunk by chunk, and close', async () => {
      const [stream, remote] = await streamPair()
      const { sink } = streamToDuplex(stream)
      const received = all(streamToDuplex(remote).source)
      const sent = sends(stream)

      await sink([
        Uint8Array.from([0, 1]),
        new Uint8Array(),
        new Uint8ArrayList(Uint8Array.from([2]), Uint8Array.from([3, 4])),
        new Uint8ArrayList()
      ])

      expect(sent.map(({ bytes }) => bytes)).to.deep.equal([2, 3])
      expect(new Uint8ArrayList(...await received).subarray()).to.equalBytes(Uint8Array.from([0, 1, 2, 3, 4]))
    })

    it('should wait each time that the stream is full', async () => {
      const [stream, remote] = await streamPair({ capacity: 2 })
      const { sink } = streamToDuplex(stream)
      const received = drain(streamToDuplex(remote).source)
      const sent = sends(stream)
      await sink(Array.from({ length: 100 }, () => new Uint8Array(100 * KIB)))

      await expect(received).to.eventually.equal(100 * 100 * KIB)
      expect(sent).to.have.lengthOf(100)
      expect(sent.filter(({ full }) => full)).to.be.empty()
    })

    it('should take little from its source while the remote does not read', async () => {
      const pair = await yamuxPair()
      const { sink } = streamToDuplex(pair.stream)
      let accepted = 0
      let left = false
      pair.remote.pause()

      const sunk = sink((async function * () {
        try {
          for (; accepted < 64 * MIB; accepted += 64 * KIB) {
            yield new Uint8Array(64 * KIB)
          }
        } finally {
          left = true
        }
      })())

      await settled(pair, () => accepted)
      expect(accepted).to.be.within(256 * KIB, 512 * KIB)

      pair.remote.abort(new Error('Urk!'))
      await expect(sunk).to.eventually.be.rejected.with.property('name', 'StreamResetError')
      expect(left).to.equal(true)
    })

    it('should not send more when there is room for only a part of what waits', async () => {
      const pair = await yamuxPair()
      const { sink } = streamToDuplex(pair.stream)
      const { source } = streamToDuplex(pair.remote)
      const sent = sends(pair.stream)
      const sunk = sink(Array.from({ length: 8 }, () => new Uint8Array(4 * MIB)))

      await expect(drain(source)).to.eventually.equal(32 * MIB)
      await sunk
      expect(sent).to.have.lengthOf(8)
      expect(sent.filter(({ waiting }) => waiting > 0)).to.be.empty()
    })

    it('should abort the stream with the error of its source', async () => {
      const [stream, remote] = await streamPair()
      const { source, sink } = streamToDuplex(stream)
      const theirs = drain(streamToDuplex(remote).source)
      const err = new Error('Urk!')

      await expect(sink((async function * () {
        yield new Uint8Array(100)
        throw err
      })())).to.eventually.be.rejected.and.equal(err)

      await expect(source.next()).to.eventually.be.rejected.and.equal(err)
      await expect(theirs).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('should not wait for a source when the stream is reset', async () => {
      const [stream, remote] = await streamPair()
      const { sink } = streamToDuplex(stream)
      const source = silence()
      const sunk = sink(source)
      remote.abort(new Error('Urk!'))

      await expect(sunk).to.eventually.be.rejected.with.property('name', 'StreamResetError')
      await source.left
    })

    it('should not wait for a source when the stream is aborted', async () => {
      const [stream] = await streamPair()
      const { sink } = streamToDuplex(stream)
      const source = silence()
      const sunk = sink(source)
      const err = new Error('Urk!')
      stream.abort(err)

      await expect(sunk).to.eventually.be.rejected.and.equal(err)
      await source.left
    })

    it('should not wait for a source when the connection goes', async () => {
      const pair = await yamuxPair()
      const { source, sink } = streamToDuplex(pair.stream)
      const silent = silence()
      const sunk = sink(silent)
      await pair.remote.close()
      await drain(source)
      pair.connection.abort(new Error('Urk!'))

      await expect(sunk).to.eventually.be.rejected.with.property('name', 'ConnectionClosedError')
      await silent.left
    })

    it('should leave a source that it cannot send, and one that fails when left', async () => {
      const [stream] = await streamPair()
      const { sink } = streamToDuplex(stream)
      const left = Promise.withResolvers<void>()
      let asked = false
      stream.abort(new Error('Urk!'))

      await expect(sink({
        [Symbol.iterator]: () => ({
          next: () => {
            asked = true
            return { done: false, value: new Uint8Array(1) }
          },
          return: () => {
            left.resolve()
            throw new Error('Not this one')
          }
        })
      })).to.eventually.be.rejected.with.property('message', 'Urk!')
      await left.promise
      expect(asked).to.equal(false)
    })

    it('should survive a source that fails after the stream did', async () => {
      const [stream] = await streamPair()
      const { sink } = streamToDuplex(stream)
      const next = Promise.withResolvers<any>()
      const sunk = sink({ [Symbol.asyncIterator]: () => ({ next: async () => next.promise }) })
      const err = new Error('Urk!')
      stream.abort(err)
      next.reject(new Error('Not this one'))

      await expect(sunk).to.eventually.be.rejected.and.equal(err)
    })

    it('should fail when somebody else closes the stream', async () => {
      const [stream, remote] = await streamPair()
      const { sink } = streamToDuplex(stream)
      const reset = event(remote, 'close')

      await expect(sink((async function * () {
        yield new Uint8Array(100)
        await stream.close()
        yield new Uint8Array(100)
      })())).to.eventually.be.rejected.with.property('name', 'StreamStateError')
      await expect(reset).to.eventually.have.nested.property('error.name', 'StreamResetError')
    })

    it('should reject with an error when the stream is reset before all was sent', async () => {
      const pair = await yamuxPair()
      pair.remote.pause()
      const sunk = streamToDuplex(pair.stream).sink([new Uint8Array(MIB)])
      await arrived(pair)
      expect(pair.stream).to.have.property('writeStatus', 'closing')
      pair.remote.abort(new Error('Urk!'))

      await expect(sunk).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('should reject with an error when the connection goes before all was sent', async () => {
      const pair = await yamuxPair()
      pair.remote.pause()
      const sunk = streamToDuplex(pair.stream).sink([new Uint8Array(MIB)])
      await arrived(pair)
      pair.connection.abort(new Error('Urk!'))

      await expect(sunk).to.eventually.be.rejected.with.property('name', 'ConnectionClosedError')
    })

    it('should reject when the stream is aborted as there is room for the last of it', async () => {
      const pair = await yamuxPair()
      pair.remote.pause()
      const sunk = streamToDuplex(pair.stream).sink([new Uint8Array(MIB)])
      await arrived(pair)
      const err = new Error('Urk!')
      // an abort tells close() that all was sent
      pair.stream.addEventListener('drain', () => { pair.stream.abort(err) })
      pair.remote.resume()

      await expect(sunk).to.eventually.be.rejected.and.equal(err)
    })

    it('should wait for as long as it likes after the last of it was sent', async () => {
      const pair = await yamuxPair()
      const { sink } = streamToDuplex(pair.stream, { closeTimeout: 0 })
      await sink([new Uint8Array(100)])
      // a timer set later runs later
      await new Promise(resolve => setTimeout(resolve, 0))

      expect(pair.stream).to.have.property('status', 'open')
    })

    it('should not wait for ever for the remote to read the last of it', async () => {
      const pair = await yamuxPair()
      pair.remote.pause()
      const reset = event(pair.remote, 'close')
      const { source, sink } = streamToDuplex(pair.stream, { closeTimeout: 10 })

      await expect(sink([new Uint8Array(MIB)])).to.eventually.be.rejected.with.property('name', 'TimeoutError')
      await expect(source.next()).to.eventually.be.rejected.with.property('name', 'TimeoutError')
      await reset
    })

    it('should be of use once', async () => {
      const [stream] = await streamPair()
      const { sink } = streamToDuplex(stream)
      await sink([])

      await expect(sink([])).to.eventually.be.rejected.with.property('name', 'StreamStateError')
    })
  })

  describe('both', () => {
    it('should close the stream and stop listening when both have ended', async () => {
      const [stream, remote] = await streamPair()
      const before = listeners(stream)
      const ours = streamToDuplex(stream)
      const theirs = streamToDuplex(remote)

      const [received] = await Promise.all([
        drain(ours.source),
        ours.sink([new Uint8Array(100)]),
        theirs.sink(theirs.source)
      ])

      expect(received).to.equal(100)
      expect(stream).to.have.property('status', 'closed')
      expect(listeners(stream)).to.deep.equal(before)
    })

    it('should send when the remote has ended long before', async () => {
      const [stream, remote] = await streamPair()
      const ours = streamToDuplex(stream)
      const theirs = streamToDuplex(remote)
      await theirs.sink([new Uint8Array(100)])
      await expect(drain(ours.source)).to.eventually.equal(100)

      await ours.sink([new Uint8Array(200)])
      await expect(drain(theirs.source)).to.eventually.equal(200)
      expect(stream).to.have.property('status', 'closed')
    })

    it('should read when it has sent all long before', async () => {
      const [stream, remote] = await streamPair()
      const ours = streamToDuplex(stream)
      const theirs = streamToDuplex(remote)
      await ours.sink([new Uint8Array(100)])
      await expect(drain(theirs.source)).to.eventually.equal(100)

      await theirs.sink([new Uint8Array(200)])
      await expect(drain(ours.source)).to.eventually.equal(200)
      expect(stream).to.have.property('status', 'closed')
    })
  })

  describe('signal', () => {
    it('should abort both halves', async () => {
      const [stream, remote] = await streamPair()
      const before = listeners(stream)
      const controller = new AbortController()
      const { source, sink } = streamToDuplex(stream, { signal: controller.signal })
      const reset = event(remote, 'close')
      const next = source.next()
      const sunk = sink(silence())
      const err = new Error('Urk!')
      controller.abort(err)

      await expect(next).to.eventually.be.rejected.and.equal(err)
      await expect(sunk).to.eventually.be.rejected.and.equal(err)
      await expect(reset).to.eventually.have.nested.property('error.name', 'StreamResetError')
      expect(listeners(stream)).to.deep.equal(before)
    })

    it('should abort a sink that waits for the remote to read', async () => {
      const pair = await yamuxPair()
      const controller = new AbortController()
      const { sink } = streamToDuplex(pair.stream, { signal: controller.signal })
      pair.remote.pause()
      const sunk = sink([new Uint8Array(MIB), new Uint8Array(MIB)])
      await arrived(pair)
      const err = new Error('Urk!')
      controller.abort(err)

      await expect(sunk).to.eventually.be.rejected.and.equal(err)
    })

    it('should abort a sink that waits for the remote to read the last of it', async () => {
      const pair = await yamuxPair()
      const { drain, idle } = listeners(pair.stream)
      const controller = new AbortController()
      const { sink } = streamToDuplex(pair.stream, { signal: controller.signal })
      pair.remote.pause()
      const sunk = sink([new Uint8Array(MIB)])
      await arrived(pair)
      const err = new Error('Urk!')
      controller.abort(err)

      await expect(sunk).to.eventually.be.rejected.and.equal(err)
      expect(listeners(pair.stream)).to.include({ drain, idle })
    })

    it('should abort the stream when it was aborted before', async () => {
      const [stream] = await streamPair()
      const err = new Error('Urk!')
      const { source, sink } = streamToDuplex(stream, { signal: AbortSignal.abort(err) })

      await expect(source.next()).to.eventually.be.rejected.and.equal(err)
      await expect(sink([])).to.eventually.be.rejected.and.equal(err)
      expect(stream).to.have.property('status', 'aborted')
    })

    it('should give nothing more of a stream that has closed', async () => {
      const [stream, remote] = await streamPair()
      const controller = new AbortController()
      const { source } = streamToDuplex(stream, { signal: controller.signal })
      const closed = event(stream, 'close')
      remote.send(new Uint8Array(100))
      await remote.close()
      await stream.close()
      await closed
      const err = new Error('Urk!')
      controller.abort(err)

      await expect(source.next()).to.eventually.be.rejected.and.equal(err)
    })
  })
})
