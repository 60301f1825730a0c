import { expect } from 'aegir/chai'
import { ReceivedBody } from '../../src/exchange/received-body.ts'

describe('a received body that is left', () => {
  /**
   * One of which three parts wait to be read
   */
  function waiting (): { body: ReceivedBody, unread(): number } {
    let unread = 0
    const body = new ReceivedBody(1, 2, {
      onUnread: (_, change) => { unread += change },
      onBytes: () => {},
      onEnd: () => {},
      onCancel: () => {}
    })

    for (let i = 0; i < 3; i++) {
      body.data(new Uint8Array(1000))
    }

    return { body, unread: () => unread }
  }

  const ends: Record<string, (body: ReceivedBody) => void> = {
    'comes on': () => {},
    'has ended': body => { body.end() },
    'has failed': body => { body.fail('RangeError') },
    'was cut': body => { body.cut() }
  }

  // what nobody reads any more must not count as unread: nothing would be read of the remote then
  for (const [how, end] of Object.entries(ends)) {
    it(`and ${how} has nothing unread when its reader leaves`, async () => {
      const { body, unread } = waiting()

      expect(unread()).to.be.above(3000)
      end(body)

      // as a loop does that is left
      const reader = body.stream[Symbol.asyncIterator]()
      expect((await reader.next()).value).to.have.length(1000)
      await reader.return?.()

      expect(unread()).to.equal(0)
    })

    it(`and ${how} has nothing unread when it is aborted`, () => {
      const { body, unread } = waiting()

      end(body)
      body.abort()
      expect(unread()).to.equal(0)
    })
  }
})
