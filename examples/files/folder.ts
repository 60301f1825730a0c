import { createHash } from 'node:crypto'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from './progress.ts'
import type { Hash } from 'node:crypto'

const HASH = /^[0-9a-f]{64}$/

/**
 * What has not yet been received as a whole, and checked, has such a name
 */
const TEMPORARY = /^\.[0-9a-f]{64}\.part$/

/**
 * How many bytes are read at a time
 */
const CHUNK_BYTES = 64 * 1024

export interface File {
  path: string
  size: number
  /**
   * Its place in the list of files
   */
  sequence: number
}

/**
 * The files of a folder by their SHA-256. Its subfolders are left alone, and
 * links are not followed.
 */
export class Folder {
  readonly path: string
  readonly files = new Map<string, File>()
  bytes = 0
  /**
   * How many subfolders, links and such were left out
   */
  ignored = 0

  readonly #names = new Set<string>()

  constructor (path: string) {
    this.path = path
  }

  /**
   * Reads all files to know their hashes, also those that are named by one: they
   * need not be what they were. Removes what an earlier run left unfinished.
   */
  async scan (progress: Progress, signal: AbortSignal): Promise<void> {
    const paths: string[] = []
    let bytes = 0

    for (const entry of await readdir(this.path, { withFileTypes: true })) {
      const path = join(this.path, entry.name)
      this.#names.add(entry.name)

      if (!entry.isFile()) {
        this.ignored++
      } else if (TEMPORARY.test(entry.name)) {
        await rm(path)
      } else {
        paths.push(path)
        bytes += (await stat(path)).size
      }
    }

    progress.start(paths.length, bytes)

    for (const path of paths.sort()) {
      const { hash, size } = await sha256(path, progress, signal)

      // the same content may be there under several names
      if (!this.files.has(hash)) {
        this.files.set(hash, { path, size, sequence: this.files.size })
        this.bytes += size
      }

      progress.files++
    }
  }

  /**
   * The content of a file, which is opened when its first bytes are asked for
   */
  async * read ({ path, size }: File): AsyncGenerator<Uint8Array> {
    const handle = await open(path)

    try {
      for (let left = size; left > 0;) {
        // not used again, as it is passed on without a copy
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(Math.min(left, CHUNK_BYTES)))

        if (bytesRead === 0) {
          throw new Error(`${path} has become shorter`)
        }

        yield buffer.subarray(0, bytesRead)
        left -= bytesRead
      }
    } finally {
      await handle.close()
    }
  }

  /**
   * Adds a file that is named by its hash. It will be there as a whole or not at
   * all, and never in the place of another.
   */
  async save (hash: string, content: AsyncIterable<Uint8Array>, progress: Progress): Promise<void> {
    const path = join(this.path, hash)
    const temporary = join(this.path, `.${hash}.part`)

    if (!HASH.test(hash)) {
      throw new Error('its name is not a SHA-256')
    }

    if (this.#names.has(hash)) {
      throw new Error(`${path} has its name, but other content`)
    }

    const digest = createHash('sha256')
    const handle = await open(temporary, 'wx')

    try {
      try {
        await handle.writeFile(hashed(content, digest, progress))
        await handle.datasync()
      } finally {
        await handle.close()
      }

      if (digest.digest('hex') !== hash) {
        throw new Error('what came is something else')
      }

      await rename(temporary, path)
      progress.files++
    } catch (err) {
      await rm(temporary, { force: true })
      throw err
    }
  }
}

async function sha256 (path: string, progress: Progress, signal: AbortSignal): Promise<{ hash: string, size: number }> {
  const digest = createHash('sha256')
  const buffer = Buffer.alloc(CHUNK_BYTES)
  const handle = await open(path)
  let size = 0

  try {
    while (true) {
      signal.throwIfAborted()
      const { bytesRead } = await handle.read(buffer)

      if (bytesRead === 0) {
        return { hash: digest.digest('hex'), size }
      }

      digest.update(buffer.subarray(0, bytesRead))
      size += bytesRead
      progress.bytes += bytesRead
    }
  } finally {
    await handle.close()
  }
}

async function * hashed (content: AsyncIterable<Uint8Array>, digest: Hash, progress: Progress): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    digest.update(chunk)
    progress.bytes += chunk.byteLength
    yield chunk
  }
}
