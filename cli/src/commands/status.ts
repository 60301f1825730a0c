import { statfs } from 'node:fs/promises'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { withRepo } from '../context.ts'
import { OK } from '../exit-codes.ts'
import { formatBytes } from '../format.ts'
import { sizeOfFiles } from '../repo/size-of-files.ts'
import type { Context } from '../context.ts'

export interface StatusOptions {
  /**
   * Also how many bytes the blocks have, for which each one is looked at
   */
  size?: boolean
}

/**
 * Tells about the repo
 */
export async function status (context: Context, options: StatusOptions): Promise<number> {
  const { output, signal } = context

  return withRepo(context, async repo => {
    const { bavail, bsize } = await statfs(repo.path)

    const values = {
      repo: repo.path,
      peer: peerIdFromPrivateKey(await repo.key()).toString(),
      roots: (await repo.roots.all()).length,
      blocks: repo.store.size,
      log: repo.store.logId,
      free: bavail * bsize,
      ...(options.size === true ? { bytes: await sizeOfFiles(repo.blocksPath, signal) } : {})
    }

    output.event('status', values, Object.entries(values).map(([name, value]) => {
      return `${name.padEnd(7)}${name === 'free' || name === 'bytes' ? formatBytes(Number(value)) : value.toLocaleString('en')}`
    }))

    return OK
  })
}
