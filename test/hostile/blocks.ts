import { block, blocks } from '../fixtures/blocks.ts'
import type { ExchangeLimits, ReplicationLimits } from '../../src/index.ts'

const KIB = 1024

/**
 * What the victim has: as much as an honest peer takes a second for, and a large
 * one
 */
export const OFFERED = [...blocks(0, 2000, KIB), block(2000, 4000 * KIB)]

/**
 * What it has and lets nobody read
 */
export const SECRET = blocks(3000, 20)

/**
 * What an attacker claims to have
 */
export const CLAIMED = blocks(4000, 64, KIB)

/**
 * Time-outs that a test can wait for, but not shorter than what a busy machine
 * takes
 */
export const LIMITS: Partial<ExchangeLimits> = {
  serveTimeout: 1000,
  requestTimeout: 1000,
  rateWindow: 1500,
  unreadTimeout: 1500,
  closeTimeout: 1000,
  quietTimeout: 500
}

export const REPLICATION_LIMITS: Partial<ReplicationLimits> = {
  ...LIMITS,
  beginTimeout: 500,
  quiet: 500,
  stallTimeout: 1500,
  storeTimeout: 3000,
  // the store is in memory, and so is a block that never ends
  maxBlockBytes: 16 * KIB * KIB
}
