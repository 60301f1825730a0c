/* eslint-disable no-console */

/**
 * One of the two processes that `files.ts` starts: serves a folder to the other
 * one, and adds what only the other one has to it
 */

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { hashExchange } from 'libp2p-hash-exchange'
import { FolderSync } from './folder-sync.ts'
import { Folder } from './folder.ts'
import { formatBytes, formatFiles, Progress } from './progress.ts'
import type { Exchange } from 'libp2p-hash-exchange'

const [name, path] = process.argv.slice(2)
const scanned = new Progress('read', say)
const received = new Progress('received', say)
const stop = new AbortController()

// we are disconnected to stop us, and also when the other process is gone
for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) {
  process.once(event, () => { stop.abort(new Error('stopped')) })
}

try {
  process.exitCode = await run(stop.signal) ? 0 : 1
} catch (err: any) {
  complain(`error: ${err.message}`)
  process.exitCode = 1
} finally {
  scanned.stop()
  received.stop()
  say(`${received}, peak memory ${formatBytes(process.resourceUsage().maxRSS * 1024)}`)

  if (process.connected) {
    process.disconnect()
  }
}

/**
 * Resolves to true when both folders have the same content, to false when they
 * could not get it
 */
async function run (signal: AbortSignal): Promise<boolean> {
  const folder = new Folder(path)

  await folder.scan(scanned, signal)
  scanned.stop()

  say(`${path} has ${formatFiles(folder.files.size)}, ${formatBytes(folder.bytes)}`)

  if (folder.ignored > 0) {
    say(`${folder.ignored} subfolders or links in it are left alone`)
  }

  const sync = new FolderSync(folder, received, complain)
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { hashExchange: hashExchange({ createReadStream: sync.createReadStream }) }
  })
  const service = node.services.hashExchange

  try {
    return await new Promise<boolean>((resolve, reject) => {
      const start = (ex: Exchange): void => {
        signal.removeEventListener('abort', onAbort)
        signal.addEventListener('abort', () => { ex.abort(signal.reason) })
        sync.run(ex).then(resolve, reject)
      }

      const onAbort = (): void => { reject(signal.reason) }

      signal.throwIfAborted()
      signal.addEventListener('abort', onAbort)

      // one of us is told the address of the other one
      process.once('message', (address: string) => {
        service.open(multiaddr(address), { signal }).then(start).catch(reject)
      })
      service.addEventListener('exchange', ({ detail: ex }) => { start(ex) }, { once: true })

      if (process.connected) {
        process.send?.(node.getMultiaddrs()[0].toString())
      }
    })
  } finally {
    await node.stop()
  }
}

function say (text: string): void {
  console.info(`${name}: ${text}`)
}

function complain (text: string): void {
  console.error(`${name}: ${text}`)
}
