import { exchange } from './systems/exchange.ts'
import { raw } from './systems/raw.ts'
import { replicator, storeAlone } from './systems/replicator.ts'
import type { System } from './system.ts'

export interface SystemInfo {
  title: string
  /**
   * Which of ours it is compared with
   */
  beside: string
  /**
   * If it needs what is not installed with this package
   */
  installs?: boolean
  load(): Promise<System>
}

/**
 * What is in a package of its own
 */
async function alternative (name: string): Promise<System> {
  return (await import(new URL(`../../../benchmarks/alternatives/${name}.js`, import.meta.url).href)).system
}

export const SYSTEMS: Record<string, SystemInfo> = {
  raw: { title: 'raw stream, not checked', beside: 'exchange', load: async () => raw(false) },
  checked: { title: 'raw stream + SHA-256', beside: 'exchange', load: async () => raw(true) },
  exchange: { title: 'ours, exchange', beside: 'exchange', load: async () => exchange },
  memory: { title: 'ours, replicator, memory', beside: 'exchange', load: async () => replicator('memory') },
  level: { title: 'ours, replicator, level', beside: 'exchange', load: async () => replicator('level') },
  fs: { title: 'ours, replicator, files', beside: 'exchange', load: async () => replicator('fs') },
  'store-level': { title: 'our store alone, level', beside: 'level', load: async () => storeAlone('level') },
  'store-fs': { title: 'our store alone, files', beside: 'fs', load: async () => storeAlone('fs') },
  'store-memory': { title: 'our store alone, memory', beside: 'memory', load: async () => storeAlone('memory') },
  original: { title: 'original, plain TCP', beside: 'exchange', load: async () => alternative('original').then((system: any) => system.tcp) },
  'original-libp2p': { title: 'original over libp2p', beside: 'exchange', load: async () => alternative('original').then((system: any) => system.libp2p) },
  helia: { title: 'Helia, bitswap', beside: 'exchange', installs: true, load: async () => alternative('helia') },
  hypercore: { title: 'hypercore', beside: 'level', installs: true, load: async () => alternative('hypercore') }
}
