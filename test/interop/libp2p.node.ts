import { expect } from 'aegir/chai'
import { equals } from 'uint8arrays'
import { collect, collectText, content, manyHashes, text } from '../fixtures/content.ts'
import { next, nextOf, record } from '../fixtures/events.ts'
import { Nodes } from '../fixtures/original-node.ts'
import { contentsOf, createOriginal, isDestroyed, OriginalResponses, readable } from '../fixtures/original.ts'
import { heldUntil, laps } from '../fixtures/slicing.ts'
import type { Exchange } from '../../src/index.ts'
import type { Original } from '../fixtures/original.ts'

const COUNT = 300
const OUR_STRANGE_NAMES = ['', 'constructor', 'toString', 'ünïcødé ☃', 'x'.repeat(512)]
const THEIR_STRANGE_NAMES = ['hasOwnProperty', 'valueOf', ' ', '☃ünïcødé', 'y'.repeat(512)]
const STRANGE_SIZES = [0, 1, 1_048_577, 5_000_000]

/**
 * Contents of all kinds under names of all kinds
 */
function manyContents (strangeNames: string[]): Map<string, Uint8Array> {
  const contents = new Map<string, Uint8Array>()

  for (let i = 0; i < COUNT; i++) {
    const name = strangeNames[i] ?? `${strangeNames[0]} ${i}`

    contents.set(name, content(i + name.length, STRANGE_SIZES[i] ?? i * 7919 % 10_000))
  }

  return contents
}

/**
 * Reads all responses to their ends
 */
async function collectAll (exchange: Exchange, count: number): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>()

  return new Promise((resolve, reject) => {
    exchange.addEventListener('failed', ({ detail: { error } }) => { reject(error) })
    exchange.addEventListener('response', ({ detail: { hash, stream } }) => {
      collect(stream).then(content => {
        contents.set(hash, content)

        if (contents.size === count) {
          resolve(contents)
        }
      }, reject)
    })
  })
}

function expectContents (actual: Map<string, Uint8Array>, expected: Map<string, Uint8Array>): void {
  expect([...actual.keys()]).to.have.members([...expected.keys()])

  for (const [hash, content] of expected) {
    expect(equals(actual.get(hash) ?? text('nothing'), content), `content of ${hash}`).to.be.true()
  }
}

async function closed (original: Original): Promise<void> {
  await new Promise<void>(resolve => { original.once('close', resolve) })
}

