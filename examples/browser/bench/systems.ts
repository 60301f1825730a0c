import { blockHash, blockStore } from 'libp2p-hash-exchange'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { HashExchange, HashExchangeInit } from 'libp2p-hash-exchange'

export const SYSTEMS = ['raw', 'exchange', 'replicator'] as const

export type System = typeof SYSTEMS[number]

export interface Work {
  blocks: number
  /**
   * Bytes of each
   */
  size: number
}

export type BenchNode = Libp2p<{ hashExchange: HashExchange }>

const RAW = '/bench/raw/1.0.0'

/**
 * As much as `libp2p-hash-exchange` puts into one send
 */
const SEND_BYTES = 262_028

interface Block {
  hash: string
  bytes: Uint8Array
}

/**
 * One side of a run, in a tab or in Node.js
 */
export class Side {
  readonly init: HashExchangeInit
  readonly #blocks: Block[]

  private constructor (blocks: Block[], init: HashExchangeInit) {
    this.#blocks = blocks
    this.init = init
  }

  /**
   * @param system - which system it is for
   * @param work - what it has; without it has nothing, and receives
   */
  static async create (system: System, work?: Work): Promise<Side> {
    const blocks = work == null ? [] : await makeBlocks(work)

    if (system !== 'replicator') {
      const byHash = new Map(blocks.map(({ hash, bytes }) => [hash, bytes]))

      return new Side(blocks, {
        createReadStream: hash => {
          const bytes = byHash.get(hash)

          return bytes == null ? undefined : { stream: [bytes] }
        }
      })
    }

    const store = await blockStore()

    for (const { hash, bytes } of blocks) {
      await store.put(hash, bytes)
    }

    return new Side(blocks, { store, accept: () => true })
  }

  /**
   * Is ready to send
   */
  async serve (node: BenchNode): Promise<void> {
    node.services.hashExchange.addEventListener('exchange', ({ detail }) => {
      if (this.init.createReadStream != null) {
        void detail.provide(this.#blocks.map(({ hash }) => hash))
      }
    })

    await node.handle(RAW, stream => { void sendRaw(stream, this.#blocks) })
  }

  /**
   * Receives all, and checks it where the system does not. Resolves to how long that
   * took, in ms.
   */
  async receive (node: BenchNode, peer: PeerId, system: System, { blocks, size }: Work): Promise<number> {
    const began = performance.now()

    switch (system) {
      case 'raw': await receiveRaw(await node.dialProtocol(peer, RAW), blocks * size); break
      case 'exchange': await receiveExchange(node, peer, blocks); break
      default: {
        const { received } = await node.services.hashExchange.replicate(peer)

        if (received.hashes !== blocks) {
          throw new Error(`${received.hashes} blocks came instead of ${blocks}`)
        }
      }
    }

    return performance.now() - began
  }
}

/**
 * Blocks with other content each, the same in each run
 */
async function makeBlocks ({ blocks, size }: Work): Promise<Block[]> {
  return Promise.all(Array.from({ length: blocks }, async (_, i) => {
    const bytes = new Uint8Array(size).fill(i)

    new DataView(bytes.buffer).setUint32(0, i)
    return { bytes, hash: blockHash(await sha256.digest(bytes)) }
  }))
}

async function sendRaw (stream: Stream, blocks: Block[]): Promise<void> {
  const all = new Uint8Array(blocks.reduce((length, { bytes }) => length + bytes.length, 0))
  let at = 0

  for (const { bytes } of blocks) {
    all.set(bytes, at)
    at += bytes.length
  }

  for (let i = 0; i < all.length; i += SEND_BYTES) {
    while (stream.writableNeedsDrain) {
      await new Promise(resolve => { stream.addEventListener('drain', resolve, { once: true }) })
    }

    stream.send(all.subarray(i, i + SEND_BYTES))
  }

  await stream.close()
}

async function receiveRaw (stream: Stream, bytes: number): Promise<void> {
  let received = 0

  for await (const chunk of stream) {
    received += chunk.byteLength
  }

  if (received !== bytes) {
    throw new Error(`${received} bytes came instead of ${bytes}`)
  }
}

async function receiveExchange (node: BenchNode, peer: PeerId, blocks: number): Promise<void> {
  const ex = await node.services.hashExchange.open(peer)
  const done = Promise.withResolvers<void>()
  let left = blocks

  const receive = async (hash: string): Promise<void> => {
    const bytes = await (await ex.get(hash)).bytes()

    if (blockHash(await sha256.digest(bytes)) !== hash) {
      throw new Error(`Something else came for ${hash}`)
    }

    if (--left === 0) {
      done.resolve()
    }
  }

  ex.addEventListener('available', ({ detail }) => { detail.forEach(hash => { receive(hash).catch(done.reject) }) })
  ex.addEventListener('close', ({ detail }) => { done.reject(detail ?? new Error('The exchange was closed early')) })

  await done.promise
  await ex.close()
}
