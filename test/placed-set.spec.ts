import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { NOWHERE, PlacedSet } from '../src/placed-set.ts'
import { runs } from './fixtures/runs.ts'
import type { Placed } from '../src/placed-set.ts'

const steps = fc.array(fc.record({
  what: fc.constantFrom('add', 'add', 'add', 'delete', 'delete', 'clear'),
  item: fc.nat(30)
}), { maxLength: 200, size: 'max' })

describe('a set of what knows its place', () => {
  it('does what a Set does, but for the order', () => {
    fc.assert(fc.property(steps, steps => {
      const items = Array.from({ length: 31 }, (): Placed => ({ place: NOWHERE }))
      const set = new PlacedSet<Placed>()
      const model = new Set<Placed>()

      for (const { what, item } of steps) {
        switch (what) {
          case 'add':
            set.add(items[item])
            model.add(items[item])
            break
          case 'delete':
            expect(set.delete(items[item])).to.equal(model.delete(items[item]))
            break
          default:
            set.clear()
            model.clear()
        }

        expect(set.size).to.equal(model.size)
        expect(items.filter(item => set.has(item))).to.deep.equal(items.filter(item => model.has(item)))
        expect([...set].filter(item => !model.has(item))).to.be.empty()
      }
    }), { numRuns: runs(200, 10_000, 100) })
  })

  it('gives all that were there, whatever becomes of them meanwhile', () => {
    const items = Array.from({ length: 10 }, (): Placed => ({ place: NOWHERE }))
    const set = new PlacedSet<Placed>()
    const given: Placed[] = []

    items.forEach(item => { set.add(item) })

    for (const item of set) {
      given.push(item)
      set.delete(item)
    }

    expect(given).to.deep.equal(items)
    expect(set.size).to.equal(0)
  })

  it('does not take something that is in another one for its own', () => {
    const [item, other] = [{ place: NOWHERE }, { place: NOWHERE }]
    const [a, b] = [new PlacedSet<Placed>(), new PlacedSet<Placed>()]

    a.add(item)
    b.add(other)

    expect(b.has(item)).to.be.false()
    expect(b.delete(item)).to.be.false()
    expect(a.has(item)).to.be.true()
    expect(b.size).to.equal(1)
  })
})
