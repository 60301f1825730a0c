/**
 * What it takes to find out where two sets of hashes differ
 */

import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { compare, listBytes } from './reconcile/compare.ts'
import { pictureOf } from './reconcile/picture.ts'
import { measureRiblt } from './reconcile/riblt.ts'
import { HashSet, measurePut, multihashes } from './reconcile/sets.ts'
import { installAlternatives } from './speed/packages.ts'
import type { Comparison } from './reconcile/compare.ts'

const HELP = `Usage: npm run bench:reconcile [-- options]

Compares two sets of hashes as two peers do that speak /hash-exchange/4.1.0: both
sides in one process, the same messages as over a network, which are encoded and
decoded. Half of the differences are on each side. Where there is a row for
@peerbit/riblt (64-bit hashes; the same sets are given to its encoder and decoder anew
for each comparison, as it has it), that is installed into benchmarks/alternatives.

'bytes' are those of the frames, both ways, without the announcements of what
differs; 'list' is what both sides announce without a comparison, 'cursors' what they do
if they know each other from before. 'CPU' is of both sides together.

Options:
  --hashes <n,n>       How many hashes each set has (default 10000,100000,1000000)
  --differences <n,n>  How many of them differ (default 0,1,10,100,1000,10000)
  --runs <n>           How often each is measured; the figures are medians (default 5)
  --no-riblt           Without @peerbit/riblt
  --svg <file>         Draws the bytes against the size of the sets, for 100 differences
  --help, -h           Show this
`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    hashes: { type: 'string', default: '10000,100000,1000000' },
    differences: { type: 'string', default: '0,1,10,100,1000,10000' },
    runs: { type: 'string', default: '5' },
    riblt: { type: 'boolean', default: true },
    svg: { type: 'string' },
    help: { type: 'boolean', short: 'h' }
  }
})

type Row = Comparison & { hashes: number, differences: number }

function median (numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)

  return sorted[Math.floor(sorted.length / 2)]
}

function count (value: number): string {
  return Math.round(value).toLocaleString('en')
}

async function measure (hashes: number, differences: number, opener: HashSet, other: HashSet, runs: number): Promise<Row> {
  const results: Comparison[] = []

  // the first is a warm-up
  for (let run = 0; run <= runs; run++) {
    const onlyHere = multihashes(Math.floor(differences / 2))
    const onlyThere = multihashes(Math.ceil(differences / 2))

    opener.add(onlyHere)
    other.add(onlyThere)

    const result = await compare(opener, other)

    if (result.found !== differences) {
      throw new Error(`${result.found} differences were found instead of ${differences}`)
    }

    if (run > 0) {
      results.push(result)
    }

    opener.remove(onlyHere)
    other.remove(onlyThere)
  }

  const of = (figure: keyof Comparison): number => median(results.map(result => result[figure]))

  return { hashes, differences, bytes: of('bytes'), cells: of('cells'), roundTrips: of('roundTrips'), cpu: of('cpu'), ms: of('ms'), found: differences }
}

async function run (sizes: number[], differences: number[], runs: number): Promise<void> {
  const rows: Row[] = []
  const withRiblt = values.riblt && installAlternatives()

  process.stdout.write(`Node.js ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, medians of ${runs} runs\n\n`)

  for (const hashes of sizes) {
    const [opener, other] = [new HashSet(), new HashSet()]
    const common = multihashes(hashes)
    const began = performance.now()

    opener.add(common)
    process.stdout.write(`${count(hashes)} hashes, known with their cells after ${((performance.now() - began) / 1000).toFixed(2)} s\n`)
    other.add(common)

    for (const d of differences.filter(d => d <= hashes / 2)) {
      const row = await measure(hashes, d, opener, other, runs)
      const riblt = withRiblt ? await measureRiblt(hashes, d) : undefined

      rows.push(row)
      table.push({
        hashes: count(hashes),
        differences: count(d),
        bytes: count(row.bytes),
        'bytes a difference': d === 0 ? '' : (row.bytes / d).toFixed(1),
        'cells sent': count(row.cells),
        'round trips': row.roundTrips,
        'CPU, ms': row.cpu.toFixed(1),
        ms: row.ms.toFixed(1),
        'bytes of the list': count(listBytes(2 * hashes + d)),
        'of cursors': count(listBytes(d)),
        ...(riblt == null ? {} : { '@peerbit/riblt, ms': riblt.ms.toFixed(0), 'its cells': count(riblt.cells) })
      })
    }
  }

  // eslint-disable-next-line no-console
  console.table(table)

  const { withCells, without } = measurePut(Math.max(...sizes))

  process.stdout.write(`a put takes ${withCells.toFixed(2)} microseconds in the index with cells, ${without.toFixed(2)} without: ${(withCells - without).toFixed(2)} more\n`)

  if (values.svg != null) {
    const d = 100
    const chosen = rows.filter(({ differences }) => differences === d)

    writeFileSync(values.svg, pictureOf(`Bytes to find ${d} differences`, [
      { name: 'list of 4.0.1', ours: false, points: chosen.map(({ hashes }) => [hashes, listBytes(2 * hashes + d)]) },
      { name: 'comparison of 4.1.0', ours: true, points: chosen.map(({ hashes, bytes }) => [hashes, bytes]) }
    ], 'Without the announcements of what differs. npm run bench:reconcile'))
  }
}

const table: unknown[] = []
const [sizes, differences] = [values.hashes, values.differences].map(list => list.split(',').map(Number))
const runs = Number(values.runs)

if (values.help === true) {
  process.stdout.write(HELP)
} else if (![...sizes, ...differences, runs].every(n => Number.isSafeInteger(n) && n >= 0) || runs < 1) {
  process.stderr.write(`--hashes, --differences and --runs must be whole numbers\n\n${HELP}`)
  process.exitCode = 2
} else {
  await run(sizes, differences, runs)
}
