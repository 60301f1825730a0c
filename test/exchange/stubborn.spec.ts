import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { content, nothing, outcome, text } from '../fixtures/content.ts'
import { names, next, nextOf, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'

/**
 * Time-outs of a test: those under test are short, the others are not reached
 */
const SHORT = 100

/**
 * Does something over and over, until the promise settles
 */
async function meanwhile <T> (promise: Promise<T>, drip: () => void): Promise<T> {
  const timer = setInterval(drip, SHORT / 10)

  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}

describe('exchange: applications that throw strange things', () => {
  it('does not take a source that throws nothing for a complete one', async () => {
    const ex = exchange(() => ({
      stream: (async function * () {
        yield text('half')
        // eslint-disable-next-line no-throw-literal, @typescript-eslint/only-throw-error
        throw undefined
      })()
    }), { id: 'ex' })
    const other = exchange(nothing, { id: 'other' })
    connectPair(ex, other)
    void ex.provide('a')

    const unsent = next(ex, 'unsent')
    const { stream } = await other.get('a')

    expect(await outcome(stream)).to.have.property('error', 'RemoteError')
    expect((await unsent).error).to.be.an('error')
    other.abort()
  })

  it('goes on when createReadStream rejects with nothing', async () => {
    const ex = exchange(async (hash) => {
      if (hash === 'a') {
        return Promise.reject() // eslint-disable-line prefer-promise-reject-errors
      }

      return { stream: [text(hash)] }
    }, { provides: () => true })
    const peer = new ScriptedPeer(ex)

    peer.request('a')
    peer.request('b')
    await peer.message(RPCType.HASHES, 2)

    expect(peer.mapping.map(({ hash }) => hash)).to.deep.equal(['b'])
    ex.abort()
  })

  it('goes on when `provides` throws at what the remote announces', async () => {
    const ex = exchange(nothing, {
      provides: (hash) => {
        if (hash === 'odd') {
          throw new SyntaxError('What is this?')
        }

        return false
      }
    })
    const peer = new ScriptedPeer(ex)
    const available = next(ex, 'available')

    peer.available('odd', 'even')
    expect(await available).to.deep.equal(['odd', 'even'])

    peer.request('odd')
    peer.request('even')
    await peer.message(RPCType.HASHES, 2)
    expect(peer.mapping).to.be.empty()
    ex.abort()
  })

  it('is not ended by a listener that asks again', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const failed = nextOf(ex, 'failed', 100)
    let again = 99

    ex.addEventListener('failed', ({ detail }) => {
      if (again-- > 0) {
        ex.request(detail.hash)
      }
    })

    ex.request('a')
    await peer.message(RPCType.REQUEST)
    peer.reset(new RangeError('Gone'))

    expect(names(await failed)).to.deep.equal(Array(100).fill('a: RangeError'))
  })

  it('says nothing more after it has ended', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const closed = next(ex, 'close')

    ex.addEventListener('available', () => { ex.abort(new RangeError('Enough')) })
    peer.available('a')
    peer.available('b')

    await closed
    await peer.ended
    expect(recorded.available).to.deep.equal(['a'])
  })
})

describe('exchange: remotes that give a little now and then', () => {
  it('do not keep close() from ending', async () => {
    const ex = exchange(nothing, { limits: { closeTimeout: SHORT } })
    const peer = new ScriptedPeer(ex)

    await expect(meanwhile(ex.close(), () => { peer.bytes(0) })).to.eventually.be.rejected
      .with.property('name', 'TimeoutError')
  })

  it('do not keep the stream open after both have closed', async () => {
    const ex = exchange(nothing, { limits: { closeTimeout: SHORT } })
    const peer = new ScriptedPeer(ex)

    peer.close()
    await ex.close()

    await meanwhile(peer.sunk, () => { peer.bytes(0) })
  })

  it('do not keep the stream open when it is aborted then', async () => {
    const ex = exchange(nothing)
    const peer = new ScriptedPeer(ex)

    peer.close()
    await ex.close()
    ex.abort()

    await peer.sunk
  })

  it('do not keep a request waiting with a body of unknown name', async () => {
    const ex = exchange(nothing, { limits: { rateWindow: SHORT } })
    const peer = new ScriptedPeer(ex)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.begin(2, 7, text('.'))

    await expect(meanwhile(got, () => { peer.data(2, text('.')) })).to.eventually.be.rejected
      .with.property('name', 'TimeoutError')
    await expect(peer.sunk).to.eventually.be.rejected.with.property('name', 'TimeoutError')
  })

  it('do not keep bodies waiting with many of them', async () => {
    const hashes = Array.from({ length: 100 }, (_, i) => `${i}`)
    const ex = exchange(nothing, { limits: { rateWindow: SHORT, minBodyRate: 10_000 } })
    const peer = new ScriptedPeer(ex)
    const bodies = Promise.all(hashes.map(async hash => ex.get(hash)))

    await peer.message(RPCType.REQUEST)
    peer.hashes(...hashes.map((hash, i): [string, number] => [hash, i + 1]))
    hashes.forEach((_, i) => { peer.begin(i + 2, i + 1, text('.')) })

    const [{ stream }] = await bodies
    const { error } = await meanwhile(outcome(stream), () => { peer.data(2, text('.')) })

    expect(error).to.equal('TimeoutError')
    ex.abort()
  })
})

describe('exchange: a response that nobody reads', () => {
  it('does not keep close() from ending', async () => {
    const ex = exchange(nothing, { limits: { maxUnreadBytes: 10_000, unreadTimeout: SHORT } })
    const peer = new ScriptedPeer(ex, { ours: true })
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.begin(2, 1, content(1, 20_000))

    const { stream } = await got
    const closed = ex.close()

    await peer.message(RPCType.CLOSE)
    peer.close()
    await closed

    expect(await outcome(stream)).to.have.property('error', 'UnreadError')
  })
})
