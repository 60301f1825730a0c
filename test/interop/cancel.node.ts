import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { peerIdFromString } from '@libp2p/peer-id'
import { expect } from 'aegir/chai'
import { Exchange } from '../../src/exchange/exchange.ts'
import { connect } from '../fixtures/connect.ts'
import { collectText } from '../fixtures/content.ts'
import { createOriginal, originalToDuplex } from '../fixtures/original.ts'

const PEER = peerIdFromString('12D3KooWRBhwfeP2Y4TCx1SM6s9rUoHhR5STiGwxBhgFRcw3UERE')

describe('interop: a body of an original that nobody wants any more', () => {
  it('is let through, so that it is not mixed into the next one', async () => {
    // an original frees the channel of a body that is cancelled, and then still
    // sends what it has queued of it: without a name, as if it were of the next
    const original = createOriginal((hash, callback) => {
      callback(null, Readable.from(hash === 'big'
        ? Array.from({ length: 2000 }, () => Buffer.alloc(65_536, 'a'))
        : Array.from({ length: 5 }, () => Buffer.from('the small one'))))
    })
    original.provide(['big', 'small'])

    const ours = new Exchange(() => undefined, { remotePeer: PEER })

    const network = { carried: 0, busy: false }

    connect(originalToDuplex(original), ours, {
      there: async function * (source) {
        const chunks = source[Symbol.asyncIterator]()

        while (true) {
          for (let i = 0; network.busy && i < 10; i++) {
            await setImmediate()
          }

          const { done, value } = await chunks.next()

          if (done === true) {
            return
          }

          network.carried++
          yield value
        }
      }
    })

    const { stream } = await ours.get('big')
    const reader = stream[Symbol.asyncIterator]()
    await reader.next()

    // nobody reads on, until nothing moves any more and all queues are full
    for (let before = -1; before !== network.carried;) {
      before = network.carried

      for (let i = 0; i < 100; i++) {
        await setImmediate()
      }
    }

    network.busy = true
    await reader.return?.()

    expect(await collectText((await ours.get('small')).stream)).to.equal('the small one'.repeat(5))

    ours.abort()
  })
})
