#!/usr/bin/env node

/* eslint-disable no-console */

/**
 * Runs what the README shows first, on the project's own files, in a folder that
 * is gone afterwards: two repos, what is added to one, served and synced to the
 * other, and the bytes are equal. Prints each command as it goes.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const BIN = resolve(import.meta.dirname, '..', 'bin', 'hash-exchange.js')
const FILES = resolve(import.meta.dirname, '..', '..', 'src')

const HELP = `Usage: npm start -- [<folder>]

Makes two repos, adds the folder (by default the sources of this project) to one, serves it, syncs the other with it over
TCP, writes the folder from there, and compares the bytes. Everything is in a temporary folder, which is removed.

Options:
  --help, -h  Show this
`

// on loopback, as nobody else is meant to see it
const LISTEN = '/ip4/127.0.0.1/tcp/0'

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

/**
 * Starts the tool in the folder of the demonstration
 *
 * @param {string} cwd
 * @param {string[]} args
 * @param {'inherit' | 'pipe'} [stderr]
 */
function start (cwd, args, stderr = 'inherit') {
  console.info(`\n$ hash-exchange ${args.join(' ')}`)

  const child = spawn(process.execPath, [BIN, ...args], { cwd, stdio: ['ignore', 'pipe', stderr] })

  running.add(child)
  child.once('close', () => { running.delete(child) })

  return child
}

/**
 * Runs the tool to its end, and resolves to the first line that it wrote
 *
 * @param {string} cwd
 * @param {string[]} args
 */
async function run (cwd, ...args) {
  const child = start(cwd, args)
  let stdout = ''

  child.stdout?.setEncoding('utf8').on('data', text => {
    stdout += text
    process.stdout.write(text)
  })

  const [code, signal] = await once(child, 'close')

  if (code !== 0) {
    throw new Error(`hash-exchange ${args[0]} ended with ${code ?? signal}`)
  }

  return stdout.split('\n')[0]
}

/**
 * Starts the tool to serve, and resolves to its first address when it does. What
 * it writes is told from what others do meanwhile.
 *
 * @param {string} cwd
 * @param {string[]} args
 * @returns {Promise<{ child: import('node:child_process').ChildProcess, address: string }>}
 */
async function serve (cwd, ...args) {
  const child = start(cwd, args, 'pipe')
  const lines = createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stdout) })
  const notes = createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stderr) })

  lines.on('line', line => { console.info(`[a] ${line}`) })
  notes.on('line', line => { console.error(`[a] ${line}`) })

  const serving = new Promise(resolve => {
    notes.on('line', line => {
      if (line.startsWith('serving ')) {
        resolve(line)
      }
    })
  })

  const [[address]] = await Promise.race([
    Promise.all([once(lines, 'line'), serving]),
    once(child, 'close').then(([code, signal]) => { throw new Error(`hash-exchange serve ended with ${code ?? signal}`) })
  ])

  return { child, address }
}

/**
 * The files below a folder, by their place in it
 *
 * @param {string} folder
 */
async function filesOf (folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })

  return entries
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

/**
 * Throws if two folders don't have the same files with the same bytes
 *
 * @param {string} a
 * @param {string} b
 */
async function compare (a, b) {
  const [names, others] = [await filesOf(a), await filesOf(b)]
  let bytes = 0

  if (names.join('\n') !== others.join('\n')) {
    throw new Error(`${a} and ${b} don't have the same files`)
  }

  for (const name of names) {
    const content = await readFile(join(a, name))

    if (!content.equals(await readFile(join(b, name)))) {
      throw new Error(`${name} is not the same in ${a} and ${b}`)
    }

    bytes += content.length
  }

  return { files: names.length, bytes }
}

/**
 * @param {string} cwd
 * @param {string} folder
 */
async function demonstrate (cwd, folder) {
  const name = basename(folder)

  // under its own name, so that the commands are those that one would give
  await symlink(folder, join(cwd, name), 'junction')

  await run(cwd, 'init', '--repo', 'a')
  const added = await run(cwd, 'add', name, '--repo', 'a')
  const { child, address } = await serve(cwd, 'serve', '--repo', 'a', '--listen', LISTEN)
  await run(cwd, 'init', '--repo', 'b')
  await run(cwd, 'sync', address, '--repo', 'b')
  await run(cwd, 'get', added.split(' ')[0], '-o', 'copy', '--repo', 'b')

  console.info('\n^C (to serve)')
  child.kill('SIGINT')
  await once(child, 'close')

  const { files, bytes } = await compare(folder, join(cwd, 'copy'))
  console.info(`\n${name} and copy are equal: ${files} files, ${bytes} bytes`)
}

async function main () {
  const args = process.argv.slice(2)

  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP)
    return
  }

  const folder = resolve(args[0] ?? FILES)

  if (args.length > 1 || !existsSync(folder)) {
    process.stderr.write(args.length > 1 ? HELP : `error: there is no folder ${folder}\n`)
    process.exitCode = 2
    return
  }

  const cwd = await mkdtemp(join(tmpdir(), 'hash-exchange-demo-'))

  for (const [signal, code] of /** @type {const} */ ([['SIGINT', 130], ['SIGTERM', 143]])) {
    process.once(signal, () => {
      process.exitCode = code
      running.forEach(child => { child.kill('SIGINT') })
    })
  }

  try {
    await demonstrate(cwd, folder)
  } catch (/** @type {any} */ err) {
    console.error(`error: ${err.message}`)
    process.exitCode ||= 1
  } finally {
    for (const child of running) {
      child.kill('SIGKILL')
      await once(child, 'close')
    }

    await rm(cwd, { recursive: true, force: true })
  }
}

await main()
