import envPaths from 'env-paths'

/**
 * Where the repo is if nothing else is said: in the folder where the system
 * keeps the data of a user's programs
 */
export function defaultRepoPath (): string {
  const { HASH_EXCHANGE_REPO: path } = process.env

  return path != null && path !== '' ? path : envPaths('hash-exchange', { suffix: '' }).data
}
