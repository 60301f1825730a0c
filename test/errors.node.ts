import { readFile } from 'node:fs/promises'
import { expect } from 'aegir/chai'
import { ERROR_NAMES } from './fixtures/error-names.ts'

describe('errors in the README', () => {
  it('are those that there are', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
    const names = [...readme.matchAll(/^\| `(\w+Error)` \|/gm)].map(([, name]) => name)

    expect(names.sort()).to.deep.equal([...ERROR_NAMES].sort())
  })
})
