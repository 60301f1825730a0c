import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { withRepo } from '../context.ts'
import { OK } from '../exit-codes.ts'
import { Repo } from '../repo/repo.ts'
import type { Context } from '../context.ts'

/**
 * Makes a repo. One that is there is left as it is, but for a key that was lost.
 */
export async function init (context: Context): Promise<number> {
  const { repo: path, output } = context
  const created = await Repo.create(path)

  return withRepo(context, async repo => {
    const newKey = await repo.createKey()
    const peer = peerIdFromPrivateKey(await repo.key()).toString()

    if (newKey) {
      output.warn('the key of the repo was gone, so that it has a new one, and is another peer now: others that name this peer have to be told')
    }

    output.event('init', { repo: path, peer, created, newKey: created || newKey }, [`${created ? 'made a repo' : 'there is a repo already'} at ${path}`, `peer ${peer}`])

    return OK
  })
}
