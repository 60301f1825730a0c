import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { connect } from '../fixtures/connect.ts'
import { collectText, nothing, serve, text, thenHang } from '../fixtures/content.ts'
import { next } from '../fixtures/events.ts'
import { createOriginal, nextResponse, originalToDuplex, readAll, readable } from '../fixtures/original.ts'
import { createRawPeer } from '../fixtures/raw-peer.ts'
import type { Content, Exchange, ExchangeInit } from '../../src/index.ts'
import type { NodeDuplex } from '../fixtures/node-to-duplex.ts'
import type { RawPeer } from '../fixtures/raw-peer.ts'

/**
 * Resolves when a stream is destroyed, with the error that it emitted if any. An
 * error that nobody listens for ends the process.
 */
async function destruction (stream: NodeDuplex): Promise<Error | undefined> {
  return new Promise(resolve => {
    let error: Error | undefined

    stream.on('error', (err: Error) => { error = err })
    stream.on('close', () => { resolve(error) })
    stream.resume()
  })
}

/**
 * An original that receives the first part of a body, and a peer to send the
 * rest
 */
async function receiving (): Promise<{ raw: RawPeer, end: Promise<Error | undefined> }> {
  const raw = createRawPeer()
  const original = createOriginal()
  const end = nextResponse(original, destruction)

  connect(raw.duplex, originalToDuplex(original))
  original.request(['a'])
  await raw.received.message('REQUEST')
  raw.send({ type: 'HASHES', mapping: [{ hash: 'a', sequence: 1 }] })
  raw.frame({ channel: 2, name: '2', data: Buffer.from('a part') })

  return { raw, end }
}

/**
 * Provides sources that fail, one at once and one after its first chunk
 */
function failing (init?: ExchangeInit): Exchange {
  const ex = exchange((hash): Content => ({
    stream: (async function * () {
      if (hash === 'in the middle') {
        yield text('a part')
      }

      throw new RangeError('something private')
    }())
  }), init)

  void ex.provide(['at once', 'in the middle'])

  return ex
}

describe('the end of a body by an error', () => {
  describe('an original as the receiver', () => {
    it('emits an error that may end its process if there is a reason', async () => {
      const { raw, end } = await receiving()

      raw.frame({ channel: 2, type: 'ERROR', data: Buffer.from('a reason') })

      expect(await end).to.have.property('message', 'a reason')
    })

    it('emits none without a reason', async () => {
      const { raw, end } = await receiving()

      raw.frame({ channel: 2, type: 'ERROR' })

      expect(await end).to.be.undefined()
    })

    for (const [hash, dataFrames] of [['at once', 0], ['in the middle', 1]] as const) {
      it(`is given none by ours, of a source that fails ${hash}`, async () => {
        const ours = failing()
        const original = createOriginal()
        const { there, ended } = connect(ours, originalToDuplex(original))
        const end = nextResponse(original, destruction)
        const unsent = next(ours, 'unsent')

        original.request([hash])

        expect(await end).to.be.undefined()
        expect(await unsent).to.deep.include({ hash }).and.to.have.nested.property('error.name', 'RangeError')
        expect(there.bodies).to.have.lengthOf(dataFrames + 1)
        expect(there.bodies[0]).to.include({ channel: 2, name: '2' })
        expect(there.bodies[dataFrames]).to.include({ channel: 2, type: 'ERROR', size: 0 })

        original.close()
        await Promise.all([ours.close(), ended])
      })
    }
  })

  it('gives no reason to one of ours that is not known as such', async () => {
    const ours = failing()
    const other = exchange(nothing)
    const { there } = connect(ours, other)

    await expect(other.get('in the middle').then(async ({ stream }) => collectText(stream)))
      .to.eventually.be.rejected.with.property('name', 'RemoteError')
    expect(there.bodies.at(-1)).to.include({ type: 'ERROR', size: 0 })

    ours.abort()
  })

  it('gives a reason to one that is known as ours, which has nothing private in it', async () => {
    const ours = failing()
    const other = exchange(nothing, { id: 'one of ours' })
    const { there } = connect(ours, other)

    await expect(other.get('in the middle').then(async ({ stream }) => collectText(stream)))
      .to.eventually.be.rejectedWith('RangeError').with.property('name', 'RemoteError')
    expect(there.bodies.at(-1)?.data).to.deep.equal(Buffer.from('RangeError'))

    ours.abort()
  })
})

describe('a cancel', () => {
  it('has a name and no reason, and its original goes on', async () => {
    const source = readable()
    const hanging = Promise.withResolvers<void>()

    // it gives a chunk and no end
    source._read = () => {}
    source.push(Buffer.from('a part'))
    source.on('close', hanging.resolve)

    const original = createOriginal((hash, callback) => {
      callback(null, hash === 'hanging' ? source : readable(text(`content of ${hash}`)))
    })
    const ours = exchange(nothing)
    const { there, ended } = connect(ours, originalToDuplex(original))

    original.provide(['hanging', 'a'])

    const response = await ours.get('hanging')
    expect((await response.stream[Symbol.asyncIterator]().next()).value).to.deep.equal(text('a part'))
    response.abort()
    expect(await there.frame(({ channel }) => channel < 0)).to.include({ channel: -2, name: '2', type: 'ERROR', size: 0 })

    expect(await collectText((await ours.get('a')).stream)).to.equal('content of a')

    original.close()
    await Promise.all([ours.close(), ended])
    source.destroy()
    await hanging.promise
  })

  it('has no reason for one of ours either', async () => {
    const ours = exchange(() => ({ stream: thenHang(text('a part')) }), { id: 'one of ours' })
    const other = exchange(nothing, { id: 'another of ours' })
    const { back } = connect(ours, other)

    void ours.provide('a')

    const reader = (await other.get('a')).stream[Symbol.asyncIterator]()
    expect((await reader.next()).value).to.deep.equal(text('a part'))
    await reader.return?.()

    expect(await back.frame(({ channel }) => channel < 0)).to.include({ channel: -2, name: '2', type: 'ERROR', size: 0 })

    ours.abort()
  })
})

describe('a hash that one side has not', () => {
  it('is not found by ours', async () => {
    const ours = exchange(nothing)
    const original = createOriginal((hash, callback) => { callback(new Error('gone')) })
    const { ended } = connect(ours, originalToDuplex(original))

    original.provide(['a'])
    const failed = next(ours, 'failed')
    ours.request('a')
    expect(await failed).to.have.nested.property('error.name', 'NotFoundError')
    await expect(ours.get('never provided')).to.eventually.be.rejected.with.property('name', 'NotFoundError')

    original.close()
    await Promise.all([ours.close(), ended])
  })

  it('is left out of the answer of ours', async () => {
    const ours = exchange(serve({ a: 'content of a', secret: 'not provided' }))
    const original = createOriginal()
    const { there, ended } = connect(ours, originalToDuplex(original))
    const content = nextResponse(original, readAll)

    void ours.provide(['a', 'provided and not there'])
    original.request(['provided and not there', 'secret', 'a'])

    expect(await content).to.deep.equal(text('content of a'))
    expect((await there.message('HASHES')).mapping).to.deep.equal([{ hash: 'a', sequence: 1 }])

    original.close()
    await Promise.all([ours.close(), ended])
  })
})
