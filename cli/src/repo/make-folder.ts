import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it that are missing. That of Node.js goes round
 * for ever where a folder can't be made, as in /proc.
 */
export async function makeFolder (path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, mode)
  } catch (err: any) {
    if (err.code === 'EEXIST') {
      return
    }

    if (err.code !== 'ENOENT' || dirname(path) === path) {
      throw err
    }

    await makeFolder(dirname(path), mode)
    await mkdir(path, mode)
  }
}
