import { FIRST_CELLS, SKETCH_CELLS } from '../../src/constants.ts'
import { PROTOCOL, PROTOCOL_4_1 } from '../../src/index.ts'
import { CELL_BYTES } from '../../src/sketch/cells.ts'
import { SUM_BYTES } from '../../src/sketch/set-sum.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { fromHex, varint } from '../fixtures/bytes.ts'
import { ReplicatingPeer } from '../fixtures/replication.ts'
import { CLAIMED, OFFERED, SECRET } from './blocks.ts'
import type { RPCMessage } from '../../src/wire/rpc-codec.ts'
import type { Block } from '../fixtures/blocks.ts'
import type { Libp2p, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * What is attacked: a replicator that has something which it lets nobody read, or one
 * that has nothing to hide, and compares its store with those of others
 */
export type Role = 'service' | 'replicator' | 'comparing'

export interface Attacker {
  readonly node: Libp2p
  readonly victim: Multiaddr
  /**
   * Aborted when it is enough
   */
  readonly signal: AbortSignal
  /**
   * Told when the first blow has been struck
   */
  begun(): void
  /**
   * Told how many hashes were asked for, and how many streams were opened
   */
  asked(hashes: number): void
  opened(): void
}

export interface Attack {
  /**
   * Goes on until it is enough, or until the victim has ended it
   */
  run(attacker: Attacker): Promise<void>
  /**
   * In what the exchange ends at a service and at a replicator. Without it, or where
   * there is none, it may go on: it costs no more than an honest one does.
   */
  ends?: Partial<Record<Role, string>>
  /**
   * It begins anew where the victim has ended it
   */
  goesOn?: boolean
  /**
   * On how many streams at a time
   *
   * @default 1
   */
  streams?: number
}

const BLOCKS: Record<string, Block> = Object.fromEntries(CLAIMED.map((block, i) => [String(i), block]))
const NAMES = Object.keys(BLOCKS)
const KIB = 1024
const MIB = 1024 * KIB
/**
 * 4 MiB of hashes of one byte, of three bytes each
 */
const HASHES_BYTES = 3 * Math.floor(4 * MIB / 3)

export const ATTACKS: Record<string, Attack> = {
  'announcements without an end': {
    run: async attacker => {
      const peer = await begin(attacker)
      let next = 0

      await repeat(attacker, peer, () => {
        peer.available(...Array.from({ length: 1000 }, () => (next++).toString(16).padStart(59, '0')))
      })
    }
  },

  'announcements of what there is, without an end': {
    run: async attacker => {
      const peer = await begin(attacker)
      let next = 0

      // names of blocks that nobody has
      await repeat(attacker, peer, () => {
        peer.available(...Array.from({ length: 500 }, () => `bafkrei${(next++).toString(32).padStart(50, '0').replaceAll(/[0189]/g, 'a')}aa`))
      })
    }
  },

  'one message of 4 MiB with hashes of one byte': {
    ends: { service: 'LimitError', replicator: 'LimitError' },
    run: async attacker => {
      const peer = await begin(attacker)

      peer.bytes(...fromHex(varint(2 + 5 + HASHES_BYTES + 2), '0802', '22', varint(HASHES_BYTES + 2), '0000'))

      // each is a hash of one byte
      await repeat(attacker, peer, () => { peer.bytes(...chunkOf([0x0a, 0x01, 0x61], 48 * KIB)) })
    }
  },

  'requests of as many hashes of one byte as there may be': {
    run: async attacker => {
      const peer = await begin(attacker)
      const hashes = Array.from({ length: 262_144 }, (_, i) => String.fromCharCode(0x21 + i % 90))

      await repeat(attacker, peer, () => { peer.rpc({ type: RPCType.REQUEST, hashes }) })
    }
  },

  'a frame that claims a TiB': {
    ends: { service: 'LimitError', replicator: 'LimitError' },
    run: async attacker => {
      const peer = await begin(attacker)

      peer.bytes(...fromHex(varint(2 + 7 + 2 ** 40), '0802', '22', varint(2 ** 40)))
      await repeat(attacker, peer, () => { peer.bytes(...new Uint8Array(64 * KIB)) })
    }
  },

  'answers that were not asked for': {
    ends: { service: 'UnrequestedError', replicator: 'UnrequestedError' },
    run: async attacker => {
      const peer = await begin(attacker)

      await repeat(attacker, peer, () => { peer.hashes(['nothing', 1]) })
    }
  },

  'bodies that were not asked for': {
    ends: { service: 'UnrequestedError', replicator: 'UnrequestedError' },
    run: async attacker => {
      const peer = await begin(attacker)

      await repeat(attacker, peer, () => { peer.body(2, 1, new Uint8Array(64 * KIB)) })
    }
  },

  'wrong content': {
    ends: { replicator: 'UntrustedPeerError' },
    run: async attacker => serveEach(attacker, ({ bytes }) => bytes.map(byte => ~byte))
  },
  'content that is one byte short': {
    ends: { replicator: 'UntrustedPeerError' },
    run: async attacker => serveEach(attacker, ({ bytes }) => bytes.subarray(1))
  },
  'content that is one byte long': {
    ends: { replicator: 'UntrustedPeerError' },
    run: async attacker => serveEach(attacker, ({ bytes }) => new Uint8Array([...bytes, 0]))
  },

  'bodies that never end': {
    run: async attacker => {
      const peer = await promise(attacker)

      await repeat(attacker, peer, () => { peer.data(2, new Uint8Array(64 * KIB)) })
    }
  },

  'a byte now and then': {
    run: async attacker => {
      const peer = await promise(attacker)

      while (isOpen(attacker, peer)) {
        peer.data(2, new Uint8Array(1))
        attacker.begun()
        await sleep(100)
      }
    }
  },

  'a reader that never reads': {
    run: async attacker => {
      const peer = await begin(attacker)

      peer.hold()
      peer.request(...OFFERED.map(({ hash }) => hash))
      await over(attacker, peer)
    }
  },

  'requests for everything, over and over': {
    run: async attacker => {
      const peer = await begin(attacker)
      const hashes = OFFERED.map(({ hash }) => hash)

      await repeat(attacker, peer, () => { peer.request(...hashes) })
    }
  },

  'the same on as many streams as there may be': {
    streams: 32,
    run: async attacker => {
      const peers = await beginMany(attacker)
      const hashes = OFFERED.map(({ hash }) => hash)

      // what comes is not read, so that all of it waits
      peers.forEach(peer => { peer.hold() })

      await Promise.all(peers.map(async peer => repeat(attacker, peer, () => { peer.request(...hashes) })))
    }
  },

  'a window of nothing, and requests for everything': {
    ends: { service: 'LimitError', replicator: 'LimitError' },
    run: async attacker => {
      const peer = await begin(attacker)
      const hashes = OFFERED.map(({ hash }) => hash)

      // whoever may send nothing reads on
      peer.rpc({ type: RPCType.WINDOW, sequence: 0 })
      await repeat(attacker, peer, () => { peer.request(...hashes) })
    }
  },

  'a window of one byte more, over and over': {
    run: async attacker => {
      const peer = await begin(attacker)

      peer.rpc({ type: RPCType.WINDOW, sequence: 0 })
      peer.request(...OFFERED.map(({ hash }) => hash))
      await repeat(attacker, peer, () => { peer.rpc({ type: RPCType.WINDOW, sequence: 1 }) })
    }
  },

  'windows as large as there may be, to one who reads nothing': {
    run: async attacker => {
      const peer = await begin(attacker)

      peer.hold()
      peer.request(...OFFERED.map(({ hash }) => hash))
      await repeat(attacker, peer, () => { peer.rpc({ type: RPCType.WINDOW, sequence: 2 ** 32 - 1 }) })
    }
  },

  'channels that are never closed': {
    ends: { service: 'UnrequestedError', replicator: 'UnrequestedError' },
    run: async attacker => {
      const peer = await promise(attacker)
      let channel = 3

      await repeat(attacker, peer, () => {
        for (let i = 0; i < 100; i++) {
          peer.begin(channel, 100_000 + channel, new Uint8Array(1))
          channel++
        }
      })
    }
  },

  'streams that are opened and dropped': {
    ends: { service: 'StreamResetError', replicator: 'StreamResetError' },
    goesOn: true,
    run: async ({ node, victim, signal, begun, opened }) => {
      const connection = await node.dial(victim)

      for (let i = 0; !signal.aborted && connection.status === 'open'; i++) {
        try {
          const stream = await connection.newStream(PROTOCOL, { maxOutboundStreams: 100_000 })

          stream.abort(new Error('Dropped'))
          opened()
          begun()
        } catch {
          // it has as many as it may
          await sleep(1)
        }
      }
    }
  },

  'streams on which nothing is said': {
    run: async ({ node, victim, signal, begun, opened }) => {
      const connection = await node.dial(victim)

      while (!signal.aborted && connection.status === 'open') {
        await connection.newStream(PROTOCOL, { maxOutboundStreams: 100_000 }).then(() => {
          opened()
          begun()
        }, async () => sleep(10))
      }
    }
  },

  'sequences at every edge': {
    run: async attacker => {
      const peer = await begin(attacker)
      const edges = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1]

      await repeat(attacker, peer, () => {
        for (const sequence of edges) {
          for (const type of [RPCType.SINCE, RPCType.SEEN, RPCType.AVAILABLE, RPCType.REQUEST]) {
            peer.rpc({ type, sequence })
          }
        }
      })
    }
  },

  'the identity of somebody else': {
    ends: { service: 'ForeignIdError', replicator: 'ForeignIdError' },
    run: async attacker => {
      const peer = await open(attacker)

      peer.id('12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA', 'log')
      await over(attacker, peer)
    }
  },

  'requests for what may not be read': {
    run: async attacker => {
      const peer = await begin(attacker)
      const hashes = SECRET.map(({ hash }) => hash)

      await repeat(attacker, peer, () => { peer.request(...hashes) })

      if (peer.mapping.some(({ hash }) => hashes.includes(hash))) {
        throw new Error('What may not be read was promised')
      }
    }
  },

  'one of ours that says it is an original': {
    run: async attacker => {
      const peer = await open(attacker)

      peer.identify()
      await repeat(attacker, peer, () => {
        // an original asks, is given, and never answers
        peer.request(...OFFERED.slice(0, 10).map(({ hash }) => hash))
        peer.available(...CLAIMED.map(({ hash }) => hash))
      })
    }
  }
}

