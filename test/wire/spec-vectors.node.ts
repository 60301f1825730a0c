import { readFileSync } from 'node:fs'
import { expect } from 'aegir/chai'
import { CELLS, CELLS_OF_KEYS, SUM } from '../fixtures/sketch-vectors.ts'
import { CONVERSATION, FRAMES, REFUSED } from '../fixtures/spec-vectors.ts'

/**
 * The bytes in the first column that has any, of each row below a heading
 */
function vectorsBelow (heading: string, spec: string): string[] {
  const [, after = ''] = spec.split(`\n### ${heading}\n`)
  const [section] = after.split('\n#')

  return [...section.matchAll(/^\|(?: [AB] \|)? `([0-9a-f ]+)` \|/gm)].map(([, hex]) => hex)
}

describe('SPEC.md', () => {
  const spec = readFileSync('SPEC.md', 'utf8')

  for (const [heading, vectors] of Object.entries({ Frames: FRAMES, 'A conversation': CONVERSATION, 'What is refused': REFUSED })) {
    it(`has the vectors that are tested, and no others, in "${heading}"`, () => {
      expect(vectorsBelow(heading, spec)).to.deep.equal(vectors.map(({ hex }) => hex))
    })
  }

  it('has the cells that are tested', () => {
    const [, after] = spec.split('\n## Comparing stores: 4.1.0\n')
    const rows = [...after.matchAll(/^\| `([0-9a-f]{32})` \| (yes|no) \| `([0-9a-f]{16})` \| ([\d ]+) \|$/gm)]

    expect(rows.map(([, key, salted, check, cells]) => ({ key, salted: salted === 'yes', check, cells }))).to.deep.equal(CELLS_OF_KEYS)
    expect([...after.matchAll(/^\| `([0-9a-f]{52})` \|$/gm)].map(([, cell]) => cell)).to.deep.equal(CELLS)
    expect([...after.matchAll(/^\| `([0-9a-f]{256})` \|$/gm)].map(([, sum]) => sum)).to.deep.equal([SUM])
  })

  it('says who sends what in the conversation', () => {
    const [, after] = spec.split('\n### A conversation\n')
    const senders = [...after.matchAll(/^\| ([AB]) \|/gm)].map(([, sender]) => sender)

    expect(senders).to.deep.equal(CONVERSATION.map(({ from }) => from))
  })
})
