/**
 * Attacks a peer from a process of its own, over TCP, until it is told that it is
 * enough: its arguments are the name of the attack and the address
 */

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { ATTACKS, COMPARING_ATTACKS } from './attacks.ts'

const [, , name, address] = process.argv
const enough = new AbortController()

process.on('disconnect', () => { process.exit() })
process.on('message', () => { enough.abort() })
// it is not the one that is tested
process.on('unhandledRejection', () => {})

const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})

let begun = false
let asked = 0
let opened = 0

try {
  await { ...ATTACKS, ...COMPARING_ATTACKS }[name].run({
    node,
    victim: multiaddr(address),
    signal: enough.signal,
    begun: () => {
      if (!begun) {
        begun = true
        process.send?.({ begun })
      }
    },
    asked: hashes => { asked += hashes },
    opened: () => { opened++ }
  })
  process.send?.({ ended: true, asked, opened })
} catch (err: any) {
  process.send?.({ ended: true, error: String(err.stack ?? err) })
}
