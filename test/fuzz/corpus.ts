import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'
import { parseBlockHash } from '../../src/store/block-hash.ts'
import { encodePage } from '../../src/store/log-page.ts'
import { block } from '../fixtures/blocks.ts'
import { fromHex } from '../fixtures/bytes.ts'
import { CONVERSATION, REFUSED, FRAMES } from '../fixtures/spec-vectors.ts'

const BLOCKS = [1, 2, 3].map(seed => block(seed, 40))
const MULTIHASHES = BLOCKS.flatMap(({ hash }) => parseBlockHash(hash)?.multihash.bytes ?? [])

const frames = [...FRAMES, ...REFUSED].map(({ hex }) => fromHex(hex))
const conversations = ['A', 'B'].map(side => concat(CONVERSATION.filter(({ from }) => from === side).map(({ hex }) => fromHex(hex))))
const messages = FRAMES.filter(({ rpc }) => rpc != null).map(({ hex }) => withoutFrame(fromHex(hex)))
const pages = [MULTIHASHES, [MULTIHASHES[0], new Uint8Array(0), MULTIHASHES[1]]].map(encodePage)
const names = [...BLOCKS.map(({ hash }) => hash), 'bafkqaaa', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG', 'baaaa'].map(text => fromString(text))

/**
 * Valid inputs, from which others are made
 */
export const CORPUS: Record<string, Uint8Array[]> = {
  rpc: messages,
  frames: frames.map(withHead(2)),
  channels: [...frames, ...conversations].map(withHead(2)),
  'block-hashes': [...names, ...MULTIHASHES],
  'log-page': pages,
  store: pages.map(withHead(2)),
  'exchange-bytes': conversations.map(withHead(3)),
  // of these any bytes are a program
  comparison: [],
  'exchange-program': [],
  'replication-program': []
}

/**
 * What a target decides by before it takes the rest as it is
 */
function withHead (length: number): (bytes: Uint8Array) => Uint8Array {
  return bytes => concat([new Uint8Array(length), bytes])
}

/**
 * The data of a frame of less than 128 bytes, with or without a name
 */
function withoutFrame (bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes[3] === 0x22 ? 5 : 8)
}
