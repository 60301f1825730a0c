import { StreamCloseEvent } from '@libp2p/interface'
import { expect } from 'aegir/chai'
import { pipe } from 'it-pipe'
import { sha512 } from 'multiformats/hashes/sha2'
import { pEvent } from 'p-event'
import { exchange, handler, hashExchange, PROTOCOL, PROTOCOL_4_1, streamToDuplex } from '../src/index.ts'
import { memoryStore } from './fixtures/blocks.ts'
import { collectText, nothing, serve, text, thenHang } from './fixtures/content.ts'
import { next, record } from './fixtures/events.ts'
import { createBareNode, createNode, stopNodes } from './fixtures/nodes.ts'
import type { HashExchangeNode } from './fixtures/nodes.ts'
import type { Exchange, HashExchangeInit } from '../src/index.ts'

/**
 * The exchange that a peer opens next
 */
async function opened (node: HashExchangeNode): Promise<Exchange> {
  return new Promise(resolve => {
    node.services.hashExchange.addEventListener('exchange', ({ detail }) => { resolve(detail) }, { once: true })
  })
}

/**
 * Two nodes with an exchange between them
 */
async function connected (server: HashExchangeNode, client: HashExchangeNode): Promise<{ theirs: Exchange, ours: Exchange }> {
  const [theirs, ours] = await Promise.all([
    opened(server),
    client.services.hashExchange.open(server.getMultiaddrs())
  ])

  return { theirs, ours }
}

