import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect } from 'aegir/chai'
import { PROTOCOL, PROTOCOL_4_1 } from '../../src/constants.ts'
import { joinSalts } from '../../src/replication/salted.ts'
import { CELL_BYTES, KEY_BYTES } from '../../src/sketch/cells.ts'
import { Mapping } from '../../src/sketch/mapping.ts'
import { SUM_BYTES } from '../../src/sketch/set-sum.ts'
import { parseBlockHash } from '../../src/store/block-hash.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { block, blocks, hashesOf, memoryStore, putBlocks, wrongIn } from '../fixtures/blocks.ts'
import { cellsOf, cellsOfKey, sumOf, words } from '../fixtures/keys.ts'
import { stopNodes } from '../fixtures/nodes.ts'
import { createReplica, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { ScriptedNode } from '../fixtures/replication.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { Exchange } from '../../src/index.ts'
import type { Cells } from '../../src/sketch/cells.ts'
import type { SetSum } from '../../src/sketch/set-sum.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Replica, ReplicaInit } from '../fixtures/replicas.ts'
import type { ReplicatingPeer } from '../fixtures/replication.ts'

// enough for cells to be shorter than a list
const COMMON = blocks(0, 200, 8)
const NAMED = Object.fromEntries('abcdefgh'.split('').map((name, i) => [name, block(1000 + i, 8)]))
const { a, b, c, d } = NAMED

/**
 * These two are in the same ones of the first 64 cells
 */
const JAMMING = [block(970, 8), block(1274, 8)]

function keyOf ({ hash }: Block): Int32Array {
  return words(parseBlockHash(hash)?.multihash.digest.slice(0, KEY_BYTES) ?? new Uint8Array(0))
}

function cellsFor (blocks: Block[], length = 32_768, salt?: Uint8Array): Cells {
  return cellsOf(blocks.map(keyOf), length, salt)
}

function sumFor (blocks: Block[]): SetSum {
  return sumOf(blocks.map(keyOf))
}

function keysOf (...blocks: Block[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(blocks.flatMap(block => [...new Uint8Array(keyOf(block).buffer)]))
}

function bytesOf (sum: SetSum, cells: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...sum.encode(), ...cells])
}

/**
 * Sends some cells of blocks, or others that are said to be theirs
 */
function sendCells (peer: ReplicatingPeer, blocks: Block[], { cells = cellsFor(blocks), size = blocks.length, start = 0, end = Math.min(256, cells.length) } = {}): void {
  const data = cells.encode(start, end)

  peer.rpc({ type: RPCType.CELLS, sequence: size, data: start === 0 ? bytesOf(sumFor(blocks), data) : data })
}

/**
 * Agrees that what was found is all
 */
async function agree (peer: ReplicatingPeer): Promise<void> {
  await peer.message(RPCType.DONE)
  peer.rpc({ type: RPCType.DONE })
}

async function expectSame (...replicas: Replica[]): Promise<void> {
  const [first, ...others] = await Promise.all(replicas.map(async ({ store }) => hashesOf(store)))

  others.forEach(hashes => { expect(hashes).to.deep.equal(first) })
}

/**
 * Two sets of blocks with the same sum in the first four cells: those in none but
 * the first, of which some are linearly dependent
 */
function sameSums (): [Block[], Block[]] {
  const mapping = new Mapping(4)
  // what was eliminated, by its highest bit, and of which blocks it is the sum
  const rows = new Map<number, { sum: bigint, of: Set<Block> }>()

  for (let i = 20_000; ; i++) {
    const candidate = block(i, 8)
    const key = keyOf(candidate)

    if (cellsOfKey(key, mapping).length > 1) {
      continue
    }

    // the last bit makes their number even
    let sum = [...key, ...mapping.check.slice(0, 2)].reduce((sum, word) => sum << 32n | BigInt(word >>> 0), 0n) << 1n | 1n
    const of = new Set([candidate])

    for (let bit = sum.toString(2).length; sum !== 0n && rows.has(bit); bit = sum.toString(2).length) {
      const row = rows.get(bit)

      sum ^= row?.sum ?? 0n
      row?.of.forEach(block => of.delete(block) || of.add(block))
    }

    if (sum === 0n) {
      const all = [...of]

      return [all.slice(0, all.length / 2), all.slice(all.length / 2)]
    }

    rows.set(sum.toString(2).length, { sum, of })
  }
}