describe('ours with an original over libp2p, TCP, noise and yamux', () => {
  const nodes = new Nodes({ limits: { quietTimeout: 300 } })
  // with a service that does not wait for long
  const impatient = new Nodes({ limits: { requestTimeout: 100, closeTimeout: 100 } })

  before(async () => {
    await Promise.all([nodes.start(), impatient.start()])
  })

  after(async () => {
    await Promise.all([nodes.stop(), impatient.stop()])
  })

  for (const opener of ['ours', 'original'] as const) {
    describe(`opened by ${opener}`, () => {
      it('replicates both ways what is announced', async () => {
        const our = manyContents(OUR_STRANGE_NAMES)
        const theirs = manyContents(THEIR_STRANGE_NAMES)
        const original = createOriginal(contentsOf(theirs))
        const responses = new OriginalResponses(original)
        const collected = Promise.withResolvers<Map<string, Uint8Array>>()

        nodes.createReadStream = (hash) => ({ stream: [our.get(hash) ?? text('')] })
        original.on('available', hashes => { original.request(hashes) })

        const { exchange, back, ended } = await nodes.converse(opener, original, (exchange) => {
          collectAll(exchange, COUNT).then(collected.resolve, collected.reject)
          exchange.addEventListener('available', ({ detail }) => { exchange.request(detail) })
          void exchange.provide(our.keys())
          original.provide([...theirs.keys()])
        })

        expectContents(await collected.promise, theirs)
        await responses.count(COUNT)
        expectContents(responses.contents, our)

        const end = closed(original)
        original.close()
        await Promise.all([exchange.close(), end, ended])
        // what an original is given as one chunk is one frame
        expect(Math.max(...back.bodies.map(({ size }) => size))).to.equal(5_000_000)
      })

      it('replicates with an original whose lookups take their time', async () => {
        const hashes = manyHashes(100)
        const contentOf = (hash: string): Uint8Array => content(hashes.indexOf(hash), 5000)
        const contents = new Map(hashes.map(hash => [hash, contentOf(hash)]))
        const original = createOriginal((hash, callback) => {
          setTimeout(() => { callback(null, readable(contentOf(hash))) }, 25)
        })
        const responses = new OriginalResponses(original)
        const collected = Promise.withResolvers<Map<string, Uint8Array>>()

        nodes.createReadStream = (hash) => ({ stream: [contentOf(hash)] })
        original.provide(hashes)

        original.once('response', () => { original.request(hashes.slice(50)) })

        const { exchange, ended } = await nodes.converse(opener, original, (exchange) => {
          collectAll(exchange, hashes.length).then(collected.resolve, collected.reject)
          void exchange.provide(hashes)
          // while each waits for the lookups of the other
          exchange.request(hashes)
          original.request(hashes.slice(0, 50))
        })

        expectContents(await collected.promise, contents)
        await responses.count(hashes.length)
        expectContents(responses.contents, contents)
        expect(isDestroyed(original)).to.be.false()

        const end = closed(original)
        original.close()
        await Promise.all([exchange.close(), end, ended])
      })

      it('replicates with an original that is read slowly', async () => {
        const hashes = manyHashes(COUNT)
        const contents = new Map(hashes.map((hash, i) => [hash, content(i, 2000)]))
        const lookedUp = Promise.withResolvers<void>()
        let lookups = 0

        const original = createOriginal((hash, callback) => {
          contentsOf(contents)(hash, callback)

          if (++lookups === COUNT) {
            lookedUp.resolve()
          }
        })
        const collected = Promise.withResolvers<Map<string, Uint8Array>>()

        original.provide(hashes)

        const { exchange, there, back, ended } = await nodes.converse(opener, original, (exchange) => {
          collectAll(exchange, COUNT).then(collected.resolve, collected.reject)
        }, heldUntil(lookedUp.promise))

        for (const hash of hashes) {
          exchange.request(hash)
          await there.message('REQUEST', request => request.hashes.includes(hash))
        }

        expectContents(await collected.promise, contents)

        // bodies have come before the messages that announced them
        const last = back.frames.findLastIndex(({ rpc }) => rpc?.type === 'HASHES')
        expect(back.frames.slice(0, last).filter(({ channel, name }) => channel > 1 && name != null)).to.have.lengthOf.above(COUNT / 2)

        original.close()
        await Promise.all([exchange.close(), ended])
      })

      it('lets the rest of a body through that nobody wants any more', async () => {
        const original = createOriginal((hash, callback) => {
          const part = content(1, 65_536)

          callback(null, readable(...hash === 'large' ? Array.from({ length: 50 }, () => part) : [part]))
        })

        original.provide(['large', 'small'])

        const { exchange, there, back, ended } = await nodes.converse(opener, original)
        const response = await exchange.get('large')

        response.abort()
        expect(await collect((await exchange.get('small')).stream)).to.deep.equal(content(1, 65_536))

        original.close()
        await Promise.all([exchange.close(), ended])
        // an original ignores the name of a cancel, so it could hit another body
        expect(there.bodies).to.be.empty()
        expect(back.bodies.filter(({ type }) => type === 'END')).to.have.lengthOf(2)
      })

      it('ends when the original closes first', async () => {
        const original = createOriginal(contentsOf(new Map([['a', text('content of a')]])))

        original.provide(['a'])
        original.close()

        const { exchange, stream, back, ended } = await nodes.converse(opener, original)
        const end = closed(original)
        const close = next(exchange, 'close')

        // it goes on to answer, and is told when nothing more is asked
        await back.message('CLOSE')
        expect(await collectText((await exchange.get('a')).stream)).to.equal('content of a')

        await Promise.all([end, ended])
        expect(await close).to.be.null()
        expect(stream.writeStatus).to.equal('closed')
      })

      it('ends when the original closes second', async () => {
        const original = createOriginal()
        const { exchange, stream, there, ended } = await nodes.converse(opener, original)
        const end = closed(original)
        const closing = exchange.close()

        await there.message('CLOSE')
        await laps(5)
        original.close()

        await Promise.all([closing, end, ended])
        expect(stream.writeStatus).to.equal('closed')
        expect(nodes.ours.services.hashExchange.exchanges).to.not.include(exchange)
      })

      it('ends by a time-out when the original has destroyed itself', async () => {
        const original = createOriginal()
        const { exchange, ended } = await impatient.converse(opener, original)
        const { closes } = record(exchange)

        original.destroy()
        await expect(exchange.get('a')).to.eventually.be.rejected.with.property('name', 'TimeoutError')
        await expect(exchange.close()).to.eventually.be.rejected.with.property('name', 'TimeoutError')

        // the other side of the stream is told, too
        await expect(ended).to.eventually.be.rejected()
        expect(closes.map(err => err?.name)).to.deep.equal(['TimeoutError'])
      })

      it('tells an original the peer ID, and is told what an original calls itself', async () => {
        const original = createOriginal()
        const told = new Promise(resolve => { original.once('id', resolve) })
        let ids: Promise<string[]> | undefined

        original.id('an original')
        original.id(nodes.original.peerId.toString())

        const { exchange, ended } = await nodes.converse(opener, original, (exchange) => {
          ids = nextOf(exchange, 'id', 2)
        })

        expect(await told).to.equal(nodes.ours.peerId.toString())
        expect(await ids).to.deep.equal(['an original', nodes.original.peerId.toString()])
        expect(exchange.remotePeer?.equals(nodes.original.peerId)).to.be.true()

        original.close()
        await Promise.all([exchange.close(), ended])
      })

      it('ends when an original claims to be somebody else', async () => {
        const original = createOriginal()
        const closes: Array<Error | null> = []

        original.id(nodes.ours.peerId.toString())

        const { ended } = await nodes.converse(opener, original, (exchange) => {
          exchange.addEventListener('close', ({ detail }) => { closes.push(detail) })
        })

        await expect(ended).to.eventually.be.rejected()
        expect(closes.map(err => err?.name)).to.deep.equal(['ForeignIdError'])
      })
    })
  }

  it('tells an original nothing, or what forkdb can parse, instead of the peer ID', async () => {
    for (const [id, expected] of [[false, []], [JSON.stringify('fork'), ['ID']]] as const) {
      const nodes = new Nodes({ id })
      const original = createOriginal()
      const ids: string[] = []

      await nodes.start()
      original.on('id', id => { ids.push(JSON.parse(id)) })

      const { exchange, there, ended } = await nodes.converse('ours', original)

      original.close()
      await Promise.all([exchange.close(), ended])
      expect(there.messages.map(({ type }) => type)).to.deep.equal([...expected, 'CLOSE'])
      expect(ids).to.deep.equal(expected.map(() => 'fork'))

      await nodes.stop()
    }
  })
})
