import { once } from 'node:events'
import { CID } from 'multiformats/cid'
import { withRepo } from '../context.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit-codes.ts'
import { BlockReader } from '../files/block-reader.ts'
import { Exporter } from '../files/export.ts'
import { fileContent, isFolder } from '../files/file-content.ts'
import { sizeOf } from '../files/size-of.ts'
import { count, formatBytes } from '../format.ts'
import type { Context } from '../context.ts'

export interface GetOptions {
  /**
   * Where to write it; '-' is stdout
   */
  output: string

  /**
   * Replace what is there
   */
  force?: boolean
}

/**
 * Writes a file or a folder that is in the repo
 */
export async function get (context: Context, text: string, options: GetOptions): Promise<number> {
  const cid = parseCID(text)
  const { output, signal } = context

  if (options.output === '') {
    throw new UsageError('Give a path with -o, or - for stdout')
  }

  return withRepo(context, async ({ store }) => {
    const reader = new BlockReader(store, signal)

    if (options.output === '-') {
      if (await isFolder(reader, cid)) {
        throw new UsageError(`${cid} is a folder: give a path with -o`)
      }

      await writeToStdout(reader, cid, signal)
      return OK
    }

    await output.withProgress(async progress => {
      const bar = progress.bar('writing')
      const totalBytes = await sizeOf(reader, cid)
      let files = 0
      let bytes = 0

      const exporter = new Exporter(reader, {
        force: options.force ?? false,
        onWritten: length => {
          bytes += length
          bar.update({ part: totalBytes == null ? undefined : bytes / totalBytes, bytes, totalBytes })
          output.progress({ bytes, totalBytes })
        },
        onFile: () => { files++ },
        signal
      })

      await exporter.export(cid, options.output)

      output.event('written', { cid: cid.toString(), path: options.output, files, size: bytes }, `wrote ${options.output}: ${count(files, 'file')}, ${formatBytes(bytes)}`)
    })

    return OK
  })
}

function parseCID (text: string): CID {
  try {
    return CID.parse(text)
  } catch {
    throw new UsageError(`"${text}" is no CID. "add" prints those of what it adds, and "ls" lists them.`)
  }
}

async function writeToStdout (reader: BlockReader, cid: CID, signal: AbortSignal): Promise<void> {
  for await (const chunk of fileContent(reader, cid)) {
    signal.throwIfAborted()

    if (!process.stdout.write(chunk)) {
      await once(process.stdout, 'drain', { signal })
    }
  }
}
