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
 * The bytes of a file, one block after the other
 */
export async function * fileContent (store: Store, root: CID): AsyncGenerator<Uint8Array> {
  const rest = [root]

  for (let cid = rest.pop(); cid != null; cid = rest.pop()) {
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

  const look = async (cid: CID, path: string): Promise<void> => {
    const entry = await exporter(cid, blockstore)

    if (entry.type !== 'directory') {
      files.push({ path, cid: cid.toString(), size: Number(entry.size) })
      return
    }

    for await (const { cid, name } of entry.entries()) {
      await look(cid, path === '' ? name : `${path}/${name}`)
    }
  }

  await look(root, '')
  return files
}

/**
 * How much of a DAG is here: bytes of files, and if that is all of it
 */
export async function presence (store: Store, root: CID): Promise<{ bytes: number, complete: boolean, cids: CID[] }> {
  const found = { bytes: 0, complete: true, cids: [] as CID[] }
  const seen = new Set<string>()

  const look = async (cid: CID, size?: number): Promise<void> => {
    const hash = blockHash(cid)

    if (!await store.has(hash)) {
      found.complete = false
      return
    }

    if (!seen.has(hash)) {
      seen.add(hash)
      found.cids.push(cid)
    }

    if (cid.code === raw.code) {
      found.bytes += size ?? (await readBlock(store, cid)).length
      return
    }

    const { links, sizes, data, folder } = await readNode(store, cid)

    found.bytes += folder ? 0 : data?.length ?? 0

    for (let i = 0; i < links.length; i++) {
      await look(links[i], sizes[i])
    }
  }

  await look(root)
  return found
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
