#!/usr/bin/env node

/**
 * Watches a peer for a long time while others come and go
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

const HELP = `Usage: npm run soak [-- options]

Runs a peer that replicates with others for a long time: they come and go, break
connections and streams, and all put and delete blocks. How the peer is, is shown as
a table, with what the others take together. It fails if, from a sixth of the time
on, memory, handles or streams have grown, or a rejection was not handled.

Options:
  --minutes <n>  For how long (default 30)
  --seed <n>     Where the random numbers begin (default any)
  --help, -h     Show this
`

// by how much the median of the end may be above that of the beginning
const MAX_GROWTH = { rss: { factor: 1.1, more: 16e6 }, used: { factor: 1.1, more: 4e6 }, usedByPeers: { factor: 1.25, more: 16e6 }, resources: { factor: 1.1, more: 4 }, streams: { factor: 1.1, more: 4 } }

const SAMPLES = 60

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    help: { type: 'boolean', short: 'h' }
  }
})

const minutes = Number(values.minutes)
const seed = Number(values.seed)

if (values.help === true) {
  process.stdout.write(HELP)
} else if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write(`--minutes must be a number above 0, --seed a whole number\n\n${HELP}`)
  process.exitCode = 2
} else {
  await soak()
}

async function soak () {
  const hub = start('hub', String(seed))
  const [{ address }] = await once(hub, 'message')
  const peers = start('peers', String(seed), address)
  const samples = []

  process.stdout.write(`${minutes} minutes, seed ${seed}\n\n`)
  row('minute', 'RSS, MB', 'used, MB', 'peers, MB', 'handles', 'connections', 'streams', 'exchanges', 'wants', 'blocks', 'received', 'sent')

  for (let i = 1; i <= SAMPLES; i++) {
    await new Promise(resolve => { setTimeout(resolve, minutes * 60_000 / SAMPLES) })

    hub.send({})
    const [sample] = await once(hub, 'message')

    peers.send({})
    const [{ used }] = await once(peers, 'message')

    samples.push({ ...sample, usedByPeers: used })
    row((i * minutes / SAMPLES).toFixed(1), (sample.rss / 1e6).toFixed(0), (sample.used / 1e6).toFixed(1), (used / 1e6).toFixed(1), sample.resources, sample.connections, sample.streams, sample.exchanges, sample.wants, sample.blocks, sample.received, sample.sent)
  }

  peers.kill()
  hub.kill()

  const grown = Object.entries(MAX_GROWTH).flatMap(([name, { factor, more }]) => {
    // the first minutes of half an hour, and the last ones
    const before = median(samples.slice(SAMPLES / 6, SAMPLES / 3).map(sample => sample[name]))
    const after = median(samples.slice(-SAMPLES / 6).map(sample => sample[name]))

    return after > before * factor + more ? [`${name} has grown from ${before} to ${after}`] : []
  })
  const { unhandled } = samples[SAMPLES - 1]

  process.stdout.write(`\n${[...grown, ...unhandled, grown.length + unhandled.length === 0 ? 'flat' : 'not flat'].join('\n')}\n`)
  process.exitCode = grown.length + unhandled.length === 0 ? 0 : 1
}

/**
 * @param {string} name
 * @param {...string} args
 */
function start (name, ...args) {
  const child = fork(new URL(`../dist/test/soak/${name}.js`, import.meta.url), args)

  child.on('exit', (code, signal) => {
    if (signal !== 'SIGTERM') {
      process.stderr.write(`The ${name} have ended with ${signal ?? code}\n`)
      process.exit(1)
    }
  })

  return child
}

/**
 * @param {...(string | number)} cells
 */
function row (...cells) {
  process.stdout.write(`${cells.map(cell => String(cell).padStart(11)).join(' ')}\n`)
}

/**
 * @param {number[]} numbers
 */
function median (numbers) {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1]
}
