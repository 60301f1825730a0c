import { lstat, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { exporter } from 'ipfs-unixfs-exporter'
import { CommandError } from '../errors.ts'
import { fileContent, notUnixFS } from './file-content.ts'
import { checkName } from './safe-name.ts'
import type { BlockReader } from './block-reader.ts'
import type { ReadableStorage, UnixFSDirectory } from 'ipfs-unixfs-exporter'
import type { CID } from 'multiformats/cid'
import type { Stats } from 'node:fs'

export interface ExportOptions {
  /**
   * Replace files that are there, and add to folders
   */
  force: boolean

  /**
   * Called when some bytes of a file were written
   */
  onWritten(bytes: number): void

  /**
   * Called when a file was written and checked
   */
  onFile(path: string, bytes: number): void

  signal: AbortSignal
}

/**
 * Writes files and folders. What it writes has another name until it is complete
 * and checked, so that nothing is ever there in part under the name it is to
 * have.
 */
export class Exporter {
  readonly #reader: BlockReader
  readonly #blockstore: ReadableStorage
  readonly #options: ExportOptions

  constructor (reader: BlockReader, options: ExportOptions) {
    this.#reader = reader
    this.#blockstore = { get: cid => reader.stream(cid) }
    this.#options = options
  }

  async export (cid: CID, path: string): Promise<void> {
    const target = resolve(path)
    const there = await stats(target)

    if (there != null && !this.#options.force) {
      throw new CommandError(`${path} is there already. Choose another path, or give --force to replace files and to add to folders.`)
    }

    await checkFolder(dirname(target))

    const folder = await this.#folder(cid)
    checkKind(target, there, folder != null)

    if (folder == null) {
      await this.#complete(target, cid, async part => { await this.#write(part, cid, target) })
    } else if (there == null) {
      await this.#complete(target, cid, async part => {
        await mkdir(part)
        await this.#fill(part, folder, false)
      })
    } else {
      await this.#fill(target, folder, true)
    }
  }

  /**
   * The folder of a CID, or undefined if that is a file
   */
  async #folder (cid: CID): Promise<UnixFSDirectory | undefined> {
    // not for the exporter, which would read all of a large block at once
    if (cid.code === RAW) {
      return
    }

    const entry = await exporter(cid, this.#blockstore).catch(err => {
      throw NO_FILE.includes(err.name) ? notUnixFS(cid, err) : err
    })

    if (entry.type === 'directory') {
      return entry
    }

    if (entry.type !== 'file' || !['file', 'raw'].includes(entry.unixfs.type)) {
      throw notUnixFS(cid)
    }
  }

  async #fill (path: string, folder: UnixFSDirectory, mayBeThere: boolean): Promise<void> {
    for await (const { cid, name } of folder.entries()) {
      this.#options.signal.throwIfAborted()

      const target = join(path, checkName(name, folder.cid.toString()))
      const inner = await this.#folder(cid)
      const there = await stats(target)

      if (there != null && !mayBeThere) {
        throw new CommandError(`The folder ${folder.cid} has two entries that are one here: ${JSON.stringify(name)}`)
      }

      checkKind(target, there, inner != null)

      if (inner != null) {
        if (there == null) {
          await mkdir(target)
        }

        await this.#fill(target, inner, there != null)
      } else if (mayBeThere) {
        await this.#complete(target, cid, async part => { await this.#write(part, cid, target) })
      } else {
        await this.#write(target, cid)
      }
    }
  }

  /**
   * Writes something that gets its name when it is complete
   */
  async #complete (target: string, cid: CID, write: (part: string) => Promise<void>): Promise<void> {
    // the same one each time, so that what is left of a process that was killed is not left for ever
    const part = join(dirname(target), `.hash-exchange-${cid.toString().slice(-16)}.part`)

    try {
      await rm(part, { recursive: true, force: true })
      await write(part)
      await rename(part, target)
    } catch (err) {
      await rm(part, { recursive: true, force: true }).catch(() => {})
      throw err
    }
  }

  /**
   * Writes a file that is not there, and tells where it will be
   */
  async #write (path: string, cid: CID, target = path): Promise<void> {
    const { signal, onWritten, onFile } = this.#options
    const file = await open(path, 'wx')
    let bytes = 0

    try {
      for await (const chunk of fileContent(this.#reader, cid)) {
        signal.throwIfAborted()
        await file.writeFile(chunk)
        bytes += chunk.length
        onWritten(chunk.length)
      }
    } finally {
      await file.close()
    }

    onFile(target, bytes)
  }
}

/**
 * What the exporter says of blocks that are something else
 */
const NO_FILE = ['NotUnixFSError', 'NoResolverError']

/**
 * The codec of blocks that are bytes of a file
 */
const RAW = 0x55

/**
 * What is at a path, not following a link
 */
async function stats (path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (err: any) {
    if (err.code !== 'ENOENT' && err.code !== 'ENOTDIR') {
      throw err
    }
  }
}

/**
 * The folder in which something is to be written, or a link to one
 */
async function checkFolder (path: string): Promise<void> {
  const there = await stat(path).catch(err => {
    if (err.code !== 'ENOENT' && err.code !== 'ENOTDIR') {
      throw err
    }
  })

  if (there == null || !there.isDirectory()) {
    throw new CommandError(`There is no folder ${path} to write to. Make it first.`)
  }
}

/**
 * A link is neither: nothing is written to where it leads
 */
function checkKind (path: string, there: Stats | undefined, folder: boolean): void {
  if (there != null && !(folder ? there.isDirectory() : there.isFile())) {
    throw new CommandError(`${path} is there already and is no ${folder ? 'folder' : 'file'}. Move it away, or choose another path.`)
  }
}
