import { expect } from 'aegir/chai'
import { Turns } from '../../src/store/turns.ts'
import { laps } from '../fixtures/slicing.ts'
import { WatchedController } from '../fixtures/timers.ts'

describe('Turns', () => {
  it('run one after the other, also after one that fails', async () => {
    const turns = new Turns()
    const order: string[] = []
    const task = (name: string) => async (): Promise<string> => {
      order.push(`${name} begins`)
      await laps(1)
      order.push(`${name} ends`)

      if (name === 'b') {
        throw new Error('Failed')
      }

      return name
    }

    const results = await Promise.allSettled(['a', 'b', 'c'].map(async name => turns.take('key', task(name))))

    expect(order).to.deep.equal(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('of other keys do not wait', async () => {
    const turns = new Turns()
    const first = Promise.withResolvers<string>()
    const waiting = turns.take('a', async () => first.promise)

    expect(await turns.take('b', async () => 'b')).to.equal('b')
    first.resolve('a')
    expect(await waiting).to.equal('a')
  })

  it('are given up by a signal, and those after them still wait for those before', async () => {
    const turns = new Turns()
    const controller = new WatchedController()
    const first = Promise.withResolvers<void>()
    const order: string[] = []

    const a = turns.take('key', async () => first.promise.then(() => { order.push('a') }))
    const b = turns.take('key', async () => { order.push('b') }, controller.signal)
    controller.abort(new Error('Enough'))
    await expect(b).to.be.rejectedWith('Enough')
    const c = turns.take('key', async () => { order.push('c') })

    await laps(2)
    first.resolve()
    await Promise.all([a, c])

    expect(order).to.deep.equal(['a', 'c'])
    expect(controller.listeners).to.equal(0)
  })

  it('leave nothing behind', async () => {
    const turns = new Turns()

    await Promise.allSettled([
      turns.take('a', async () => {}),
      turns.take('a', async () => {}, AbortSignal.abort()),
      turns.take('b', async () => { throw new Error('Failed') })
    ])
    await laps(1)

    expect(turns).to.have.property('size', 0)
  })
})
