import { expect } from 'aegir/chai'
import { exchange } from '../../src/index.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { content, manyHashes, nothing, outcome, serve, text, thenHang, WatchedSource } from '../fixtures/content.ts'
import { names, next, record } from '../fixtures/events.ts'
import { ScriptedPeer } from '../fixtures/scripted-peer.ts'
import type { Exchange, ExchangeLimits } from '../../src/index.ts'

interface Refusal {
  error: string
  limits?: Partial<ExchangeLimits>
  /**
   * What is requested, in one REQUEST each, before the remote does something
   */
  requests?: string[][]
  /**
   * If what the remote does must be the first that it says
   */
  first?: true
  does(peer: ScriptedPeer): void | Promise<void>
}

const HEADER_OF_RPC = [0x08, 0x02, 0x12, 0x01, 0x30]

/**
 * The first frame of the channel of messages
 */
function firstRPC (...message: number[]): number[] {
  const frame = [...HEADER_OF_RPC, 0x22, message.length, ...message]

  return [frame.length, ...frame]
}

const REFUSALS: Record<string, Refusal> = {
  // what was not asked for
  'a HASHES without a REQUEST': {
    error: 'UnrequestedError',
    does: (peer) => { peer.hashes() }
  },
  'a second HASHES': {
    error: 'UnrequestedError',
    requests: [['a']],
    does: (peer) => {
      peer.hashes()
      peer.hashes()
    }
  },
  'a mapping that was not requested': {
    error: 'UnrequestedError',
    requests: [['a']],
    does: (peer) => { peer.hashes(['a', 1], ['b', 2]) }
  },
  'a mapping of another request': {
    error: 'UnrequestedError',
    requests: [['a'], ['b']],
    does: (peer) => { peer.hashes(['b', 1]) }
  },
  'a mapping twice in one message': {
    error: 'UnrequestedError',
    requests: [['a']],
    does: (peer) => { peer.hashes(['a', 1], ['a', 2]) }
  },
  'a mapping that has been answered': {
    error: 'UnrequestedError',
    requests: [['a'], ['b']],
    does: (peer) => {
      peer.hashes(['a', 1])
      peer.hashes(['a', 2])
    }
  },
  'a mapping of a hash whose name is in every object': {
    error: 'UnrequestedError',
    requests: [['a']],
    does: (peer) => { peer.hashes(['__proto__', 1]) }
  },
  'a body without a request': {
    error: 'UnrequestedError',
    does: (peer) => { peer.body(2, 1, text('A')) }
  },
  'an empty body without a request': {
    error: 'UnrequestedError',
    does: (peer) => { peer.end(2, 1) }
  },
  'a body that fails without a request': {
    error: 'UnrequestedError',
    does: (peer) => { peer.error(2, 1) }
  },
  'a body that no answer names': {
    error: 'UnrequestedError',
    requests: [['a']],
    does: (peer) => {
      peer.body(2, 2, text('B'))
      peer.hashes(['a', 1])
    }
  },
  'a body that no answer can name, as one of ours has closed': {
    error: 'UnrequestedError',
    requests: [['a'], ['b']],
    does: (peer) => {
      peer.id('', '')
      peer.hashes(['a', 1])
      peer.close()
      peer.body(2, 2, text('B'))
    }
  },
  'a body that comes twice': {
    error: 'UnrequestedError',
    requests: [['a']],
    does: (peer) => {
      peer.hashes(['a', 1])
      peer.body(2, 1, text('A'))
      peer.body(2, 1, text('A'))
    }
  },

  // sequences
  'one sequence for two hashes': {
    error: 'DuplicateSequenceError',
    requests: [['a', 'b']],
    does: (peer) => { peer.hashes(['a', 1], ['b', 1]) }
  },
  'a sequence that still awaits its body': {
    error: 'DuplicateSequenceError',
    requests: [['a'], ['b']],
    does: (peer) => {
      peer.hashes(['a', 1])
      peer.hashes(['b', 1])
    }
  },
  'two bodies of one unknown sequence': {
    error: 'DuplicateSequenceError',
    requests: [['a']],
    does: (peer) => {
      peer.body(2, 1, text('A'))
      peer.body(2, 1, text('A'))
    }
  },

  // limits
  'a message that is too long': {
    error: 'LimitError',
    limits: { maxRPCBytes: 1000 },
    does: (peer) => { peer.available(...manyHashes(25)) }
  },
  'too many hashes in a message': {
    error: 'LimitError',
    limits: { maxRPCEntries: 3 },
    does: (peer) => { peer.available('a', 'b', 'c', 'd') }
  },
  'too many mappings in a message': {
    error: 'LimitError',
    limits: { maxRPCEntries: 3 },
    requests: [['a', 'b', 'c', 'd']],
    does: (peer) => { peer.hashes(['a', 1], ['b', 2], ['c', 3], ['d', 4]) }
  },
  'a hash that is too long': {
    error: 'LimitError',
    does: (peer) => { peer.available('x'.repeat(513)) }
  },
  'a hash that is too long in UTF-8': {
    error: 'LimitError',
    does: (peer) => { peer.request('é'.repeat(257)) }
  },
  'a mapping whose hash is too long': {
    error: 'LimitError',
    requests: [['a']],
    does: (peer) => { peer.hashes(['x'.repeat(513), 1]) }
  },
  'an ID that is too long': {
    error: 'LimitError',
    does: (peer) => { peer.id('x'.repeat(513)) }
  },
  'too much before the data of a frame': {
    error: 'LimitError',
    limits: { maxFrameHeaderBytes: 100 },
    // an unknown field of 1,000 bytes
    does: (peer) => { peer.bytes(0xf0, 0x07, 0x08, 0x04, 0x2a, 0xe8, 0x07, ...Array(1000).fill(1), 0x18, 0x02) }
  },
  'too many bodies before their names': {
    error: 'LimitError',
    limits: { maxUnknownBodies: 3 },
    requests: [manyHashes(5)],
    does: (peer) => {
      for (let i = 1; i < 5; i++) {
        peer.body(2, i, text('?'))
      }
    }
  },
  'too many bytes of bodies before their names': {
    error: 'LimitError',
    limits: { maxUnreadBytes: 100_000 },
    requests: [['a']],
    does: (peer) => {
      peer.begin(2, 1, content(1, 60_000))
      peer.data(2, content(2, 60_000))
    }
  },
  'too many hashes while we wait for it': {
    error: 'LimitError',
    limits: { maxPending: 1, maxPendingWhileRequesting: 2 },
    requests: [['a']],
    does: (peer) => {
      peer.request('hangs 1', 'hangs 2')
      peer.request('hangs 3')
    }
  },

  // what does not make sense
  'the channel of messages twice': {
    error: 'ProtocolError',
    does: async (peer) => {
      peer.available('x')
      await peer.sync()
      peer.bytes(...firstRPC(0x00, 0x04).map((byte, i) => i === 2 ? 0x06 : byte))
    }
  },
  'a body on the channel of messages': {
    error: 'ProtocolError',
    does: async (peer) => {
      await peer.sync()
      peer.begin(1, 1, text('A'))
    }
  },
  'the end of its messages': {
    error: 'ProtocolError',
    does: async (peer) => {
      await peer.sync()
      peer.end(1)
    }
  },
  'an error on the channel of its messages': {
    error: 'ProtocolError',
    does: async (peer) => {
      await peer.sync()
      peer.error(1)
    }
  },
  'a cancel of our messages': {
    error: 'ProtocolError',
    does: (peer) => { peer.error(-1) }
  },
  'a message of one of ours after its CLOSE': {
    error: 'ProtocolError',
    does: (peer) => {
      peer.id('', '')
      // it closes as soon as it can, which is not yet
      peer.request('hangs')
      peer.close()
      peer.available('x')
    }
  },

  // what is malformed
  'a frame without a channel': {
    error: 'InvalidMessageError',
    does: (peer) => { peer.bytes(2, 0x18, 0x02) }
  },
  'a frame of an unknown type': {
    error: 'InvalidMessageError',
    does: (peer) => { peer.bytes(4, 0x08, 0x04, 0x18, 0x04) }
  },
  'a field of the wrong type': {
    error: 'InvalidMessageError',
    does: (peer) => { peer.bytes(3, 0x0a, 0x01, 0x04) }
  },
  'a length that is too long': {
    error: 'InvalidMessageError',
    does: (peer) => { peer.bytes(...Array(12).fill(0xff)) }
  },
  'a field that passes the end of its frame': {
    error: 'InvalidMessageError',
    does: (peer) => { peer.bytes(5, 0x08, 0x04, 0x12, 0x09, 0x32) }
  },
  'a name that is no number': {
    error: 'InvalidMessageError',
    does: (peer) => { peer.bytes(5, 0x08, 0x04, 0x12, 0x01, 0x5a) }
  },
  'a body without a name': {
    error: 'InvalidMessageError',
    does: (peer) => { peer.data(2, text('A')) }
  },
  'an END with data': {
    error: 'InvalidMessageError',
    requests: [['a']],
    does: (peer) => {
      peer.hashes(['a', 1])
      peer.begin(2, 1, text('A'))
      peer.bytes(7, 0x08, 0x04, 0x18, 0x02, 0x22, 0x01, 0x41)
    }
  },
  'a message without a type': {
    error: 'InvalidMessageError',
    first: true,
    does: (peer) => { peer.bytes(...firstRPC(0x0a, 0x01, 0x61)) }
  },
  'an empty message': {
    error: 'InvalidMessageError',
    first: true,
    does: (peer) => { peer.bytes(5, ...HEADER_OF_RPC) }
  },
  'a message that ends too early': {
    error: 'InvalidMessageError',
    first: true,
    does: (peer) => { peer.bytes(...firstRPC(0x00, 0x00, 0x0a, 0x09, 0x61)) }
  },
  'a message with a field of the wrong type': {
    error: 'InvalidMessageError',
    first: true,
    does: (peer) => { peer.bytes(...firstRPC(0x02, 0x01, 0x00)) }
  },
  'a mapping without a sequence': {
    error: 'InvalidMessageError',
    requests: [['a']],
    first: true,
    does: (peer) => { peer.bytes(...firstRPC(0x00, 0x02, 0x12, 0x03, 0x02, 0x01, 0x61)) }
  },
  'a mapping whose sequence is -1': {
    error: 'InvalidMessageError',
    requests: [['a']],
    first: true,
    does: (peer) => { peer.bytes(...firstRPC(0x00, 0x02, 0x12, 0x09, 0x02, 0x01, 0x61, 0x08, 0xff, 0xff, 0xff, 0xff, 0x0f)) }
  }
}

