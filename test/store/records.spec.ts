import { expect } from 'aegir/chai'
import { MemoryDatastore } from 'datastore-core'
import { Records } from '../../src/store/records.ts'

const METHODS = ['get', 'has'] as const

describe('Records', () => {
  const enough = new Error('Enough')
  let datastore: MemoryDatastore
  let records: Records

  beforeEach(() => {
    datastore = new MemoryDatastore()
    records = new Records(datastore, '/x')
  })

  it('are found, or not', async () => {
    await records.put('a', Uint8Array.of(1))

    expect(await Promise.all(METHODS.map(async method => records[method]('a')))).to.deep.equal([Uint8Array.of(1), true])
    expect(await Promise.all(METHODS.map(async method => records[method]('b')))).to.deep.equal([undefined, false])
  })

  it('throw the reason of a signal, whatever the datastore makes of it', async () => {
    for (const name of ['NotFoundError', 'GetFailedError']) {
      const controller = new AbortController()
      datastore.get = () => {
        controller.abort(enough)
        throw Object.assign(new Error('AbortError: Enough'), { name })
      }

      await expect(records.get('a', controller)).to.eventually.be.rejected().that.equals(enough)
    }

    const controller = new AbortController()
    datastore.has = () => {
      controller.abort(enough)
      return false
    }

    await expect(records.has('a', controller)).to.eventually.be.rejected().that.equals(enough)
  })

  it('ask nothing of the datastore if the signal is aborted', async () => {
    let asked = 0
    datastore.get = () => Uint8Array.of(asked++)
    datastore.has = () => asked++ >= 0

    for (const method of METHODS) {
      await expect(records[method]('a', { signal: AbortSignal.abort(enough) })).to.eventually.be.rejected().that.equals(enough)
    }

    expect(asked).to.equal(0)
  })

  it('throw what the datastore throws', async () => {
    const broken = new Error('Broken')
    datastore.get = () => { throw broken }

    await expect(records.get('a')).to.eventually.be.rejected().that.equals(broken)
    datastore.has = () => { throw broken }
    await expect(records.has('a')).to.eventually.be.rejected().that.equals(broken)
  })
})