/**
 * As many cells as the victim keeps
 */
const SKETCH_BYTES = SKETCH_CELLS * CELL_BYTES

/**
 * What can only be done where stores are compared
 */
export const COMPARING_ATTACKS: Record<string, Attack> = {
  'cells that are those of no set, on stream after stream': {
    run: async attacker => {
      while (!attacker.signal.aborted) {
        const peer = await begin(attacker, PROTOCOL_4_1)

        for (let sent = 0; sent < SKETCH_BYTES && isOpen(attacker, peer) && peer.saidOf('GIVE_UP', 'SALT').length === 0;) {
          const length = sent === 0 ? FIRST_CELLS * CELL_BYTES : (sent / CELL_BYTES >> 2) * CELL_BYTES
          const asked = peer.saidOf('MORE').length

          peer.rpc({ type: RPCType.CELLS, sequence: OFFERED.length, data: noCells(Math.min(length, SKETCH_BYTES - sent), sent === 0) })
          attacker.begun()
          sent += length
          await Promise.race([peer.until(() => peer.saidOf('MORE').length > asked || peer.saidOf('GIVE_UP', 'SALT').length > 0), sleep(1000)])
        }

        peer.stream.abort(new Error('Dropped'))
      }
    },
    ends: { comparing: 'StreamResetError' },
    goesOn: true
  },

  'cells without an end': {
    ends: { comparing: 'ProtocolError' },
    run: async attacker => {
      const peer = await begin(attacker, PROTOCOL_4_1)

      await repeat(attacker, peer, () => { peer.rpc({ type: RPCType.CELLS, sequence: OFFERED.length, data: noCells(FIRST_CELLS * CELL_BYTES, true) }) })
    }
  },

  'comparisons that never go on, on as many streams as there may be': {
    streams: 32,
    run: async attacker => {
      const peers = await beginMany(attacker, PROTOCOL_4_1)

      peers.forEach(peer => { peer.rpc({ type: RPCType.CELLS, sequence: OFFERED.length, data: noCells(FIRST_CELLS * CELL_BYTES, true) }) })
      await over(attacker, peers[0])
    }
  }
}

