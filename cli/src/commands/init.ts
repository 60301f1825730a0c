import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { withRepo } from '../context.ts'
import { OK } from '../exit-codes.ts'
import { Repo } from '../repo/repo.ts'
import type { Context } from '../context.ts'

/**
 * Makes a repo. One that is there is left as it is.
 */
export async function init (context: Context): Promise<number> {
  const { repo: path, output } = context
  const created = await Repo.create(path)

  return withRepo(context, async repo => {
    const peer = peerIdFromPrivateKey(await repo.key()).toString()

    output.event('init', { repo: path, peer, created }, [`${created ? 'made a repo' : 'there is a repo already'} at ${path}`, `peer ${peer}`])

    return OK
  })
}
