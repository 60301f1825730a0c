import { withRepo } from '../context.ts'
import { OK } from '../exit-codes.ts'
import { count, formatBytes } from '../format.ts'
import type { Context } from '../context.ts'

export interface LsOptions {
  /**
   * All blocks instead of what was added
   */
  blocks?: boolean
}

/**
 * Lists what was added, or all blocks
 */
export async function ls (context: Context, { blocks }: LsOptions): Promise<number> {
  const { output, signal } = context

  return withRepo(context, async ({ roots, store }) => {
    if (blocks === true) {
      for await (const { hash, sequence } of store.since(0, { signal })) {
        output.event('block', { hash, sequence }, hash)
      }

      return OK
    }

    const all = await roots.all()

    for (const { cid, name, size, files, added } of all) {
      output.event('root', { cid: cid.toString(), name, size, files, added: added.toISOString() }, `${cid}  ${formatBytes(size).padStart(7)}  ${name}`)
    }

    if (all.length === 0) {
      output.note(`Nothing was added to this repo. It has ${count(store.size, 'block')}${store.size > 0 ? ', which --blocks lists. They came from other peers (who added something knows its CID, which "get" takes), or from an "add" that was interrupted: repeat it' : ''}.`)
    }

    return OK
  })
}
