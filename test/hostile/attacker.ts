/**
 * Attacks a peer from a process of its own, over TCP: its argument is the address. It
 * is told the name of an attack, which begins then with a node of its own, and that it
 * is enough, over and over.
 */

import { subscribe } from 'node:diagnostics_channel'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { ATTACKS, COMPARING_ATTACKS } from './attacks.ts'
import type { Socket } from 'node:net'

/**
 * What it is told
 */
export interface Order {
  /**
   * Which attack begins. Without it, that of now has gone on for long enough.
   */
  attack?: string
}

/**
 * What it tells when an attack has begun
 */
export interface Begun {
  begun: true
}

/**
 * What it tells when one is over, and its connections are lost
 */
export interface Ended {
  error?: string
  asked: number
  opened: number
}

const victim = multiaddr(process.argv[2])
const sockets = new Set<Socket>()
let enough = new AbortController()

subscribe('net.client.socket', message => { sockets.add((message as { socket: Socket }).socket) })
process.on('disconnect', () => { process.exit() })
process.on('message', ({ attack }: Order) => {
  if (attack == null) {
    enough.abort()
    return
  }

  enough = new AbortController()
  void run(attack, enough.signal)
})
// it is not the one that is tested
process.on('unhandledRejection', () => {})

function tell (message: Begun | Ended): void {
  process.send?.(message)
}

async function run (name: string, signal: AbortSignal): Promise<void> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  })
  const ended: Ended = { asked: 0, opened: 0 }
  let begun = false

  try {
    await { ...ATTACKS, ...COMPARING_ATTACKS }[name].run({
      node,
      victim,
      signal,
      begun: () => {
        if (!begun) {
          begun = true
          tell({ begun })
        }
      },
      asked: hashes => { ended.asked += hashes },
      opened: () => { ended.opened++ }
    })
  } catch (err: any) {
    ended.error = String(err.stack ?? err)
  }

  // without a word, as where its process is killed
  sockets.forEach(socket => { socket.destroy() })
  sockets.clear()
  await node.stop()
  tell(ended)
}
