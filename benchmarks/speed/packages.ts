import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const ROOT = new URL('../../../', import.meta.url)
/**
 * Where that is installed which is compared with and is no dependency of this package
 */
export const ALTERNATIVES = new URL('benchmarks/alternatives/', ROOT)

const PACKAGES = {
  libp2p: ROOT,
  '@libp2p/tcp': ROOT,
  '@chainsafe/libp2p-noise': ROOT,
  '@chainsafe/libp2p-yamux': ROOT,
  'hash-exchange': ROOT,
  helia: ALTERNATIVES,
  '@helia/bitswap': ALTERNATIVES,
  hypercore: ALTERNATIVES
}

/**
 * Installs what is compared with and is no dependency of this package, if it is
 * missing. Returns whether it is there.
 */
export function installAlternatives (): boolean {
  if (existsSync(new URL('node_modules/.package-lock.json', ALTERNATIVES))) {
    return true
  }

  process.stderr.write('Installing Helia, hypercore and @peerbit/riblt into benchmarks/alternatives, which takes about 300 MB...\n')

  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: fileURLToPath(ALTERNATIVES),
    shell: process.platform === 'win32',
    stdio: ['ignore', process.stderr, process.stderr]
  })

  return status === 0
}

/**
 * What the figures depend on
 */
export interface Machine {
  processor: string
  platform: string
  versions: Record<string, string>
}

export function machine (): Machine {
  const versions: Record<string, string> = { node: process.version.slice(1), 'libp2p-hash-exchange': versionIn(new URL('package.json', ROOT)) }

  for (const [name, folder] of Object.entries(PACKAGES)) {
    const file = new URL(`node_modules/${name}/package.json`, folder)

    if (existsSync(file)) {
      versions[name] = versionIn(file)
    }
  }

  return {
    processor: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
    platform: `${process.platform} ${process.arch}`,
    versions
  }
}

function versionIn (file: URL): string {
  return JSON.parse(readFileSync(file, 'utf8')).version
}
