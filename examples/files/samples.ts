import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Makes two folders, each with something that the other one has not
 */
export async function makeSamples (): Promise<[string, string]> {
  const folder = await mkdtemp(join(tmpdir(), 'hash-exchange-'))
  const a = join(folder, 'a')
  const b = join(folder, 'b')

  await mkdir(a)
  await mkdir(b)
  await writeFile(join(a, 'beep.txt'), 'beep')
  await writeFile(join(b, 'beep-again.txt'), 'beep')
  await writeFile(join(a, 'boop.txt'), 'boop')
  await writeFile(join(b, 'whatever.txt'), 'WHATEVER')
  await writeFile(join(b, 'nothing.txt'), '')
  await writeFile(join(a, 'random.bin'), randomBytes(20_000_000))

  return [a, b]
}
