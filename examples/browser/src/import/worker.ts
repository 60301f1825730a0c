import { importer } from 'ipfs-unixfs-importer'
import { identity } from 'multiformats/hashes/identity'
import type { FromImport, ImportItem, ToImport } from './messages.ts'
import type { ImportCandidate } from 'ipfs-unixfs-importer'
import type { CID } from 'multiformats/cid'

/**
 * As the command line tool does it, so that the same files have the same CIDs
 */
const PROFILE = 'unixfs-v1-2025'

/**
 * How many files are read at a time, and how many blocks of each are written: at
 * most 16 MiB are in memory then
 */
const FILES = 4
const BLOCKS = 4

const READ_BYTES = 1024 * 1024

// who waits for a block to be stored; where that fails the page ends this thread
const stored = new Map<number, () => void>()
let count = 0
let read = 0
let files = 0

addEventListener('message', ({ data }: MessageEvent<ToImport>) => {
  if (data.type === 'start') {
    run(data.name, data.items).then(tell, (err: Error) => { tell({ type: 'error', message: err.message }) })
  } else {
    stored.get(data.id)?.()
    stored.delete(data.id)
  }
})

async function run (name: string, items: ImportItem[]): Promise<FromImport> {
  let root: CID | undefined

  for await (const { cid, path } of importer(candidates(items), { put }, { profile: PROFILE, fileImportConcurrency: FILES, blockWriteConcurrency: BLOCKS })) {
    if (path === name) {
      root = cid
    }
  }

  if (root == null) {
    throw new Error(`${name} could not be added: it has no root`)
  }

  return { type: 'done', cid: root.toString(), size: read }
}

async function * candidates (items: ImportItem[]): AsyncGenerator<ImportCandidate> {
  for (const { path, file } of items) {
    yield { path, content: content(path, file) }
  }
}

async function * content (path: string, file: File): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < file.size; start += READ_BYTES) {
    let bytes: Uint8Array

    try {
      bytes = new Uint8Array(await file.slice(start, start + READ_BYTES).arrayBuffer())
    } catch (err: any) {
      throw new Error(`${path} could not be read (${err.message}): it may have been changed, moved or deleted meanwhile. Add it again.`)
    }

    read += bytes.length
    tell({ type: 'read', bytes: read, files })
    yield bytes
  }

  files++
  tell({ type: 'read', bytes: read, files })
}

/**
 * The store is where the peer is, which has to be in the page, as WebRTC is nowhere
 * else
 */
async function put (cid: CID, bytes: Uint8Array): Promise<CID> {
  if (cid.multihash.code !== identity.code) {
    const id = count++
    // as its own, to be handed over and not copied
    const own = bytes.slice()

    postMessage({ type: 'block', id, cid: cid.bytes, bytes: own } satisfies FromImport, { transfer: [own.buffer] })
    await new Promise<void>(resolve => { stored.set(id, resolve) })
  }

  return cid
}

function tell (message: FromImport): void {
  postMessage(message)
}
