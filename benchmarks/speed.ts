/**
 * How fast blocks are brought from one process to another, by this package and by
 * others
 */

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { installAlternatives, machine } from './speed/packages.ts'
import { pictureOf } from './speed/picture.ts'
import { reportOf } from './speed/report.ts'
import { run } from './speed/run.ts'
import { SYSTEMS } from './speed/systems.ts'
import { isFor, WORKS } from './speed/works.ts'
import type { Outcomes } from './speed/report.ts'

const HELP = `Usage: npm run bench [-- options]

Brings the same blocks from one process to another over loopback, with each
system in turn, and checks all that comes. How each is set up is told in
benchmarks/README.md. Helia and hypercore are installed when they are chosen for
the first time.

Every run has new processes, which warm up first. Each round does each system
once, in an order that rotates. The figures are medians; CPU seconds are those
of all processes, peak RSS is that of a provider / a receiver, and bytes on the
wire are those of the receivers' sockets, both ways.

Systems:
${list(SYSTEMS)}
Work:
${list(WORKS)}
Options:
  --systems <a,b>  Which systems, in this order (default all)
  --work <a,b>     Which work (default all)
  --runs <n>       How often each is measured (default 5)
  --timeout <s>    When a run has failed, in seconds (default 300)
  --json <file>    Writes all that was measured to a file
  --svg <file>     Draws the rates of moving many bytes to a file
  --help, -h       Show this
`

function list (named: Record<string, { title: string }>): string {
  return Object.entries(named).map(([name, { title }]) => `  ${name.padEnd(15)}  ${title}\n`).join('')
}

/**
 * Some names of a list of them, or all
 */
function chosen (named: object, names?: string): string[] {
  return names?.split(',').map(name => name.trim()) ?? Object.keys(named)
}

const { values } = parseArgs({
  options: {
    systems: { type: 'string' },
    work: { type: 'string' },
    runs: { type: 'string', default: '5' },
    timeout: { type: 'string', default: '300' },
    json: { type: 'string' },
    svg: { type: 'string' },
    help: { type: 'boolean', short: 'h' }
  }
})

const systems = chosen(SYSTEMS, values.systems)
const works = chosen(WORKS, values.work)
const runs = Number(values.runs)
const timeout = Number(values.timeout)
const unknown = [...systems.filter(name => !(name in SYSTEMS)), ...works.filter(name => !(name in WORKS))]

if (values.help === true) {
  process.stdout.write(HELP)
} else if (unknown.length > 0 || ![runs, timeout].every(n => Number.isSafeInteger(n) && n > 0)) {
  process.stderr.write(`${unknown.length > 0 ? `No such system or work: ${unknown.join(', ')}` : '--runs and --timeout must be whole numbers above 0'}\n\n${HELP}`)
  process.exitCode = 2
} else {
  await bench()
}

async function bench (): Promise<void> {
  const interrupted = new AbortController()

  if (systems.some(system => SYSTEMS[system].installs) && !installAlternatives()) {
    process.stderr.write('Could not install benchmarks/alternatives: leave out helia and hypercore with --systems\n')
    process.exitCode = 1
    return
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => { interrupted.abort(new Error(`Ended by ${signal}`)) })
  }

  const about = machine()
  const outcomes = await measure(interrupted.signal)

  process.stdout.write(`${about.processor}, ${about.platform}, medians of ${runs} runs${interrupted.signal.aborted ? ', interrupted' : ''}\n${Object.entries(about.versions).map(([name, version]) => `${name} ${version}`).join(', ')}\n\n`)
  process.stdout.write(reportOf(outcomes, systems))

  if (values.json != null) {
    writeFileSync(values.json, `${JSON.stringify({ date: new Date().toISOString(), ...about, runs, outcomes }, null, 2)}\n`)
  }

  if (values.svg != null) {
    writeFileSync(values.svg, pictureOf(outcomes, systems, about, runs))
  }

  if (interrupted.signal.aborted) {
    process.exitCode = 130
  } else if (Object.values(outcomes).some(bySystem => Object.values(bySystem).some(({ errors }) => errors.length > 0))) {
    process.exitCode = 1
  }
}

async function measure (interrupted: AbortSignal): Promise<Outcomes> {
  const outcomes: Outcomes = {}

  for (const { round, work, system } of planned()) {
    const { runs: done, errors } = (outcomes[work] ??= {})[system] ??= { runs: [], errors: [] }

    progress(`round ${round + 1} of ${runs}: ${WORKS[work].title}, ${SYSTEMS[system].title}`)

    try {
      done.push(await run(system, WORKS[work], { signal: AbortSignal.any([interrupted, AbortSignal.timeout(timeout * 1000)]) }))
    } catch (err: any) {
      if (interrupted.aborted) {
        break
      }

      errors.push(err.message)
      process.stderr.write(`\n${system} has failed: ${err.message.split('\n')[0]}\n`)
    }
  }

  progress('')

  return outcomes
}

function * planned (): Generator<{ round: number, work: string, system: string }> {
  for (let round = 0; round < runs; round++) {
    for (const work of works) {
      for (const system of rotated(systems, round).filter(system => isFor(WORKS[work], system))) {
        yield { round, work, system }
      }
    }
  }
}

function rotated<T> (values: T[], by: number): T[] {
  return values.map((_, i) => values[(i + by) % values.length])
}

function progress (line: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`)
}
