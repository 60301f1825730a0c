import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { SequenceSet } from '../../src/store/sequence-set.ts'
import { runs } from '../fixtures/runs.ts'

describe('SequenceSet', () => {
  it('is a set', () => {
    const sequence = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 8170, max: 8220 }), fc.integer({ min: 1, max: 10_000_000 }))
    const commands = fc.array(fc.tuple(fc.boolean(), sequence))

    fc.assert(fc.property(commands, (commands) => {
      const set = new SequenceSet()
      const model = new Set<number>()

      for (const [add, sequence] of commands) {
        if (add) {
          set.add(sequence)
          model.add(sequence)
        } else {
          set.delete(sequence)
          model.delete(sequence)
        }

        expect(set.size).to.equal(model.size)

        for (const near of [sequence - 1, sequence, sequence + 1, sequence + 8]) {
          expect(set.has(near)).to.equal(model.has(near))
        }
      }
    }), { numRuns: runs(100, 5000) })
  })

  it('has none of those that it has no room for yet', () => {
    expect(new SequenceSet().has(0xffffffff)).to.be.false()
  })
})
