import { Repo } from './repo/repo.ts'
import type { Output } from './output.ts'

/**
 * What every command gets
 */
export interface Context {
  /**
   * Its name
   */
  command: string

  /**
   * Where the repo is
   */
  repo: string

  output: Output

  /**
   * Aborted when it is to end
   */
  signal: AbortSignal
}

/**
 * Opens the repo for as long as something is done with it
 */
export async function withRepo<T> ({ command, repo: path, output }: Context, use: (repo: Repo) => Promise<T>): Promise<T> {
  const repo = await Repo.open(path, command, message => { output.warn(message) })

  try {
    return await use(repo)
  } finally {
    await repo.close()
  }
}
