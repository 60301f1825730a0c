import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { HashIndex } from '../../src/store/hash-index.ts'
import { runs } from '../fixtures/runs.ts'

describe('HashIndex', () => {
  /**
   * Few different ones, so that they meet, and some that have the first bytes in
   * common
   */
  const digest = fc.tuple(fc.nat(3), fc.nat(400), fc.constantFrom(0, 14, 28, 30)).map(([first, some, at]) => {
    const bytes = new Uint8Array(32).fill(first)
    new DataView(bytes.buffer).setUint16(at, some)

    return bytes
  })
  const sha256 = digest.map(digest => Uint8Array.of(0x12, 0x20, ...digest))
  const others = fc.tuple(fc.constantFrom([0x13, 0x40], [0x12, 0x10], [0xb2, 0x20, 0x20]), digest).map(([prefix, digest]) => Uint8Array.of(...prefix, ...digest))

  it('is a map', () => {
    const command = fc.tuple(fc.constantFrom('set', 'set', 'delete'), fc.oneof({ weight: 3, arbitrary: sha256 }, others), fc.integer({ min: 1, max: 0xffffffff }))

    fc.assert(fc.property(fc.array(command, { maxLength: 3000, size: 'max' }), commands => {
      const index = new HashIndex()
      const model = new Map<string, number>()
      const seen = new Map<string, Uint8Array>()

      for (const [what, multihash, sequence] of commands) {
        seen.set(String(multihash), multihash)

        if (what === 'set') {
          index.set(multihash, sequence)
          model.set(String(multihash), sequence)
        } else {
          index.delete(multihash)
          model.delete(String(multihash))
        }

        expect(index.get(multihash)).to.equal(model.get(String(multihash)))
      }

      expect(index.size).to.equal(model.size)

      for (const [name, multihash] of seen) {
        expect(index.get(multihash)).to.equal(model.get(name))
      }
    }), { numRuns: runs(20, 500) })
  })

  it('keeps all when it grows', () => {
    const index = new HashIndex()
    const multihash = new Uint8Array(34)
    const view = new DataView(multihash.buffer)

    multihash.set([0x12, 0x20])

    for (let i = 1; i <= 50_000; i++) {
      view.setUint32(2, Math.imul(i, 0x9e3779b1))
      index.set(multihash, i)
    }

    for (let i = 1; i <= 50_000; i++) {
      view.setUint32(2, Math.imul(i, 0x9e3779b1))
      expect(index.get(multihash)).to.equal(i)
    }

    expect(index.size).to.equal(50_000)
  })
})
