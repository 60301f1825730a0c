import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { multiaddr } from '@multiformats/multiaddr'
import { BaseBlockstore, BlackHoleBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { blockOf, digestOf, numbersOf } from '../../dist/benchmarks/speed/content.js'
import { nodeOptions } from '../../dist/benchmarks/speed/node.js'

/**
 * Bitswap takes no blocks above 2 MiB: larger ones are brought in parts of the
 * size that IPFS splits files into
 */
const PART_BYTES = 256 * 1024

/**
 * How much is wanted at a time, the fastest that was found for blocks of all
 * sizes: every block that comes is compared with all wants
 */
const WINDOW = 256

const SHA_256 = 0x12

/**
 * Makes its blocks when they are read
 */
class GeneratedBlockstore extends BaseBlockstore {
  #blocks = new Map()
  #size = 0

  fill (set) {
    this.#size = set.size
    this.#blocks = new Map([...numbersOf(set)].map(block => [cidOf(block, set.size).toString(), block]))
  }

  has (cid) {
    return this.#blocks.has(cid.toString())
  }

  async * get (cid) {
    yield blockOf(this.#blocks.get(cid.toString()), this.#size)
  }
}

// As its docs have it with a libp2p of one's own: no HTTP gateways, and nobody
// to ask for providers, as these are connected. What is wanted is sent at once
// instead of after 10 ms.
async function createNode (blockstore) {
  return withBitswap(withLibp2pLight(createHeliaLight({ blockstore }), {
    ...nodeOptions(),
    services: { identify: identify() }
  }), { sendWantlistDebounce: 0 }).start()
}

function cidOf (block, size) {
  return CID.createV1(raw.code, create(SHA_256, digestOf(block, size)))
}

// The set that bitswap brings
function partsOf ({ first, count, size }) {
  const parts = Math.ceil(size / PART_BYTES)

  return { first, count: count * parts, size: size / parts }
}

async function get (helia, cid) {
  const { value } = await helia.blockstore.get(cid).next()

  return value
}

export const system = {
  async provide () {
    const blockstore = new GeneratedBlockstore()
    const helia = await createNode(blockstore)

    return {
      address: helia.libp2p.getMultiaddrs()[0].toString(),
      prepare: async set => { blockstore.fill(partsOf(set)) },
      stop: async () => { await helia.stop() }
    }
  },

  async connect (addresses) {
    // keeps nothing, as ours
    const helia = await createNode(new BlackHoleBlockstore())
    let cids = []
    let set = { first: 0, count: 0, size: 0 }

    await Promise.all(addresses.map(async address => {
      const identified = new Promise(resolve => { helia.libp2p.addEventListener('peer:identify', resolve, { once: true }) })

      // bitswap sends its wants to peers that are known to speak it
      await helia.libp2p.dial(multiaddr(address))
      await identified
    }))

    return {
      async prepare (next) {
        const parts = partsOf(next)

        set = next
        cids = [...numbersOf(parts)].map(block => cidOf(block, parts.size))
      },
      async receive () {
        let next = 0
        let bytes = 0

        await Promise.all(Array.from({ length: WINDOW }, async () => {
          while (next < cids.length) {
            const block = await get(helia, cids[next++])

            bytes += block.byteLength
          }
        }))

        return { blocks: set.count, bytes }
      },
      async firstByte (block) {
        const started = performance.now()

        await get(helia, cids[block - set.first])

        return performance.now() - started
      },
      stop: async () => { await helia.stop() }
    }
  }
}
