import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { expect } from 'aegir/chai'
import { createLibp2p } from 'libp2p'
import { pEvent } from 'p-event'
import { hashExchange } from '../src/index.ts'
import { blocks, grownTo, hashesOf, memoryStore, putBlocks } from './fixtures/blocks.ts'
import type { Block } from './fixtures/blocks.ts'
import type { Exchange, HashExchange, Store } from '../src/index.ts'
import type { Connection, Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

const LOCAL = '/ip4/127.0.0.1/tcp/0'
const ALL = blocks(0, 20, 50_000)
const MANY = blocks(0, 3000, 64)
const NONE = { hashes: 0, bytes: 0 }

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
      services: { identify: identify(), hashExchange: hashExchange({ store, runOnLimitedConnection, accept: () => true }) }
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

  it('find out over it that both have the same', async () => {
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(ALL))
    const client = await start([], await memoryStore(ALL))
    const { received, sent, failed, confirmed } = await client.services.hashExchange.replicate(await circuitOf(full))

    expect({ received, sent, failed, confirmed }).to.deep.equal({ received: NONE, sent: NONE, failed: [], confirmed: true })
    expect(client.getConnections(full.peerId).every(({ limits }) => limits != null)).to.equal(true)
  })

  it('find out over it that both have the same, of many', async () => {
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(MANY))
    const client = await start([], await memoryStore(MANY))

    expect(await client.services.hashExchange.replicate(await circuitOf(full))).to.include({ confirmed: true })
  })

  async function bring (here: Block[], there: Block[]): Promise<void> {
    const [store, remote] = await Promise.all([memoryStore(here), memoryStore(there)])
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], remote)
    const client = await start([LOCAL], store)
    const compared = pEvent<'exchange', CustomEvent<Exchange>>(full.services.hashExchange as any, 'exchange').then(async ({ detail }) => pEvent(detail as any, 'close'))
    const replicated = client.services.hashExchange.replicate(await circuitOf(full))

    await compared
    expect(store.size).to.equal(here.length)
    expect(remote.size).to.equal(there.length)
    await full.dial(client.getMultiaddrs())

    expect(await replicated).to.include({ confirmed: true })
    expect(await hashesOf(store)).to.deep.equal(await hashesOf(remote))
  }

  it('find out over it that something is lacking, and get it when they are connected directly', async () => {
    await bring(MANY.slice(0, 2900), MANY)
  })

  it('find out over it that the other one lacks something, and bring it when they are connected directly', async () => {
    await bring(MANY, MANY.slice(0, 2900))
  })

  it('do not list more over it than it lets pass', async () => {
    await bring([], MANY)
  })

  it('bring what is put later when they are connected directly', async () => {
    const [store, remote] = await Promise.all([memoryStore(ALL), memoryStore(ALL)])
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], remote)
    const client = await start([LOCAL], store)
    const controller = new AbortController()
    const synced = new Promise<void>(resolve => { client.services.hashExchange.addEventListener('synced', () => { resolve() }, { once: true }) })
    const replicated = client.services.hashExchange.replicate(await circuitOf(full), { live: true, signal: controller.signal })

    replicated.catch(() => {})
    await synced
    await putBlocks(remote, blocks(100, 3, 50_000))
    await putBlocks(store, blocks(200, 3, 50_000))
    await full.dial(client.getMultiaddrs())
    await Promise.all([grownTo(store, ALL.length + 6), grownTo(remote, ALL.length + 6)])
    controller.abort()
    await expect(replicated).to.eventually.be.rejected.with.property('name', 'AbortError')
  })

  it('do not send content over it to who asks for it all the same', async () => {
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(ALL))
    const client = await start([], await memoryStore(), true)

    await expect(client.services.hashExchange.replicate(await circuitOf(full))).to.eventually.be.rejected
      .with.property('name', 'StreamResetError')
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

  it('do not wait when the relay has gone as well', async () => {
    const full = await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], await memoryStore(ALL))
    const client = await start([], await memoryStore())
    const replicated = client.services.hashExchange.replicate(await circuitOf(full), { signal: new AbortController().signal })

    // it has been compared
    await pEvent<'exchange', CustomEvent<Exchange>>(full.services.hashExchange as any, 'exchange').then(async ({ detail }) => pEvent(detail as any, 'close'))
    await relay.stop()
    await expect(replicated).to.eventually.be.rejected()
  })

  it('get what is there where the other one would take content over it, and asks for some', async () => {
    const remote = await memoryStore()
    const full = await start([LOCAL, `${relay.getMultiaddrs()[0]}/p2p-circuit`], remote, true)
    const client = await start([], await memoryStore(ALL))
    const { sent } = await client.services.hashExchange.replicate(await circuitOf(full))

    expect(sent.hashes).to.equal(ALL.length)
    expect(remote.size).to.equal(ALL.length)
  })

  it('go on directly when the time of the relay is over', async () => {
    const [store, remote] = await Promise.all([memoryStore(ALL), memoryStore(ALL)])
    const full = await start([LOCAL, `${relay.getMultiaddrs()[0]}/p2p-circuit`], remote)
    const client = await start([], store)
    const controller = new AbortController()
    const synced = new Promise<void>(resolve => { client.services.hashExchange.addEventListener('synced', () => { resolve() }, { once: true }) })
    const replicated = client.services.hashExchange.replicate(await circuitOf(full), { live: true, signal: controller.signal })

    replicated.catch(() => {})
    await synced

    // as a relay does after two minutes
    for (const connection of client.getConnections(full.peerId).filter(({ limits }) => limits != null)) {
      connection.abort(new Error('the time is over'))
    }

    await putBlocks(remote, blocks(100, 3, 50_000))
    await grownTo(store, ALL.length + 3)
    controller.abort()
    await expect(replicated).to.eventually.be.rejected.with.property('name', 'AbortError')
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
