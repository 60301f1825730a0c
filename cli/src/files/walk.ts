import { opendir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CommandError } from '../errors.ts'

/**
 * A file, or a folder that has nothing in it
 */
export interface Found {
  /**
   * Where it is
   */
  path: string

  /**
   * Its place below what was walked, with slashes: '' for a file itself
   */
  place: string

  /**
   * Undefined for a folder
   */
  size?: number
}

export interface WalkOptions {
  /**
   * The folder that is left out, wherever it is
   */
  except: string

  /**
   * Called for what is no file and no folder, and left out
   */
  onSkipped(path: string, what: string): void

  signal: AbortSignal
}

/**
 * Finds the files and the empty folders below a folder, or a single file. Links
 * are not followed.
 */
export async function * walk (path: string, options: WalkOptions): AsyncGenerator<Found> {
  const stats = await stat(path)

  if (stats.isFile()) {
    yield { path, place: '', size: stats.size }
  } else if (stats.isDirectory()) {
    checkFolderName(path, basename(path))
    yield * walkFolder(path, '', options)
  } else {
    throw new CommandError(`${path} is no file and no folder`)
  }
}

async function * walkFolder (folder: string, place: string, options: WalkOptions): AsyncGenerator<Found> {
  const entries = await orGone(opendir(folder))
  let empty = true

  if (entries == null) {
    options.onSkipped(folder, whyGone(folder))
    return
  }

  for await (const entry of entries) {
    options.signal.throwIfAborted()

    const path = join(folder, entry.name)
    const below = place === '' ? entry.name : `${place}/${entry.name}`

    if (entry.isFile()) {
      const stats = await orGone(stat(path))

      if (stats == null) {
        options.onSkipped(path, whyGone(path))
      } else {
        empty = false
        yield { path, place: below, size: stats.size }
      }
    } else if (entry.isDirectory() && path === options.except) {
      options.onSkipped(path, 'the repo itself')
    } else if (entry.isDirectory()) {
      checkFolderName(path, entry.name)
      empty = false
      yield * walkFolder(path, below, options)
    } else {
      options.onSkipped(path, entry.isSymbolicLink() ? 'a symbolic link' : 'no file')
    }
  }

  if (empty) {
    yield { path: folder, place }
  }
}

/**
 * Resolves to nothing if what was found is not there, and so can't be added
 */
export async function orGone<T> (promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (err: any) {
    if (err.code !== 'ENOENT') {
      throw err
    }
  }
}

/**
 * Names that are not UTF-8 are told with this character in the place of what is
 * wrong, under which nothing is there
 */
export function whyGone (path: string): string {
  return path.includes('\ufffd') ? 'its name is not UTF-8, rename it' : 'it is not there any more'
}

/**
 * The importer takes a backslash before a slash for an escape
 */
function checkFolderName (path: string, name: string): void {
  if (name.endsWith('\\')) {
    throw new CommandError(`The name of the folder ${path} ends with a backslash, which can't be added. Rename it.`)
  }
}
