import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { BaseBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createLibp2p } from 'libp2p'
import { blockStore, hashExchange } from '../../src/index.ts'
import type { HashExchange, HashExchangeInit, Store } from '../../src/index.ts'
import type { Libp2p } from '@libp2p/interface'
import type { CID } from 'multiformats'

/**
 * Keeps nothing of what is put, and makes what it is asked for
 */
class NoBlocks extends BaseBlockstore {
  readonly put: any
  readonly get: any
  readonly has: any

  constructor (give: (cid: CID) => Uint8Array) {
    super()
    this.put = (cid: CID) => cid
    this.has = () => false
    this.get = function * (cid: CID) { yield give(cid) }
  }
}

export async function createStore (give: (cid: CID) => Uint8Array = () => new Uint8Array()): Promise<Store> {
  return blockStore({ blockstore: new NoBlocks(give), datastore: new MemoryDatastore() })
}

export async function createNode (init: HashExchangeInit): Promise<Libp2p<{ hashExchange: HashExchange }>> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { hashExchange: hashExchange(init) }
  })
}
