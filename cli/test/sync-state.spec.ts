import { expect } from 'aegir/chai'
import { barState } from '../src/net/sync-state.ts'
import type { ReplicateProgress } from 'libp2p-hash-exchange'

const NONE = { hashes: 0, bytes: 0 }

function progress (values: Partial<ReplicateProgress>): ReplicateProgress {
  return { wanted: 0, settled: 0, received: NONE, sent: NONE, receiving: 0, listed: false, ...values } as ReplicateProgress
}

const nothing = { from: 0, to: -1, last: 0 }

describe('what the bar of a peer shows', () => {
  it('how many blocks were received, and an estimate of what is left', () => {
    const state = barState(progress({ wanted: 10, settled: 4, received: { hashes: 4, bytes: 400 }, receiving: 100 }), nothing)

    expect(state).to.deep.equal({ bytes: 500, leftBytes: 500, part: 0.4, note: '4/10 blocks' })
  })

  it('no estimate before a block has come', () => {
    expect(barState(progress({ wanted: 10, receiving: 100 }), nothing)).to.deep.equal({ bytes: 100, part: 0, note: '0/10 blocks' })
  })

  it('all, when all has come', () => {
    const state = barState(progress({ wanted: 2, settled: 2, received: { hashes: 2, bytes: 300 }, sent: { hashes: 1, bytes: 1000 } }), nothing)

    expect(state).to.deep.equal({ bytes: 300, leftBytes: 0, part: 1, note: '2/2 blocks, sent 1.00 kB' })
  })

  it('blocks without content', () => {
    expect(barState(progress({ wanted: 2, settled: 1, received: { hashes: 1, bytes: 0 } }), nothing)).to.include({ part: 0.5 })
  })

  it('an estimate of what will be sent, by how far the peer is in our log', () => {
    const state = barState(progress({ sent: { hashes: 5, bytes: 500 } }), { from: 10, to: 15, last: 30 })

    expect(state).to.deep.equal({ bytes: 500, part: 0.25, leftBytes: 1500, note: '5 blocks sent' })
    expect(barState(progress({}), nothing)).to.deep.equal({ bytes: 0, note: '0 blocks sent' })
  })
})
