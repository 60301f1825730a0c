/**
 * Of how many peers something is remembered when they have gone
 */
const MAX_REMEMBERED = 10_000

/**
 * Keeps something of a peer, and forgets the peers of which nothing was kept for
 * the longest time
 */
export function remember<T> (map: Map<string, T>, peer: string, value: T): void {
  map.delete(peer)
  map.set(peer, value)

  for (const oldest of map.keys()) {
    if (map.size <= MAX_REMEMBERED) {
      break
    }

    map.delete(oldest)
  }
}
