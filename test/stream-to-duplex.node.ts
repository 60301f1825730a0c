import { getEventListeners } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { expect } from 'aegir/chai'
import { createLibp2p } from 'libp2p'
import { streamToDuplex } from '../src/stream-to-duplex.ts'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import type { Socket } from 'node:net'
import type { Uint8ArrayList } from 'uint8arraylist'

const KIB = 1024
const MIB = 1024 * KIB
const CHUNK = 64 * KIB
const PROTOCOL = '/test/stream-to-duplex/1'
const ROUND_TRIP = '/test/round-trip/1'

interface Pair {
  connection: Connection
  remoteConnection: Connection
  stream: Stream
  remote: Stream
}

async function createNode (listen: string[] = []): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      // each test has a connection of its own
      inboundConnectionThreshold: Infinity
    }
  })
}

function socket (connection: any): Socket {
  return connection.maConn.socket
}

/**
 * Nothing more happens when a round trip has changed nothing
 */
async function settled (pair: Pair, progress: () => number): Promise<void> {
  let before

  do {
    before = progress()
    const stream = await pair.remoteConnection.newStream(ROUND_TRIP)
    stream.abort(new Error('No longer needed'))
  } while (progress() !== before)
}

function byteAt (position: number): number {
  return (position ^ (position >>> 8) ^ (position >>> 16)) & 0xff
}

/**
 * Bytes that tell when one is lost, and how many of them were taken
 */
function numbered (total: number): AsyncIterable<Uint8Array> & { taken: number } {
  return {
    taken: 0,
    async * [Symbol.asyncIterator] () {
      while (this.taken < total) {
        const start = this.taken
        const chunk = new Uint8Array(CHUNK)

        for (let i = 0; i < CHUNK; i++) {
          chunk[i] = byteAt(start + i)
        }

        this.taken += CHUNK
        yield chunk
      }
    }
  }
}

/**
 * Reads and verifies what `numbered` made, until it has that many bytes
 */
async function verify (source: AsyncGenerator<Uint8ArrayList>, from: number, to: number = Infinity): Promise<number> {
  let position = from

  while (position < to) {
    const { done, value } = await source.next()

    if (done === true) {
      break
    }

    for (const chunk of value) {
      for (let i = 0; i < chunk.byteLength; i++, position++) {
        if (chunk[i] !== byteAt(position)) {
          throw new Error(`Wrong byte at ${position}`)
        }
      }
    }
  }

  return position
}

