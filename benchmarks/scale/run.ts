import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command, Report, SideInit } from './protocol.ts'
import type { ChildProcess } from 'node:child_process'

export interface ScaleInit {
  hashes: number
  differences: number
  blocks: 'level' | 'fs'
  /**
   * If the stores are compared, instead of listed
   */
  compare: boolean
  /**
   * If the live heap is watched, for which garbage is collected all the time
   */
  heap: boolean
  /**
   * Where the stores are made; they are removed in the end
   *
   * @default the folder for temporary files of the system
   */
  folder?: string
  /**
   * How far the building of both stores is, from 0 to 1
   */
  onProgress?(done: number): void
}

export interface SideResult {
  rss: number
  sent: number
  opened: number
  heap: { before: number, most: number }
}

export interface SyncResult {
  seconds: number
  /**
   * Bytes on the wire, both ways
   */
  wire: number
  received: number
  sent: number
  /**
   * The side that opened the exchange, and the other one
   */
  opener: SideResult
  other: SideResult
}

export interface ScaleResult {
  /**
   * How long it took to build both stores, in seconds
   */
  built: number
  /**
   * Without cursors, and with them
   */
  first: SyncResult
  again: SyncResult
}

const SIDE = fileURLToPath(new URL('./side.ts', import.meta.url))

/**
 * A side in a process of its own
 */
class Side {
  readonly #process: ChildProcess
  readonly #onProgress: (done: number) => void
  #answer?: PromiseWithResolvers<Report>

  constructor (init: SideInit, heap: boolean, onProgress: (done: number) => void = () => {}) {
    this.#onProgress = onProgress
    this.#answer = Promise.withResolvers()
    this.#process = fork(SIDE, [JSON.stringify(init)], {
      execArgv: ['--experimental-transform-types', '--no-warnings', ...(heap ? ['--expose-gc'] : [])],
      env: { ...process.env, NODE_OPTIONS: '' }
    })

    this.#process.on('message', ({ progress, report, error }: any) => {
      if (progress != null) {
        this.#onProgress(progress)
      } else if (error != null) {
        this.#answer?.reject(new Error(error))
      } else {
        this.#answer?.resolve(report)
      }
    })
    this.#process.on('exit', code => { this.#answer?.reject(new Error(`A side has ended with ${code}`)) })
  }

  /**
   * Resolves when its store is open
   */
  async ready (): Promise<this> {
    await this.#answer?.promise

    return this
  }

  async tell (command: Command): Promise<Report> {
    this.#answer = Promise.withResolvers()
    this.#process.send(command)

    return this.#answer.promise
  }

  async end (): Promise<void> {
    const exit = once(this.#process, 'exit')

    await this.tell({ type: 'end' })
    await exit
  }

  kill (): void {
    this.#process.kill('SIGKILL')
  }
}

/**
 * Builds two stores that have all in common but a few hashes, replicates one
 * with the other, and then again with as many new differences. Throws if they
 * don't have the same in the end.
 */
export async function measureScale ({ hashes, differences, blocks, compare, heap, folder = tmpdir(), onProgress = () => {} }: ScaleInit): Promise<ScaleResult> {
  const root = await mkdtemp(join(folder, 'hash-exchange-scale-'))
  const open = new Set<Side>()

  const both = async (onProgress: Array<(done: number) => void> = []): Promise<Side[]> => {
    const sides = (['a', 'b'] as const).map((owner, i) => new Side({ owner, folder: join(root, owner), blocks, compare, hashes, differences }, heap, onProgress[i]))

    sides.forEach(side => { open.add(side) })

    return Promise.all(sides.map(async side => side.ready()))
  }

  const end = async (sides: Side[]): Promise<void> => {
    await Promise.all(sides.map(async side => side.end()))
    sides.forEach(side => { open.delete(side) })
  }

  try {
    const began = performance.now()
    const done = [0, 0]
    const builders = await both([0, 1].map(i => progress => {
      done[i] = progress
      onProgress((done[0] + done[1]) / 2)
    }))

    await Promise.all(builders.map(async side => side.tell({ type: 'build' })))
    await end(builders)

    const built = (performance.now() - began) / 1000
    const results: SyncResult[] = []

    for (const round of [0, 1]) {
      const sides = await both()

      if (round > 0) {
        await Promise.all(sides.map(async side => side.tell({ type: 'put', round })))
      }

      results.push(await sync(sides))
      await check(sides, { hashes, differences, rounds: round + 1 })
      await end(sides)
    }

    return { built, first: results[0], again: results[1] }
  } finally {
    open.forEach(side => { side.kill() })
    await rm(root, { recursive: true })
  }
}

async function sync ([opener, other]: Side[]): Promise<SyncResult> {
  const [, { address = '' }] = await Promise.all([opener.tell({ type: 'start' }), other.tell({ type: 'start' })])
  const { seconds = 0, result } = await opener.tell({ type: 'replicate', address })
  const stopped = await Promise.all([opener.tell({ type: 'stop' }), other.tell({ type: 'stop' })])

  if (result?.confirmed !== true || result.failed.length > 0) {
    throw new Error(`Replication went wrong: ${JSON.stringify(result)}`)
  }

  const [first, second] = stopped.map(({ rss = 0, sent = 0, opened = 0, heap = { before: 0, most: 0 } }) => ({ rss, sent, opened, heap }))

  return {
    seconds,
    wire: first.sent + second.sent,
    received: result.received.hashes,
    sent: result.sent.hashes,
    opener: first,
    other: second
  }
}

async function check (sides: Side[], { hashes, differences, rounds }: { hashes: number, differences: number, rounds: number }): Promise<void> {
  const [first, second] = await Promise.all(sides.map(async side => side.tell({ type: 'check', rounds })))
  const expected = hashes - differences / 2 + rounds * differences

  if (first.size !== expected || second.size !== expected || first.missing !== 0 || second.missing !== 0 || first.fingerprint !== second.fingerprint) {
    throw new Error(`The two sides should have the same ${expected} hashes, but have ${JSON.stringify([first, second])}`)
  }
}
