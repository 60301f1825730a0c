import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p } from 'libp2p'
import { hashExchange } from 'libp2p-hash-exchange'
import { preview } from 'vite'
import { launchChromium } from '../test/fixtures/chromium.ts'
import { Side, SYSTEMS } from './systems.ts'
import type { BenchNode, System, Work } from './systems.ts'
import type { tab as Tab } from './tab.ts'
import type { Browser, Page } from 'playwright-core'

declare const tab: typeof Tab

const HELP = `Usage: npm run bench:browser [-- options]

Measures between two tabs of Chromium over WebRTC, and between a tab and Node.js over WebSockets, all of it on this
machine: a stream of libp2p alone, an exchange whose content is checked by the application, and the replicator over
stores in memory. Each run has new tabs, browsers and nodes. The systems take turns, and the figures are medians.

Options:
  --runs <n>  How often each is measured (default 5)
  --json      As JSON
  --help, -h  Show this
`

const WORKS: Array<Work & { name: string }> = [
  { name: '64 x 1 MiB', blocks: 64, size: 1024 * 1024 },
  { name: '5,000 x 4 KiB', blocks: 5000, size: 4096 }
]

const WAYS = ['tab to tab', 'server to tab', 'tab to server'] as const

type Way = typeof WAYS[number]

interface Result {
  way: Way
  work: string
  system: System
  /** in ms */
  times: number[]
}

const { values } = parseArgs({ options: { runs: { type: 'string', default: '5' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })

if (values.help === true) {
  process.stdout.write(HELP)
  process.exit(0)
}

const runs = Number(values.runs)

if (!Number.isInteger(runs) || runs < 1) {
  process.stderr.write(`--runs must be a whole number from 1 on, not ${values.runs}\n`)
  process.exit(2)
}

const site = await preview({ configFile: fileURLToPath(new URL('vite.config.js', import.meta.url)), logLevel: 'warn', preview: { port: 0 } })
const url = site.resolvedUrls?.local[0] ?? ''
const results: Result[] = WORKS.flatMap(({ name }) => WAYS.flatMap(way => SYSTEMS.map(system => ({ way, work: name, system, times: [] }))))

for (let i = 0; i < runs; i++) {
  for (const [n, { way, work, system, times }] of results.entries()) {
    process.stderr.write(`\rrun ${i + 1} of ${runs}: ${n + 1} of ${results.length}`)
    times.push(await run(way, system, WORKS.find(({ name }) => name === work) as Work))
  }
}

process.stderr.write('\r\x1b[K')
await site.close()
process.stdout.write(values.json === true ? `${JSON.stringify(results)}\n` : table())
process.exit(0)

async function run (way: Way, system: System, work: Work): Promise<number> {
  const browser = await launchChromium()
  const nodes: BenchNode[] = []

  const server = async (work?: Work): Promise<{ node: BenchNode, side: Side, address: string }> => {
    const side = await Side.create(system, work)
    const node = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
      transports: [webSockets()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), relay: circuitRelayServer(), hashExchange: hashExchange(side.init) }
    })

    nodes.push(node)
    await side.serve(node)
    return { node, side, address: node.getMultiaddrs()[0].toString() }
  }

  try {
    switch (way) {
      case 'tab to tab': {
        const { address: relay } = await server()
        const [from, to] = [await open(browser), await open(await browser.newContext())]
        const address = await from.evaluate(async ([system, work, relay]) => tab.start(system, work, relay), [system, work, relay] as const)

        await to.evaluate(async system => tab.start(system), system)
        await to.evaluate(async address => tab.connect(address), address)
        return await to.evaluate(async ([address, system, work]) => tab.receive(address, system, work), [address, system, work] as const)
      }
      case 'server to tab': {
        const { address } = await server(work)
        const to = await open(browser)

        await to.evaluate(async system => tab.start(system), system)
        await to.evaluate(async address => tab.connect(address), address)
        return await to.evaluate(async ([address, system, work]) => tab.receive(address, system, work), [address, system, work] as const)
      }
      default: {
        const { address, side, node } = await server()
        const from = await open(browser)

        await from.evaluate(async ([system, work]) => tab.start(system, work), [system, work] as const)
        const id = await from.evaluate(async address => tab.connect(address), address)

        return await side.receive(node, peerIdFromString(id), system, work)
      }
    }
  } finally {
    await browser.close()
    await Promise.all(nodes.map(async node => node.stop()))
  }
}

async function open (browser: Pick<Browser, 'newPage'>): Promise<Page> {
  const page = await browser.newPage()

  await page.goto(url)
  await page.waitForFunction(() => 'tab' in globalThis)
  return page
}

function median (values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}

function table (): string {
  const lines = [`| | ${SYSTEMS.join(' | ')} |`, `|---|${SYSTEMS.map(() => '---|').join('')}`]

  for (const { name, blocks, size } of WORKS) {
    for (const way of WAYS) {
      const cells = SYSTEMS.map(system => {
        const times = results.find(result => result.way === way && result.work === name && result.system === system)?.times ?? []
        const seconds = median(times) / 1000
        const spread = `${Math.round((Math.max(...times) - Math.min(...times)) / 20 / seconds)} %`

        return size > 65_536
          ? `${(blocks * size / 1e6 / seconds).toFixed(0)} MB/s ± ${spread}`
          : `${Math.round(blocks / seconds).toLocaleString('en')}/s ± ${spread}`
      })

      lines.push(`| ${name}, ${way} | ${cells.join(' | ')} |`)
    }
  }

  return `${lines.join('\n')}\n`
}