describe('stream-to-duplex over TCP', function () {
  this.timeout(20_000)

  let node: Libp2p
  let other: Libp2p
  const unhandled: unknown[] = []

  // mocha does not fail for them
  const onUnhandled = (reason: unknown): void => {
    unhandled.push(reason)
  }

  async function open (): Promise<Pair> {
    const opened = Promise.withResolvers<{ remote: Stream, remoteConnection: Connection }>()
    await other.handle(PROTOCOL, (remote, remoteConnection) => { opened.resolve({ remote, remoteConnection }) }, { force: true })
    const connection = await node.dial(other.getMultiaddrs(), { force: true })
    const stream = await connection.newStream(PROTOCOL)

    return { connection, stream, ...await opened.promise }
  }

  before(async () => {
    process.on('unhandledRejection', onUnhandled)
    node = await createNode()
    other = await createNode(['/ip4/127.0.0.1/tcp/0'])
    await node.handle(ROUND_TRIP, () => {})
  })

  after(async () => {
    await Promise.all([node.stop(), other.stop()])
    process.off('unhandledRejection', onUnhandled)
  })

  afterEach(async () => {
    node.getConnections().forEach(connection => { connection.abort(new Error('The test is over')) })
    expect(unhandled.splice(0)).to.be.empty()
  })

  describe('loss', () => {
    const cases: Array<{ name: string, lose(pair: Pair): void, error: string }> = [{
      name: 'the remote aborts the stream',
      lose: ({ remote }) => { remote.abort(new Error('Urk!')) },
      error: 'StreamResetError'
    }, {
      name: 'the connection is closed here',
      lose: ({ connection }) => { void connection.close() },
      error: 'ConnectionClosedError'
    }, {
      name: 'the connection is aborted here',
      lose: ({ connection }) => { connection.abort(new TypeError('Urk!')) },
      error: 'TypeError'
    }, {
      name: 'the remote aborts the connection',
      lose: ({ remoteConnection }) => { remoteConnection.abort(new Error('Urk!')) },
      error: 'StreamResetError'
    }, {
      name: 'the socket is destroyed here',
      lose: ({ connection }) => { socket(connection).destroy() },
      error: 'ConnectionClosedError'
    }, {
      name: 'the socket is destroyed here with an error',
      lose: ({ connection }) => { socket(connection).destroy(new Error('Urk!')) },
      error: 'ConnectionClosedError'
    }, {
      name: 'the remote destroys its socket',
      lose: ({ remoteConnection }) => { socket(remoteConnection).destroy() },
      error: 'ConnectionClosedError'
    }, {
      name: 'the remote resets its socket',
      lose: ({ remoteConnection }) => { socket(remoteConnection).resetAndDestroy() },
      error: 'ConnectionClosedError'
    }]

    for (const { name, lose, error } of cases) {
      it(`should throw while it waits when ${name}`, async () => {
        const pair = await open()
        const { source, sink } = streamToDuplex(pair.stream)
        const silence = Promise.withResolvers<any>()
        const next = source.next()
        const sunk = sink({ [Symbol.asyncIterator]: () => ({ next: async () => silence.promise }) })
        lose(pair)

        await Promise.all([
          expect(next).to.eventually.be.rejected.with.property('name', error),
          expect(sunk).to.eventually.be.rejected.with.property('name', error)
        ])
      })

      it(`should throw after a pause when ${name}`, async () => {
        const pair = await open()
        const { source } = streamToDuplex(pair.stream)
        const closed = new Promise(resolve => { pair.stream.addEventListener('close', resolve) })
        pair.remote.send(new Uint8Array(100))
        await settled(pair, () => pair.stream.readBufferLength)
        lose(pair)
        await closed

        await expect((async () => {
          for await (const list of source) {
            expect(list.byteLength).to.equal(100)
          }
        })()).to.eventually.be.rejected.with.property('name', error)
      })
    }

    for (const { name, close } of [{
      name: 'the stream',
      close: async ({ remote }: Pair) => remote.close()
    }, {
      // which closes its streams before
      name: 'the connection',
      close: async ({ remoteConnection }: Pair) => remoteConnection.close()
    }]) {
      it(`should end when the remote closes ${name}`, async () => {
        const pair = await open()
        const { source } = streamToDuplex(pair.stream)
        const closed = new Promise(resolve => { pair.stream.addEventListener('remoteCloseWrite', resolve) })
        pair.remote.send(new Uint8Array([byteAt(0), byteAt(1)]))
        await close(pair)
        await closed

        await expect(verify(source, 0)).to.eventually.equal(2)
      })
    }
  })

  describe('backpressure', () => {
    it('should hold the remote back, before and after its window has grown', async () => {
      const pair = await open()
      const { source } = streamToDuplex(pair.stream)
      const numbers = numbered(64 * MIB)
      const sunk = streamToDuplex(pair.remote).sink(numbers)

      await settled(pair, () => numbers.taken)
      expect(numbers.taken).to.be.within(256 * KIB, MIB)

      const position = await verify(source, 0, 32 * MIB)
      await settled(pair, () => numbers.taken)
      expect(numbers.taken - position).to.be.within(256 * KIB, 4 * MIB + 4 * CHUNK)

      await expect(verify(source, position)).to.eventually.equal(64 * MIB)
      await sunk
    })

    it('should hold its source back while the remote does not read', async () => {
      const pair = await open()
      const numbers = numbered(64 * MIB)
      pair.remote.pause()
      const sunk = streamToDuplex(pair.stream).sink(numbers)

      await settled(pair, () => numbers.taken)
      expect(numbers.taken).to.be.within(256 * KIB, MIB)

      await expect(verify(streamToDuplex(pair.remote).source, 0)).to.eventually.equal(64 * MIB)
      await sunk
    })

    it('should carry both ways at once', async () => {
      const pair = await open()
      const ours = streamToDuplex(pair.stream)
      const theirs = streamToDuplex(pair.remote)

      const [received] = await Promise.all([
        verify(ours.source, 0),
        ours.sink(numbered(32 * MIB)),
        theirs.sink(theirs.source)
      ])

      expect(received).to.equal(32 * MIB)
    })
  })

  describe('listeners', () => {
    for (const { name, finish } of [{
      name: 'both halves have ended',
      finish: async ({ remote }: Pair, { source, sink }: ReturnType<typeof streamToDuplex>) => {
        await Promise.all([
          remote.close(),
          verify(source, 0),
          sink([new Uint8Array(1)])
        ])
      }
    }, {
      name: 'the stream was reset',
      finish: async ({ remote }: Pair, { source }: ReturnType<typeof streamToDuplex>) => {
        remote.abort(new Error('Urk!'))
        await source.next().catch(() => {})
      }
    }, {
      name: 'the connection was lost',
      finish: async ({ connection }: Pair, { source }: ReturnType<typeof streamToDuplex>) => {
        socket(connection).destroy()
        await source.next().catch(() => {})
      }
    }]) {
      it(`should leave no listeners when ${name}`, async () => {
        const pair = await open()
        const { signal } = new AbortController()
        const duplex = streamToDuplex(pair.stream, { signal })
        expect(getEventListeners(signal, 'abort')).to.have.lengthOf(1)
        await finish(pair, duplex)

        // what libp2p itself leaves on a closed stream
        const { stream } = await open()
        stream.abort(new Error('Urk!'))

        for (const type of ['message', 'remoteCloseWrite', 'drain', 'close', 'idle', 'end']) {
          expect(pair.stream.listenerCount(type)).to.equal(stream.listenerCount(type), type)
        }

        expect(getEventListeners(signal, 'abort')).to.be.empty()
      })
    }
  })
})
