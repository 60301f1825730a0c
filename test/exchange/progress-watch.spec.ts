import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { collectText, content, nothing, outcome, text } from '../fixtures/content.ts'
import { names, next, nextOf, record } from '../fixtures/events.ts'
import { connectPair } from '../fixtures/pair.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import type { Exchange } from '../../src/index.ts'

const NEVER = 60_000

/**
 * Does something again and again until it is told to stop
 */
function every (ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms)

  return () => { clearInterval(timer) }
}

/**
 * Asks for hashes in a REQUEST for each
 */
async function requestOneByOne (ex: Exchange, peer: ScriptedPeer, hashes: string[]): Promise<void> {
  for (const [i, hash] of hashes.entries()) {
    ex.request(hash)
    await peer.message(RPCType.REQUEST, i + 1)
  }
}

/**
 * How many failures are dispatched in one go, for each go
 */
function countAtOnce (ex: Exchange): number[] {
  const atOnce: number[] = []
  let started = true

  ex.addEventListener('failed', () => {
    if (started) {
      atOnce.push(0)
      started = false
      queueMicrotask(() => { started = true })
    }

    atOnce[atOnce.length - 1]++
  })

  return atOnce
}

describe('exchange: time-outs of what the remote owes', () => {
  it('an answer does not come', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50 } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)

    ex.request(['a', 'b'])

    await expect(ex.get('c')).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    expect(names(recorded.failed)).to.deep.equal(['a: TimeoutError', 'b: TimeoutError'])

    // it may come all the same
    peer.hashes(['a', 1], ['c', 2])
    peer.body(2, 1, text('A'))
    peer.begin(3, 2, text('C'))
    await peer.sync()

    expect(recorded.closes).to.be.empty()
    expect(peer.cancels).to.deep.equal([1, 2])
  })

  it('an answer does not come, so that it is asked for again and joins it', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50 } })
    const peer = new ScriptedPeer(ex)

    await expect(ex.get('a')).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    const again = ex.get('a')
    peer.hashes(['a', 1])
    peer.body(2, 1, text('A'))

    expect(await collectText((await again).stream)).to.equal('A')
    expect(peer.hashesOf(RPCType.REQUEST)).to.deep.equal(['a'])
  })

  it('only what is at the head fails', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 100 } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const response = next(ex, 'response')
    const failed = next(ex, 'failed')

    await requestOneByOne(ex, peer, ['a', 'b'])
    await failed
    peer.hashes()
    peer.hashes(['b', 1])
    peer.body(2, 1, text('B'))

    expect(await collectText((await response).stream)).to.equal('B')
    expect(names(recorded.failed)).to.deep.equal(['a: TimeoutError'])
  })

  it('twice as much fails each time, so that thousands do not take a time-out each', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50, maxOutstanding: 20 } })
    const peer = new ScriptedPeer(ex)
    const hashes = Array.from({ length: 20 }, (_, i) => `${i}`)
    const atOnce = countAtOnce(ex)

    await requestOneByOne(ex, peer, hashes)
    // there is no room for these
    ex.request(['waiting', 'waiting, too'])
    await nextOf(ex, 'failed', 22)

    expect(atOnce).to.deep.equal([1, 2, 4, 8, 7])
  })

  it('one fails again after something has come', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 100 } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const atOnce = countAtOnce(ex)
    const first = next(ex, 'failed')
    const all = nextOf(ex, 'failed', 7)

    await requestOneByOne(ex, peer, ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    await first
    // of what has timed out, and of what has not
    peer.hashes()
    peer.hashes()
    await all

    expect(names(recorded.failed.slice(0, 2))).to.deep.equal(['a: TimeoutError', 'b: NotFoundError'])
    expect(atOnce).to.deep.equal([1, 1, 1, 2, 2])
  })

  it('start again with every answer', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 200 } })
    const peer = new ScriptedPeer(ex)
    const hashes = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const all = nextOf(ex, 'failed', hashes.length)

    await requestOneByOne(ex, peer, hashes)
    let answers = 0
    const stop = every(75, () => {
      peer.hashes()

      if (++answers === hashes.length) {
        stop()
      }
    })

    expect(names(await all)).to.deep.equal(hashes.map(hash => `${hash}: NotFoundError`))
  })

  it('a promised body does not begin', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 100 } })
    const peer = new ScriptedPeer(ex)
    const first = ex.get('a')
    const second = ex.get('b')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1], ['b', 2])

    await expect(first).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    peer.begin(2, 1, text('late'))
    peer.body(3, 2, text('B'))
    expect(await collectText((await second).stream)).to.equal('B')
    await peer.sync()
    expect(peer.cancels).to.deep.equal([1])
  })

  it('a body stops in the middle', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50 } })
    const peer = new ScriptedPeer(ex)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.begin(2, 1, text('first'))

    expect(await outcome((await got).stream)).to.deep.equal({ bytes: text('first'), error: 'TimeoutError' })
    await peer.sync()
    expect(peer.cancels).to.deep.equal([1])
  })

  it('a body before its HASHES, which does not come: ends the exchange', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50 } })
    const peer = new ScriptedPeer(ex)
    const got = ex.get('a')

    await peer.message(RPCType.REQUEST)
    peer.begin(2, 1, text('whose?'))

    await expect(got).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    await expect(ex.close()).to.eventually.be.rejected.with.property('name', 'TimeoutError')
  })

  it('start again with every byte of any body', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 200, rateWindow: NEVER } })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)
    const head = ex.get('head')
    const other = ex.get('other')
    let ticks = 0

    await peer.message(RPCType.REQUEST)
    peer.hashes(['head', 1], ['other', 2])
    peer.begin(2, 2, text('.'))

    await new Promise<void>(resolve => {
      const stop = every(20, () => {
        peer.data(2, text('.'))

        if (++ticks === 25) {
          stop()
          resolve()
        }
      })
    })

    // more than two time-outs
    peer.body(3, 1, text('H'))
    peer.end(2)

    expect(await collectText((await head).stream)).to.equal('H')
    expect(await collectText((await other).stream)).to.have.lengthOf(26)
    expect(recorded.closes).to.be.empty()
  })

  it('do not run while nothing is owed', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50 } })
    const peer = new ScriptedPeer(ex)

    await new Promise(resolve => { setTimeout(resolve, 200) })

    const got = ex.get('a')
    await peer.message(RPCType.REQUEST)
    peer.hashes(['a', 1])
    peer.body(2, 1, text('A'))

    expect(await collectText((await got).stream)).to.equal('A')
  })

  it('run also before the exchange is connected', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50 } })

    await expect(ex.get('a')).to.eventually.be.rejected.with.property('name', 'TimeoutError')
  })

  it('run also while the network stands still', async () => {
    const ex = exchange(nothing, { limits: { requestTimeout: 50 } })
    const pair = connectPair(ex, exchange(nothing))

    pair.there.hold()
    await expect(ex.get('a')).to.eventually.be.rejected.with.property('name', 'TimeoutError')
    pair.there.release()
    ex.abort()
    await pair.ended
  })

  describe('a body that comes too slowly', () => {
    it('fails and leaves the way to the next', async () => {
      const ex = exchange(nothing, { limits: { requestTimeout: 200, rateWindow: 300, minBodyRate: 1024 } })
      const peer = new ScriptedPeer(ex)
      const slow = ex.get('slow')
      const other = ex.get('other')

      await peer.message(RPCType.REQUEST)
      peer.hashes(['slow', 1], ['other', 2])
      peer.begin(2, 1, text('.'))
      const stop = every(30, () => { peer.data(2, text('.')) })

      try {
        expect(await outcome((await slow).stream)).to.have.property('error', 'TimeoutError')
        await peer.until(() => peer.cancels.length > 0)
      } finally {
        stop()
      }

      peer.body(3, 2, text('B'))
      expect(await collectText((await other).stream)).to.equal('B')
      expect(peer.cancels).to.deep.equal([1])
    })

    it('fails also while another one comes fast', async () => {
      const ex = exchange(nothing, { limits: { requestTimeout: 200, rateWindow: 300, minBodyRate: 1024 } })
      const peer = new ScriptedPeer(ex)
      const gets = [ex.get('slow'), ex.get('fast')]

      await peer.message(RPCType.REQUEST)
      peer.hashes(['slow', 1], ['fast', 2])
      peer.begin(2, 1, text('.'))
      peer.begin(3, 2, content(0, 10_000))
      const stop = every(30, () => {
        peer.data(2, text('.'))
        peer.data(3, content(0, 10_000))
      })
      const [slow, fast] = await Promise.all(gets)
      const rest = outcome(fast.stream)

      try {
        expect(await outcome(slow.stream)).to.have.property('error', 'TimeoutError')
        await peer.until(() => peer.cancels.length > 0)
      } finally {
        stop()
      }

      peer.end(3)
      expect(await rest).to.not.have.property('error')
      expect(peer.cancels).to.deep.equal([1])
    })

    it('does not fail when it makes the rate', async () => {
      const ex = exchange(nothing, { limits: { requestTimeout: 200, rateWindow: 200, minBodyRate: 1000 } })
      const peer = new ScriptedPeer(ex)
      const got = ex.get('a')
      let parts = 1

      await peer.message(RPCType.REQUEST)
      peer.hashes(['a', 1])
      peer.begin(2, 1, content(0, 500))

      // 25,000 bytes a second if the clock is right
      const stop = every(20, () => {
        peer.data(2, content(parts, 500))

        if (++parts === 30) {
          stop()
          peer.end(2)
        }
      })

      expect((await outcome((await got).stream)).bytes).to.have.lengthOf(15_000)
    })

    it('does not fail when the remote divides its bytes among several', async () => {
      // 2,500 bytes a second for each of ten, and 25,000 for all
      const ex = exchange(nothing, { limits: { requestTimeout: 200, rateWindow: 400, minBodyRate: 5000 } })
      const peer = new ScriptedPeer(ex)
      const hashes = Array.from({ length: 10 }, (_, i) => `${i}`)
      const gets = hashes.map(async hash => ex.get(hash))
      let parts = 1

      await peer.message(RPCType.REQUEST)
      peer.hashes(...hashes.map((hash, i): [string, number] => [hash, i]))
      hashes.forEach((_, i) => { peer.begin(i + 2, i, content(i, 50)) })

      const stop = every(20, () => {
        hashes.forEach((_, i) => { peer.data(i + 2, content(i, 50)) })

        if (++parts === 50) {
          stop()
          hashes.forEach((_, i) => { peer.end(i + 2) })
        }
      })

      for (const got of gets) {
        expect((await outcome((await got).stream)).bytes).to.have.lengthOf(2500)
      }
    })
  })
})
