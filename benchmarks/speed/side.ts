/**
 * One side of a run, in a process of its own: does what its parent tells it to
 */

import { subscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { SYSTEMS } from './systems.ts'
import type { BlockSet } from './content.ts'
import type { Provider, Received, Receiver } from './system.ts'
import type { Socket } from 'node:net'

export interface SideInit {
  system: string
  folder: string
  /**
   * The addresses of the providers, where it is to be a receiver
   */
  addresses?: string[]
}

export type Command =
  { type: 'prepare', set: BlockSet } |
  { type: 'receive' } |
  { type: 'firstByte', block: number } |
  { type: 'usage' } |
  { type: 'stop' }

export interface Usage {
  /**
   * Processor time since it was last asked, in seconds
   */
  cpu: number
  /**
   * The most memory that it ever had, in bytes
   */
  rss: number
  /**
   * Bytes that went over its sockets since it was last asked
   */
  wire: number
}

export interface Report {
  address?: string
  received?: Received
  seconds?: number
  ms?: number
  usage?: Usage
}

const sockets: Socket[] = []

for (const channel of ['net.client.socket', 'net.server.socket']) {
  subscribe(channel, message => { sockets.push((message as { socket: Socket }).socket) })
}

process.once('uncaughtException', err => {
  process.send?.({ error: String(err.stack) }, () => { process.exit(1) })
})

const { system: name, folder, addresses } = JSON.parse(process.argv[2]) as SideInit
const system = await SYSTEMS[name].load()
const provider: Provider | undefined = addresses == null ? await system.provide({ folder }) : undefined
const receiver: Receiver | undefined = addresses == null ? undefined : await system.connect(addresses, { folder })

let cpu = process.cpuUsage()
let wire = 0

function wireBytes (): number {
  return sockets.reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0)
}

/**
 * What Linux says of a process otherwise includes what its parent had when it
 * was started
 */
function peakRss (): number {
  const ofLinux = process.platform === 'linux' ? /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] : undefined

  return Number(ofLinux ?? process.resourceUsage().maxRSS) * 1024
}

async function execute (command: Command): Promise<Report> {
  switch (command.type) {
    case 'prepare': {
      await (provider ?? receiver)?.prepare(command.set)
      return {}
    }

    case 'receive': {
      const started = performance.now()
      const received = await receiver?.receive()

      return { received, seconds: (performance.now() - started) / 1000 }
    }

    case 'firstByte': return { ms: await receiver?.firstByte?.(command.block) }

    case 'usage': {
      const { user, system } = process.cpuUsage(cpu)
      const before = wire

      cpu = process.cpuUsage()
      wire = wireBytes()

      return { usage: { cpu: (user + system) / 1e6, rss: peakRss(), wire: wire - before } }
    }

    default: {
      await (provider ?? receiver)?.stop()
      return {}
    }
  }
}

// its parent has ended without a word
process.on('disconnect', () => { process.exit(1) })

process.on('message', (command: Command) => {
  execute(command).then(
    report => {
      process.send?.({ report }, () => {
        if (command.type === 'stop') {
          process.exit()
        }
      })
    },
    err => { process.send?.({ error: String(err?.stack ?? err) }) }
  )
})

process.send?.({ report: { address: provider?.address } })
