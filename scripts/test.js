#!/usr/bin/env node

/**
 * Runs all checks and tests, stage by stage, and ends with the line `N passed, N failed`. A test counts as one, and
 * so does a stage that isn't made of tests.
 */

import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

// how many stages run side by side after the build: each of them keeps a core busy, and some a second one now and then
const LANES = Math.min(2, availableParallelism())

// the slowest single test has a minute, so that a stage that has been silent for longer than this hangs; the browser
// runner does so when a spec throws while it is loaded
const SILENCE_MS = 300_000

// how long a stage that is told to end may take before it is killed
const KILL_MS = 10_000

// characters of what a stage wrote of its failures that are shown again at the end, where a cut log still has them
const FAILURES_LENGTH = 5_000

const COMPILE_CACHE = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url))

/**
 * npm scripts by stage, of this package and, as [script, workspace], of the others
 * that are in it. The build comes first because the others use what was built, and
 * it starts from an empty folder because the browser would also run what is left
 * there of a spec that is gone. The others come in the order of the time they take,
 * so that no lane is left with a long one. `aegir lint` runs `doc-check` as well.
 *
 * @type {Record<string, { scripts: Array<string | [string, string]>, tests?: true }>}
 */
const STAGES = {
  build: { scripts: ['clean', 'build', ...inWorkspaces('clean'), ...inWorkspaces('build')] },
  node: { scripts: ['test:node'], tests: true },
  chrome: { scripts: ['test:chrome'], tests: true },
  // a worker is no other engine than a page, so it runs what uses that which it has of its own (timers, streams,
  // WebSockets, IndexedDB, WebCrypto), and all in test:long
  webworker: { scripts: ['test:webworker'], tests: true },
  cli: { scripts: [['test', 'cli']], tests: true },
  e2e: { scripts: [['test:e2e', 'examples/browser']], tests: true },
  lint: { scripts: ['lint', ...inWorkspaces('lint')] },
  'dep-check': { scripts: ['dep-check', ...inWorkspaces('dep-check')] }
}

/**
 * @param {string} script
 * @returns {Array<[string, string]>}
 */
function inWorkspaces (script) {
  return [[script, 'cli'], [script, 'examples/browser']]
}

const HELP = `Usage: npm test [-- stage...]

Runs these stages, or the named ones only, and begins them in this order:

  ${Object.keys(STAGES).join(', ')}

After the build two of them run side by side, where there are two cores; without the build they run one by one, as each
builds what it needs. What they write is shown stage by stage: the first of those that run as it comes, the others
when it has ended. When the build fails the others are not run, otherwise all of them are.

The last line is 'N passed, N failed': every test counts as one, and so does every stage that isn't made of tests. The
exit code is 0 only if nothing failed and every stage of tests ran at least one test.

Options:
  --help, -h  Show this
`

/**
 * What one stage writes. That of the stage which began first is shown as it comes,
 * that of the next is kept until the first has ended, so that each is in one piece.
 */
class Output {
  /** @type {Output[]} */
  static #open = []
  /** @type {Array<[NodeJS.WriteStream, string]>} */
  #kept = []
  #ended = false

  constructor () {
    Output.#open.push(this)
  }

  /**
   * @param {string} text
   * @param {NodeJS.WriteStream} [stream]
   */
  write (text, stream = process.stdout) {
    if (Output.#open[0] === this) {
      stream.write(text)
    } else {
      this.#kept.push([stream, text])
    }
  }

