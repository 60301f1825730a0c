import { readFile, rm, writeFile } from 'node:fs/promises'

/**
 * Notes who uses a repo, so that others can be told. It is not the lock, which
 * the log has: a note that was left behind by a process that was killed does no
 * harm.
 */
export class InUse {
  readonly #path: string

  constructor (path: string) {
    this.#path = path
  }

  async note (command: string): Promise<void> {
    await writeFile(this.#path, JSON.stringify({ pid: process.pid, command }))
  }

  async remove (): Promise<void> {
    await rm(this.#path, { force: true })
  }

  /**
   * By whom it is used, as '"hash-exchange serve" (process 123)'
   */
  async who (): Promise<string> {
    try {
      const { pid, command } = JSON.parse(await readFile(this.#path, 'utf8'))

      return `"hash-exchange ${command}" (process ${pid})`
    } catch {
      return 'another process'
    }
  }
}
