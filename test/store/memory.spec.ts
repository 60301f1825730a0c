import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { concat } from 'uint8arrays/concat'
import { checkBlockHash } from '../../src/store/block-hash.ts'
import { MemoryBlocks } from '../../src/store/memory.ts'
import { block } from '../fixtures/blocks.ts'
import { content } from '../fixtures/content.ts'
import { runs } from '../fixtures/runs.ts'

function read (blocks: MemoryBlocks, hash: string): Uint8Array {
  return concat([...blocks.get(checkBlockHash(hash))])
}

async function * inParts (bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) {
    yield bytes.subarray(offset, offset + size)
  }
}

describe('blocks in memory', () => {
  it('are what was put last, whatever was put, replaced and deleted beside them', async () => {
    const hashes = Array.from({ length: 40 }, (_, seed) => block(seed).hash)
    // more than share a buffer, exactly as much as does, nothing, and what fills buffers
    const sizes = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 16_384 }), fc.constantFrom(0, 4096, 16_384, 16_385, 40_000))
    const operation = fc.record({ hash: fc.nat(hashes.length - 1), size: sizes, deletes: fc.boolean(), parts: fc.option(fc.integer({ min: 1000, max: 20_000 })) })

    await fc.assert(fc.asyncProperty(fc.array(operation, { maxLength: 400, size: 'max' }), async operations => {
      const blocks = new MemoryBlocks()
      const model = new Map<string, Uint8Array>()

      for (const [seed, { hash: index, size, deletes, parts }] of operations.entries()) {
        const hash = hashes[index]
        const cid = checkBlockHash(hash)
        const bytes = content(seed, size)

        if (deletes) {
          blocks.delete(cid)
          model.delete(hash)
        } else {
          await blocks.put(cid, parts == null ? bytes.slice() : inParts(bytes, parts))
          model.set(hash, bytes)
        }

        expect(blocks.has(cid)).to.equal(model.has(hash))
      }

      for (const hash of hashes) {
        const bytes = model.get(hash)

        if (bytes == null) {
          expect(() => read(blocks, hash)).to.throw().with.property('name', 'NotFoundError')
        } else {
          expect(read(blocks, hash)).to.deep.equal(bytes)
        }
      }
    }), { numRuns: runs(40, 1000, 15) })
  })

  it('do not change with what was put or given, nor go with its buffer, if they are small', async () => {
    for (const size of [64, 16_384]) {
      const blocks = new MemoryBlocks()
      const [one, inParts, other] = [block(1, size), block(2, size), block(3, size)]
      const put = one.bytes.slice()
      const parts = [inParts.bytes.slice(0, 1), inParts.bytes.slice(1)]

      blocks.put(checkBlockHash(one.hash), put)
      await blocks.put(checkBlockHash(inParts.hash), (async function * () { yield * parts })())
      blocks.put(checkBlockHash(other.hash), other.bytes.slice())

      for (const bytes of [put, ...parts, ...blocks.get(checkBlockHash(one.hash)), ...blocks.get(checkBlockHash(inParts.hash))]) {
        bytes.fill(0)
        structuredClone(bytes, { transfer: [bytes.buffer] })
      }

      for (const { hash, bytes } of [one, inParts, other]) {
        expect(read(blocks, hash)).to.deep.equal(bytes)
      }
    }
  })

  it('are given when they were deleted after they were asked for', () => {
    const blocks = new MemoryBlocks()
    const { hash, bytes } = block(1)

    blocks.put(checkBlockHash(hash), bytes)
    const asked = blocks.get(checkBlockHash(hash))
    blocks.delete(checkBlockHash(hash))

    expect([...asked]).to.deep.equal([bytes])
  })
})
