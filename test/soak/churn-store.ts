import { block } from '../fixtures/blocks.ts'
import { seeded } from '../fixtures/network.ts'
import type { Store } from '../../src/index.ts'

const KIB = 1024
const SIZES = [100, KIB, 4 * KIB, 64 * KIB]

/**
 * How many blocks a store has at most: the oldest go
 */
const MAX_BLOCKS = 500

let seeds = 0

/**
 * Puts a block now and then, and deletes the oldest ones. Returns a function that
 * ends it.
 *
 * @param store - where
 * @param seed - which blocks
 * @param ms - how long it waits at most
 */
export function churn (store: Store, seed: number, ms: number): () => void {
  const random = seeded(seed)
  const order: string[] = []
  let timer: ReturnType<typeof setTimeout>
  let ended = false

  const onPut = ({ detail: { hash } }: CustomEvent<{ hash: string }>): void => { order.push(hash) }

  const step = async (): Promise<void> => {
    const { hash, bytes } = block((seed % 1000) * 1_000_000 + seeds++, SIZES[Math.floor(random() * SIZES.length)])

    await store.put(hash, bytes)

    while (order.length > MAX_BLOCKS) {
      await store.delete(order.shift() ?? '')
    }

    if (!ended) {
      timer = setTimeout(next, random() * ms)
    }
  }
  // an error ends the process
  const next = (): void => { void step() }

  store.addEventListener('put', onPut)
  next()

  return () => {
    ended = true
    clearTimeout(timer)
    store.removeEventListener('put', onPut)
  }
}
