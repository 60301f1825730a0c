import { withRepo } from '../context.ts'
import { count } from '../format.ts'
import { checkListen, checkPeerId } from '../net/addresses.ts'
import { createNode } from '../net/node.ts'
import { ServeLog } from '../net/serve-log.ts'
import type { Context } from '../context.ts'
import type { PeerId } from '@libp2p/interface'

export interface ServeOptions {
  /**
   * The peers that may read; without it everybody may
   */
  allow?: string[]

  /**
   * The peers that may add; without it nobody may
   */
  accept?: string[]

  /**
   * Everybody may add
   */
  acceptAll?: boolean

  /**
   * Where to listen
   */
  listen: string[]
}

/**
 * Lets others read, and perhaps add, until it is interrupted
 */
export async function serve (context: Context, { allow, accept, acceptAll, listen }: ServeOptions): Promise<number> {
  const { output, signal } = context
  const mayRead = peers(allow)
  const mayAdd = acceptAll === true ? () => true : peers(accept ?? [])

  listen.forEach(checkListen)

  return withRepo(context, async repo => {
    const node = await createNode(await repo.key(), listen, { store: repo.store, allow: mayRead, accept: mayAdd })
    const log = new ServeLog(node, output)

    log.start()

    try {
      const addresses = node.getMultiaddrs().map(address => address.toString())

      output.event('listening', { peer: node.peerId.toString(), addresses }, addresses)
      output.note(`serving ${count(repo.store.size, 'block')}: ${who(allow, 'anyone')} may read, ${acceptAll === true ? 'anyone' : who(accept, 'nobody')} may add; Ctrl-C ends it`)

      return await new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => { reject(signal.reason) })

        if (signal.aborted) {
          reject(signal.reason)
        }
      })
    } finally {
      log.stop()
      await node.stop()
    }
  })
}

function who (ids: string[] | undefined, otherwise: string): string {
  return ids == null ? otherwise : count(ids.length, 'peer')
}

/**
 * A question that is answered with yes for some peers, or for all
 */
function peers (ids?: string[]): (peer: PeerId) => boolean {
  if (ids == null) {
    return () => true
  }

  const set = new Set(ids.map(checkPeerId))

  return peer => set.has(peer.toString())
}
