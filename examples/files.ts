/* eslint-disable no-console */

/**
 * Makes two folders have the same files, with two libp2p peers in two processes
 * that talk over TCP
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { realpath, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeSamples } from './files/samples.ts'

const HELP = `Usage: npm run example:files -- [<folder A> <folder B>]

Starts two peers, each of which serves the files of a folder by their SHA-256, and adds the files to it that only the
other one has, under their SHA-256 as name. Subfolders and links are left alone. Without folders it makes two samples.

Options:
  --help, -h  Show this
`

const PEER = join(import.meta.dirname, 'files', 'peer.ts')
const NAMES = ['A', 'B']

/**
 * Node.js would let each process keep up to 48 MB more of what is not needed
 * any more, without being faster
 */
const PEER_OPTIONS = ['--max-semi-space-size=4']

async function main (): Promise<number> {
  const { values: { help }, positionals } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true
  })

  if (help === true) {
    process.stdout.write(HELP)
    return 0
  }

  const folders = positionals.length === 0 ? await makeSamples() : await checkFolders(positionals)
  const peers = NAMES.map((name, i) => fork(PEER, [name, folders[i]], { execArgv: [...process.execArgv, ...PEER_OPTIONS] }))
  let interruption = 0

  const stop = (): void => {
    peers.filter(peer => peer.connected).forEach(peer => { peer.disconnect() })
  }

  const onSignal = (signal: 'SIGINT' | 'SIGTERM'): void => {
    interruption = 128 + constants.signals[signal]
    stop()
  }

  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)

  peers[0].once('message', address => {
    if (peers[1].connected) {
      peers[1].send(address)
    }
  })

  const succeeded = await Promise.all(peers.map(async (peer, i) => {
    const [code, signal] = await once(peer, 'exit')

    if (signal != null) {
      console.error('%s: ended by %s', NAMES[i], signal)
    }

    if (code !== 0) {
      // the other one may be waiting for it
      stop()
    }

    return code === 0
  }))

  if (succeeded.includes(false)) {
    console.error('not in sync')
    return interruption === 0 ? 1 : interruption
  }

  console.info('in sync')
  return 0
}

async function checkFolders (folders: string[]): Promise<string[]> {
  if (folders.length !== 2) {
    throw new Error(`Two folders are needed, not ${folders.length}`)
  }

  const [a, b] = await Promise.all(folders.map(async folder => {
    const path = await realpath(folder)

    if (!(await stat(path)).isDirectory()) {
      throw new Error(`${folder} is not a folder`)
    }

    return path
  }))

  if (a === b) {
    throw new Error(`${folders[0]} and ${folders[1]} are the same folder`)
  }

  return [a, b]
}

try {
  process.exitCode = await main()
} catch (err: any) {
  console.error(`error: ${err.message}\n\n${HELP}`)
  process.exitCode = 2
}