async function open ({ node, victim, asked, opened }: Attacker, protocol = PROTOCOL): Promise<ReplicatingPeer> {
  const stream: Stream = await node.dialProtocol(victim, protocol)
  const peer = new CountingPeer(stream, node.peerId.toString(), BLOCKS, asked)

  opened()

  // the victim may break it
  peer.ended.catch(() => {})
  peer.sunk.catch(() => {})

  return peer
}

/**
 * Tells how many hashes it asks for
 */
class CountingPeer extends ReplicatingPeer {
  readonly #asked: (hashes: number) => void

  constructor (stream: Stream, id: string, blocks: Record<string, Block>, asked: (hashes: number) => void) {
    super(stream, id, blocks)
    this.#asked = asked
  }

  rpc (message: RPCMessage): void {
    if (message.type === RPCType.REQUEST) {
      this.#asked(message.hashes?.length ?? 0)
    }

    super.rpc(message)
  }
}

async function begin (attacker: Attacker, protocol?: string): Promise<ReplicatingPeer> {
  const peer = await open(attacker, protocol)

  peer.identify('log')

  return peer
}

/**
 * On as many streams as there may be. One of them first: a muxer ends a connection on
 * which more than ten are opened before the victim has got to know of it.
 */
async function beginMany (attacker: Attacker, protocol?: string): Promise<ReplicatingPeer[]> {
  const first = await begin(attacker, protocol)

  return [first, ...await Promise.all(Array.from({ length: 31 }, async () => begin(attacker, protocol)))]
}

