import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { exporter } from 'ipfs-unixfs-exporter'
import { blockHash } from 'libp2p-hash-exchange'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { concat } from 'uint8arrays/concat'
import type { Store } from 'libp2p-hash-exchange'
import type { CID } from 'multiformats/cid'

export interface FolderFile {
  path: string
  cid: string
  size: number
}

const MAX_COUNT = 1_000_000

interface Node {
  /**
   * Content that is in the node itself
   */
  data?: Uint8Array
  links: CID[]
  /**
   * How many bytes of the file each of the links has, if it is of a file
   */
  sizes: number[]
  folder: boolean
}

/**
 * The block, whose hash is checked. Throws if it is not there, or is not what it
 * should be.
 */
export async function readBlock (store: Store, cid: CID): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []

  for await (const chunk of store.get(blockHash(cid))) {
    chunks.push(chunk)
  }

  const block = concat(chunks)
  const { digest } = await sha256.digest(block)

  if (digest.some((byte, i) => byte !== cid.multihash.digest[i])) {
    throw new Error('A part of it is damaged in this browser. Remove it here, and get it from another peer again.')
  }

  return block
}

/**
 * The bytes of a file, one block after the other. Anybody may have made it: one whose
 * blocks lead to each other many times would have no end.
 */
export async function * fileContent (store: Store, root: CID): AsyncGenerator<Uint8Array> {
  const rest = [root]
  let blocks = 0

  for (let cid = rest.pop(); cid != null; cid = rest.pop()) {
    checkCount(++blocks)

    if (cid.code === raw.code) {
      yield readBlock(store, cid)
    } else {
      const { data, links } = await readNode(store, cid)

      if (data != null) {
        yield data
      }

      rest.push(...links.reverse())
    }
  }
}

/**
 * The files in a folder, and in those in it. A large folder is a tree of blocks,
 * which the exporter knows to read.
 */
export async function folderFiles (store: Store, root: CID): Promise<FolderFile[]> {
  const blockstore = { get: async function * (cid: CID) { yield readBlock(store, cid) } }
  const files: FolderFile[] = []
  const rest = [{ cid: root, path: '' }]
  let entries = 0

  for (let next = rest.pop(); next != null; next = rest.pop()) {
    const { cid, path } = next
    const entry = await exporter(cid, blockstore)

    checkCount(++entries)

    if (entry.type === 'directory') {
      for await (const { cid, name } of entry.entries()) {
        rest.push({ cid, path: path === '' ? name : `${path}/${name}` })
        checkCount(rest.length)
      }
    } else {
      files.push({ path, cid: cid.toString(), size: Number(entry.size) })
    }
  }

  return files.sort((a, b) => a.path < b.path ? -1 : 1)
}

export interface Presence {
  /**
   * Of the file or the files, at least
   */
  bytes: number
  complete: boolean
  /**
   * The hashes of the blocks of it that are here, and of those that are known not to be
   */
  here: Set<string>
  missing: Set<string>
}

/**
 * How much of a DAG is here. Each block is looked at once, however often it is in it.
 */
export async function presence (store: Store, root: CID): Promise<Presence> {
  const found: Presence = { bytes: 0, complete: true, here: new Set(), missing: new Set() }
  const rest: Array<{ cid: CID, size?: number }> = [{ cid: root }]

  for (let next = rest.pop(); next != null; next = rest.pop()) {
    const { cid, size } = next
    const hash = blockHash(cid)

    if (found.here.has(hash) || found.missing.has(hash)) {
      continue
    }

    if (!await store.has(hash)) {
      found.missing.add(hash)
      found.complete = false
      continue
    }

    found.here.add(hash)

    try {
      if (cid.code === raw.code) {
        found.bytes += size ?? (await readBlock(store, cid)).length
      } else {
        const { links, sizes, data, folder } = await readNode(store, cid)

        found.bytes += folder ? 0 : data?.length ?? 0
        rest.push(...links.map((cid, i) => ({ cid, size: sizes[i] })))
      }
    } catch {
      // it is not what its name says
      found.complete = false
    }
  }

  return found
}

/**
 * More than any file or folder has that a browser could hold
 */
function checkCount (count: number): void {
  if (count > MAX_COUNT) {
    throw new Error('It has too many parts to be a file or a folder that somebody has added.')
  }
}

async function readNode (store: Store, cid: CID): Promise<Node> {
  if (cid.code !== dagPb.code) {
    throw new Error(`${cid} is no file and no folder of UnixFS`)
  }

  const { Data, Links } = dagPb.decode(await readBlock(store, cid))
  const entry = UnixFS.unmarshal(Data ?? new Uint8Array())
  const folder = entry.isDirectory()

  return { data: entry.data, links: Links.map(({ Hash }) => Hash), sizes: folder ? [] : entry.blockSizes.map(Number), folder }
}
