import { open, rename, rm } from 'node:fs/promises'

/**
 * Writes a file that is either there as a whole or not at all, whenever the
 * process or the machine stops
 */
export async function writeFile (path: string, content: Uint8Array | string, mode: number): Promise<void> {
  const part = `${path}.part`

  // one that was left by a process that was killed may have another mode
  await rm(part, { force: true })

  const file = await open(part, 'wx', mode)

  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }

  await rename(part, path)
}
