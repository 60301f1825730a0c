import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { expect } from 'aegir/chai'
import { createLibp2p } from 'libp2p'
import { pEvent } from 'p-event'
import { hashExchange } from '../src/index.ts'
import { blocks, hashesOf, memoryStore } from './fixtures/blocks.ts'
import type { HashExchange, Store } from '../src/index.ts'
import type { Connection, Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

const LOCAL = '/ip4/127.0.0.1/tcp/0'
const ALL = blocks(0, 20, 50_000)

type Node = Libp2p<{ hashExchange: HashExchange }>

/**
 * 20 blocks of 50,000 bytes are eight times what a relay lets pass
 */
describe('peers that only a relay connects', () => {
  const nodes: Libp2p[] = []
  let relay: Libp2p

  async function start (listen: string[], store: Store, runOnLimitedConnection?: boolean): Promise<Node> {
    const node = await createLibp2p({
      addresses: { listen },
      transports: [tcp(), circuitRelayTransport()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionGater: { denyDialMultiaddr: () => false },
      services: { identify: identify(), hashExchange: hashExchange({ store, runOnLimitedConnection }) }
    })

    nodes.push(node)
    return node
  }

  /**
   * Where a peer that listens on the relay is reached over that
   */
  async function circuitOf (node: Node): Promise<Multiaddr> {
    const find = (): Multiaddr | undefined => node.getMultiaddrs().find(address => address.toString().includes('/p2p-circuit'))

    while (find() == null) {
      await pEvent(node, 'self:peer:update')
    }

    return find() as Multiaddr
  }

  beforeEach(async () => {
    relay = await createLibp2p({
      addresses: { listen: [LOCAL] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), relay: circuitRelayServer() }
    })
    nodes.push(relay)
  })

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(async node => node.stop()))
  })

  it('replicate when the other one has dialled directly', async () => {
    const empty = await memoryStore()
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(ALL))
    const client = await start([LOCAL], empty)
    const relayed = pEvent<'connection:open', CustomEvent<Connection>>(full, 'connection:open', { filter: ({ detail }) => detail.remotePeer.equals(client.peerId) })
    const replicated = client.services.hashExchange.replicate(await circuitOf(full))

    expect((await relayed).detail.limits).to.be.ok()
    await full.dial(client.getMultiaddrs())

    expect((await replicated).received.hashes).to.equal(ALL.length)
    expect(await hashesOf(empty)).to.have.length(ALL.length)
  })

  it('dial each other directly where they can', async () => {
    const full = await start([LOCAL, `${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(ALL))
    const client = await start([], await memoryStore())
    const { received } = await client.services.hashExchange.replicate(await circuitOf(full))

    expect(received.hashes).to.equal(ALL.length)
    expect(client.getConnections(full.peerId).filter(({ limits }) => limits == null)).to.have.length(1)
  })

  it('wait no longer than they are told to', async () => {
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(ALL))
    const client = await start([], await memoryStore())
    const { hashExchange } = client.services
    const address = await circuitOf(full)

    for (const method of ['open', 'replicate'] as const) {
      await expect(hashExchange[method](address, { signal: AbortSignal.timeout(400) })).to.eventually.be.rejectedWith(`Only a relay connects to ${full.peerId}`)
        .with.property('name', 'LimitedConnectionError')
    }

    const controller = new AbortController()
    const cancelled = hashExchange.replicate(full.peerId, controller)

    setTimeout(() => { controller.abort() }, 100)
    await expect(cancelled).to.eventually.be.rejected.with.property('name', 'AbortError')

    // nothing of it went over the relay
    expect(client.getConnections().flatMap(({ streams }) => streams).filter(({ protocol }) => protocol.startsWith('/hash-exchange'))).to.be.empty()
  })

  it('use it where both say so', async () => {
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(ALL.slice(0, 1)), true)
    const address = await circuitOf(full)
    const [willing, unwilling] = await Promise.all([start([], await memoryStore(), true), start([], await memoryStore(), false)])

    await expect(unwilling.services.hashExchange.replicate(address, { signal: AbortSignal.timeout(300) })).to.eventually.be.rejected.with.property('name', 'LimitedConnectionError')
    expect((await willing.services.hashExchange.replicate(address)).received.hashes).to.equal(1)
  })
})