/**
 * Offers everything and begins to send the first that is asked for
 */
async function promise (attacker: Attacker): Promise<ReplicatingPeer> {
  const peer = await begin(attacker)

  peer.offer(NAMES.length, ...NAMES)

  const { hashes } = await peer.message(RPCType.REQUEST)

  peer.hashes(...hashes.map((hash, i): [string, number] => [hash, i]))
  peer.begin(2, 0, new Uint8Array(1))

  return peer
}

/**
 * Sends something else than it was asked for
 */
async function serveEach (attacker: Attacker, content: (block: Block) => Uint8Array): Promise<void> {
  const peer = await begin(attacker)

  peer.offer(NAMES.length, ...NAMES)
  await Promise.race([peer.answer(NAMES, Object.fromEntries(NAMES.map(name => [name, content(BLOCKS[name])]))), over(attacker, peer)])
  await over(attacker, peer)
}

function isOpen ({ signal }: Attacker, { stream }: ReplicatingPeer): boolean {
  return !signal.aborted && stream.status === 'open'
}

/**
 * Says something as fast as it is taken
 */
async function repeat (attacker: Attacker, peer: ReplicatingPeer, say: () => void): Promise<void> {
  while (isOpen(attacker, peer)) {
    if (!peer.stream.writableNeedsDrain) {
      say()
      attacker.begun()
    }

    await sleep(0)
  }
}

async function over (attacker: Attacker, peer: ReplicatingPeer): Promise<void> {
  attacker.begun()

  while (isOpen(attacker, peer)) {
    await sleep(10)
  }
}

async function sleep (ms: number): Promise<void> {
  await new Promise(resolve => { setTimeout(resolve, ms) })
}

/**
 * Random cells whose counts look like those of sets with some differences
 */
function noCells (length: number, withSum: boolean): Uint8Array<ArrayBuffer> {
  const start = withSum ? SUM_BYTES : 0
  const cells = new Uint8Array(start + length)

  for (let at = 0; at < cells.length; at += 65_536) {
    globalThis.crypto.getRandomValues(cells.subarray(at, at + 65_536))
  }

  for (let at = start + CELL_BYTES; at <= cells.length; at += CELL_BYTES) {
    cells.set([at % 3, 0], at - 2)
  }

  return cells
}

function chunkOf (bytes: number[], length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => bytes[i % bytes.length])
}
