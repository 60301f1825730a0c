import { runs } from '../fixtures/runs.ts'
import { fuzzTarget } from './fuzz-target.ts'
import { TARGETS } from './targets.ts'

/**
 * Of all targets together. `npm run fuzz` is the long form.
 */
const RUNS = 12_000

describe('what any bytes cause', () => {
  for (const [name, { share }] of Object.entries(TARGETS)) {
    it(`is as it should be: ${name}`, async function () {
      this.timeout(120_000)

      await fuzzTarget(name, { runs: Math.ceil(runs(RUNS, 20 * RUNS) * Math.max(share, 0.03)) })
    })
  }
})
