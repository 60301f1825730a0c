import { expect } from 'aegir/chai'
import { SetSum, SUM_BYTES } from '../../src/sketch/set-sum.ts'
import { toHex } from '../fixtures/bytes.ts'
import { keysFrom, sumOf, wordsOf } from '../fixtures/keys.ts'
import { CELLS_OF_KEYS, SUM } from '../fixtures/sketch-vectors.ts'

describe('the sum of a set', () => {
  it('is that of its keys, in any order', () => {
    const keys = keysFrom(1, 20)
    const sum = sumOf([...keys].reverse())

    expect(sum.equals(sumOf(keys))).to.be.true()
    sum.add(keys[3], -1)
    expect(sum.equals(sumOf(keys))).to.be.false()
    expect(sum.equals(sumOf(keys.filter((key, i) => i !== 3)))).to.be.true()
  })

  it('is not changed by what happens to a copy', () => {
    const keys = keysFrom(2, 2)
    const sum = sumOf(keys)

    sum.copy().add(keys[0], 1)
    expect(sum.equals(sumOf(keys))).to.be.true()
  })

  it('is sent as SPEC.md has it', () => {
    const sum = sumOf(CELLS_OF_KEYS.slice(2, 4).map(({ key }) => wordsOf(key)))

    expect(toHex(sum.encode())).to.equal(SUM)
    expect(sum.encode()).to.have.lengthOf(SUM_BYTES)
    expect(SetSum.decode(new Uint8Array([...sum.encode(), 1])).equals(sum)).to.be.true()
  })
})
