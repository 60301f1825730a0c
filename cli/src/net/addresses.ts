import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { TCP, Unix, WebSockets } from '@multiformats/multiaddr-matcher'
import { UsageError } from '../errors.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * A peer, by the addresses that were given for it
 */
export interface Target {
  /**
   * Its ID, where the addresses say it
   */
  peer?: string

  addresses: Multiaddr[]
}

/**
 * The peers of some multiaddrs: those with the same peer ID are of one peer, as
 * "serve" prints them
 */
export function parseTargets (texts: string[]): Target[] {
  const targets = new Map<string, Target>()

  for (const text of texts) {
    const address = parseMultiaddr(text)
    const peer = address.getComponents().findLast(({ name }) => name === 'p2p')?.value
    const target = targets.get(peer ?? text)

    if (target == null) {
      targets.set(peer ?? text, { peer, addresses: [address] })
    } else if (!target.addresses.some(other => other.equals(address))) {
      target.addresses.push(address)
    }
  }

  return [...targets.values()]
}

export function parseMultiaddr (text: string): Multiaddr {
  try {
    const address = multiaddr(text)

    if (address.getComponents().length > 0) {
      return address
    }
  } catch {
    // told below
  }

  throw new UsageError(`"${text}" is no multiaddr. One looks like /ip4/192.0.2.1/tcp/4100/p2p/12D3KooW…; "hash-exchange serve" prints its own.`)
}

/**
 * Throws if what was given is nothing that can be listened on. Not TLS: there is no
 * certificate.
 */
export function checkListen (text: string): void {
  const address = parseMultiaddr(text)

  if (![TCP, WebSockets, Unix].some(matcher => matcher.exactMatch(address))) {
    throw new UsageError(`"${text}" can't be listened on. Give an address of this machine with /tcp/ and a port, such as /ip4/0.0.0.0/tcp/4100, and with /ws after that for browsers.`)
  }
}

/**
 * Throws if what was given is no peer ID
 */
export function checkPeerId (text: string): string {
  try {
    return peerIdFromString(text).toString()
  } catch {
    throw new UsageError(`"${text}" is no peer ID. One looks like 12D3KooW…; "hash-exchange status" tells that of a repo.`)
  }
}
