import { expect } from 'aegir/chai'
import { checkBlockHash } from '../../src/store/block-hash.ts'
import { MemoryBlocks } from '../../src/store/memory.ts'
import { block, blocks } from '../fixtures/blocks.ts'
import { MiB, used } from '../fixtures/used-memory.ts'

const COUNT = 16_384
const SIZE = 1024
const KEPT = 64

describe('blocks in memory: what they take', () => {
  it('is little more than themselves, also when all but a few were deleted', () => {
    const store = new MemoryBlocks()

    // what was collected is swept by the next time
    used()
    const before = used()

    for (const { hash, bytes } of blocks(0, COUNT, SIZE)) {
      store.put(checkBlockHash(hash), bytes)
    }

    used()
    // with 220 bytes for each of what is known of it
    expect(used() - before).to.be.within(COUNT * SIZE, COUNT * (SIZE + 256))

    for (const [i, { hash }] of blocks(0, COUNT, SIZE).entries()) {
      // some are left of each buffer
      if (i % KEPT !== 0) {
        store.delete(checkBlockHash(hash))
      }
    }

    used()
    expect(used() - before).to.be.lessThan(MiB)

    for (let seed = 0; seed < COUNT; seed += KEPT) {
      const { hash, bytes } = block(seed, SIZE)

      expect([...store.get(checkBlockHash(hash))]).to.deep.equal([bytes])
    }
  })
})
