import { tcp } from '@libp2p/tcp'
import { expect } from 'aegir/chai'
import { collect, content, serve } from './fixtures/content.ts'
import { createNode } from './fixtures/nodes.ts'
import { startWebSocketPeer } from './fixtures/websocket-peer.ts'
import { testWebSockets } from './fixtures/websocket-tests.ts'

describe('transports', () => {
  let peer: Awaited<ReturnType<typeof startWebSocketPeer>>

  before(async () => {
    peer = await startWebSocketPeer()
  })

  after(async () => {
    await peer.stop()
  })

  testWebSockets(() => peer.multiaddr)

  it('replicates over TCP', async () => {
    const contents = { empty: new Uint8Array(0), small: content(1, 1), large: content(2, 3_000_000) }
    const options = { transports: [tcp()], listen: ['/ip4/127.0.0.1/tcp/0'] }
    const server = await createNode({ createReadStream: serve(contents), provides: () => true }, options)
    const client = await createNode({}, options)
    const ex = await client.services.hashExchange.open(server.getMultiaddrs())

    for (const [hash, bytes] of Object.entries(contents)) {
      expect(await collect((await ex.get(hash)).stream)).to.deep.equal(bytes)
    }

    await ex.close()
    await Promise.all([server.stop(), client.stop()])
  })
})
