import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { nothing } from '../fixtures/content.ts'
import { record } from '../fixtures/events.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'

/**
 * Not hashes, and by what they are called
 */
const WRONG: Record<string, any> = {
  'too long': 'x'.repeat(513),
  'too long in UTF-8': 'é'.repeat(257),
  'with half a surrogate pair': 'a\ud83d',
  'with the other half': '\ude42a',
  'a number': 5,
  null: null,
  undefined,
  'an object': {},
  bytes: new Uint8Array(2)
}

describe('exchange: hashes of the application', () => {
  for (const [name, hash] of Object.entries(WRONG)) {
    it(`may not be ${name}`, async () => {
      const ex = exchange(nothing)
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex)

      await expect(ex.get(hash)).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      await expect(ex.provide([hash])).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      await expect(ex.provide((async function * () { yield hash })())).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      expect(() => { ex.request([hash]) }).to.throw().with.property('name', 'InvalidParametersError')

      // the exchange goes on
      await peer.sync()
      expect(peer.messages.map(({ type }) => type)).to.deep.equal([RPCType.HASHES])
      expect(recorded.failed).to.be.empty()
      expect(recorded.closes).to.be.empty()
    })
  }

  it('are a string or an iterable', async () => {
    const ex = exchange(nothing)

    for (const wrong of [5, null, undefined, {}, true] as any[]) {
      await expect(ex.provide(wrong)).to.eventually.be.rejected.with.property('name', 'InvalidParametersError')
      expect(() => { ex.request(wrong) }).to.throw().with.property('name', 'InvalidParametersError')
      expect(() => { ex.unprovide(wrong) }).to.throw().with.property('name', 'InvalidParametersError')
    }
  })

  it('may have the longest length', async () => {
    const ex = exchange(nothing, { limits: { maxHashBytes: 8 } })
    const peer = new ScriptedPeer(ex)

    ex.request(['12345678', 'éééé', '🙂🙂'])
    expect(() => { ex.request('123456789') }).to.throw().with.property('name', 'InvalidParametersError')
    expect(() => { ex.request('ééééé') }).to.throw().with.property('name', 'InvalidParametersError')

    expect((await peer.message(RPCType.REQUEST)).hashes).to.deep.equal(['12345678', 'éééé', '🙂🙂'])
  })
})
