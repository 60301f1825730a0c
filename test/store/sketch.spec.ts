import { expect } from 'aegir/chai'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import all from 'it-all'
import * as Digest from 'multiformats/hashes/digest'
import { blockHash, blockStore, parseBlockHash, Sketch } from '../../src/index.ts'
import { block, blocks } from '../fixtures/blocks.ts'
import { keysFrom, words } from '../fixtures/keys.ts'
import type { Store, StoreSketch } from '../../src/index.ts'

const CELLS = 100

function keyOf (hash: string): Int32Array {
  return words(parseBlockHash(hash)?.multihash.digest.slice(0, 16) ?? new Uint8Array(0))
}

function sketchOf ({ sketch }: Store): StoreSketch {
  if (sketch == null) {
    throw new Error('A block store has a sketch')
  }

  return sketch
}

describe('the sketch of a block store', () => {
  const open = async (below: { blockstore: MemoryBlockstore, datastore: MemoryDatastore }): Promise<Store> => blockStore({ ...below, cells: CELLS })

  it('is that of the hashes there are, also when it is opened again', async () => {
    const below = { blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() }
    const store = await open(below)
    const some = blocks(0, 300, 8)

    await Promise.all(some.map(async ({ hash, bytes }) => store.put(hash, bytes)))
    await Promise.all(some.slice(100, 200).map(async ({ hash }) => store.delete(hash)))
    await Promise.all(some.slice(150, 160).map(async ({ hash, bytes }) => store.put(hash, bytes)))

    const left = [...some.slice(0, 100), ...some.slice(150, 160), ...some.slice(200)].map(({ hash }) => hash)
    const expected = new Sketch(CELLS)

    left.forEach(hash => { expected.add(keyOf(hash)) })

    for (const opened of [store, await open(below)]) {
      const sketch = sketchOf(opened)
      const { cells, sum, size, lastSequence } = sketch.snapshot()

      expect({ size, length: sketch.length, now: sketch.size, lastSequence }).to.deep.equal({ size: 210, length: CELLS, now: 210, lastSequence: 310 })
      expect(cells.encode(0, CELLS)).to.deep.equal(expected.snapshot().cells.encode(0, CELLS))
      expect(sum.equals(expected.snapshot().sum)).to.be.true()
      expect(sketch.keys()).to.have.lengthOf(4 * 210)
    }
  })

  it('leads from a key to the hash', async () => {
    const store = await open({ blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() })
    const sketch = sketchOf(store)
    const some = blocks(0, 300, 8)

    for (const { hash, bytes } of some) {
      await store.put(hash, bytes)
    }

    expect(some.map(({ hash }) => sketch.find(keyOf(hash)))).to.deep.equal(some.map((_, i) => i + 1))
    expect(sketch.find(keysFrom(1, 1)[0])).to.equal(undefined)

    await store.delete(some[4].hash)
    expect(sketch.find(keyOf(some[4].hash))).to.equal(undefined)
    expect(sketch.removed).to.equal(1)
    expect(await all(sketch.entries([1, 5, 6, 300, 301]))).to.deep.equal([1, 6, 300].map(sequence => ({ hash: some[sequence - 1].hash, sequence })))
  })

  it('has hashes of other functions as well', async () => {
    const store = await open({ blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() })
    const hash = blockHash(Digest.create(0x1013, new Uint8Array(64).fill(7)))

    await store.put(hash, new Uint8Array(1))
    expect(sketchOf(store).find(sketchOf(store).keys())).to.equal(1)
  })

  it('refuses a number of cells that can not be', async () => {
    for (const cells of [0, -1, 1.5, 2 ** 21, NaN, '8' as any]) {
      await expect(blockStore({ blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore(), cells })).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
    }

    const small = await blockStore({ blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore(), cells: 1 })
    const { hash, bytes } = block(1)

    await small.put(hash, bytes)
    expect(sketchOf(small).snapshot().cells).to.have.lengthOf(1)
  })
})
