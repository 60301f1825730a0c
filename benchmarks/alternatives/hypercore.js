import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import Hypercore from 'hypercore'
import { keyPair } from 'hypercore-crypto'
import { blockOf, numbersOf } from '../../dist/benchmarks/speed/content.js'

/**
 * Large blocks are brought in parts: a block has to be in memory as a whole, and
 * 15 MB is the most that it takes. This size is the fastest of those from 64 KiB
 * to 8 MiB.
 */
const PART_BYTES = 1024 * 1024

/**
 * How many blocks are asked for at a time. Over TCP it would be 48, with which
 * it is a little slower; from 2048 on it is slower again.
 */
const IN_FLIGHT = 512

/**
 * How much is appended at a time
 */
const BATCH_BYTES = 16 * 1024 * 1024

/**
 * With the same key, and the same blocks, all providers have the same core
 */
const KEY_PAIR = keyPair(Buffer.alloc(32, 1))

function partsOf ({ first, count, size }) {
  const parts = Math.ceil(size / PART_BYTES)

  return { first, count: count * parts, size: size / parts }
}

/**
 * One core on disk, as it has no other place, replicated over a socket with its
 * own noise, as its readme has it. Each block is checked by its Merkle tree.
 */
export const system = {
  async provide ({ folder }) {
    const core = new Hypercore(join(folder, 'core'), { keyPair: KEY_PAIR })

    await core.ready()

    const server = createServer({ noDelay: true }, socket => {
      // the other side hangs up when it has all
      socket.on('error', () => {})
      socket.pipe(core.replicate(false)).on('error', () => {}).pipe(socket)
    })

    await new Promise(resolve => { server.listen(0, '127.0.0.1', resolve) })

    return {
      address: `${server.address().port}/${core.key.toString('hex')}`,
      async prepare (set) {
        const { count, first, size } = partsOf(set)
        const perBatch = Math.ceil(BATCH_BYTES / size)

        for (let i = 0; i < count; i += perBatch) {
          const batch = { first: first + i, count: Math.min(perBatch, count - i) }

          await core.append([...numbersOf(batch)].map(block => blockOf(block, size)))
        }
      },
      stop: async () => { await core.close() }
    }
  },

  async connect (addresses, { folder }) {
    const key = Buffer.from(addresses[0].split('/')[1], 'hex')
    const core = new Hypercore(join(folder, 'core'), key, { inflightRange: [IN_FLIGHT, IN_FLIGHT] })
    let set = { first: 0, count: 0, size: 0 }
    // where it begins, and where it ends
    let start = 0
    let end = 0

    await core.ready()

    for (const address of addresses) {
      const socket = connect({ port: Number.parseInt(address), host: '127.0.0.1', noDelay: true })

      socket.pipe(core.replicate(true)).pipe(socket)
    }

    return {
      async prepare (next) {
        set = next
        start = end
        end += partsOf(set).count
      },
      async receive () {
        const received = new Set()
        let bytes = 0

        // of several peers the same may come more than once
        const count = (index, byteLength) => {
          bytes += received.has(index) ? 0 : byteLength
          received.add(index)
        }

        core.on('download', count)
        await core.download({ start, end }).done()
        core.off('download', count)

        return { blocks: set.count, bytes }
      },
      async firstByte (block) {
        const began = performance.now()

        await core.get(start + block - set.first)

        return performance.now() - began
      },
      stop: async () => { await core.close() }
    }
  }
}
