import { expect } from 'aegir/chai'
import { Sketch } from '../../src/sketch/sketch.ts'
import { cellsOf, keysFrom, sumOf } from '../fixtures/keys.ts'

describe('a sketch', () => {
  it('is the same whatever came and went', () => {
    const keys = keysFrom(7, 100)
    const left = [...keys.slice(60), ...keys.slice(0, 10)]
    const sketch = new Sketch(500)

    keys.forEach(key => { sketch.add(key) })
    keys.slice(0, 60).forEach(key => { sketch.remove(key) })
    keys.slice(0, 10).forEach(key => { sketch.add(key) })

    const { cells, sum, size, removed } = sketch.snapshot()

    expect({ size, removed }).to.deep.equal({ size: 50, removed: 60 })
    expect(cells.encode(0, 500)).to.deep.equal(cellsOf(left, 500).encode(0, 500))
    expect(sum.encode()).to.deep.equal(sumOf(left).encode())
  })

  it('gives what it was, once for all who ask before it changes', () => {
    const [a, b] = keysFrom(8, 2)
    const sketch = new Sketch(10)

    sketch.add(a)

    const before = sketch.snapshot()

    expect(sketch.snapshot()).to.equal(before)
    sketch.add(b)
    expect(before.size).to.equal(1)
    expect(before.cells.encode(0, 10)).to.deep.equal(cellsOf([a], 10).encode(0, 10))
    expect(before.sum.encode()).to.deep.equal(sumOf([a]).encode())
    expect(sketch.snapshot()).to.not.equal(before)
  })
})
