import { readdir, readFile } from 'node:fs/promises'
import { expect } from 'aegir/chai'
import { ERROR_NAMES, OPEN_ERRORS, REUSED_ERRORS } from './fixtures/error-names.ts'

describe('errors in the README', () => {
  it('are those that there are', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
    const names = [...readme.matchAll(/^\| `(\w+Error)` \|/gm)].map(([, name]) => name)

    expect(names.sort()).to.deep.equal([...ERROR_NAMES, ...OPEN_ERRORS].sort())
  })

  it('include all of libp2p that the source makes', async () => {
    const src = new URL('../src/', import.meta.url)
    const files = (await readdir(src, { recursive: true })).filter(name => name.endsWith('.ts'))
    const sources = await Promise.all(files.map(async name => readFile(new URL(name, src), 'utf8')))
    const made = sources.flatMap(source => {
      const imported = /^import \{([^}]+)\} from '@libp2p\/interface'$/m.exec(source)?.[1].match(/\w+Error/g) ?? []

      return imported.filter(name => source.includes(`new ${name}(`))
    })

    expect(made).to.include('ConnectionFailedError')
    expect([...REUSED_ERRORS, ...OPEN_ERRORS]).to.include.members([...new Set(made)])
  })
})