describe('the service', () => {
  afterEach(async () => stopNodes())

  it('replicates in both directions and closes', async () => {
    const server = await createNode({ createReadStream: serve({ a: 'of a', b: 'of b' }) })
    const client = await createNode({ createReadStream: serve({ c: 'of c' }) })
    const { theirs, ours } = await connected(server, client)

    await Promise.all([theirs.provide(['a', 'b']), ours.provide('c')])

    const [a, b, c] = await Promise.all([ours.get('a'), ours.get('b'), theirs.get('c')])

    expect(await collectText(a.stream)).to.equal('of a')
    expect(await collectText(b.stream)).to.equal('of b')
    expect(await collectText(c.stream)).to.equal('of c')

    await Promise.all([ours.close(), theirs.close()])
  })

  it('knows who is at the other end, and over what', async () => {
    const [server, client] = await Promise.all([createNode(), createNode()])
    const { theirs, ours } = await connected(server, client)

    expect(theirs.remotePeer?.toString()).to.equal(client.peerId.toString())
    expect(ours.remotePeer?.toString()).to.equal(server.peerId.toString())
    expect(ours.protocol).to.equal(PROTOCOL)
    expect(theirs.protocol).to.equal(PROTOCOL)
  })

  it('tells createReadStream who asks', async () => {
    const peers: string[] = []
    const server = await createNode({
      provides: () => true,
      createReadStream: (hash, { peer }) => {
        peers.push(`${peer}`)
        return { stream: [text(hash)] }
      }
    })
    const client = await createNode()
    const { ours } = await connected(server, client)

    await ours.get('a')

    expect(peers).to.deep.equal([client.peerId.toString()])
  })

  it('dispatches nothing before the listeners of both sides are there', async () => {
    const [server, client] = await Promise.all([createNode(), createNode()])

    const seen = new Promise<string[]>(resolve => {
      server.services.hashExchange.addEventListener('exchange', ({ detail: ex }) => {
        void ex.provide(['from', 'the', 'server'])
        ex.addEventListener('available', ({ detail }) => { resolve(detail) })
      })
    })

    const ours = await client.services.hashExchange.open(server.getMultiaddrs())
    void ours.provide(['from', 'the', 'client'])
    const [available, atServer] = await Promise.all([next(ours, 'available'), seen])

    // what both provide is left out
    expect(available).to.deep.equal(['server'])
    expect(atServer).to.deep.equal(['client'])
  })

  it('opens exchanges by peer ID as well, several with one peer at once', async () => {
    const server = await createNode({ provides: () => true, createReadStream: (hash) => ({ stream: [text(hash)] }) })
    const client = await createNode()
    const connection = await client.dial(server.getMultiaddrs())

    const exchanges = await Promise.all(['a', 'b', 'c'].map(async () => client.services.hashExchange.open(server.peerId)))

    expect(client.services.hashExchange.exchanges).to.have.members(exchanges)

    const contents = await Promise.all(exchanges.map(async (ex, i) => collectText((await ex.get(`of ${i}`)).stream)))

    expect(contents).to.deep.equal(['of 0', 'of 1', 'of 2'])
    expect(server.services.hashExchange.exchanges).to.have.length(3)

    // the end of one is not the end of the others
    await exchanges[0].close()
    expect(await collectText((await exchanges[1].get('more')).stream)).to.equal('more')

    await Promise.all(exchanges.slice(1).map(async ex => ex.close()))
    expect(connection.status).to.equal('open')
  })

  it('forgets exchanges that have ended, and closes their streams', async () => {
    const [server, client] = await Promise.all([createNode(), createNode()])
    const { theirs, ours } = await connected(server, client)
    const streams = [server, client].flatMap(node => node.getConnections()).flatMap(({ streams }) => streams).filter(({ protocol }) => protocol === PROTOCOL)

    expect(streams).to.have.length(2)

    const closed = streams.map(async stream => pEvent(stream, 'close'))
    await Promise.all([ours.close(), next(theirs, 'close')])
    const events = await Promise.all(closed)

    expect(events.map(({ error }: any) => error)).to.deep.equal([undefined, undefined])
    expect(server.services.hashExchange.exchanges).to.be.empty()
    expect(client.services.hashExchange.exchanges).to.be.empty()
  })

  describe('the ID', () => {
    it('is the own peer ID by default', async () => {
      const [server, client] = await Promise.all([createNode(), createNode()])
      const { theirs, ours } = await connected(server, client)
      const ids = await Promise.all([next(theirs, 'id'), next(ours, 'id')])

      expect(ids).to.deep.equal([client.peerId.toString(), server.peerId.toString()])
    })

    it('can be anything that is not a peer ID', async () => {
      const [server, client] = await Promise.all([createNode(), createNode({ id: '{"forkdb":1}' })])
      const { theirs } = await connected(server, client)

      expect(await next(theirs, 'id')).to.equal('{"forkdb":1}')
    })

    it('can be left out', async () => {
      const [server, client] = await Promise.all([createNode(), createNode({ id: false })])
      const { theirs, ours } = await connected(server, client)
      const recorded = record(theirs)
      ours.seen(1)

      // had there been an ID it would have come before
      expect(await next(theirs, 'seen')).to.equal(1)
      expect(recorded.ids).to.be.empty()
    })

    it('ends the exchange if it is that of another peer, and no other exchange', async () => {
      const other = await createNode({ provides: () => true, createReadStream: (hash) => ({ stream: [text(hash)] }) })
      const server = await createNode({ provides: () => true, createReadStream: (hash) => ({ stream: [text(hash)] }) })
      const liar = await createNode({ id: other.peerId.toString() })
      const honest = await createNode()
      const { ours: good } = await connected(server, honest)
      const { theirs, ours: bad } = await connected(server, liar)
      const [atServer, atLiar] = await Promise.all([next(theirs, 'close'), next(bad, 'close')])

      expect(atServer).to.have.property('name', 'ForeignIdError')
      expect(atLiar).to.have.property('name', 'StreamResetError')
      expect(await collectText((await good.get('a')).stream)).to.equal('a')
    })
  })

  describe('start and stop', () => {
    it('can be called twice', async () => {
      const node = await createNode()
      const service: any = node.services.hashExchange

      await service.start()
      expect(service.isStarted()).to.be.true()
      expect(node.getProtocols()).to.include(PROTOCOL)

      await service.stop()
      await service.stop()
      expect(service.isStarted()).to.be.false()
      expect(node.getProtocols()).to.not.include(PROTOCOL)
    })

    it('ends exchanges by name when it stops', async () => {
      const server = await createNode({ provides: () => true, createReadStream: () => ({ stream: thenHang(text('one')) }) })
      const client = await createNode()
      const { theirs, ours } = await connected(server, client)
      const { stream } = await ours.get('a')
      const ends = Promise.all([next(theirs, 'close'), next(ours, 'close')])

      await server.stop()

      const [atServer, atClient] = await ends
      expect(atServer).to.have.property('name', 'AbortError')
      expect(atClient).to.have.property('name', 'StreamResetError')
      await expect(collectText(stream)).to.eventually.be.rejected.with.property('name', 'StreamResetError')
      await expect(ours.get('b')).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('refuses wrong options at once', async () => {
      await expect(createNode({ createReadStream: 5 as any })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      await expect(createNode({ limits: { requestTimeout: -1 } })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      await expect(createNode({ limits: { toString: 1 } as any })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      await expect(createNode({ id: 'x'.repeat(600) })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      await expect(createNode({ provides: new Set() as any })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
    })

    it('refuses options of which nothing would be done', async () => {
      const store = await memoryStore()
      const { components } = await createBareNode() as any

      const refuse = (init: unknown, message: string): void => {
        expect(() => hashExchange(init as HashExchangeInit)(components), message).to.throw(message).with.property('name', 'InvalidParametersError')
      }

      refuse(undefined, 'Give hashExchange() a store')
      refuse({}, 'Give hashExchange() a store')
      refuse({ store: undefined, accept: () => true }, 'Give hashExchange() a store')
      refuse({ store, alow: () => false }, 'There is no option "alow", only store, accept, allow,')
      refuse({ store, createReadStream: nothing }, 'leave out createReadStream')
      refuse({ store, provides: () => true }, 'leave out provides')
      refuse({ createReadStream: nothing, allow: () => false }, 'allow needs a store')
      refuse({ createReadStream: nothing, autoReplicate: () => true }, 'autoReplicate needs a store')

      for (const name of ['accept', 'allow', 'autoReplicate', 'want']) {
        refuse({ store, [name]: true }, `${name} must be a function that answers true or false, not true`)
        refuse({ store, [name]: ['a', 'b'] }, `${name} must be a function that answers true or false, not a,b`)
      }

      refuse({ store, hashers: sha512 }, 'hashers must be an array')
      refuse({ store, hashers: [null] }, 'hashers must be an array')
      refuse({ store, hashers: [{ code: 0x13 }] }, 'hashers must be an array')
      refuse({ store, maxBytes: '1' }, 'maxBytes must be a number above 0, not 1')
      refuse({ store, maxBytes: 0 }, 'maxBytes must be a number above 0, not 0')

      // what has no value is left out
      hashExchange({ store, createReadStream: undefined, provides: undefined, accept: undefined, hashers: [sha512], maxBytes: 1 })(components)
      hashExchange({ createReadStream: nothing, store: undefined, allow: undefined })(components)
    })

    it('leaves the handler of somebody else alone', async () => {
      const node = await createBareNode()
      await node.handle(PROTOCOL, () => {})
      const { components } = node as any
      const service: any = hashExchange({ createReadStream: nothing })(components)

      await expect(service.start()).to.eventually.be.rejected()
      expect(service.isStarted()).to.be.false()
      await service.stop()
      expect(node.getProtocols()).to.include(PROTOCOL)
    })

    it('leaves no handler of its own where it can not have all', async () => {
      const node = await createBareNode()
      await node.handle(PROTOCOL, () => {})
      const { components } = node as any
      const service: any = hashExchange({ store: await memoryStore() })(components)

      await expect(service.start()).to.eventually.be.rejected()
      expect(node.getProtocols()).to.include(PROTOCOL)
      expect(node.getProtocols()).to.not.include(PROTOCOL_4_1)
    })

    it('gives no exchange that was being opened when it stopped', async () => {
      const [server, client] = await Promise.all([createNode(), createNode()])
      const service: any = client.services.hashExchange
      await client.dial(server.getMultiaddrs())

      const opening = client.services.hashExchange.open(server.peerId)
      await service.stop()

      await expect(opening).to.eventually.be.rejected.with.property('name', 'NotStartedError')
      expect(client.services.hashExchange.exchanges).to.be.empty()
      expect(client.getConnections().flatMap(({ streams }) => streams).filter(({ protocol }) => protocol === PROTOCOL)).to.be.empty()
    })

    it('cannot open an exchange when it is stopped', async () => {
      const [server, client] = await Promise.all([createNode(), createNode()])
      const service: any = client.services.hashExchange
      await service.stop()

      await expect(client.services.hashExchange.open(server.getMultiaddrs())).to.eventually.be.rejected
        .with.property('name', 'NotStartedError')
    })
  })

  describe('opening', () => {
    it('is refused by a peer without the protocol', async () => {
      const [server, client] = await Promise.all([createBareNode(), createNode()])

      await expect(client.services.hashExchange.open(server.getMultiaddrs())).to.eventually.be.rejected
        .with.property('name', 'UnsupportedProtocolError')
      expect(client.services.hashExchange.exchanges).to.be.empty()
    })

    it('is refused where the peer is neither an ID nor an address', async () => {
      const { hashExchange } = (await createNode({ store: await memoryStore() })).services

      for (const peer of ['/ip4/127.0.0.1/tcp/1', undefined, null, 5, ['/ip4/127.0.0.1/tcp/1'], {}] as any[]) {
        for (const opening of [hashExchange.open(peer), hashExchange.replicate(peer)]) {
          await expect(opening).to.eventually.be.rejectedWith('The peer must be a PeerId, a Multiaddr or an array of Multiaddrs').and.have.property('name', 'InvalidParametersError')
        }
      }
    })

    it('fails by an error where libp2p throws an event', async () => {
      const [server, client] = await Promise.all([createNode(), createNode({ store: await memoryStore() })])
      const { hashExchange } = client.services
      const connection = await client.dial(server.getMultiaddrs())
      const lost = new Error('The connection is lost')

      const events: Array<[Event, object]> = [
        [new StreamCloseEvent(false, lost), lost],
        [new StreamCloseEvent(false), { name: 'UnexpectedEndError' }],
        // of a WebSocket
        [Object.assign(new Event('error'), { message: '', error: lost }), lost],
        [Object.assign(new Event('error'), { message: 'why' }), { name: 'ConnectionFailedError', message: 'why' }],
        [new Event('error'), { name: 'ConnectionFailedError' }]
      ]

      for (const [event, expected] of events) {
        connection.newStream = async () => Promise.reject(event)

        for (const opening of [hashExchange.open(server.peerId), hashExchange.replicate(server.peerId)]) {
          await expect(opening).to.eventually.be.rejected.that.is.an('error').and.deep.include(expected)
        }
      }
    })

    it('can be aborted', async () => {
      const [server, client] = await Promise.all([createNode(), createNode()])
      const signal = AbortSignal.abort(new Error('Not now'))

      await expect(client.services.hashExchange.open(server.getMultiaddrs(), { signal })).to.eventually.be.rejected()
      expect(client.services.hashExchange.exchanges).to.be.empty()
    })

    it('more exchanges than the peer takes ends the last one by name', async () => {
      const [server, client] = await Promise.all([createNode({ maxInboundStreams: 1 }), createNode()])
      const { ours } = await connected(server, client)

      const second = await client.services.hashExchange.open(server.getMultiaddrs())
      await expect(second.get('a')).to.eventually.be.rejected.with.property('name', 'StreamResetError')

      await ours.close()
    })

    it('more exchanges than we open is refused', async () => {
      const [server, client] = await Promise.all([createNode(), createNode({ maxOutboundStreams: 1 })])
      await connected(server, client)

      await expect(client.services.hashExchange.open(server.getMultiaddrs())).to.eventually.be.rejected
        .with.property('name', 'TooManyOutboundProtocolStreamsError')
    })
  })

  // that they are not used by default is in relay.node.ts, with a relay
  describe('limited connections', () => {
    async function limited (server: HashExchangeNode, client: HashExchangeNode): Promise<void> {
      await client.dial(server.getMultiaddrs())

      for (const connection of [...server.getConnections(), ...client.getConnections()]) {
        connection.limits = { bytes: 131_072n, seconds: 120 }
      }
    }

    it('are not used if only the opener wants to', async () => {
      const [server, client] = await Promise.all([createNode(), createNode({ runOnLimitedConnection: true })])
      await limited(server, client)

      const ex = await client.services.hashExchange.open(server.peerId)
      await expect(ex.get('a')).to.eventually.be.rejected.with.property('name', 'StreamResetError')
    })

    it('are used if both sides say so', async () => {
      const createReadStream = serve({ a: 'of a' })
      const server = await createNode({ runOnLimitedConnection: true, createReadStream, provides: () => true })
      const client = await createNode()
      await limited(server, client)

      const ex = await client.services.hashExchange.open(server.peerId, { runOnLimitedConnection: true })
      expect(await collectText((await ex.get('a')).stream)).to.equal('of a')
      await ex.close()
    })
  })

  describe('when the connection goes', () => {
    for (const how of ['close', 'abort'] as const) {
      it(`ends exchanges on both sides by name: ${how}()`, async () => {
        const server = await createNode({ provides: () => true, createReadStream: () => ({ stream: thenHang(text('one')) }) })
        const client = await createNode()
        const { theirs, ours } = await connected(server, client)
        const { stream } = await ours.get('a')
        const ends = Promise.all([next(theirs, 'close'), next(ours, 'close')])

        for (const connection of client.getConnections()) {
          if (how === 'close') {
            await connection.close()
          } else {
            connection.abort(new Error('Pulled the plug'))
          }
        }

        const [atServer, atClient] = await ends
        expect(atServer).to.be.an('error')
        expect(atClient).to.be.an('error')
        await expect(collectText(stream)).to.eventually.be.rejected()
        expect(client.services.hashExchange.exchanges).to.be.empty()
      })
    }
  })

  it('survives a peer that sends nonsense, as do other exchanges', async () => {
    const server = await createNode({ provides: () => true, createReadStream: (hash) => ({ stream: [text(hash)] }) })
    const [client, hostile] = await Promise.all([createNode(), createBareNode()])
    const { ours } = await connected(server, client)
    const seen = opened(server)
    const stream = await hostile.dialProtocol(server.getMultiaddrs(), PROTOCOL)
    stream.send(new Uint8Array(64).fill(0xff))

    expect(await next(await seen, 'close')).to.have.property('name', 'InvalidMessageError')
    expect(await collectText((await ours.get('a')).stream)).to.equal('a')
    await ours.close()
  })
})

describe('the handler', () => {
  afterEach(async () => stopNodes())

  it('serves whoever opens a stream', async () => {
    const [server, client] = await Promise.all([createBareNode(), createBareNode()])
    const remotes: string[] = []

    await server.handle(PROTOCOL, handler(serve({ a: 'of a' }), (ex, connection) => {
      remotes.push(connection.remotePeer.toString(), `${ex.remotePeer}`)
      void ex.provide('a')
    }))

    const duplex = streamToDuplex(await client.dialProtocol(server.getMultiaddrs(), PROTOCOL))
    const ex = exchange(nothing, { id: client.peerId.toString() })
    const piped = pipe(duplex, ex, duplex)

    expect(await next(ex, 'available')).to.deep.equal(['a'])
    expect(await collectText((await ex.get('a')).stream)).to.equal('of a')
    await ex.close()
    await piped
    expect(remotes).to.deep.equal([client.peerId.toString(), client.peerId.toString()])
  })

  it('may be async, and ends the exchange with what it throws', async () => {
    const server = await createBareNode()
    const client = await createNode()
    const ends: Array<Promise<Error | null>> = []

    await server.handle(PROTOCOL, handler(nothing, async (ex) => {
      ends.push(next(ex, 'close'))
      await ex.get('what the client does not have')
    }))

    const first = await client.services.hashExchange.open(server.getMultiaddrs())
    expect(await next(first, 'close')).to.have.property('name', 'StreamResetError')
    expect(await ends[0]).to.have.property('name', 'NotFoundError')

    await server.handle(PROTOCOL, handler(nothing, (ex) => {
      ends.push(next(ex, 'close'))
      throw new RangeError('At once')
    }), { force: true })

    const second = await client.services.hashExchange.open(server.getMultiaddrs())
    expect(await next(second, 'close')).to.be.an('error')
    expect(await ends[1]).to.have.property('name', 'RangeError')
  })

  it('refuses wrong arguments at once', () => {
    expect(() => handler('not a function' as any, () => {})).to.throw().with.property('name', 'InvalidParametersError')
    expect(() => handler(nothing, undefined as any)).to.throw('onExchange must be a function').with.property('name', 'InvalidParametersError')
    expect(() => handler(nothing, () => {}, { limits: { maxSources: 0 } })).to.throw().with.property('name', 'InvalidParametersError')
  })

  it('serves the service, and is known to be ours', async () => {
    const server = await createBareNode()
    const client = await createNode()

    await server.handle(PROTOCOL, handler(nothing, (ex) => { void ex.provide('a') }))

    const ex = await client.services.hashExchange.open(server.getMultiaddrs())
    const { ids } = record(ex)
    await next(ex, 'available')

    // it does not know its own ID
    expect(ids).to.be.empty()

    // one of ours closes as soon as it may
    await ex.close()
  })
})
