#!/usr/bin/env node

/**
 * Runs all checks and tests, stage by stage, and ends with the line `N passed, N failed`. A test counts as one, and
 * so does a stage that isn't made of tests.
 */

import { spawn } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'

// the slowest single test has a minute, so that a stage that has been silent for longer than this hangs; the browser
// runner does so when a spec throws while it is loaded
const SILENCE_MS = 300_000

// how long a stage that is told to end may take before it is killed
const KILL_MS = 10_000

// characters of what a stage wrote of its failures that are shown again at the end, where a cut log still has them
const FAILURES_LENGTH = 5_000

/**
 * npm scripts by stage, of this package and, as [script, workspace], of the
 * command line tool. The build comes first because the documentation is checked
 * against what was built, and it starts from an empty folder because the browser
 * would also run what is left there of a spec that is gone.
 *
 * @type {Record<string, { scripts: Array<string | [string, string]>, tests?: true }>}
 */
const STAGES = {
  build: { scripts: ['clean', 'build', ['clean', 'cli'], ['build', 'cli']] },
  lint: { scripts: ['lint', ['lint', 'cli']] },
  'dep-check': { scripts: ['dep-check', ['dep-check', 'cli']] },
  'doc-check': { scripts: ['doc-check'] },
  node: { scripts: ['test:node'], tests: true },
  chrome: { scripts: ['test:chrome'], tests: true },
  cli: { scripts: [['test', 'cli']], tests: true }
}

const HELP = `Usage: npm test [-- stage...]

Runs these stages, or the named ones only, in this order:

  ${Object.keys(STAGES).join(', ')}

When the build fails the others are not run, otherwise all of them are. The last line is 'N passed, N failed': every
test counts as one, and so does every stage that isn't made of tests. The exit code is 0 only if nothing failed and
every stage of tests ran at least one test.

Options:
  --help, -h  Show this
`

/** @type {import('node:child_process').ChildProcess | undefined} */
let running

/**
 * Runs one npm script, showing its output as it comes
 *
 * @param {string | [string, string]} script
 * @param {string[]} flags
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
async function run (script, flags) {
  // a process group of its own, so that nothing of it is left when it has to be stopped
  const [name, ...workspace] = [script].flat()
  const child = running = spawn('npm', ['run', name, ...workspace.flatMap(folder => ['-w', folder]), ...flags], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {})
    }
  })
  let output = ''
  let silent = false

  const silence = setTimeout(() => {
    silent = true
    process.stdout.write(`\n${name}: no output for ${SILENCE_MS / 1000} seconds, stopping it\n`)
    stop('SIGTERM')
    setTimeout(stop, KILL_MS, 'SIGKILL').unref()
  }, SILENCE_MS)

  child.stdout.on('data', chunk => {
    silence.refresh()
    process.stdout.write(chunk)
    output += chunk
  })
  child.stderr.on('data', chunk => {
    silence.refresh()
    process.stderr.write(chunk)
  })

  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })

    return { ok: code === 0 && !silent, output: stripVTControlCharacters(output) }
  } finally {
    clearTimeout(silence)
    running = undefined
  }
}

/**
 * @param {NodeJS.Signals} signal
 */
function stop (signal) {
  if (running?.pid == null) {
    return
  }

  try {
    process.kill(-running.pid, signal)
  } catch (/** @type {any} */ err) {
    if (err.code !== 'ESRCH') {
      throw err
    }
  }
}

/**
 * What mocha wrote at its end, such as '  12 passing (3s)'
 *
 * @param {string} output
 * @param {'passing' | 'failing' | 'pending'} what
 */
function count (output, what) {
  return Number([...output.matchAll(new RegExp(`^\\s*(\\d+) ${what}( \\(.+\\))?$`, 'gm'))].pop()?.[1] ?? 0)
}

/**
 * What mocha wrote of the tests that failed, or what a stage wrote last
 *
 * @param {string} output
 */
function failures (output) {
  const start = output.search(/^\s*\d+ failing$/m)

  return start === -1 ? output.slice(-FAILURES_LENGTH) : output.slice(start, start + FAILURES_LENGTH)
}

/**
 * @param {string} name
 * @param {string[]} flags
 */
async function runStage (name, flags) {
  const started = performance.now()
  const stage = STAGES[name]
  let ok = true
  let output = ''

  for (const script of stage.scripts) {
    if (ok) {
      ({ ok, output } = await run(script, flags))
    }
  }

  const result = {
    name,
    seconds: (performance.now() - started) / 1000,
    passed: ok ? 1 : 0,
    failed: ok ? 0 : 1,
    note: ok ? 'passed' : 'failed',
    failures: ''
  }

  if (stage.tests) {
    result.passed = count(output, 'passing')
    result.failed = count(output, 'failing')
    result.note = `${result.passed} passed, ${result.failed} failed, ${count(output, 'pending')} skipped`

    if (result.passed + result.failed === 0) {
      result.failed = 1
      result.note = 'failed: no test was run'
    } else if (!ok && result.failed === 0) {
      result.failed = 1
      result.note += ', but the run ended with an error'
    }
  }

  if (result.failed > 0) {
    result.failures = failures(output)
  }

  return result
}

async function main () {
  const args = process.argv.slice(2)

  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP)
    return
  }

  const unknown = args.filter(arg => !Object.hasOwn(STAGES, arg))

  if (unknown.length > 0) {
    process.stderr.write(`Unknown: ${unknown.join(', ')}\n\n${HELP}`)
    process.exitCode = 2
    return
  }

  for (const [signal, code] of /** @type {const} */ ([['SIGINT', 130], ['SIGTERM', 143]])) {
    process.once(signal, () => {
      stop(signal)
      process.exit(code)
    })
  }

  const names = Object.keys(STAGES).filter(name => args.length === 0 || args.includes(name))
  const results = []

  for (const name of names) {
    process.stdout.write(`\n== ${name}\n`)

    // run by themselves the browser tests build first, in a script that npm runs before theirs
    const result = await runStage(name, names.includes('build') ? ['--ignore-scripts'] : [])
    results.push(result)
    process.stdout.write(`== ${name}: ${result.note} (${result.seconds.toFixed(1)} s)\n`)

    if (name === 'build' && result.failed > 0) {
      break
    }
  }

  process.stdout.write('\n')

  for (const { name, failures } of results) {
    if (failures !== '') {
      process.stdout.write(`== ${name}: what failed\n${failures}\n\n`)
    }
  }

  for (const name of names) {
    const result = results.find(result => result.name === name)

    process.stdout.write(`${name.padEnd(10)} ${(result?.seconds.toFixed(1) ?? '-').padStart(7)} s  ${result?.note ?? 'not run'}\n`)
  }

  const passed = results.reduce((sum, result) => sum + result.passed, 0)
  const failed = results.reduce((sum, result) => sum + result.failed, 0)

  process.exitCode = failed > 0 ? 1 : 0
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
}

await main()
