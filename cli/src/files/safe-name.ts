import { CommandError } from '../errors.ts'

/**
 * What Windows takes for something else than a part of a name
 */
const NOT_ON_WINDOWS = /[\\:]/

/**
 * Who made a folder chose the names in it, and they must not lead out of it
 */
export function checkName (name: string, folder: string, windows = process.platform === 'win32'): string {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0') || (windows && NOT_ON_WINDOWS.test(name))) {
    throw new CommandError(`The folder ${folder} has an entry named ${JSON.stringify(name)}, which would be written to another place. It is not written.`)
  }

  return name
}
