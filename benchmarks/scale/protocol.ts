import type { Owner } from './blocks.ts'

/**
 * What a side is told when it is started
 */
export interface SideInit {
  owner: Owner
  folder: string
  /**
   * What its blocks are in
   */
  blocks: 'level' | 'fs'
  compare: boolean
  hashes: number
  /**
   * How many hashes only one of the two sides has, both together
   */
  differences: number
}

export type Command =
  { type: 'build' } |
  { type: 'put', round: number } |
  { type: 'start' } |
  { type: 'replicate', address: string } |
  { type: 'stop' } |
  { type: 'check', rounds: number } |
  { type: 'end' }

export interface Report {
  address?: string
  seconds?: number
  result?: { received: Totals, sent: Totals, failed: string[], confirmed: boolean }
  /**
   * Bytes over its connections
   */
  sent?: number
  /**
   * What was alive in its heap, in MiB
   */
  heap?: { before: number, most: number }
  /**
   * How long it took to open the store, in seconds
   */
  opened?: number
  /**
   * The most memory that it ever had, in MiB
   */
  rss?: number
  size?: number
  missing?: number
  fingerprint?: string
}

interface Totals {
  hashes: number
  bytes: number
}
