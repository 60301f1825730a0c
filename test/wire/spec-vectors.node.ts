import { readFileSync } from 'node:fs'
import { expect } from 'aegir/chai'
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

  it('says who sends what in the conversation', () => {
    const [, after] = spec.split('\n### A conversation\n')
    const senders = [...after.matchAll(/^\| ([AB]) \|/gm)].map(([, sender]) => sender)

    expect(senders).to.deep.equal(CONVERSATION.map(({ from }) => from))
  })
})
