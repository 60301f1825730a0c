import { createHash } from 'node:crypto'
import { expect } from 'aegir/chai'
import { connect } from '../fixtures/connect.ts'
import { originalParty, ourParty } from '../fixtures/party.ts'
import { asTheyCome, cutInto, everyByte, joined } from '../fixtures/slicing.ts'
import type { Party, PartyInit } from '../fixtures/party.ts'

const sha1 = (content: string): string => createHash('sha1').update(content).digest('hex')

/**
 * What the two parties of a scenario tell of it, in any order, until it is what
 * the scenario expects
 */
class Story {
  readonly #expected: string[]
  readonly #told: string[] = []
  readonly #complete = Promise.withResolvers<void>()

  constructor (expected: string[]) {
    this.#expected = expected
  }

  tell (line: string): void {
    this.#told.push(line)

    if (this.#told.length === this.#expected.length) {
      this.#complete.resolve()
    }
  }

  async complete (): Promise<void> {
    await this.#complete.promise
    expect(this.#told).to.have.members(this.#expected)
  }
}

interface Scenario {
  name: string
  a: string[]
  b: string[]
  init?(keys: string[], party: 'A' | 'B'): Partial<PartyInit>
  story: string[]
  /**
   * What a party does with what happens to it.
   */
  play(party: Party, name: 'A' | 'B', keys: string[], story: Story): void
  /**
   * If both end by themselves
   */
  ends?: boolean
}

/**
 * The tests of the original, by their names
 */
const SCENARIOS: Scenario[] = [{
  name: 'exchange',
  a: ['hey yo', 'WHATEVER', 'beep'],
  b: ['beep', 'boop', 'hey yo'],
  story: [
    `A available ${sha1('boop')}`,
    'A response boop',
    `B available ${sha1('WHATEVER')}`,
    'B response WHATEVER'
  ],
  play: (party, name, keys, story) => {
    party.on({
      available: (hashes) => {
        story.tell(`${name} available ${hashes}`)
        party.request(hashes)
      },
      response: async (hash, body) => {
        story.tell(`${name} response ${await body}`)
      }
    })
    party.provide(keys)
  }
}, {
  name: 'close',
  a: ['hey yo', 'WHATEVER', 'beep'],
  b: ['beep', 'boop', 'hey yo'],
  story: [
    `A available ${sha1('boop')}`,
    'A response boop',
    'A close',
    `B available ${sha1('WHATEVER')}`,
    'B response WHATEVER',
    'B close'
  ],
  play: (party, name, keys, story) => {
    party.on({
      available: (hashes) => {
        story.tell(`${name} available ${hashes}`)
        party.request(hashes)
      },
      response: async (hash, body) => {
        story.tell(`${name} response ${await body}`)
        party.close()
      },
      close: () => { story.tell(`${name} close`) }
    })
    party.provide(keys)
  },
  ends: true
}, {
  name: 'since',
  a: ['hey yo', 'WHATEVER', 'beep', 'zoom'],
  b: ['boop', 'beep', 'hey yo'],
  story: [
    'A since 2',
    `A available ${sha1('hey yo')}`,
    'A response hey yo',
    'B since 1',
    `B available ${sha1('zoom')}`,
    'B response zoom'
  ],
  play: (party, name, keys, story) => {
    party.on({
      since: (sequence) => {
        story.tell(`${name} since ${sequence}`)
        party.provide(keys.slice(sequence))
      },
      available: (hashes) => {
        if (hashes.length > 0) {
          story.tell(`${name} available ${hashes}`)
          party.request(hashes)
        }
      },
      response: async (hash, body) => {
        story.tell(`${name} response ${await body}`)
      }
    })
    party.since(name === 'A' ? 1 : 2)
  }
}, {
  name: 'seq',
  a: ['hey yo', 'WHATEVER', 'beep', 'zoom'],
  b: ['boop', 'beep', 'hey yo'],
  init: (keys) => ({ sequenceOf: (hash) => keys.indexOf(hash) + 1 }),
  story: [
    'A since 2',
    `A available ${sha1('hey yo')}`,
    'A response 3 hey yo',
    'B since 1',
    `B available ${sha1('zoom')}`,
    'B response 4 zoom'
  ],
  play: (party, name, keys, story) => {
    party.on({
      since: (sequence) => {
        story.tell(`${name} since ${sequence}`)
        party.provide(keys.slice(sequence))
      },
      available: (hashes) => {
        story.tell(`${name} available ${hashes}`)
        party.request(hashes)
      },
      response: async (hash, body, sequence) => {
        story.tell(`${name} response ${sequence} ${await body}`)
      }
    })
    party.since(name === 'A' ? 1 : 2)
  }
}, {
  name: 'seen',
  a: ['hey yo', 'WHATEVER', 'beep', 'zoom'],
  b: ['boop', 'beep', 'hey yo'],
  init: (keys, party) => ({ id: party, sequenceOf: () => party === 'A' ? 2 : 1 }),
  story: [
    'A id B',
    'A since 2',
    `A available ${sha1('hey yo')}`,
    'A response 1 hey yo',
    'A seen 2',
    'B id A',
    'B since 1',
    `B available ${sha1('zoom')}`,
    'B response 2 zoom',
    'B seen 1'
  ],
  play: (party, name, keys, story) => {
    party.on({
      id: (id) => {
        story.tell(`${name} id ${id}`)
        party.since(name === 'A' ? 1 : 2)
      },
      since: (sequence) => {
        story.tell(`${name} since ${sequence}`)
        party.provide(keys.slice(sequence))
      },
      available: (hashes) => {
        story.tell(`${name} available ${hashes}`)
        party.request(hashes)
      },
      response: async (hash, body, sequence) => {
        story.tell(`${name} response ${sequence} ${await body}`)
        party.seen(sequence)
      },
      seen: (sequence) => { story.tell(`${name} seen ${sequence}`) }
    })
  }
}]

interface Parties {
  name: string
  a(init: PartyInit): Party
  b(init: PartyInit): Party
}

const PARTIES: Parties[] = [
  { name: 'ours with the original', a: ourParty, b: originalParty },
  { name: 'the original with ours', a: originalParty, b: ourParty },
  { name: 'ours with ours', a: ourParty, b: ourParty },
  {
    name: 'ours with ours, known as such',
    a: (init) => ourParty({ id: 'A', ...init }),
    b: (init) => ourParty({ id: 'B', ...init })
  }
]

const SLICINGS = {
  'in chunks as they come': { there: asTheyCome, back: asTheyCome },
  'in single bytes': { there: everyByte, back: everyByte },
  'in joined chunks': { there: joined, back: joined },
  'in odd chunks': { there: cutInto([1, 7, 3, 50, 2, 1]), back: cutInto([13, 1, 1, 5, 100]) }
}

async function play (scenario: Scenario, parties: Parties, slicing: typeof SLICINGS[keyof typeof SLICINGS]): Promise<void> {
  const story = new Story(scenario.story)

  const create = (name: 'A' | 'B', create: (init: PartyInit) => Party, messages: string[]): Party => {
    const keys = messages.map(sha1)
    const contents = new Map(messages.map(message => [sha1(message), message]))
    const party = create({ contents, ...scenario.init?.(keys, name) })

    scenario.play(party, name, keys, story)

    return party
  }

  const a = create('A', parties.a, scenario.a)
  const b = create('B', parties.b, scenario.b)
  const { ended } = connect(a.duplex, b.duplex, slicing)

  if (scenario.ends === true) {
    await Promise.all([story.complete(), ended])
  } else {
    await Promise.race([story.complete(), ended])
    a.destroy()
    b.destroy()
  }
}

describe('the scenarios of the original\'s tests', () => {
  for (const scenario of SCENARIOS) {
    it(`${scenario.name}: the original with itself`, async () => {
      await play(scenario, { name: '', a: originalParty, b: originalParty }, SLICINGS['in chunks as they come'])
    })

    for (const parties of PARTIES) {
      for (const [slicing, slicings] of Object.entries(SLICINGS)) {
        it(`${scenario.name}: ${parties.name}, ${slicing}`, async () => {
          await play(scenario, parties, slicings)
        })
      }
    }
  }
})
