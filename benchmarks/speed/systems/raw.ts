import { createHash, hash } from 'node:crypto'
import { multiaddr } from '@multiformats/multiaddr'
import { Uint8ArrayList } from 'uint8arraylist'
import { contentOf, digestOf } from '../content.ts'
import { createNode } from '../node.ts'
import type { BlockSet } from '../content.ts'
import type { Provider, Received, Receiver, System } from '../system.ts'
import type { Connection, Stream } from '@libp2p/interface'

/**
 * What a send has that makes four full noise packets with the header of yamux
 */
const SEND_BYTES = 262_028

const CONTENT = '/benchmark/raw/content'
const ECHO = '/benchmark/raw/echo'
const DIGEST_BYTES = 32

/**
 * Bytes over a stream of libp2p and nothing else: what can be reached. Each block
 * comes after its SHA-256; its size and how many there are is agreed upon.
 */
export function raw (checks: boolean): System {
  return {
    async provide (): Promise<Provider> {
      const node = await createNode({})
      let set: BlockSet = { first: 0, count: 0, size: 0 }
      let digests: Buffer[] = []

      await node.handle(CONTENT, async stream => {
        const [share, shares] = await new Promise<Uint8Array>(resolve => {
          stream.addEventListener('message', ({ data }) => { resolve(data.subarray()) }, { once: true })
        })

        await send(stream, set, digests, share, shares)
        await stream.close()
      })
      await node.handle(ECHO, stream => {
        stream.addEventListener('message', ({ data }) => { stream.send(data) })
      })

      return {
        address: node.getMultiaddrs()[0].toString(),
        async prepare (next) {
          set = next
          digests = Array.from({ length: set.count }, (_, i) => digestOf(set.first + i, set.size))
        },
        stop: async () => { await node.stop() }
      }
    },

    async connect (addresses): Promise<Receiver> {
      const node = await createNode({})
      const connections = await Promise.all(addresses.map(async address => node.dial(multiaddr(address))))
      let set: BlockSet = { first: 0, count: 0, size: 0 }
      let echo: Stream | undefined

      return {
        prepare: async next => { set = next },
        async receive () {
          const results = await Promise.all(connections.map(async (connection, i) => receive(connection, set, checks, i, connections.length)))

          return results.reduce((sum, { blocks, bytes }) => ({ blocks: sum.blocks + blocks, bytes: sum.bytes + bytes }))
        },
        async firstByte () {
          const stream = echo ??= await connections[0].newStream(ECHO)
          const started = performance.now()

          return new Promise(resolve => {
            stream.addEventListener('message', () => { resolve(performance.now() - started) }, { once: true })
            stream.send(new Uint8Array(1))
          })
        },
        stop: async () => { await node.stop() }
      }
    }
  }
}

async function send (stream: Stream, { first, count, size }: BlockSet, digests: Buffer[], share: number, shares: number): Promise<void> {
  let joined = Buffer.allocUnsafe(SEND_BYTES)
  let length = 0

  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let i = 0; i < bytes.byteLength;) {
      const part = bytes.subarray(i, i + SEND_BYTES - length)

      joined.set(part, length)
      length += part.byteLength
      i += part.byteLength

      if (length === SEND_BYTES) {
        await flush()
      }
    }
  }

  const flush = async (): Promise<void> => {
    const full = !stream.send(joined.subarray(0, length))

    joined = Buffer.allocUnsafe(SEND_BYTES)
    length = 0

    if (full) {
      await new Promise<void>((resolve, reject) => {
        stream.addEventListener('drain', () => { resolve() }, { once: true })
        stream.addEventListener('close', () => { reject(new Error('The stream has ended early')) }, { once: true })
      })
    }
  }

  for (let i = share; i < count; i += shares) {
    await write(digests[i])

    for (const chunk of contentOf(first + i, size)) {
      await write(chunk)
    }
  }

  await flush()
}

async function receive (connection: Connection, { count, size }: BlockSet, checks: boolean, share: number, shares: number): Promise<Received> {
  const stream = await connection.newStream(CONTENT)
  const list = new Uint8ArrayList()
  const done = Promise.withResolvers<Received>()
  const expectedBlocks = Math.ceil((count - share) / shares)
  let blocks = 0
  let bytes = 0
  // of a large block, of which parts come
  let expected: Uint8Array | undefined
  let hasher = createHash('sha256')
  let left = 0

  const read = (): void => {
    while (true) {
      if (expected == null) {
        if (list.byteLength < DIGEST_BYTES) {
          return
        }

        expected = list.slice(0, DIGEST_BYTES)
        list.consume(DIGEST_BYTES)
        left = size
      }

      if (list.byteLength === 0 || (size <= SEND_BYTES && list.byteLength < size)) {
        return
      }

      const part = list.subarray(0, Math.min(left, list.byteLength))

      if (checks && part.byteLength < size) {
        hasher.update(part)
      }

      list.consume(part.byteLength)
      left -= part.byteLength
      bytes += part.byteLength

      if (left > 0) {
        continue
      }

      if (checks) {
        const digest = part.byteLength < size ? hasher.digest() : hash('sha256', part, 'buffer')

        if (!digest.equals(expected)) {
          throw new Error(`Block ${blocks} is not what it should be`)
        }

        hasher = createHash('sha256')
      }

      expected = undefined

      if (++blocks === expectedBlocks) {
        done.resolve({ blocks, bytes })
      }
    }
  }

  stream.addEventListener('message', ({ data }) => {
    try {
      list.append(data)
      read()
    } catch (err) {
      done.reject(err)
    }
  })
  stream.addEventListener('close', () => { done.reject(new Error('The stream has ended early')) })
  // which blocks it wants: each provider sends a share
  stream.send(new Uint8Array([share, shares]))

  const result = await done.promise
  await stream.close()

  return result
}
