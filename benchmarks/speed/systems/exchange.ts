import { createHash, hash } from 'node:crypto'
import { multiaddr } from '@multiformats/multiaddr'
import { hashExchange } from '../../../src/index.ts'
import { contentOf, digestOf, lacks, numbersOf } from '../content.ts'
import { createNode } from '../node.ts'
import type { Exchange, ExchangeResponse } from '../../../src/index.ts'
import type { BlockSet } from '../content.ts'
import type { Provider, Received, Receiver, System } from '../system.ts'
import type { Libp2p } from '@libp2p/interface'

/**
 * Up to which size the content is taken in one piece, and not as a stream
 */
const MAX_PIECE_BYTES = 16 * 1024

/**
 * How the blocks are named: SHA-256 in base64
 */
function nameOf (block: number, size: number): string {
  return digestOf(block, size).toString('base64url')
}

/**
 * An exchange in which all that is offered is requested, and each body is checked
 */
export const exchange: System = {
  async provide (): Promise<Provider> {
    const blocks = new Map<string, number>()
    let size = 0

    const node = await createNode({
      hashExchange: hashExchange({
        createReadStream: hash => {
          const block = blocks.get(hash)

          return block == null ? undefined : { stream: contentOf(block, size) }
        },
        provides: hash => blocks.has(hash)
      })
    })

    node.services.hashExchange.addEventListener('exchange', ({ detail: exchange }) => {
      void exchange.provide(blocks.keys())
    })

    return {
      address: node.getMultiaddrs()[0].toString(),
      async prepare (set) {
        size = set.size
        blocks.clear()

        for (const block of numbersOf(set)) {
          blocks.set(nameOf(block, size), block)
        }
      },
      stop: async () => { await node.stop() }
    }
  },

  async connect (addresses): Promise<Receiver> {
    const node = await createNode({
      hashExchange: hashExchange({ createReadStream: () => undefined })
    })
    let set: BlockSet = { first: 0, count: 0, size: 0 }
    let had = new Set<string>()
    let idle: Exchange | undefined

    return {
      async prepare (next) {
        set = next
        had = new Set(set.lacking == null ? [] : [...numbersOf(set)].filter(block => !lacks(set, block)).map(block => nameOf(block, set.size)))
      },
      receive: async () => receive(node, addresses, set, had),
      async firstByte (block) {
        const exchange = idle ??= await node.services.hashExchange.open(multiaddr(addresses[0]))
        const name = nameOf(block, set.size)
        const started = performance.now()
        const { stream } = await exchange.get(name)
        let ms = 0

        for await (const chunk of stream) {
          ms ||= chunk.byteLength && performance.now() - started
        }

        return ms
      },
      stop: async () => { await node.stop() }
    }
  }
}

async function receive (node: Libp2p<any>, addresses: string[], { count, size, lacking = count }: BlockSet, had: Set<string>): Promise<Received> {
  const done = Promise.withResolvers<void>()
  let blocks = 0
  let bytes = 0

  const onDigest = (name: string, digest: string): void => {
    if (digest !== name) {
      throw new Error(`${name} is not what it should be`)
    }

    if (++blocks === lacking) {
      done.resolve()
    }
  }

  const checkPiece = async (response: ExchangeResponse): Promise<void> => {
    const content = await response.view()

    bytes += content.byteLength
    onDigest(response.hash, hash('sha256', content, 'base64url'))
  }

  const checkStream = async (response: ExchangeResponse): Promise<void> => {
    const hasher = createHash('sha256')

    for await (const chunk of response.stream) {
      bytes += chunk.byteLength
      hasher.update(chunk)
    }

    onDigest(response.hash, hasher.digest('base64url'))
  }

  const check = size <= MAX_PIECE_BYTES ? checkPiece : checkStream

  const exchanges = await Promise.all(addresses.map(async (address, i) => {
    const exchange: Exchange = await node.services.hashExchange.open(multiaddr(address))

    exchange.addEventListener('available', ({ detail }) => {
      if (addresses.length === 1 && had.size === 0) {
        exchange.request(detail)
        return
      }

      // all have all: each is asked for its share
      exchange.request(detail.filter(hash => !had.has(hash) && hash.charCodeAt(0) % addresses.length === i))
    })
    exchange.addEventListener('response', ({ detail }) => { check(detail).catch(done.reject) })
    exchange.addEventListener('failed', ({ detail: { error } }) => { done.reject(error) })

    return exchange
  }))

  await done.promise
  await Promise.all(exchanges.map(async exchange => exchange.close()))

  return { blocks, bytes }
}
