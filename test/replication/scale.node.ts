import { expect } from 'aegir/chai'
import { measureScale } from '../../benchmarks/scale/run.ts'
import { runs } from '../fixtures/runs.ts'
import type { ScaleResult } from '../../benchmarks/scale/run.ts'

/**
 * Nothing may be kept for each hash of a store while it is announced: a string
 * of each would be 80 MiB more in the larger one
 */
const MAX_MORE_MIB = 20

describe('two large stores that differ in 100 hashes', function () {
  this.timeout(runs(60_000, 1_800_000))

  async function measure (hashes: number, compare: boolean): Promise<ScaleResult> {
    let told = 0

    const result = await measureScale({
      hashes,
      differences: 100,
      blocks: 'level',
      compare,
      heap: true,
      onProgress: done => {
        // whoever watches would take it for one that hangs
        if (done >= told + 0.1) {
          told = done
          // eslint-disable-next-line no-console
          console.info(`      building stores of ${hashes} hashes: ${(done * 100).toFixed(0)} %`)
        }
      }
    })

    for (const { seconds, wire, opener, other } of [result.first, result.again]) {
      // eslint-disable-next-line no-console
      console.info(`      ${hashes} hashes: ${seconds.toFixed(1)} s, ${wire} bytes on the wire, peak RSS ${opener.rss.toFixed(0)} / ${other.rss.toFixed(0)} MiB, live heap + ${growth(opener).toFixed(1)} / ${growth(other).toFixed(1)} MiB`)
    }

    return result
  }

  function growth ({ heap }: ScaleResult['first']['opener']): number {
    return heap.most - heap.before
  }

  function expectLittleSent ({ first, again }: ScaleResult, hashes: number): void {
    for (const { received, sent } of [first, again]) {
      expect({ received, sent }).to.deep.equal({ received: 50, sent: 50 })
    }

    // without cursors each hash once in each direction, of 59 characters
    expect(first.wire).to.be.below(2 * hashes * 62 + 100_000)
    // and with them little more than what differs
    expect(again.wire).to.be.below(100_000)
  }

  /**
   * However many hashes there are
   */
  async function expectCompared (hashes: number): Promise<void> {
    for (const { received, sent, wire } of Object.values(await measure(hashes, true)).filter(result => typeof result === 'object')) {
      expect({ received, sent }).to.deep.equal({ received: 50, sent: 50 })
      // 50 blocks and hashes in each direction, cells, and the beginning of a connection
      expect(wire).to.be.below(50_000)
    }
  }

  const SMALL = runs(1500, 100_000)
  const LARGE = 1_000_000
  let small: ScaleResult

  it(`lists ${SMALL} hashes`, async () => {
    small = await measure(SMALL, false)
    expectLittleSent(small, SMALL)
  })

  it(`compares ${SMALL} hashes`, async () => {
    await expectCompared(SMALL)
  })

  // which takes minutes
  const long = runs(0, 1) === 1 ? it : it.skip

  long(`compares ${LARGE} hashes`, async () => {
    await expectCompared(LARGE)
  })

  long(`lists ${LARGE} hashes in no more memory`, async () => {
    const large = await measure(LARGE, false)

    expectLittleSent(large, LARGE)

    for (const side of ['opener', 'other'] as const) {
      expect(growth(large.first[side])).to.be.below(growth(small.first[side]) + MAX_MORE_MIB)
    }
  })
})
