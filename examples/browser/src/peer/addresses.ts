import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * An address, or a link to such a page that has one behind its `#`. Throws with a
 * sentence for the person.
 */
export function parseAddress (text: string): Multiaddr {
  const trimmed = text.trim()
  const inLink = /#(?<address>.+)$/.exec(trimmed)?.groups?.address

  try {
    const address = multiaddr(decodeURIComponent(inLink ?? trimmed))

    if (address.getComponents().length > 0) {
      return address
    }
  } catch {
    // told below
  }

  throw new Error('That is no link to a page like this one, and no address. An address begins with a slash, as in /ip4/192.0.2.1/tcp/4100/ws/p2p/12D3KooW…')
}

export function linkTo (address: Multiaddr): string {
  return `${location.origin}${location.pathname}#${address.toString()}`
}
