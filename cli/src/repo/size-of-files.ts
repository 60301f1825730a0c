import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * How many files are looked at at a time
 */
const CONCURRENCY = 64

/**
 * How many bytes the files below a folder have
 */
export async function sizeOfFiles (folder: string, signal?: AbortSignal): Promise<number> {
  let bytes = 0
  let paths: string[] = []

  const add = async (): Promise<void> => {
    signal?.throwIfAborted()
    bytes += (await Promise.all(paths.map(sizeOf))).reduce((sum, size) => sum + size, 0)
    paths = []
  }

  for await (const entry of await opendir(folder, { recursive: true })) {
    if (entry.isFile()) {
      paths.push(join(entry.parentPath, entry.name))

      if (paths.length === CONCURRENCY) {
        await add()
      }
    }
  }

  await add()

  return bytes
}

/**
 * One that is gone meanwhile has none
 */
async function sizeOf (path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (err: any) {
    if (err.code === 'ENOENT') {
      return 0
    }

    throw err
  }
}
