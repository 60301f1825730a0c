import { readFile, stat } from 'node:fs/promises'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { CommandError } from '../errors.ts'
import { writeFile } from './write-file.ts'
import type { PrivateKey } from '@libp2p/interface'

/**
 * Nobody but the user may read the key: with it one is this peer
 */
const MODE = 0o600

/**
 * Makes the key of a repo. Resolves to false if it has one.
 */
export async function createKey (path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (err: any) {
    if (err.code !== 'ENOENT') {
      throw err
    }
  }

  await writeFile(path, privateKeyToProtobuf(await generateKeyPair('Ed25519')), MODE)

  return true
}

/**
 * Reads the key of a repo, and warns if others could as well
 */
export async function readKey (path: string, warn: (message: string) => void): Promise<PrivateKey> {
  const bytes = await readFile(path).catch(err => {
    throw err.code === 'ENOENT' ? new CommandError(`The key of the repo, ${path}, is gone. Put back a copy of it, or run "hash-exchange init" to get a new one, and with it a new peer ID.`, { cause: err }) : err
  })
  const { mode } = await stat(path)

  // Windows has no such modes
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    warn(`others can read the key of this peer: "chmod 600 ${path}" prevents that`)
  }

  try {
    return privateKeyFromProtobuf(bytes)
  } catch (err) {
    throw new CommandError(`The key of the repo, ${path}, can't be read. Put back a copy of it, or remove the file and run "hash-exchange init" to get a new one, and with it a new peer ID.`, { cause: err })
  }
}
