/**
 * If content that comes is better hashed by another thread
 */

import { fork } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { multiaddr } from '@multiformats/multiaddr'
import { createNode, createStore } from './hashing/node.ts'

const HELP = `Usage: npm run bench:hashing [-- options]

Replicates blocks over TCP, noise and yamux from another process into a store
that keeps nothing, and checks them in three ways:

  sync     node:crypto's hash(), in the thread of all else, as this package does
  subtle   crypto.subtle.digest(), which runs in the thread pool
  worker   node:crypto's hash() in a worker, to which each block is copied

The ways take turns. The figures are medians, with the lowest and the highest,
and how many times as fast as 'sync' the way was in the same round.

Options:
  --rounds <n>  How often each is measured (default 7)
  --mib <n>     How much is sent each time, in MiB (default 256)
  --help, -h    Show this
`

const SIZES = [64 * 1024, 256 * 1024, 1024 * 1024]
const MIB = 1024 * 1024

type Encode = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array | Promise<Uint8Array>

/**
 * Hashes in a thread of its own, one block after the other
 */
class HashWorker {
  readonly #worker = new Worker(fileURLToPath(new URL('./hashing/worker.ts', import.meta.url)))
  readonly #waiting: Array<(digest: Uint8Array) => void> = []

  constructor () {
    this.#worker.on('message', digest => { this.#waiting.shift()?.(digest) })
    this.#worker.unref()
  }

  async encode (bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#worker.postMessage(bytes)
    })
  }
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    mib: { type: 'string', default: '256' },
    help: { type: 'boolean', short: 'h' }
  }
})

const rounds = Number(values.rounds)
const mib = Number(values.mib)

function median (values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}

/**
 * MB/s
 */
async function measure (address: string, encode: Encode, count: number, size: number): Promise<number> {
  const node = await createNode({
    store: await createStore(),
    // in the place of what is built in
    hashers: [{ code: 0x12, name: 'sha2-256', encode } as any],
    limits: { maxHeldBlockBytes: 2 * MIB }
  })

  await node.dial(multiaddr(address))
  const began = performance.now()
  const { received } = await node.services.hashExchange.replicate(multiaddr(address))
  const seconds = (performance.now() - began) / 1000

  await node.stop()

  if (received.bytes !== count * size) {
    throw new Error(`Received ${received.bytes} bytes instead of ${count * size}`)
  }

  return received.bytes / 1e6 / seconds
}

if (values.help === true) {
  process.stdout.write(HELP)
} else if (![rounds, mib].every(n => Number.isSafeInteger(n) && n > 0)) {
  process.stderr.write(`--rounds and --mib must be whole numbers above 0\n\n${HELP}`)
  process.exitCode = 2
} else {
  const worker = new HashWorker()
  const ways: Record<string, Encode> = {
    sync: bytes => hash('sha256', bytes, 'buffer'),
    subtle: async bytes => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)),
    worker: async bytes => worker.encode(bytes)
  }

  process.stdout.write(`Node.js ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'} (${cpus().length}), MB/s of ${rounds} rounds\n\n`)
  process.stdout.write(`${''.padEnd(10)}${Object.keys(ways).map(name => name.padStart(22)).join('')}\n`)

  for (const size of SIZES) {
    const count = mib * MIB / size
    const sender = fork(fileURLToPath(new URL('./hashing/sender.ts', import.meta.url)), [String(size), String(count)], {
      execArgv: ['--experimental-transform-types', '--no-warnings'],
      env: { ...process.env, NODE_OPTIONS: '' }
    })
    const [address] = await once(sender, 'message')
    const results: Record<string, number[]> = { sync: [], subtle: [], worker: [] }

    // the first time of each warms up
    for (let i = 0; i <= rounds; i++) {
      for (const [name, encode] of Object.entries(ways)) {
        results[name][i] = await measure(String(address), encode, count, size)
      }
    }

    sender.kill()
    Object.values(results).forEach(values => values.shift())

    const columns = Object.values(results).map(values => {
      const times = median(values.map((value, i) => value / results.sync[i]))

      return `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)}) ${times.toFixed(2)} x`.padStart(22)
    })
    process.stdout.write(`${`${size / 1024} KiB`.padEnd(10)}${columns.join('')}\n`)
  }
}
