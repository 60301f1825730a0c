import { hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', (bytes: Uint8Array) => {
  parentPort?.postMessage(hash('sha256', bytes, 'buffer'))
})
