import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import type { BlockReader } from './block-reader.ts'
import type { CID } from 'multiformats/cid'

/**
 * About how many bytes a file has, or the files in a folder have, according to
 * its root: for the bar only, as nobody has checked that. Undefined if the root
 * does not say.
 */
export async function sizeOf (reader: BlockReader, cid: CID): Promise<number | undefined> {
  if (cid.code !== dagPb.code) {
    return
  }

  try {
    const { Data, Links } = dagPb.decode(await reader.get(cid))
    const unixfs = UnixFS.unmarshal(Data ?? new Uint8Array())

    return unixfs.isDirectory()
      ? Links.reduce((sum, { Tsize = 0 }) => sum + Tsize, 0)
      : Number(unixfs.fileSize())
  } catch {
    // who writes it says what is wrong
  }
}
