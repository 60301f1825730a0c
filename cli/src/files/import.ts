import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { importer } from 'ipfs-unixfs-importer'
import { blockHash } from 'libp2p-hash-exchange'
import { CommandError } from '../errors.ts'
import { orGone, whyGone } from './walk.ts'
import type { Found } from './walk.ts'
import type { ImportCandidate, WritableStorage } from 'ipfs-unixfs-importer'
import type { Store } from 'libp2p-hash-exchange'
import type { CID } from 'multiformats/cid'

/**
 * How files become blocks: as kubo and Helia do it by this profile, so that the
 * same files have the same CIDs there: blocks of 1 MiB, 1,024 links in a node
 */
const PROFILE = 'unixfs-v1-2025'

/**
 * How many files are read at a time, and how many blocks of each are written: at
 * most 128 MiB are in memory then
 */
const FILES = 32
const BLOCKS = 4

/**
 * As much as a block has, so that nothing has to be joined
 */
const READ_BYTES = 1024 * 1024

export interface ImportOptions {
  /**
   * Called when some bytes of a file were read
   */
  onRead(bytes: number): void

  /**
   * Called for a file that was found and is gone since, and left out
   */
  onSkipped(path: string, what: string): void

  signal: AbortSignal
}

/**
 * Puts files into a store as a UnixFS DAG, and resolves to its root. What is
 * there already is not written again. The name is that of the file, or of the
 * folder that the files are in.
 */
export async function importFiles (store: Store, name: string, found: Iterable<Found>, { onRead, onSkipped, signal }: ImportOptions): Promise<CID> {
  const blockstore: WritableStorage = {
    async put (cid, block) {
      signal.throwIfAborted()
      await store.put(blockHash(cid), block)

      return cid
    }
  }

  const candidates = async function * (): AsyncGenerator<ImportCandidate> {
    for (const { path, place, size } of found) {
      signal.throwIfAborted()

      if (place !== '' && size != null && await isGone(path)) {
        onSkipped(path, whyGone(path))
        continue
      }

      yield {
        path: place === '' ? name : `${name}/${place}`,
        ...(size == null ? {} : { content: read(path, size, onRead, signal) })
      }
    }
  }

  let root: CID | undefined

  for await (const { cid, path } of importer(candidates(), blockstore, { profile: PROFILE, fileImportConcurrency: FILES, blockWriteConcurrency: BLOCKS })) {
    signal.throwIfAborted()

    if (path === name) {
      root = cid
    }
  }

  if (root == null) {
    throw new CommandError(`${name} could not be added: it has no root`)
  }

  return root
}

async function isGone (path: string): Promise<boolean> {
  return await orGone(access(path).then(() => true, err => {
    if (err.code === 'ENOENT') {
      throw err
    }

    // why it can't be read is told where it is read
    return true
  })) == null
}

async function * read (path: string, size: number, onRead: (bytes: number) => void, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  // as much memory is taken for each file, however small
  const highWaterMark = Math.min(READ_BYTES, Math.max(1, size))

  for await (const chunk of createReadStream(path, { highWaterMark })) {
    signal.throwIfAborted()
    onRead(chunk.length)
    yield chunk
  }
}
