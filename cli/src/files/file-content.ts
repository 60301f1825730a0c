import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import * as raw from 'multiformats/codecs/raw'
import { CommandError } from '../errors.ts'
import type { BlockReader } from './block-reader.ts'
import type { CID } from 'multiformats/cid'

/**
 * The bytes of a UnixFS file, in their order. The exporter has something like it,
 * which reads on however slowly its reader takes it, so that all of a large file
 * may come to be in memory.
 */
export async function * fileContent (reader: BlockReader, root: CID): AsyncGenerator<Uint8Array> {
  // the next one is the last
  const rest = [root]

  for (let cid = rest.pop(); cid != null; cid = rest.pop()) {
    if (cid.code === raw.code) {
      yield * reader.stream(cid)
    } else if (cid.code === dagPb.code) {
      const { data, links } = decode(cid, await reader.get(cid))

      if (data != null) {
        yield data
      }

      rest.push(...links.reverse())
    } else {
      throw notUnixFS(cid)
    }
  }
}

/**
 * If something is a folder of UnixFS
 */
export async function isFolder (reader: BlockReader, cid: CID): Promise<boolean> {
  return cid.code === dagPb.code && decode(cid, await reader.get(cid)).isFolder
}

function decode (cid: CID, block: Uint8Array): { data?: Uint8Array, links: CID[], isFolder: boolean } {
  try {
    const { Data, Links } = dagPb.decode(block)

    const entry = UnixFS.unmarshal(Data ?? new Uint8Array())

    return {
      data: entry.data,
      links: Links.map(link => link.Hash),
      isFolder: entry.isDirectory()
    }
  } catch (err) {
    throw notUnixFS(cid, err)
  }
}

export function notUnixFS (cid: CID, cause?: unknown): CommandError {
  return new CommandError(`${cid} is no file and no folder of UnixFS`, { cause })
}
