import { mplex } from '@libp2p/mplex'
import { expect } from 'aegir/chai'
import all from 'it-all'
import { pEvent } from 'p-event'
import { concat } from 'uint8arrays/concat'
import { exchange } from '../src/index.ts'
import { blocks, hashesOf, memoryStore } from './fixtures/blocks.ts'
import { fromHex, toHex } from './fixtures/bytes.ts'
import { content, manyHashes, repeat } from './fixtures/content.ts'
import { createNode, stopNodes } from './fixtures/nodes.ts'
import { whenStill } from './fixtures/when-still.ts'
import { wrapStore } from './fixtures/wrapped-store.ts'
import type { Exchange } from '../src/index.ts'

const MiB = 1024 * 1024

/**
 * The streams of mplex, as those of WebRTC, hold nobody back: libp2p aborts one in which 4 MiB wait to be read
 */
describe('streams that hold nobody back', () => {
  const options = { streamMuxers: [mplex()] }

  afterEach(stopNodes)

  it('lets a response wait for its reader, with little of it in memory', async () => {
    let given = 0
    const server = await createNode({
      provides: () => true,
      createReadStream: () => ({
        stream: (function * () {
          for (let i = 0; i < 64; i++) {
            given += MiB / 2
            yield content(i, MiB / 2)
          }
        })()
      })
    }, options)
    const client = await createNode({}, options)
    const ex = await client.services.hashExchange.open(server.getMultiaddrs())
    const { stream } = await ex.get('large')

    await whenStill(() => given)
    // 4 wait in the response, 2 in the window, and one is read ahead
    expect(given).to.be.below(8 * MiB)

    let read = 0

    for await (const chunk of stream) {
      read += chunk.length
    }

    expect(read).to.equal(32 * MiB)
    await ex.close()
  })

  it('replicates into a store that is slow', async () => {
    const full = blocks(0, 48, MiB)
    const empty = await memoryStore()
    let open = (): void => {}
    const opened = new Promise<void>(resolve => { open = resolve })
    const slow = wrapStore(empty, {
      async put (...args) {
        await opened
        return this.put(...args)
      }
    })
    const server = await createNode({ store: await memoryStore(full) }, options)
    const client = await createNode({ store: slow }, options)
    let bytes = 0
    const replicated = client.services.hashExchange.replicate(server.getMultiaddrs(), {
      onProgress: ({ type, detail }) => { bytes = detail.received.bytes + (type === 'hash-exchange:replicate:bytes' ? 1 : 0) }
    })

    replicated.catch(() => {})
    await whenStill(() => bytes)
    open()

    expect(await replicated).to.have.nested.property('received.hashes', full.length)
    expect(await hashesOf(empty)).to.deep.equal(full.map(({ hash }) => hash).sort())
  })

  it('reads on where more is asked for than it takes, as there it hears how much it may send', async () => {
    const server = await createNode({ provides: () => true, createReadStream: () => ({ stream: [content(1, 8192)] }), limits: { maxPending: 1000 } }, options)
    const client = await createNode({}, options)
    const ex = await client.services.hashExchange.open(server.getMultiaddrs())

    // by then both know that the other one is ours
    await (await ex.get('first')).bytes()

    const all = await Promise.all(manyHashes(3000).map(async hash => (await ex.get(hash)).bytes()))

    expect(all).to.have.length(3000)
    await ex.close()
  })

  it('sends on while its application does not read', async () => {
    const contents = { provides: () => true, createReadStream: () => ({ stream: repeat(content(1, MiB), 24) }) }
    const server = await createNode(contents, options)
    const client = await createNode(contents, options)
    const opened = pEvent<'exchange', CustomEvent<Exchange>>(server.services.hashExchange as any, 'exchange')
    const ours = await client.services.hashExchange.open(server.getMultiaddrs())
    const { detail: theirs } = await opened
    const unread = await ours.get('a')
    let read = 0

    for await (const chunk of (await theirs.get('b')).stream) {
      read += chunk.length
    }

    expect(read).to.equal(24 * MiB)
    read = 0

    for await (const chunk of unread.stream) {
      read += chunk.length
    }

    expect(read).to.equal(24 * MiB)
    await Promise.all([ours.close(), theirs.close()])
  })

  it('fills the messages of the stream', async () => {
    // as many bytes as libp2p puts into a message over WebRTC
    const MESSAGE = 16_374
    const muxer: any = mplex()
    const sizes: number[] = []
    const streamMuxers = [(components: any) => {
      const factory = muxer(components)

      return {
        ...factory,
        protocol: factory.protocol,
        createStreamMuxer: (connection: any) => {
          const made = factory.createStreamMuxer(connection)

          made.addEventListener('stream', ({ detail: stream }: any) => {
            const send = stream.send.bind(stream)

            stream.maxMessageSize = MESSAGE
            stream.send = (data: Uint8Array) => {
              sizes.push(data.byteLength)
              return send(data)
            }
          })

          return made
        }
      }
    }]
    const server = await createNode({ provides: () => true, createReadStream: () => ({ stream: [content(1, 4 * MiB)] }) }, { streamMuxers })
    const client = await createNode({}, options)
    const ex = await client.services.hashExchange.open(server.getMultiaddrs())

    await (await ex.get('a')).bytes()
    await ex.close()

    const large = sizes.filter(size => size > 200_000)
    expect(large).to.not.be.empty()
    // nearly full, and never a little more
    expect(large.slice(0, -1).filter(size => size % MESSAGE < MESSAGE - 64 && size % MESSAGE !== 0)).to.be.empty()
  })

  // ID `A` without and with a log, which only one of ours names
  for (const [whose, id, told] of [['an original', '0c 0802 120130 2205 0006 0a0141', false], ['one of ours', '0e 0802 120130 2207 0006 0a0141 0a00', true]] as const) {
    it(`${told ? 'tells' : 'does not tell'} ${whose} of its window`, async () => {
      const ex = exchange(() => undefined, { window: 65_536 })
      const close = '06 0802 2202 0004'

      await ex.sink([fromHex(id), fromHex(close)])

      // and of the 15 bytes that were read before
      expect(toHex(concat((await all(ex.source)).map(bytes => bytes.subarray()))).includes('000c188f8004')).to.equal(told)
    })
  }

  for (const window of [0, 65_535, 2 ** 32, 1.5, NaN, '70000' as any]) {
    it(`refuses a window of ${String(window)} bytes`, () => {
      expect(() => exchange(() => undefined, { window })).to.throw('The window must be a whole number of bytes from 65536 to 4294967294')
        .with.property('name', 'InvalidParametersError')
    })
  }
})
