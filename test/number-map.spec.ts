import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { NumberMap } from '../src/number-map.ts'
import { runs } from './fixtures/runs.ts'

// near each other, and such that share their lowest bits with many
const keys = fc.oneof(
  fc.nat(40),
  fc.nat(200).map(i => i * 4096),
  fc.constantFrom(0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1)
)

const steps = fc.array(fc.oneof(
  fc.record({ what: fc.constant('set'), key: keys }),
  fc.record({ what: fc.constant('delete'), key: keys }),
  // as sequences that are promised, and whose bodies begin in this order
  fc.record({ what: fc.constant('fill'), key: fc.nat(3000) }),
  fc.record({ what: fc.constant('empty'), key: fc.nat(3000) }),
  fc.record({ what: fc.constant('clear'), key: fc.constant(0) })
), { maxLength: 60, size: 'max' })

describe('a map of numbers', () => {
  it('does what a Map does', () => {
    fc.assert(fc.property(steps, steps => {
      const map = new NumberMap<{ i: number }>()
      const model = new Map<number, { i: number }>()

      steps.forEach(({ what, key }, i) => {
        switch (what) {
          case 'set':
            map.set(key, { i })
            model.set(key, { i })
            break
          case 'delete':
            expect(map.delete(key)).to.equal(model.delete(key))
            break
          case 'fill':
            for (let j = key; j < key + 700; j++) {
              map.set(j, { i })
              model.set(j, { i })
            }
            break
          case 'empty':
            for (let j = key; j < key + 700; j++) {
              if (map.delete(j) !== model.delete(j)) {
                expect.fail(`${j} was there in one of them only`)
              }
            }
            break
          default:
            map.clear()
            model.clear()
        }

        expect(map.size).to.equal(model.size)
        expect(map.get(key)).to.deep.equal(model.get(key))
        expect(map.has(key)).to.equal(model.has(key))
      })

      expect([...map.values()].map(({ i }) => i).sort((a, b) => a - b)).to.deep.equal([...model.values()].map(({ i }) => i).sort((a, b) => a - b))

      for (const [key, value] of model) {
        expect(map.get(key)).to.deep.equal(value)
      }
    }), { numRuns: runs(100, 10_000, 50) })
  })

  it('keeps keys apart that were made to share a slot', () => {
    const map = new NumberMap<number>()
    const keys = Array.from({ length: 1000 }, (_, i) => i * 65_536)

    keys.forEach(key => { map.set(key, key + 1) })
    expect(map.size).to.equal(1000)
    expect(keys.map(key => map.get(key))).to.deep.equal(keys.map(key => key + 1))
    // the slot of the first is free, and the others are found as before
    expect(map.delete(0)).to.be.true()
    expect(map.get(0)).to.equal(undefined)
    map.set(65_536, -1)
    expect(map.get(65_536)).to.equal(-1)
    expect(map.size).to.equal(999)
    expect(keys.filter(key => map.delete(key))).to.deep.equal(keys.slice(1))
    expect(map.size).to.equal(0)
  })
})
