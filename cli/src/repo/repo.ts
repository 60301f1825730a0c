import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FsBlockstore } from 'blockstore-fs'
import { LevelDatastore } from 'datastore-level'
import { Level } from 'level'
import { blockStore } from 'libp2p-hash-exchange'
import { CommandError } from '../errors.ts'
import { InUse } from './in-use.ts'
import { createKey, readKey } from './key.ts'
import { makeFolder } from './make-folder.ts'
import { Roots } from './roots.ts'
import { writeFile } from './write-file.ts'
import type { PrivateKey } from '@libp2p/interface'
import type { Store } from 'libp2p-hash-exchange'

/**
 * Changes when a repo is laid out in another way
 */
const VERSION = 1

/**
 * For the user only, as the key is, and what others may read is decided elsewhere
 */
const MODE = 0o700

/**
 * Each block is a file in `blocks`, `log` is a database of level, and `key` is
 * the private key of the peer. `repo.json` is written last: a folder without it
 * is no repo, or one that init was not done with.
 */
const FILES = {
  version: 'repo.json',
  key: 'key',
  blocks: 'blocks',
  log: 'log',
  inUse: 'in-use.json'
}

/**
 * Where blocks, what is known of them, and the identity of the peer are kept
 */
export class Repo {
  readonly path: string
  readonly store: Store
  readonly roots: Roots
  readonly #datastore: LevelDatastore
  readonly #inUse: InUse
  readonly #warn: (message: string) => void

  private constructor (path: string, store: Store, datastore: LevelDatastore, inUse: InUse, warn: (message: string) => void) {
    this.path = path
    this.store = store
    this.roots = new Roots(datastore)
    this.#datastore = datastore
    this.#inUse = inUse
    this.#warn = warn
  }

  /**
   * Makes a repo, or what is missing of one. Resolves to false if it was there.
   */
  static async create (path: string): Promise<boolean> {
    if (await readVersion(path) != null) {
      return false
    }

    await makeFolder(path, MODE)

    const others = (await readdir(path)).filter(name => !isOurs(name))

    if (others.length > 0) {
      throw new CommandError(`${path} has something else in it: ${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''}. Choose a folder that is empty or does not exist.`)
    }

    await createKey(join(path, FILES.key))
    await makeFolder(join(path, FILES.blocks), MODE)

    const datastore = await openLog(join(path, FILES.log), { createIfMissing: true }, new InUse(join(path, FILES.inUse)))

    try {
      await openStore(path, datastore)
    } finally {
      await datastore.close()
    }

    await writeFile(join(path, FILES.version), `${JSON.stringify({ version: VERSION })}\n`, 0o644)

    return true
  }

  /**
   * Opens a repo for a command, whose name is noted for others who find it in use
   */
  static async open (path: string, command: string, warn: (message: string) => void): Promise<Repo> {
    const version = await readVersion(path)

    if (version == null) {
      throw new CommandError(`There is no repo at ${path}. Make one with "hash-exchange init", or choose another with --repo or HASH_EXCHANGE_REPO.`)
    }

    if (version !== VERSION) {
      throw new CommandError(`The repo at ${path} is of version ${version}, and this program knows version ${VERSION} only. Use a newer one.`)
    }

    const inUse = new InUse(join(path, FILES.inUse))
    const datastore = await openLog(join(path, FILES.log), { createIfMissing: false }, inUse)

    try {
      await inUse.note(command)

      return new Repo(path, await openStore(path, datastore), datastore, inUse, warn)
    } catch (err) {
      await datastore.close()
      throw err
    }
  }

  get blocksPath (): string {
    return join(this.path, FILES.blocks)
  }

  /**
   * Makes a key where it was lost. Resolves to false if there is one.
   */
  async createKey (): Promise<boolean> {
    return createKey(join(this.path, FILES.key))
  }

  async key (): Promise<PrivateKey> {
    return readKey(join(this.path, FILES.key), this.#warn)
  }

  async close (): Promise<void> {
    // before somebody else can note something
    await this.#inUse.remove().catch(() => {})
    await this.#datastore.close()
  }
}

function isOurs (name: string): boolean {
  return Object.values(FILES).some(file => name === file || name === `${file}.part`)
}

async function readVersion (path: string): Promise<number | undefined> {
  const file = join(path, FILES.version)
  let text: string

  try {
    text = await readFile(file, 'utf8')
  } catch (err: any) {
    if (err.code === 'ENOENT' || err.code === 'ENOTDIR') {
      return undefined
    }

    throw err
  }

  try {
    return JSON.parse(text).version
  } catch (err) {
    throw new CommandError(`${file} is damaged. If the rest of the repo is good, the line {"version":${VERSION}} is what was in it.`, { cause: err })
  }
}

async function openLog (path: string, options: { createIfMissing: boolean }, inUse: InUse): Promise<LevelDatastore> {
  const level = new Level<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })

  // the datastore would open it as well, but without saying why it could not
  try {
    await level.open({ compression: false, ...options })
  } catch (err: any) {
    if (err.cause?.code === 'LEVEL_LOCKED') {
      throw new CommandError(`The repo is in use by ${await inUse.who()}. Wait until that has ended, or stop it, and try again.`, { cause: err })
    }

    throw err.cause ?? err
  }

  return new LevelDatastore(level)
}

async function openStore (path: string, datastore: LevelDatastore): Promise<Store> {
  const blockstore = new FsBlockstore(join(path, FILES.blocks), { createIfMissing: false })

  await blockstore.open()

  return blockStore({ blockstore, datastore })
}
