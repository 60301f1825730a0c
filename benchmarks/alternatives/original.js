import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { Readable } from 'node:stream'
import { multiaddr } from '@multiformats/multiaddr'
import hashExchange from 'hash-exchange'
import { contentOf, digestOf, lacks, numbersOf } from '../../dist/benchmarks/speed/content.js'
import { createNode } from '../../dist/benchmarks/speed/node.js'

/**
 * How many hashes are provided and requested at a time. All at once takes it
 * four times as long.
 */
const BATCH = 1000

const PROTOCOL = '/benchmark/original'

/**
 * Over a socket, as its readme says. Without `noDelay`, which the sockets of
 * libp2p have too, a first byte takes it 88 ms.
 */
const tcp = {
  async listen (createOriginal) {
    const server = createServer({ noDelay: true }, socket => {
      const original = createOriginal()

      // the other side hangs up when it has all
      socket.on('error', () => {})
      socket.pipe(original).pipe(socket)
      onDestroyed(original, () => { socket.destroy() })
    })

    await new Promise(resolve => { server.listen(0, '127.0.0.1', resolve) })

    return {
      address: String(server.address().port),
      stop: async () => { server.close() }
    }
  },

  async dial (address, original) {
    const socket = connect({ port: Number(address), host: '127.0.0.1', noDelay: true })

    socket.pipe(original).pipe(socket)
    socket.on('close', () => { original.destroy() })

    return () => { socket.destroy() }
  }
}

// Over a stream of libp2p with the defaults that ours has too
async function createLibp2pNetwork () {
  const node = await createNode({})

  return {
    async listen (createOriginal) {
      await node.handle(PROTOCOL, stream => { wire(stream, createOriginal()) })

      return {
        address: node.getMultiaddrs()[0].toString(),
        stop: async () => { await node.stop() }
      }
    },

    async dial (address, original) {
      const stream = await node.dialProtocol(multiaddr(address), PROTOCOL)

      wire(stream, original)

      return () => { stream.abort(new Error('Has all')) }
    }
  }
}

// Pipes both ways, with backpressure
function wire (stream, original) {
  stream.addEventListener('message', ({ data }) => {
    let full = false

    for (const part of data instanceof Uint8Array ? [data] : data) {
      full = !original.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength))
    }

    if (full) {
      stream.pause()
      original.once('drain', () => { stream.resume() })
    }
  })
  stream.addEventListener('drain', () => { original.resume() })
  stream.addEventListener('close', () => { original.destroy() })
  onDestroyed(original, () => { stream.abort(new Error('The original has given up')) })
  original.on('data', chunk => {
    if (stream.status === 'open' && !stream.send(chunk)) {
      original.pause()
    }
  })
}

// hash-exchange@4.0.1, as its readme has it: what is available is requested, and
// each body is read to its end. It checks nothing itself, so that it is done
// here, as for ours.
function createSystem (createNetwork) {
  return {
    async provide () {
      const { listen } = await createNetwork()
      /** @type {Map<string, number>} */
      let blocks = new Map()
      let size = 0

      const { address, stop } = await listen(() => {
        const original = hashExchange((name, callback) => {
          const block = blocks.get(name)

          callback(null, block == null ? undefined : readable(block, size))
        })

        // when it is wired to the other
        setImmediate(() => {
          for (const batch of batches([...blocks.keys()])) {
            original.provide(batch)
          }
        })

        return original
      })

      return {
        address,
        async prepare (set) {
          size = set.size
          blocks = new Map([...numbersOf(set)].map(block => [nameOf(block, size), block]))
        },
        stop
      }
    },

    async connect (addresses) {
      const { dial } = await createNetwork()
      let set = { first: 0, count: 0, size: 0 }
      let had = new Set()
      let idle

      return {
        async prepare (next) {
          set = next
          had = new Set(set.lacking == null ? [] : [...numbersOf(set)].filter(block => !lacks(set, block)).map(block => nameOf(block, set.size)))
        },
        receive: async () => receive(dial, addresses, set, had),
        async firstByte (block) {
          const original = idle ??= await openIdle(dial, addresses[0])
          const began = performance.now()

          return new Promise(resolve => {
            original.once('response', (_, stream) => {
              stream.once('data', () => { resolve(performance.now() - began) })
              stream.resume()
            })
            original.request(nameOf(block, set.size))
          })
        },
        stop: async () => {}
      }
    }
  }
}

async function openIdle (dial, address) {
  const original = hashExchange((_, callback) => { callback(null) })
  const available = new Promise(resolve => { original.once('available', resolve) })

  await dial(address, original)
  await available

  return original
}

async function receive (dial, addresses, set, had) {
  const { count, lacking = count } = set
  const done = Promise.withResolvers()
  let blocks = 0
  let bytes = 0

  const hangUps = await Promise.all(addresses.map(async address => {
    const original = hashExchange((_, callback) => { callback(null) })
    /** @type {string[]} */
    const waiting = []
    let inFlight = 0

    const request = () => {
      // when the last one has come: to ask earlier is no faster, and over a slow
      // network a body may then overtake what says of which hash it is, at which
      // an original gives up
      if (waiting.length > 0 && inFlight === 0) {
        const batch = waiting.splice(0, BATCH)

        inFlight += batch.length
        original.request(batch)
      }
    }

    original.on('available', names => {
      for (const name of names) {
        // all have all: each is asked for its share
        if (!had.has(name) && (addresses.length === 1 || addresses[name.charCodeAt(0) % addresses.length] === address)) {
          waiting.push(name)
        }
      }

      request()
    })
    original.on('response', (name, stream) => {
      const hasher = createHash('sha256')

      stream.on('data', chunk => {
        hasher.update(chunk)
        bytes += chunk.length
      })
      stream.on('error', done.reject)
      stream.on('end', () => {
        if (hasher.digest('base64url') !== name) {
          done.reject(new Error(`${name} is not what it should be`))
          return
        }

        inFlight--
        request()

        if (++blocks === lacking) {
          done.resolve()
        }
      })
    })

    onDestroyed(original, () => { done.reject(new Error('One of the originals has given up')) })

    return dial(address, original)
  }))

  await done.promise
  hangUps.forEach(hangUp => { hangUp() })

  return { blocks, bytes }
}

// When it gets what it can't take it destroys itself, and tells nobody
function onDestroyed (original, listener) {
  original._mplex.once('close', listener)
}

function * batches (values) {
  for (let i = 0; i < values.length; i += BATCH) {
    yield values.slice(i, i + BATCH)
  }
}

function nameOf (block, size) {
  return digestOf(block, size).toString('base64url')
}

// A block, made as it is read
function readable (block, size) {
  const chunks = contentOf(block, size)

  return new Readable({
    read () {
      const { value } = chunks.next()

      this.push(value == null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    }
  })
}

export const system = {
  tcp: createSystem(async () => tcp),
  libp2p: createSystem(createLibp2pNetwork)
}