  end () {
    this.#ended = true

    while (Output.#open[0]?.#ended) {
      Output.#open.shift()
      Output.#open[0]?.#kept.splice(0).forEach(([stream, text]) => { stream.write(text) })
    }
  }
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

/**
 * The exit code when a signal has come
 *
 * @type {number | undefined}
 */
let interrupted

/**
 * Runs one npm script
 *
 * @param {string | [string, string]} script
 * @param {string[]} flags
 * @param {Output} output
 * @returns {Promise<{ ok: boolean, stdout: string }>}
 */
async function run (script, flags, output) {
  // a process group of its own, so that nothing of it is left when it has to be stopped
  const [name, ...workspace] = [script].flat()
  const child = spawn('npm', ['run', name, ...workspace.flatMap(folder => ['-w', folder]), ...flags], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      // many tests begin processes, all of the same modules
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...process.env,
      ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {})
    }
  })
  let stdout = ''
  let silent = false

  running.add(child)

  const silence = setTimeout(() => {
    silent = true
    output.write(`\n${name}: no output for ${SILENCE_MS / 1000} seconds, stopping it\n`)
    stop(child, 'SIGTERM')
    setTimeout(stop, KILL_MS, child, 'SIGKILL').unref()
  }, SILENCE_MS)

  child.stdout.setEncoding('utf8').on('data', text => {
    silence.refresh()
    output.write(text)
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    silence.refresh()
    output.write(text, process.stderr)
  })

  try {
    const code = await new Promise(resolve => {
      child.once('error', err => {
        output.write(`${err}\n`, process.stderr)
        resolve(1)
      })
      child.once('close', resolve)
    })

    return { ok: code === 0 && !silent, stdout: stripVTControlCharacters(stdout) }
  } finally {
    clearTimeout(silence)
    running.delete(child)
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
function stop (child, signal) {
  if (child.pid == null || !running.has(child)) {
    return
  }

  try {
    process.kill(-child.pid, signal)
  } catch (/** @type {any} */ err) {
    if (err.code !== 'ESRCH') {
      throw err
    }
  }
}

/**
 * Stops all that runs, and ends when that has ended. A signal may come twice, from the terminal and from npm.
 *
 * @param {NodeJS.Signals} signal
 * @param {number} code
 */
function interrupt (signal, code) {
  if (interrupted != null) {
    return
  }

  interrupted = code
  running.forEach(child => { stop(child, signal) })

  setTimeout(() => {
    running.forEach(child => { stop(child, 'SIGKILL') })
    process.exit(code)
  }, KILL_MS).unref()
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
  const output = new Output()
  let ok = true
  let stdout = ''

  output.write(`\n== ${name}\n`)

  for (const script of stage.scripts) {
    if (ok && interrupted == null) {
      ({ ok, stdout } = await run(script, flags, output))
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
    result.passed = count(stdout, 'passing')
    result.failed = count(stdout, 'failing')
    result.note = `${result.passed} passed, ${result.failed} failed, ${count(stdout, 'pending')} skipped`

    if (result.passed + result.failed === 0) {
      result.failed = 1
      result.note = 'failed: no test was run'
    } else if (!ok && result.failed === 0) {
      result.failed = 1
      result.note += ', but the run ended with an error'
    }
  }

  if (result.failed > 0) {
    result.failures = failures(stdout)
  }

  if (interrupted == null) {
    output.write(`== ${name}: ${result.note} (${result.seconds.toFixed(1)} s)\n`)
  }

  output.end()

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
    process.on(signal, () => { interrupt(signal, code) })
  }

  const started = performance.now()
  const names = Object.keys(STAGES).filter(name => args.length === 0 || args.includes(name))
  const builds = names.includes('build')
  const waiting = [...names]
  /** @type {Array<Awaited<ReturnType<typeof runStage>>>} */
  const results = []

  /**
   * Runs one of the stages that wait after the other
   */
  const runNext = async () => {
    const name = interrupted == null ? waiting.shift() : undefined

    if (name != null) {
      // run by themselves some build first, in a script that npm runs before theirs
      results.push(await runStage(name, builds ? ['--ignore-scripts'] : []))
      await runNext()
    }
  }

  if (builds) {
    waiting.shift()
    results.push(await runStage('build', ['--ignore-scripts']))
  }

  if (results.every(({ failed }) => failed === 0)) {
    await Promise.all(Array.from({ length: builds ? LANES : 1 }, runNext))
  }

  if (interrupted != null) {
    process.exitCode = interrupted
    return
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

  process.stdout.write(`${'all'.padEnd(10)} ${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s\n`)

  const passed = results.reduce((sum, result) => sum + result.passed, 0)
  const failed = results.reduce((sum, result) => sum + result.failed, 0)

  process.exitCode = failed > 0 ? 1 : 0
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
}

await main()
