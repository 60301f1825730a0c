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
  let empty = true

  for await (const entry of await opendir(folder)) {
    options.signal.throwIfAborted()

    const path = join(folder, entry.name)
    const below = place === '' ? entry.name : `${place}/${entry.name}`

    if (entry.isFile()) {
      empty = false
      yield { path, place: below, size: (await stat(path)).size }
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
 * The importer takes a backslash before a slash for an escape
 */
function checkFolderName (path: string, name: string): void {
  if (name.endsWith('\\')) {
    throw new CommandError(`The name of the folder ${path} ends with a backslash, which can't be added. Rename it.`)
  }
}
