/**
 * How long two large stores with a few differences take to get the same, and how
 * much memory that costs
 */

import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { BLOCK_BYTES } from './scale/blocks.ts'
import { measureScale } from './scale/run.ts'
import type { SyncResult } from './scale/run.ts'

const HELP = `Usage: npm run bench:scale [-- options]

Builds two stores of a million blocks of ${BLOCK_BYTES} bytes that have all in common but
a few, and replicates one with the other over TCP, noise and yamux, each in a
process of its own. Then as many new differences are put, and it is done again
by new processes, which with --list find the cursors of the first time. Whether both sides
have the same is checked each time, after the time was taken.

'peak RSS' is the most memory that a process had from its start on, with what
opening the store took. The stores are removed in the end.

Options:
  --hashes <n>       How many hashes each store has (default 1000000)
  --differences <n>  How many of them only one side has, half of them each: an
                     even number (default 100)
  --blocks <where>   What the blocks are in, 'level' or 'fs', a file for each
                     (default level)
  --list             Announces all hashes instead of comparing the stores
  --heap             Also tells what was alive in the heap, before and the most
                     during the exchange; makes it slower
  --folder <path>    Where to build the stores (default the system's folder for
                     temporary files)
  --help, -h         Show this
`

const { values } = parseArgs({
  options: {
    hashes: { type: 'string', default: '1000000' },
    differences: { type: 'string', default: '100' },
    blocks: { type: 'string', default: 'level' },
    list: { type: 'boolean', default: false },
    heap: { type: 'boolean', default: false },
    folder: { type: 'string' },
    help: { type: 'boolean', short: 'h' }
  }
})

function count (value: number): string {
  return Math.round(value).toLocaleString('en')
}

function row (...columns: string[]): string {
  return columns.map((column, i) => i === 0 ? column.padEnd(20) : column.padStart(16)).join(' ').trimEnd() + '\n'
}

function report (name: string, { seconds, wire, received, sent, opener, other }: SyncResult): void {
  process.stdout.write(row(name, seconds.toFixed(2), count(wire), `${count(opener.rss)} / ${count(other.rss)}`, `${received} / ${sent}`, `${opener.opened.toFixed(1)} / ${other.opened.toFixed(1)}`))
}

function reportHeap (name: string, { opener, other }: SyncResult): void {
  process.stdout.write(row(name, ...[opener.heap, other.heap].map(({ before, most }) => `${before.toFixed(1)} to ${most.toFixed(1)}`)))
}

const hashes = Number(values.hashes)
const differences = Number(values.differences)

if (values.help === true) {
  process.stdout.write(HELP)
} else if (!Number.isSafeInteger(hashes) || !Number.isSafeInteger(differences / 2) || differences < 2 || hashes < differences || !['level', 'fs'].includes(values.blocks)) {
  process.stderr.write(`--hashes must be a whole number, --differences an even one of at most as many, and --blocks level or fs\n\n${HELP}`)
  process.exitCode = 2
} else {
  process.stdout.write(`Node.js ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, two stores of ${count(hashes)} hashes, ${differences} differences\n\n`)

  const { built, first, again } = await measureScale({
    hashes,
    differences,
    blocks: values.blocks as 'level' | 'fs',
    compare: !values.list,
    heap: values.heap,
    folder: values.folder,
    onProgress: done => {
      process.stderr.write(process.stderr.isTTY ? `\rbuilding: ${(done * 100).toFixed(0)} % ` : `building: ${(done * 100).toFixed(0)} %\n`)
    }
  })

  process.stderr.write(process.stderr.isTTY ? '\r' : '')
  process.stdout.write(`both stores built in ${built.toFixed(0)} s, ${count(2 * hashes / built)} puts/s\n\n`)
  process.stdout.write(row('', 'seconds', 'bytes on wire', 'peak RSS, MiB', 'received / sent', 'store opened, s'))
  report('the first time', first)
  report('the second time', again)

  if (values.heap) {
    process.stdout.write(`\n${row('live heap, MiB', 'opener', 'other')}`)
    reportHeap('the first time', first)
    reportHeap('the second time', again)
  }

  process.stdout.write('\nBoth sides have the same.\n')
}