async function requestEach (ex: Exchange, peer: ScriptedPeer, requests: string[][]): Promise<void> {
  for (const [i, hashes] of requests.entries()) {
    ex.request(hashes)
    await peer.message(RPCType.REQUEST, i + 1)
  }
}

describe('exchange: a remote that breaks the rules', () => {
  for (const [what, { error, limits, requests = [], first, does }] of Object.entries(REFUSALS)) {
    it(`${what}: ${error}`, async () => {
      const source = new WatchedSource(thenHang(text('first')))
      const ex = exchange((hash) => hash === 'served' ? { stream: source } : new Promise(() => {}), { provides: () => true, limits })
      const peer = new ScriptedPeer(ex)
      const recorded = record(ex, { responses: true })
      const ended = next(ex, 'close')

      if (first == null) {
        // something is being sent meanwhile
        peer.request('served')
        await source.wasRead
      }

      await requestEach(ex, peer, requests)
      await does(peer)

      const reason = await ended

      // everybody is told by this name
      expect(reason).to.have.property('name', error)
      // but for what had failed before
      expect(recorded.failed.every(failure => failure.error === reason || ['NotFoundError', 'RemoteClosedError'].includes(failure.error.name))).to.be.true()
      expect([...recorded.failed.map(({ hash }) => hash), ...recorded.responses.map(({ hash }) => hash)]).to.have.members(requests.flat())
      await expect(ex.get('more')).to.eventually.be.rejected.with.property('name', error)
      await expect(ex.close()).to.eventually.be.rejected.with.property('name', error)
      await expect(ex.provide('more')).to.eventually.be.rejected.with.property('name', error)
      await expect(peer.sunk).to.eventually.be.rejected.with.property('name', error)

      for (const { stream } of recorded.responses) {
        const { error: name } = await outcome(stream)
        expect(name ?? error).to.equal(error)
      }

      if (source.opened) {
        await source.wasReturned
      }

      expect((await peer.ended).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
      expect(recorded.closes).to.deep.equal([reason])
    })
  }

  it('leaves other exchanges alone', async () => {
    const bad = new ScriptedPeer(exchange(nothing))
    const ex = exchange(serve({ a: 'A' }), { provides: () => true })
    const good = new ScriptedPeer(ex)

    bad.hashes()
    await bad.ended
    good.request('a')

    expect((await good.bodyOf(1))[0].data).to.deep.equal(text('A'))
  })

  it('does not mind what an original does', async () => {
    const ex = exchange(serve({ a: 'A' }), { provides: () => true })
    const peer = new ScriptedPeer(ex)
    const recorded = record(ex)

    // frames of no bytes, unknown fields, an unknown type of message, data on a negative channel, an empty list
    peer.bytes(0, 0)
    peer.available()
    peer.bytes(8, 0x08, 0x02, 0x22, 0x04, 0x00, 0x63, 0x2a, 0x00)
    peer.bytes(5, 0x08, 0x03, 0x22, 0x01, 0x41)
    peer.bytes(7, 0x08, 0x03, 0x12, 0x01, 0x39, 0x18, 0x03)
    peer.rpc({ type: RPCType.AVAILABLE, hashes: ['x'], sequence: 17 })
    peer.request('a', 'a')
    await peer.bodyOf(1)

    expect(recorded.closes).to.be.empty()
    expect(names(recorded.failed)).to.be.empty()
  })
})
