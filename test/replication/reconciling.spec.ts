import { expect } from 'aegir/chai'
import { nextTask } from '../../src/exchange/next-task.ts'
import { Reconciliation } from '../../src/replication/reconciliation.ts'
import { Reconciling } from '../../src/replication/reconciling.ts'
import { blocks, memoryStore } from '../fixtures/blocks.ts'

const AT_A_TIME = 32

describe('comparisons with several peers', () => {
  const { signal } = new AbortController()
  let reconciling: Reconciling

  beforeEach(async () => {
    reconciling = new Reconciling()

    for (let i = 0; i < AT_A_TIME; i++) {
      expect(await reconciling.begin(`peer ${i}`, signal)).to.be.true()
    }
  })

  it('have their turn in the order in which they came', async () => {
    const order: string[] = []
    const waiting = ['a', 'b', 'c'].map(async peer => {
      expect(await reconciling.begin(peer, signal)).to.be.true()
      order.push(peer)
    })

    await nextTask()
    expect(order).to.be.empty()

    for (let i = 0; i < 3; i++) {
      reconciling.end(`peer ${i}`)
      await nextTask()
      expect(order).to.have.lengthOf(i + 1)
    }

    await Promise.all(waiting)
    expect(order).to.deep.equal(['a', 'b', 'c'])
  })

  it('do not keep others from theirs when they are not waited for any more', async () => {
    const controller = new AbortController()
    const first = reconciling.begin('a', controller.signal)
    const second = reconciling.begin('b', signal)

    controller.abort()
    expect(await first).to.be.false()
    reconciling.end('peer 0')
    expect(await second).to.be.true()

    // nor from another one
    reconciling.end('b')
    expect(await reconciling.begin('a', signal)).to.be.true()
    expect(await reconciling.begin('c', AbortSignal.abort())).to.be.false()
  })

  it('have one turn for all exchanges of a peer', async () => {
    const waiting = reconciling.begin('a', signal)

    expect(await reconciling.begin('a', signal)).to.be.false()
    expect(await reconciling.begin('peer 0', signal)).to.be.false()
    reconciling.end('peer 0')
    expect(await waiting).to.be.true()
    reconciling.end('a')
    expect(await reconciling.begin('a', signal)).to.be.true()
  })

  it('say no more when their turn comes after they have given up', async () => {
    const told: string[] = []
    const reconciliation = new Reconciliation({
      peer: 'a',
      opener: true,
      store: await memoryStore(blocks(0, 200, 8)),
      reconciling,
      mayReadAll: async () => true,
      tell: ({ type }) => { told.push(type) },
      onReconciled: () => {},
      onFatal: err => { told.push(err.name) }
    })

    reconciliation.begin(true)
    await nextTask()
    reconciliation.tick(100, 100)
    expect(told).to.deep.equal(['GIVE_UP'])
    expect(reconciliation.result).to.equal('list')

    reconciling.end('peer 0')
    await nextTask()
    expect(told).to.deep.equal(['GIVE_UP'])
    // the turn is free for others
    expect(await reconciling.begin('b', signal)).to.be.true()
  })

  it('have cells with a salt made once an hour, and for one at a time', async () => {
    const { sketch } = await memoryStore(blocks(0, 20_000, 8))

    if (sketch == null) {
      throw new Error('It must have one')
    }

    expect(reconciling.maySalt('a')).to.be.true()
    expect(reconciling.maySalt('a')).to.be.false()
    expect(reconciling.maySalt('b')).to.be.true()

    const salt = new Uint8Array(32)
    const first = reconciling.salt(sketch, salt, signal)

    expect(await reconciling.salt(sketch, salt, signal)).to.equal(undefined)
    expect((await first)?.size).to.equal(20_000)
    expect((await reconciling.salt(sketch, salt, signal))?.size).to.equal(20_000)
    // nobody waits for them
    expect(await reconciling.salt(sketch, salt, AbortSignal.abort())).to.equal(undefined)
  })
})
