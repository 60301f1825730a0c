import { expect } from 'aegir/chai'
import { explore } from '../models/explore.ts'
import { joining, RULES } from '../models/joining.ts'
import type { CallConfig, PeerConfig } from '../models/joining.ts'

type Configuration = [name: string, peers: [PeerConfig, PeerConfig]]

const MODES = ['sync', 'pull', 'push'] as const

function call (mode: typeof MODES[number], live = false, ends = false): CallConfig {
  return { takes: mode !== 'push', offers: mode !== 'pull', live, ends }
}

function * configurations (): Generator<Configuration> {
  for (const one of MODES) {
    for (const two of MODES) {
      for (const live of [false, true]) {
        const first = call(one, live, live)
        const name = `${one}${live ? ' live' : ''}`

        for (const accepts of [false, true]) {
          const suffix = accepts ? '' : ', B does not accept'

          yield [`A ${name}, then B ${two}${suffix}`, [{ log: ['a'], calls: [first], accepts }, { log: ['b'], calls: [call(two)], accepts }]]
          yield [`A ${name}, then A ${two}${suffix}`, [{ log: ['a'], calls: [first, call(two)] }, { log: ['b'], accepts }]]
        }

        for (const [a, b] of [[1, 0], [0, 1]]) {
          yield [`A ${name}, B ${two}, ${a === 1 ? 'A' : 'B'} puts`, [{ log: [], calls: [call(one, live)], puts: a, accepts: true }, { log: [], calls: [call(two)], puts: b, accepts: true }]]
        }
      }
    }
  }
}

/**
 * Those that take long only where there is time for them
 */
const LONG = process.env.LONG != null
const ALL = [...configurations()]
const FEW = ALL.filter((_, i) => i % 7 === 4)

describe('the rules for calls that join', function () {
  this.timeout(120_000)

  for (const [name, peers] of LONG ? ALL : FEW) {
    it(`hold: ${name}`, () => {
      const { states, wrong } = explore(joining(RULES, peers))

      expect(Object.fromEntries(wrong)).to.be.empty()
      expect(states).to.be.greaterThan(100)
    })
  }

  const needed: Array<[keyof typeof RULES, string, string]> = [
    ['oneListDue', 'A push, then B sync, B does not accept', 'A gets a REQUEST after its CLOSE'],
    ['putsAreNews', 'A sync, B sync, A puts', 'A resolves before B has pA0'],
    ['saysUpTo', 'A sync, B sync, A puts', 'A resolves before B has pA0'],
    ['openerEnds', 'A sync live, B push, A puts', 'a call of B waits for ever'],
    ['asksAgain', 'A sync live, B sync, A puts', 'B resolves without pA0']
  ]

  for (const [rule, name, what] of needed) {
    it(`need ${rule}`, () => {
      const peers = ALL.find(configuration => configuration[0] === name)?.[1]

      if (peers == null) {
        throw new Error(`There is no configuration ${name}`)
      }

      expect([...explore(joining({ ...RULES, [rule]: false }, peers)).wrong.keys()]).to.include(what)
    })
  }
})
