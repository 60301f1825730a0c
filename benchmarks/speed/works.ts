import type { BlockSet } from './content.ts'

export interface Work {
  title: string
  count: number
  size: number
  /**
   * How many are brought over before, which is not timed
   */
  warmUp: number
  /**
   * How many of the blocks the receiver lacks, all if not set
   */
  lacking?: number
  /**
   * Fetches one block after the other, and tells the median time of one
   */
  firstByte?: boolean
  /**
   * How far away the providers are, as the time that all takes each way, in ms
   */
  distance?: number
  providers?: number
  receivers?: number
  /**
   * The only systems for which it means something, all if not set
   */
  systems?: string[]
}

const KIB = 1024
const MIB = 1024 * KIB

const ASKED = ['raw', 'exchange', 'original', 'original-libp2p', 'helia', 'hypercore']
const NETWORKED = ['raw', 'checked', 'exchange', 'memory', 'level', 'fs', 'original', 'original-libp2p', 'helia', 'hypercore']

export const WORKS: Record<string, Work> = {
  '1x256MiB': { title: '1 x 256 MiB', count: 1, size: 256 * MIB, warmUp: 0 },
  '1024x256KiB': { title: '1,024 x 256 KiB', count: 1024, size: 256 * KIB, warmUp: 64 },
  '20000x4KiB': { title: '20,000 x 4 KiB', count: 20_000, size: 4 * KIB, warmUp: 5000 },
  '2000x4KiB': { title: '2,000 x 4 KiB', count: 2000, size: 4 * KIB, warmUp: 5000 },
  '100000x128B': { title: '100,000 x 128 B', count: 100_000, size: 128, warmUp: 20_000 },
  '10000x128B': { title: '10,000 x 128 B', count: 10_000, size: 128, warmUp: 20_000 },
  '100of100000': {
    title: '100 of 100,000 x 128 B',
    count: 100_000,
    size: 128,
    lacking: 100,
    warmUp: 5000,
    systems: ['exchange', 'memory', 'level', 'fs', 'original', 'original-libp2p']
  },
  'first-byte': {
    title: 'first byte of 4 KiB',
    count: 200,
    size: 4 * KIB,
    warmUp: 2000,
    firstByte: true,
    systems: ASKED
  },
  'first-byte-far': {
    title: 'first byte of 4 KiB, 25 ms away',
    count: 40,
    size: 4 * KIB,
    warmUp: 40,
    firstByte: true,
    distance: 25,
    systems: ASKED
  },
  'ten-from-one': { title: '10 x 20,000 x 4 KiB from one', count: 20_000, size: 4 * KIB, warmUp: 5000, receivers: 10, systems: NETWORKED },
  'one-from-ten': { title: '20,000 x 4 KiB from ten', count: 20_000, size: 4 * KIB, warmUp: 2000, providers: 10, systems: NETWORKED }
}

/**
 * Works of which the second has ten times the blocks of the first
 */
export const TEN_TIMES = [['2000x4KiB', '20000x4KiB'], ['10000x128B', '100000x128B']]

export function isFor ({ systems }: Work, system: string): boolean {
  return systems?.includes(system) ?? true
}

export function warmUpOf ({ warmUp, size }: Work): BlockSet {
  return { first: 0, count: warmUp, size }
}

export function setOf ({ count, size, warmUp, lacking }: Work): BlockSet {
  return { first: warmUp, count, size, lacking }
}
