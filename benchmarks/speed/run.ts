import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { distanceTo } from './far.ts'
import { setOf, warmUpOf } from './works.ts'
import type { BlockSet } from './content.ts'
import type { Distance } from './far.ts'
import type { Command, Report, SideInit } from './side.ts'
import type { Work } from './works.ts'
import type { ChildProcess } from 'node:child_process'

export interface RunResult {
  /**
   * Until the last receiver had all, or the median time until a first byte
   */
  seconds: number
  blocks: number
  bytes: number
  /**
   * Processor time of all processes while the work was done, in seconds
   */
  cpu: number
  /**
   * The most memory that a provider and a receiver had, in bytes
   */
  rss: { provider: number, receiver: number }
  /**
   * Bytes that went over the sockets of the receivers, both ways
   */
  wire: number
  /**
   * Of several receivers the rate of the slowest, as a share of the average
   */
  slowest: number
}

const SIDE = fileURLToPath(new URL('./side.js', import.meta.url))

/**
 * A side that runs in a process of its own
 */
class Side {
  readonly #process: ChildProcess
  #answer = Promise.withResolvers<Report>()
  #ended?: Error

  constructor (init: SideInit, execArgv: string[]) {
    this.#process = fork(SIDE, [JSON.stringify(init)], { execArgv: ['--no-deprecation', ...execArgv], env: { ...process.env, NODE_OPTIONS: '' } })
    this.#process.on('message', ({ report, error }: any) => {
      if (error == null) {
        this.#answer.resolve(report)
      } else {
        this.#answer.reject(new Error(error))
      }
    })
    this.#process.on('error', err => { this.kill(err) })
    this.#process.on('exit', (code, signal) => { this.kill(new Error(`A side has ended with ${signal ?? code}`)) })
    this.#answer.promise.catch(() => {})
  }

  async started (): Promise<Report> {
    return this.#answer.promise
  }

  async tell (command: Command): Promise<Report> {
    if (this.#ended != null) {
      throw this.#ended
    }

    this.#answer = Promise.withResolvers()
    this.#process.send(command)

    return this.#answer.promise
  }

  /**
   * Lets it come to its end by itself
   */
  async stop (): Promise<void> {
    const exit = once(this.#process, 'exit')

    await this.tell({ type: 'stop' })
    await exit
  }

  /**
   * Nothing more is to be expected of it
   */
  kill (reason: Error): void {
    this.#ended ??= reason
    this.#answer.reject(this.#ended)
    this.#process.kill('SIGKILL')
  }
}

export interface RunOptions {
  /**
   * What the processes of the sides are given, such as `--cpu-prof`
   */
  execArgv?: string[]
  /**
   * Ends all processes
   */
  signal?: AbortSignal
}

/**
 * Does some work once, with new processes
 */
export async function run (system: string, work: Work, { execArgv = [], signal }: RunOptions = {}): Promise<RunResult> {
  signal?.throwIfAborted()

  const folder = await mkdtemp(join(tmpdir(), 'hash-exchange-bench-'))
  const sides: Side[] = []
  const distances: Distance[] = []
  const kill = (): void => { sides.forEach(side => { side.kill(signal?.reason) }) }

  const start = async (count: number, name: string, addresses?: string[]): Promise<Side[]> => {
    const started = Array.from({ length: count }, (_, i) => new Side({ system, folder: join(folder, `${name}${i}`), addresses }, execArgv))

    sides.push(...started)
    return started
  }

  signal?.addEventListener('abort', kill)

  try {
    const providers = await start(work.providers ?? 1, 'provider')
    const near = (await all(providers, async side => side.started())).map(({ address }) => address ?? '')

    const addresses = await all(near, async address => {
      if (work.distance == null) {
        return address
      }

      const distance = await distanceTo(address, work.distance)
      distances.push(distance)

      return distance.address
    })
    const receivers = await start(work.receivers ?? 1, 'receiver', addresses)

    await all(receivers, async side => side.started())

    const usages = async (): Promise<Pick<RunResult, 'cpu' | 'rss' | 'wire'>> => {
      const usages = await all(sides, async side => (await side.tell({ type: 'usage' })).usage ?? { cpu: 0, rss: 0, wire: 0 })
      const [provided, got] = [usages.slice(0, providers.length), usages.slice(providers.length)]

      return {
        cpu: sum(usages.map(({ cpu }) => cpu)),
        rss: { provider: Math.max(...provided.map(({ rss }) => rss)), receiver: Math.max(...got.map(({ rss }) => rss)) },
        wire: sum(got.map(({ wire }) => wire))
      }
    }

    const measure = async (set: BlockSet): Promise<RunResult> => {
      const { size, count, lacking = count } = set

      await all(sides, async side => side.tell({ type: 'prepare', set }))
      await usages()

      const results = await all(receivers, async side => side.tell({ type: 'receive' }))
      const used = await usages()

      for (const { received } of results) {
        if (received?.blocks !== lacking || received.bytes !== lacking * size) {
          throw new Error(`${system} has brought ${received?.blocks} blocks with ${received?.bytes} bytes instead of ${lacking} with ${lacking * size}`)
        }
      }

      const seconds = results.map(({ seconds = 0 }) => seconds)

      return {
        ...used,
        seconds: Math.max(...seconds),
        blocks: lacking * receivers.length,
        bytes: lacking * size * receivers.length,
        slowest: seconds.length / Math.max(...seconds) / sum(seconds.map(seconds => 1 / seconds))
      }
    }

    const measureFirstBytes = async (): Promise<RunResult> => {
      const { count, size, warmUp } = work
      const times: number[] = []

      await all(sides, async side => side.tell({ type: 'prepare', set: { first: 0, count: warmUp + count, size } }))

      for (let block = 0; block < warmUp + count; block++) {
        if (block === warmUp) {
          await usages()
        }

        const { ms = 0 } = await receivers[0].tell({ type: 'firstByte', block })

        if (block >= warmUp) {
          times.push(ms)
        }
      }

      return {
        ...await usages(),
        seconds: times.sort((a, b) => a - b)[count >> 1] / 1000,
        blocks: count,
        bytes: count * size,
        slowest: 1
      }
    }

    if (work.firstByte !== true && work.warmUp > 0) {
      await measure(warmUpOf(work))
    }

    const result = work.firstByte === true ? await measureFirstBytes() : await measure(setOf(work))

    await all(sides, async side => side.stop())

    return result
  } finally {
    signal?.removeEventListener('abort', kill)
    sides.forEach(side => { side.kill(new Error('The run is over')) })
    await all(distances, async distance => distance.stop())
    await rm(folder, { recursive: true, force: true })
  }
}

async function all <T, R> (values: T[], map: (value: T) => Promise<R>): Promise<R[]> {
  return Promise.all(values.map(map))
}

function sum (values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
