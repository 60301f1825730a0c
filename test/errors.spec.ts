import { expect } from 'aegir/chai'
import * as api from '../src/index.ts'
import { OWN_ERRORS } from './fixtures/error-names.ts'

function errors (): Array<new (message?: string) => Error> {
  return Object.values(api).filter((value): value is any => typeof value === 'function' && value.prototype instanceof Error)
}

describe('errors', () => {
  it('are the documented ones, no fewer and no more', () => {
    expect(errors().map(({ name }) => name).sort()).to.deep.equal(OWN_ERRORS)
  })

  it('are exported, constructed and thrown under one name', () => {
    for (const [name, value] of Object.entries(api)) {
      if (errors().includes(value as any)) {
        expect(new (value as any)()).to.be.an('error').with.property('name', name)
        expect(new (value as any)()).to.have.property('message').that.is.not.empty()
        expect(new (value as any)('why')).to.have.property('message', 'why')
        expect(value).to.have.property('name', name)
      }
    }
  })
})