async function nextExchange ({ service }: Replica): Promise<Exchange> {
  return new Promise(resolve => {
    service.addEventListener('exchange', ({ detail }) => { resolve(detail) }, { once: true })
  })
}

async function endOf (exchange: Exchange): Promise<string | undefined> {
  return new Promise(resolve => {
    exchange.addEventListener('close', ({ detail }) => { resolve(detail?.name) })
  })
}

describe('two stores that are compared', () => {
  afterEach(async () => {
    await Promise.all([stopReplicas(), stopNodes()])
  })

  describe('by two replicators', () => {
    async function createTwo (here: Block[], there: Block[], init: ReplicaInit = {}): Promise<[Replica, Replica]> {
      return Promise.all([
        createReplica({ store: await memoryStore([...COMMON, ...here]), limits: PATIENT }),
        createReplica({ store: await memoryStore([...COMMON, ...there]), accept: () => true, limits: PATIENT, ...init })
      ])
    }

    it('get the same', async () => {
      const [here, there] = await createTwo([a, b], [c])
      const opened = nextExchange(there)
      const { received, sent, confirmed } = await here.service.replicate(there.addresses)

      expect((await opened).protocol).to.equal(PROTOCOL_4_1)
      expect(confirmed).to.be.true()
      expect({ received: received.hashes, sent: sent.hashes }).to.deep.equal({ received: 1, sent: 2 })
      await expectSame(here, there)
    })

    it('get the same where nothing or all differs, and from nothing', async () => {
      const many = blocks(5000, 300, 8)

      for (const [first, second] of [[COMMON, COMMON], [COMMON, many], [COMMON, []], [[], COMMON], [[], []], [COMMON, COMMON.slice(0, 150)], [[...COMMON, ...many], COMMON]]) {
        const [here, there] = await Promise.all([
          createReplica({ store: await memoryStore(first), limits: PATIENT }),
          createReplica({ store: await memoryStore(second), accept: () => true, limits: PATIENT })
        ])
        const { confirmed } = await here.service.replicate(there.addresses)

        expect(confirmed).to.be.true()
        await expectSame(here, there)
        await stopReplicas()
      }
    })

    it('only take, or only offer', async () => {
      const [here, there] = await createTwo([a], [b])

      await here.service.replicate(there.addresses, { mode: 'pull' })
      expect(there.store.size).to.equal(201)
      expect(here.store.size).to.equal(202)

      await here.store.delete(b.hash)
      await here.service.replicate(there.addresses, { mode: 'push' })
      expect(here.store.size).to.equal(201)
      expect(there.store.size).to.equal(202)
    })

    it('are offered again what was deleted, and can refuse it', async () => {
      const refused = new Set<string>()
      const store = await memoryStore([...COMMON, a, b])
      const here = await createReplica({ store, want: (peer, hash) => !refused.has(hash), limits: PATIENT })
      const there = await createReplica({ store: await memoryStore([...COMMON, a, b]), limits: PATIENT })

      await here.service.replicate(there.addresses)
      await store.delete(a.hash)
      await store.delete(b.hash)
      refused.add(b.hash)

      const { received, failed } = await here.service.replicate(there.addresses)

      // by a cursor neither would have been
      expect(received.hashes).to.equal(1)
      expect(failed).to.be.empty()
      expect(await store.has(a.hash)).to.be.true()
      expect(await store.has(b.hash)).to.be.false()
    })

    it('get the same where one was wiped, and where a backup of it was restored', async () => {
      const [here, there] = await createTwo([a], [b])

      await here.service.replicate(there.addresses)

      const privateKey = await generateKeyPair('Ed25519')
      const wiped = await createReplica({ store: await memoryStore(), privateKey, limits: PATIENT })

      await wiped.service.replicate(there.addresses)
      await expectSame(wiped, there)
      await wiped.node.stop()

      // the log of a backup has the same ID, so that a cursor would pass what is put anew
      const backup = await memoryStore([...COMMON, a])
      const restored = await createReplica({ store: backup, privateKey, limits: PATIENT })

      await restored.service.replicate(there.addresses)
      await putBlocks(there.store, [c])
      await restored.store.delete(c.hash)
      await restored.service.replicate(there.addresses)
      await expectSame(restored, there)
    })

    it('get what is put and lose what is deleted meanwhile', async () => {
      const [here, there] = await createTwo(blocks(2000, 30, 8), blocks(3000, 30, 8))
      const replicating = here.service.replicate(there.addresses, { live: true, signal: AbortSignal.timeout(20_000) })

      replicating.catch(() => {})

      for (let i = 0; i < 30; i++) {
        await here.store.put(block(4000 + i, 8).hash, block(4000 + i, 8).bytes)
        await there.store.put(block(4500 + i, 8).hash, block(4500 + i, 8).bytes)
        await new Promise(resolve => { setTimeout(resolve) })
      }

      const expected = [...COMMON, ...blocks(2000, 30, 8), ...blocks(3000, 30, 8), ...blocks(4000, 30, 8), ...blocks(4500, 30, 8)].map(({ hash }) => hash).sort()

      while ((await hashesOf(here.store)).length < expected.length || (await hashesOf(there.store)).length < expected.length) {
        await new Promise(resolve => { setTimeout(resolve, 10) })
      }

      expect(await hashesOf(here.store)).to.deep.equal(expected)
      await expectSame(here, there)
      expect(await wrongIn(here.store)).to.be.empty()
    })

    it('compare with more peers than have their turn at a time', async () => {
      const hub = await createReplica({ store: await memoryStore(COMMON), accept: () => true, limits: PATIENT })
      const peers = await Promise.all(Array.from({ length: 40 }, async (_, i) => createReplica({ store: await memoryStore([...COMMON, block(6000 + i, 8)]), limits: PATIENT })))
      const totals = await Promise.all(peers.map(async ({ service }) => service.replicate(hub.addresses)))

      expect(totals.every(({ confirmed, sent }) => confirmed && sent.hashes === 1)).to.be.true()
      expect(hub.store.size).to.equal(240)
    })

    it('list all where keys were chosen that can not be told from each other, or use a salt', async () => {
      const withFew = { cells: 64 }
      const here = await createReplica({ store: await memoryStore([...COMMON, ...JAMMING], withFew), limits: PATIENT })
      const there = await createReplica({ store: await memoryStore(COMMON, withFew), accept: () => true, limits: PATIENT })

      await here.service.replicate(there.addresses)
      await expectSame(here, there)
    })

    it('are not taken for the same where hashes were chosen that add up to the same', async () => {
      const [first, second] = sameSums()
      const withFew = { cells: 4 }
      const here = await createReplica({ store: await memoryStore([...COMMON, ...first], withFew), limits: PATIENT })
      const there = await createReplica({ store: await memoryStore([...COMMON, ...second], withFew), accept: () => true, limits: PATIENT })

      // nobody can see a difference in the cells
      expect(first).to.have.lengthOf(second.length)
      expect(cellsFor(first, 4).encode(0, 4)).to.deep.equal(cellsFor(second, 4).encode(0, 4))

      const { received } = await here.service.replicate(there.addresses)

      expect(received.hashes).to.equal(second.length)
      await expectSame(here, there)
    })

    it('list all to who may not read everything, and learn nothing of what he has', async () => {
      const secret = new Set([c.hash])
      const [here, there] = await createTwo([a], [b, c], { allow: (peer, hash) => hash != null && !secret.has(hash) })
      const { received, sent } = await here.service.replicate(there.addresses)

      expect({ received: received.hashes, sent: sent.hashes }).to.deep.equal({ received: 1, sent: 1 })
      expect(await here.store.has(c.hash)).to.be.false()
    })

    it('list all where a store has no sketch', async () => {
      const store = await memoryStore([...COMMON, b])
      const without = wrapStore(store, {})

      Object.defineProperty(without, 'sketch', { value: undefined })

      const here = await createReplica({ store: await memoryStore([...COMMON, a]), limits: PATIENT })
      const there = await createReplica({ store: without, accept: () => true, limits: PATIENT })
      const { confirmed } = await here.service.replicate(there.addresses)

      expect(confirmed).to.be.true()
      await expectSame(here, there)
    })

    it('ask all over again where that is wanted', async () => {
      const [here, there] = await createTwo([], [a])

      const { received } = await here.service.replicate(there.addresses, { since: -1 })

      expect(received.hashes).to.equal(1)
    })
  })

  describe('by who has opened the exchange', () => {
    let remote: ScriptedNode

    beforeEach(async () => {
      remote = await ScriptedNode.create(NAMED, PROTOCOL_4_1)
    })

    async function begin ({ blocks = [...COMMON, a, b], cells, ...init }: ReplicaInit & { blocks?: Block[], cells?: number } = {}): Promise<{ here: Replica, peer: ReplicatingPeer, result: Promise<unknown> }> {
      const here = await createReplica({ store: await memoryStore(blocks, { cells }), limits: PATIENT, ...init })
      const { peer, result } = await remote.replicate(here)

      peer.identify('log')

      return { here, peer, result }
    }

    it('sends cells, and announces only what the other one lacks', async () => {
      const { peer, result } = await begin()

      const { data, sequence } = await peer.message(RPCType.CELLS)

      expect(sequence).to.equal(202)
      expect(data).to.deep.equal(bytesOf(sumFor([...COMMON, a, b]), cellsFor([...COMMON, a, b]).encode(0, 256)))

      peer.since(-1)
      peer.rpc({ type: RPCType.DONE, data: keysOf(b) })
      await peer.hears('AVAILABLE 202: b')
      await peer.hears('END 202')
      expect(peer.saidOf('COMPARED', 'CELLS', 'AVAILABLE', 'GIVE_UP')).to.deep.equal(['CELLS 256 of 202', 'COMPARED 0', 'AVAILABLE 202: b'])

      await peer.complete(0)
      await result
    })

    it('takes what is announced then, however old it is, and moves its cursor', async () => {
      const { here, peer, result } = await begin()

      await here.store.setCursor(remote.node.peerId.toString(), { logId: 'log', sequence: 500 })
      await peer.hears('CELLS 256 of 202')
      peer.since(-1)
      peer.rpc({ type: RPCType.DONE })
      await peer.hears('COMPARED 0')
      peer.offer(7, 'c')
      peer.offer(900, 'd')
      void peer.serve('c', 'd')
      peer.listEnd(1000)
      peer.wantNothing()
      await peer.hears('CLOSE')
      peer.close()
      await result

      expect(await here.store.has(c.hash)).to.be.true()
      expect(await here.store.has(d.hash)).to.be.true()
      expect(await here.store.cursor(remote.node.peerId.toString())).to.deep.equal({ logId: 'log', sequence: 1000 })
    })

    it('sends as many cells as are asked for, until there are no more, and then lists all', async () => {
      const { peer } = await begin({ cells: 420 })

      await peer.hears('CELLS 256 of 202')
      peer.since(-1)
      peer.rpc({ type: RPCType.MORE })
      peer.rpc({ type: RPCType.MORE })
      peer.rpc({ type: RPCType.MORE })
      await peer.hears('CELLS 20 of 202')
      expect(peer.saidOf('CELLS')).to.deep.equal(['CELLS 256 of 202', 'CELLS 64 of 202', 'CELLS 80 of 202', 'CELLS 20 of 202'])

      const bytes = new Uint8Array(peer.messages.filter(({ type }) => type === RPCType.CELLS).flatMap(({ data }) => [...data ?? []]))
      expect(bytes).to.deep.equal(bytesOf(sumFor([...COMMON, a, b]), cellsFor([...COMMON, a, b], 420).encode(0, 420)))

      peer.rpc({ type: RPCType.MORE })
      await peer.hears('GIVE_UP')
      await peer.hears('END 202')
      expect(peer.hashesOf(RPCType.AVAILABLE)).to.have.lengthOf(202)
    })

    it('sends the cells of one time, whatever is put and deleted since', async () => {
      const { here, peer } = await begin()

      await peer.hears('CELLS 256 of 202')
      await here.store.delete(a.hash)
      await putBlocks(here.store, [c])
      peer.since(-1)
      peer.rpc({ type: RPCType.MORE })
      await peer.hears('CELLS 64 of 202')

      const { data } = await peer.message(RPCType.CELLS, 2)
      expect(data).to.deep.equal(cellsFor([...COMMON, a, b]).encode(256, 320))

      // what was deleted is not announced, and what was put is news
      peer.rpc({ type: RPCType.DONE, data: keysOf(a, b) })
      await peer.hears('AVAILABLE 202: b')
      await peer.hears('AVAILABLE 203: c')
      await peer.hears('END 203')
    })

    it('sends nothing of it to who may not read everything', async () => {
      const { peer } = await begin({ allow: (peer, hash) => hash != null })

      await peer.hears('GIVE_UP')
      peer.since(-1)
      await peer.hears('END 202')
      expect(peer.saidOf('CELLS')).to.be.empty()
      expect(peer.hashesOf(RPCType.AVAILABLE)).to.have.lengthOf(202)
    })

    it('lists what is shorter than cells', async () => {
      const { peer } = await begin({ blocks: COMMON.slice(0, 100) })

      await peer.hears('GIVE_UP')
      peer.since(-1)
      await peer.hears('END 100')
    })

    it('lists all where the question if the other one may read everything fails', async () => {
      const allow = async (peer: unknown, hash?: string): Promise<boolean> => {
        if (hash == null) {
          throw new Error('The list of friends is lost')
        }

        return true
      }
      const { peer } = await begin({ allow })

      await peer.hears('GIVE_UP')
    })

    it('lists all where the other one says nothing for too long, or gives up', async () => {
      const { peer } = await begin({ limits: { ...PATIENT, requestTimeout: 100 } })

      peer.since(-1)
      await peer.hears('CELLS 256 of 202')
      await peer.hears('GIVE_UP')
      await peer.hears('END 202')

      const other = await begin()

      other.peer.since(-1)
      await other.peer.hears('CELLS 256 of 202')
      other.peer.rpc({ type: RPCType.GIVE_UP })
      await other.peer.hears('GIVE_UP')
      await other.peer.hears('END 202')
    })

    it('lists all where the other one found keys that are none of ours', async () => {
      const { peer } = await begin()

      await peer.hears('CELLS 256 of 202')
      peer.since(-1)
      peer.rpc({ type: RPCType.DONE, data: keysOf(b, d) })
      await peer.hears('GIVE_UP')
      await peer.hears('END 202')
      expect(peer.hashesOf(RPCType.AVAILABLE)).to.have.lengthOf(202)
    })

    it('lists what was compared once, and then what is asked for', async () => {
      const { here, peer } = await begin({ blocks: [...COMMON, a, b] })

      await peer.hears('CELLS 256 of 202')
      peer.rpc({ type: RPCType.DONE, data: keysOf(b) })
      // it wants nothing, and changes its mind later
      peer.wantNothing()
      await peer.hears('END -1')
      await here.store.delete(a.hash)
      peer.since(-1)
      await peer.hears('END 202')
      expect(peer.hashesOf(RPCType.AVAILABLE)).to.have.lengthOf(201)
    })

    it('makes cells with a salt, once an hour for a peer', async () => {
      const { here, peer, result } = await begin()
      const salt = new Uint8Array(16).fill(9)

      await peer.hears('CELLS 256 of 202')
      peer.since(-1)
      peer.rpc({ type: RPCType.SALT, data: salt })

      const { data: ours } = await peer.message(RPCType.SALT)
      const { data } = await peer.message(RPCType.CELLS, 2)

      expect(data).to.deep.equal(bytesOf(sumFor([...COMMON, a, b]), cellsFor([...COMMON, a, b], 32_768, joinSalts(ours ?? salt, salt)).encode(0, 256)))
      peer.rpc({ type: RPCType.DONE, data: keysOf(a) })
      await peer.hears('AVAILABLE 201: a')
      await peer.hears('END 202')
      peer.stream.abort(new Error('Enough'))
      await expect(result).to.eventually.be.rejected()

      const { peer: again } = await remote.replicate(here)

      again.identify('log')
      again.since(-1)
      await again.hears('CELLS 256 of 202')
      again.rpc({ type: RPCType.SALT, data: salt })
      await again.hears('GIVE_UP')
      await again.hears('END 202')
      expect(again.saidOf('SALT')).to.be.empty()
    })

    for (const [name, say, error] of [
      ['sends cells as well', peer => { sendCells(peer, COMMON) }, 'ProtocolError'],
      ['finds more keys than there were cells', peer => { peer.rpc({ type: RPCType.DONE, data: new Uint8Array(257 * KEY_BYTES) }) }, 'ProtocolError'],
      ['sends half a key', peer => { peer.rpc({ type: RPCType.DONE, data: new Uint8Array(8) }) }, 'InvalidMessageError'],
      ['sends half a salt', peer => { peer.rpc({ type: RPCType.SALT, data: new Uint8Array(8) }) }, 'InvalidMessageError'],
      ['asks for a second salt', peer => {
        peer.rpc({ type: RPCType.SALT, data: new Uint8Array(16) })
        peer.rpc({ type: RPCType.SALT, data: new Uint8Array(16) })
      }, 'ProtocolError'],
      ['ends it twice', peer => {
        peer.rpc({ type: RPCType.DONE })
        peer.rpc({ type: RPCType.DONE })
      }, 'ProtocolError'],
      ['goes on after its end', peer => {
        peer.rpc({ type: RPCType.GIVE_UP })
        peer.rpc({ type: RPCType.MORE })
      }, 'ProtocolError'],
      ['goes on for ever after ours', peer => {
        // all cells, which ends it, and then some
        for (let i = 0; i < 100; i++) {
          peer.rpc({ type: RPCType.MORE })
        }
      }, 'ProtocolError']
    ] as Array<[string, (peer: ReplicatingPeer) => void, string]>) {
      it(`ends with ${error} where the other one ${name}`, async () => {
        const { peer, result } = await begin()

        await peer.hears('CELLS 256 of 202')
        say(peer)
        await expect(result).to.eventually.be.rejected.with.property('name', error)
      })
    }
  })

  describe('by the other one', () => {
    let remote: ScriptedNode

    beforeEach(async () => {
      remote = await ScriptedNode.create(NAMED, PROTOCOL_4_1)
    })

    async function begin ({ cells, ...init }: ReplicaInit & { cells?: number } = {}): Promise<{ here: Replica, peer: ReplicatingPeer, ended: Promise<string | undefined> }> {
      const here = await createReplica({ store: await memoryStore([...COMMON, a, b], { cells }), accept: () => true, limits: PATIENT, ...init })
      const exchange = nextExchange(here)
      const peer = await remote.open(here)

      peer.identify('log')
      peer.since(-1)

      return { here, peer, ended: exchange.then(endOf) }
    }

    it('tells the keys that only who opened it has, and announces what only it has', async () => {
      const { peer } = await begin()

      sendCells(peer, [...COMMON, c, d, a])

      const { data } = await peer.message(RPCType.DONE)

      expect([keysOf(c, d), keysOf(d, c)]).to.deep.include(data)
      await peer.pause()
      expect(peer.saidOf('AVAILABLE', 'END')).to.be.empty()
      peer.rpc({ type: RPCType.DONE })
      await peer.hears('AVAILABLE 202: b')
      await peer.hears('END 202')
      expect(peer.hashesOf(RPCType.AVAILABLE)).to.deep.equal([b.hash])
    })

    it('asks for as many more as are likely to be needed', async () => {
      const { peer } = await begin()
      const mine = [...COMMON, ...blocks(7000, 300, 8)]

      sendCells(peer, mine)
      await peer.message(RPCType.MORE)

      for (let sent = 256, i = 1; !peer.said.includes('COMPARED 300'); i++) {
        await peer.until(() => peer.saidOf('MORE').length >= i || peer.said.includes('COMPARED 300'))

        if (!peer.said.includes('COMPARED 300')) {
          sendCells(peer, mine, { start: sent, end: sent + (sent >> 2) })
          sent += sent >> 2
        }
      }

      // 256, 320, 400, 500
      expect(peer.saidOf('MORE').length).to.be.within(2, 4)
      await agree(peer)
      await peer.hears('AVAILABLE 202: a b')
    })

    it('begins no list before it has been compared, and lists all if it never is', async () => {
      const { peer } = await begin({ limits: { ...PATIENT, beginTimeout: 20, requestTimeout: 200 } })

      await peer.hears('GIVE_UP')
      expect(peer.saidOf('AVAILABLE', 'END')).to.be.empty()
      await peer.hears('END 202')
      expect(peer.hashesOf(RPCType.AVAILABLE)).to.have.lengthOf(202)
    })

    it('ends with TimeoutError where the other one does not say if it agrees', async () => {
      const { peer, ended } = await begin({ limits: { ...PATIENT, requestTimeout: 100 } })

      sendCells(peer, [...COMMON, c])
      await peer.hears('COMPARED 1')
      expect(await ended).to.equal('TimeoutError')
      expect(peer.saidOf('AVAILABLE', 'END')).to.be.empty()
    })

    it('says nothing to who may not read everything', async () => {
      const { peer } = await begin({ allow: (peer, hash) => hash != null })

      sendCells(peer, [...COMMON, c])
      await peer.hears('GIVE_UP')
      await peer.hears('END 202')
      expect(peer.saidOf('COMPARED', 'MORE')).to.be.empty()
    })

    it('lists all where the sizes are too different', async () => {
      const { peer } = await begin()

      sendCells(peer, COMMON, { size: 1_000_000 })
      await peer.hears('GIVE_UP')
      await peer.hears('END 202')
    })

    it('lists all where a list is shorter', async () => {
      const { peer } = await begin()
      const others = blocks(8000, 200, 8)

      sendCells(peer, others)
      await peer.hears('GIVE_UP')
      expect(peer.saidOf('MORE')).to.be.empty()
      await peer.hears('END 202')
    })

    it('wants a salt where the cells are none of a set, and lists all where that does not help', async () => {
      const { here, peer } = await begin({ cells: 256 })
      const junk = cellsFor([...COMMON, a, b], 256)

      // a key that is in one cell only
      junk.words[7 * 100] ^= 1
      sendCells(peer, [...COMMON, a, b], { cells: junk })
      await peer.hears('SALT')
      peer.rpc({ type: RPCType.SALT, data: new Uint8Array(16) })
      sendCells(peer, [...COMMON, a, b], { cells: junk })
      await peer.hears('GIVE_UP')
      await peer.hears('END 202')
      peer.stream.abort(new Error('Enough'))

      // and the next time without it
      const again = await remote.open(here)

      again.identify('log')
      again.since(-1)
      sendCells(again, [...COMMON, a, b], { cells: junk })
      await again.hears('GIVE_UP')
      await again.hears('END 202')
      expect(again.saidOf('SALT')).to.be.empty()
    })

    it('salts again for others where one does not answer', async () => {
      const { here, peer } = await begin({ cells: 256 })
      const junk = cellsFor([...COMMON, a, b], 256)

      junk.words[7 * 100] ^= 1
      sendCells(peer, [...COMMON, a, b], { cells: junk })
      await peer.hears('SALT')
      peer.rpc({ type: RPCType.GIVE_UP })
      await peer.hears('GIVE_UP')

      const other = await ScriptedNode.create(NAMED, PROTOCOL_4_1)
      const again = await other.open(here)

      again.identify('log')
      sendCells(again, [...COMMON, a, b], { cells: junk })

      const { data: theirs = new Uint8Array(16) } = await again.message(RPCType.SALT)
      const ours = new Uint8Array(16)

      again.rpc({ type: RPCType.SALT, data: ours })
      sendCells(again, [...COMMON, a, c], { cells: cellsFor([...COMMON, a, c], 256, joinSalts(ours, theirs)) })
      await again.hears('COMPARED 1')
    })

    it('finds with a salt what it could not find without', async () => {
      const { peer } = await begin({ cells: 64 })
      const mine = [...COMMON, a, b, ...JAMMING]

      sendCells(peer, mine, { cells: cellsFor(mine, 64) })

      const { data: theirs = new Uint8Array(16) } = await peer.message(RPCType.SALT)

      // one with which they can be told from each other, as with nearly all
      for (let i = 0; ; i++) {
        const ours = new Uint8Array(16).fill(i)
        const salt = joinSalts(ours, theirs)
        const mapping = new Mapping(64, salt)
        const [first, second] = JAMMING.map(block => cellsOfKey(keyOf(block), mapping).join(' '))

        if (first !== second) {
          peer.rpc({ type: RPCType.SALT, data: ours })
          sendCells(peer, mine, { cells: cellsFor(mine, 64, salt) })
          break
        }
      }

      await peer.hears('COMPARED 2')
      await agree(peer)
      await peer.hears('END 202')
      expect(peer.saidOf('AVAILABLE')).to.be.empty()
    })

    it('is not led to believe that it lacks what it has, or has what it lacks', async () => {
      // whoever says that he has a block twice, or one less than none
      for (const lie of [(cells: Cells) => { cells.add(keyOf(a), 1) }, (cells: Cells) => { cells.add(keyOf(c), -1) }]) {
        const { peer } = await begin()
        const cells = cellsFor([...COMMON, a, b])

        lie(cells)
        sendCells(peer, [...COMMON, a, b], { cells })
        await peer.until(() => peer.saidOf('SALT', 'GIVE_UP').length > 0)
        peer.rpc({ type: RPCType.GIVE_UP })
        await peer.hears('END 202')
        expect(peer.saidOf('COMPARED')).to.be.empty()
        peer.stream.abort(new Error('Enough'))
        await stopReplicas()
      }
    })

    it('lists all where the size is a lie', async () => {
      const { peer } = await begin()

      sendCells(peer, [...COMMON, a, b], { size: 150 })
      await peer.until(() => peer.saidOf('GIVE_UP', 'SALT').length > 0)
      expect(peer.saidOf('COMPARED')).to.be.empty()
      peer.rpc({ type: RPCType.GIVE_UP })
      await peer.hears('END 202')
    })

    for (const [name, say, error] of [
      ['sends more cells than it was asked for', peer => { sendCells(peer, COMMON, { end: 257 }) }, 'ProtocolError'],
      ['sends no cells', peer => { sendCells(peer, COMMON, { end: 0 }) }, 'ProtocolError'],
      ['sends half a cell', peer => { peer.rpc({ type: RPCType.CELLS, sequence: 200, data: new Uint8Array(SUM_BYTES + CELL_BYTES / 2) }) }, 'ProtocolError'],
      ['sends cells twice', peer => {
        sendCells(peer, COMMON)
        sendCells(peer, COMMON)
      }, 'ProtocolError'],
      ['asks for more', peer => { peer.rpc({ type: RPCType.MORE }) }, 'ProtocolError'],
      ['sends a salt', peer => { peer.rpc({ type: RPCType.SALT, data: new Uint8Array(16) }) }, 'ProtocolError'],
      ['is done before it has begun', peer => { peer.rpc({ type: RPCType.DONE }) }, 'ProtocolError']
    ] as Array<[string, (peer: ReplicatingPeer) => void, string]>) {
      it(`ends with ${error} where the other one ${name}`, async () => {
        // so that nothing has been answered
        const { peer, ended } = await begin({ allow: async () => new Promise(() => {}) })

        say(peer)
        expect(await ended).to.equal(error)
      })
    }
  })

  describe('with a peer that speaks 4.0.1 only', () => {
    it('are listed, and nothing is said that it does not know', async () => {
      const remote = await ScriptedNode.create(NAMED, PROTOCOL)
      const here = await createReplica({ store: await memoryStore([...COMMON, a, b]), accept: () => true, limits: PATIENT })
      const { peer, result } = await remote.replicate(here)

      peer.identify('log')
      peer.since(-1)
      await peer.hears('END 202')
      expect(peer.saidOf('CELLS', 'GIVE_UP', 'COMPARED')).to.be.empty()
      peer.stream.abort(new Error('Enough'))
      await expect(result).to.eventually.be.rejected()

      const other = await remote.open(here)

      other.identify('log')
      other.since(-1)
      // which it skips
      sendCells(other, COMMON)
      other.rpc({ type: RPCType.SALT, data: new Uint8Array(3) })
      await other.hears('END 202')
      expect(other.saidOf('CELLS', 'GIVE_UP', 'COMPARED')).to.be.empty()
    })
  })
})
