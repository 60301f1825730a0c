const KEY = 'hash-exchange-slot'

/**
 * How long a tab that is loaded again waits for what it was before to be over, in ms
 */
const RELOAD_MS = 2000

/**
 * Tabs of one browser share its storage, but two nodes must not have one key or one
 * store. So each tab is a peer of its own, the first one that no other tab is, and
 * stays the same one when it is loaded again. Resolves to its number, from 1.
 */
export async function takeSlot (): Promise<number> {
  const before = Number(sessionStorage.getItem(KEY) ?? 0)

  if (before > 0 && await hold(before, { signal: AbortSignal.timeout(RELOAD_MS) })) {
    return before
  }

  for (let slot = 1; ; slot++) {
    if (await hold(slot, { ifAvailable: true })) {
      sessionStorage.setItem(KEY, `${slot}`)
      return slot
    }
  }
}

/**
 * Holds a lock until the tab is closed. Resolves to false if another tab has it.
 */
async function hold (slot: number, options: LockOptions): Promise<boolean> {
  return new Promise(resolve => {
    navigator.locks.request(`${KEY}-${slot}`, options, async lock => {
      resolve(lock != null)

      return lock == null ? undefined : new Promise(() => {})
    }).catch(() => { resolve(false) })
  })
}
