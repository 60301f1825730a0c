import { expect } from 'aegir/chai'
import fc from 'fast-check'
import { Cursor } from '../../src/replication/cursor.ts'
import { runs } from '../fixtures/runs.ts'
import type { Batch } from '../../src/replication/cursor.ts'

describe('the cursor of a log', () => {
  it('is where all before it is settled, and nothing has failed', () => {
    const step = fc.record({
      what: fc.constantFrom('note', 'settle', 'settle', 'fail'),
      left: fc.nat(3),
      which: fc.nat()
    })

    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const cursor = new Cursor(-1)
      const noted: Array<{ left: number, failed: boolean, batch?: Batch }> = []

      for (const { what, left, which } of steps) {
        const open = noted.filter(({ left, batch }) => left > 0 && batch != null)

        if (what === 'note') {
          noted.push({ left, failed: false, batch: cursor.note(noted.length, left) })
        } else if (open.length > 0) {
          const one = open[which % open.length]

          one.left--
          one.failed ||= what === 'fail'

          if (what === 'fail') {
            cursor.fail(one.batch as Batch)
          } else {
            cursor.settle(one.batch as Batch)
          }
        }

        const first = noted.findIndex(({ left, failed }) => left > 0 || failed)
        expect(cursor.position).to.equal((first === -1 ? noted.length : first) - 1)
      }
    }), { numRuns: runs(300, 10_000) })
  })

  it('is after what was settled early when what was before that is settled', () => {
    const cursor = new Cursor(-1)
    const first = cursor.note(0, 1)
    cursor.note(1, 0)
    cursor.note(2, 1)
    cursor.settle(first as Batch)

    expect(cursor.position).to.equal(1)
  })

  it('does not pass what is asked for again', () => {
    const cursor = new Cursor(-1)
    const first = cursor.note(1, 1)
    cursor.note(2, 0)
    cursor.forgetAfter(1)
    cursor.settle(first as Batch)

    expect(cursor.position).to.equal(1)
  })
})
