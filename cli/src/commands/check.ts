import { parseBlockHash } from 'libp2p-hash-exchange'
import { withRepo } from '../context.ts'
import { CorruptBlockError, MissingBlockError } from '../errors.ts'
import { FAILED, OK } from '../exit-codes.ts'
import { BlockReader } from '../files/block-reader.ts'
import { count, formatBytes } from '../format.ts'
import type { Context } from '../context.ts'
import type { CID } from 'multiformats/cid'

export interface CheckOptions {
  /**
   * Remove those that are corrupted
   */
  remove?: boolean
}

/**
 * Reads all blocks and checks each one against its hash
 */
export async function check (context: Context, { remove }: CheckOptions): Promise<number> {
  const { output, signal } = context

  return withRepo(context, async ({ store }) => output.withProgress(async progress => {
    const reader = new BlockReader(store, signal)
    const bar = progress.bar('checking')
    const total = store.size
    let checked = 0
    let bytes = 0
    let corrupted = 0

    for await (const { hash } of store.since(0, { signal })) {
      signal.throwIfAborted()

      try {
        for await (const chunk of reader.stream(parseBlockHash(hash) as CID)) {
          bytes += chunk.length
        }
      } catch (err) {
        if (!(err instanceof CorruptBlockError) && !(err instanceof MissingBlockError)) {
          throw err
        }

        corrupted++

        // what is missing is not in the store any more, which has found that out
        if (remove === true && err instanceof CorruptBlockError) {
          await store.delete(hash)
        }

        output.event('corrupted', { hash, missing: err instanceof MissingBlockError, removed: remove === true }, `${err instanceof MissingBlockError ? 'missing' : 'corrupted'} ${hash}`)
      }

      checked++
      bar.update({ part: checked / total, bytes })
      output.progress({ bytes, blocks: checked, totalBlocks: total })
    }

    output.event('checked', { blocks: checked, bytes, corrupted }, `checked ${count(checked, 'block')}, ${formatBytes(bytes)}`)

    if (corrupted > 0) {
      output.error(`${count(corrupted, 'block')} corrupted or missing. ${remove === true ? 'The corrupted ones are removed' : 'Give --remove to remove the corrupted ones'}; "hash-exchange sync --again" gets them back from a peer that has them, and so does adding their files again.`, { corrupted })
    }

    return corrupted > 0 ? FAILED : OK
  }))
}
