import type { Store } from '../../src/store/store.ts'

/**
 * Keeps the events of a store from now on, as `put 1 <hash>`
 */
export function recordEvents (store: Store): string[] {
  const events: string[] = []

  store.addEventListener('put', ({ detail }) => { events.push(`put ${detail.sequence} ${detail.hash}`) })
  store.addEventListener('delete', ({ detail }) => { events.push(`delete ${detail.sequence} ${detail.hash}`) })

  return events
}
