import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { FsBlockstore } from 'blockstore-fs'
import { LevelBlockstore } from 'blockstore-level'
import { FsDatastore } from 'datastore-fs'
import { LevelDatastore } from 'datastore-level'
import { testBlockStore } from './suite.ts'

function inFolder (Blocks: typeof FsBlockstore | typeof LevelBlockstore, Data: typeof FsDatastore | typeof LevelDatastore): Parameters<typeof testBlockStore>[1] {
  return async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'hash-exchange-store-'))

    return {
      open: async () => {
        const blockstore = new Blocks(path.join(folder, 'blocks'))
        const datastore = new Data(path.join(folder, 'data'))

        await blockstore.open()
        await datastore.open()

        return {
          blockstore,
          datastore,
          close: async () => {
            await blockstore.close()
            await datastore.close()
          }
        }
      },
      destroy: async () => rm(folder, { recursive: true })
    }
  }
}

testBlockStore('files and level', inFolder(FsBlockstore, LevelDatastore))
testBlockStore('level', inFolder(LevelBlockstore, LevelDatastore))
testBlockStore('files', inFolder(FsBlockstore, FsDatastore))
