import { readFileSync } from 'node:fs'

/**
 * That of the package, which is two folders above what was built
 */
export function version (): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
