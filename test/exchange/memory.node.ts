import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { nothing } from '../fixtures/content.ts'
import { MiB, used } from '../fixtures/used-memory.ts'

describe('exchange: the memory that it takes', () => {
  it('is not that of what was asked for and given up before it was sent', async () => {
    const ex = exchange(nothing)
    const waiting = [ex.get('first'), ex.get('second')]
    const before = used()
    const names = new Set<string>()

    for (let i = 0; i < 30_000; i++) {
      const controller = new AbortController()
      const got = ex.get(i.toString(16).padStart(64, '0'), controller)

      controller.abort()
      await got.catch(err => { names.add(err.name) })
    }

    expect(used() - before).to.be.lessThan(2 * MiB)
    expect([...names]).to.deep.equal(['AbortError'])

    ex.abort()
    await Promise.allSettled(waiting)
  })
})
