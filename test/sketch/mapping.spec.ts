import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { joinSalts } from '../../src/replication/salted.ts'
import { chacha8 } from '../../src/sketch/chacha.ts'
import { CELL_WORDS, COUNT_WORD, Mapping, secretOf } from '../../src/sketch/mapping.ts'
import { cellsOfKey, hexOf, keysFrom, words, wordsOf } from '../fixtures/keys.ts'
import { runs } from '../fixtures/runs.ts'
import { CELLS_OF_KEYS } from '../fixtures/sketch-vectors.ts'

const LENGTH = 32_768
/**
 * As SPEC.md has it, without a thought for speed
 */
function slowCells (state: Uint32Array): number[] {
  const cells = [0]
  const rotate = (x: number, bits: number): number => (x << bits | x >>> 32 - bits) >>> 0

  while (true) {
    const random = (rotate(state[0] + state[3] >>> 0, 7) + state[0]) % 2 ** 32
    const t = state[1] << 9

    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= t
    state[3] = rotate(state[3], 11)

    const cell = cells[cells.length - 1]
    const next = Math.max(cell + 1, Math.ceil(Math.sqrt((cell + 1) * (cell + 2) * (2 ** 32 / (random + 1)) + 0.25) - 1.5))

    if (next >= LENGTH) {
      return cells
    }

    cells.push(next)
  }
}

const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 })
const seed = Math.floor(Math.random() * 2 ** 31)

describe(`the cells of a key (seed ${seed})`, () => {
  const options = { numRuns: runs(1000, 20_000), seed }

  it('follow from the key', () => {
    const mapping = new Mapping(LENGTH)

    fc.assert(fc.property(bytes16, bytes => {
      expect(cellsOfKey(words(bytes), mapping)).to.deep.equal(slowCells(new Uint32Array(words(bytes))))
    }), options)
  })

  it('follow from the key and the salt', () => {
    fc.assert(fc.property(bytes16, bytes16, bytes16, (bytes, here, there) => {
      const salt = joinSalts(here, there)
      const mapping = new Mapping(LENGTH, salt)
      const cells = cellsOfKey(words(bytes), mapping)
      const block = new Int32Array(16)

      chacha8(secretOf(salt), words(bytes), block)
      expect(hexOf(mapping.check.slice(0, 2))).to.equal(hexOf(block.slice(0, 2)))
      expect(cells).to.deep.equal(slowCells(new Uint32Array(block.slice(2, 6))))
    }), options)
  })

  it('are those of SPEC.md', () => {
    for (const { key, salted, check, cells } of CELLS_OF_KEYS) {
      const mapping = new Mapping(LENGTH, salted ? joinSalts(new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)) : undefined)

      expect(cellsOfKey(wordsOf(key), mapping).join(' ')).to.equal(cells)
      expect(hexOf(mapping.check.slice(0, 2))).to.equal(check)
    }
  })

  it('are each hit as often as the paper has it', () => {
    const KEYS = runs(20_000, 1_000_000)
    const mapping = new Mapping(LENGTH)
    const words = new Int32Array(LENGTH * CELL_WORDS)

    for (const key of keysFrom(seed, KEYS)) {
      mapping.add(key, 1, words, 0, LENGTH)
    }

    const hits = Array.from({ length: LENGTH }, (_, cell) => words[cell * CELL_WORDS + COUNT_WORD])

    // of each group of cells, as only few keys are in the later ones
    for (let start = 1; start < LENGTH; start *= 2) {
      let found = 0
      let expected = 0
      let variance = 0

      for (let cell = start; cell < 2 * start && cell < LENGTH; cell++) {
        const probability = 1 / (1 + cell / 2)

        found += hits[cell]
        expected += KEYS * probability
        variance += KEYS * probability * (1 - probability)
      }

      // the cells of one key are not independent of each other, and six deviations
      // are seen once in 10^8
      expect(Math.abs(found - expected), `cells ${start} to ${2 * start - 1}`).to.be.below(6 * Math.sqrt(variance))
    }

    expect(hits[0]).to.equal(KEYS)
  })

  it('go on where the generator has no state', () => {
    const mapping = new Mapping(LENGTH)

    // nobody has such a key, but a remote may make one up
    expect(cellsOfKey(new Int32Array(4), mapping)).to.deep.equal([0])
  })
})
