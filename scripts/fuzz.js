#!/usr/bin/env node

/**
 * Gives many inputs to everything that takes bytes of others
 */

import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fuzzTarget } from '../dist/test/fuzz/fuzz-target.js'
import { TARGETS } from '../dist/test/fuzz/targets.js'

// a process that has told of no input for so long hangs
const HANG_MS = 60_000

// by how much a process may grow over all of its inputs: none of them is kept
const MAX_GROWTH_MB = 16

const MB = 1_000_000

const HELP = `Usage: npm run fuzz [-- options] [-- target...]

Gives these targets many inputs, each target in a process of its own, and ends with a
table. An input fails that its target does not take as it should, that ends the
process, that hangs, or that leaves a rejection which nobody handles; a target fails
as well when its process has grown by more than ${MAX_GROWTH_MB} MB in the end. What fast-check says
of an input that fails names a seed and a path, with which it can be tried again.

Targets: ${Object.keys(TARGETS).join(', ')}

Options:
  --runs <n>    How many inputs, of all targets together (default 10000000)
  --seed <n>    Where the random numbers begin (default any)
  --path <p>    Gives one target only the input that a failure has named
  --help, -h    Show this
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31) + 1) },
    path: { type: 'string' },
    help: { type: 'boolean', short: 'h' }
  }
})

const names = positionals.length > 0 ? positionals : Object.keys(TARGETS)
const unknown = names.filter(name => !(name in TARGETS))
const runs = Number(values.runs)
const seed = Number(values.seed)

if (process.send != null) {
  await fuzzHere(names[0])
} else if (values.help === true) {
  process.stdout.write(HELP)
} else if (unknown.length > 0) {
  refuse(`No such target: ${unknown.join(', ')}`)
} else if (![runs, seed].every(n => Number.isSafeInteger(n) && n > 0)) {
  refuse('--runs and --seed must be whole numbers above 0')
} else if (values.path != null && names.length > 1) {
  refuse('--path needs one target')
} else {
  await fuzzAll()
}

/**
 * @param {string} reason
 */
function refuse (reason) {
  process.stderr.write(`${reason}\n\n${HELP}`)
  process.exitCode = 2
}

async function fuzzAll () {
  const shares = names.reduce((sum, name) => sum + TARGETS[name].share, 0)
  const waiting = [...names]
  /** @type {Map<string, { inputs: number, seconds: number, growth?: number, rss?: number, failed: boolean }>} */
  const results = new Map()
  const progress = setInterval(() => {
    const inputs = [...results.values()].reduce((sum, { inputs }) => sum + inputs, 0)

    process.stderr.write(`${inputs} of ${runs} inputs\n`)
  }, 30_000)

  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (let name = waiting.shift(); name != null; name = waiting.shift()) {
      const result = { inputs: 0, seconds: 0, failed: true }

      results.set(name, result)
      Object.assign(result, await fuzzInProcess(name, Math.ceil(runs * TARGETS[name].share / shares), result))
    }
  }))

  clearInterval(progress)

  // eslint-disable-next-line no-console
  console.table(names.map(name => {
    const { inputs, seconds, growth, rss, failed } = results.get(name) ?? {}

    return { target: name, inputs, seconds, 'inputs/s': Math.round(inputs / seconds), 'growth, MB': growth, 'peak RSS, MB': rss, result: failed ? 'FAILED' : 'passed' }
  }))

  const failed = names.filter(name => results.get(name)?.failed)

  process.stdout.write(`${[...results.values()].reduce((sum, { inputs }) => sum + inputs, 0)} inputs, ${failed.length} targets failed (seed ${seed})\n`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

/**
 * @param {string} name
 * @param {number} count
 * @param {{ inputs: number }} result - what is known of it so far
 */
async function fuzzInProcess (name, count, result) {
  const started = performance.now()
  const child = fork(import.meta.filename, ['--runs', String(count), '--seed', String(seed), ...(values.path == null ? [] : ['--path', values.path]), name])
  let end = { failed: true }
  const kill = () => {
    process.stderr.write(`${name}: nothing for ${HANG_MS / 1000} s after ${result.inputs} inputs, stopping it\n`)
    child.kill('SIGKILL')
  }
  const hang = setTimeout(kill, HANG_MS)

  child.on('message', (/** @type {any} */ { inputs, ...rest }) => {
    hang.refresh()
    result.inputs = inputs
    end = { ...end, ...rest }
  })

  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })

  clearTimeout(hang)

  return { ...end, seconds: Math.round((performance.now() - started) / 100) / 10, failed: end.failed || code !== 0 }
}

/**
 * In a process of its own
 *
 * @param {string} name
 */
async function fuzzHere (name) {
  setFlagsFromString('--expose-gc')

  const gc = runInNewContext('gc')
  const used = () => {
    gc()
    const { heapUsed, arrayBuffers } = process.memoryUsage()

    return (heapUsed + arrayBuffers) / MB
  }
  const warmUp = Math.min(2000, runs / 2)
  let inputs = 0
  let told = performance.now()
  let before = used()

  try {
    await fuzzTarget(name, {
      runs,
      seed,
      path: values.path,
      onInput: () => {
        inputs++

        if (inputs === warmUp) {
          before = used()
        }

        if (inputs % 64 === 0 && performance.now() - told > 1000) {
          told = performance.now()
          process.send?.({ inputs })
        }
      }
    })

    // what is only kept by a timer
    await new Promise(resolve => { setTimeout(resolve, 2000) })

    const growth = Math.round((used() - before) * 10) / 10

    process.send?.({ inputs, growth, rss: Math.round(process.resourceUsage().maxRSS * 1024 / MB), failed: growth > MAX_GROWTH_MB })
  } catch (/** @type {any} */ err) {
    process.stderr.write(`${name}: ${err.stack}\n`)
    process.send?.({ inputs, failed: true })
  }

  process.disconnect()
}
