import { realpath } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { withRepo } from '../context.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit-codes.ts'
import { importFiles } from '../files/import.ts'
import { walk } from '../files/walk.ts'
import { count, formatBytes } from '../format.ts'
import type { Context } from '../context.ts'
import type { Found } from '../files/walk.ts'
import type { Bar } from '../progress.ts'
import type { Repo } from '../repo/repo.ts'

/**
 * What is to be added under one root
 */
interface Work {
  path: string
  name: string
  found: Found[]
  size: number
}

/**
 * Adds files and folders
 */
export async function add (context: Context, paths: string[]): Promise<number> {
  const { output } = context

  return withRepo(context, async repo => output.withProgress(async progress => {
    const works: Work[] = []

    for (const path of paths) {
      works.push(await find(context, repo, path))
    }

    const totalBytes = works.reduce((sum, { size }) => sum + size, 0)
    const bar = progress.bar('adding')
    let before = 0

    for (const work of works) {
      await addOne(context, repo, work, { bar, before, totalBytes })
      before += work.size
    }

    return OK
  }))
}

/**
 * What there is to add at a path. All of that is known before anything is added,
 * for the bar, and because of two paths one may not be there.
 */
async function find ({ output, signal }: Context, repo: Repo, path: string): Promise<Work> {
  const absolute = resolve(path)
  const name = basename(absolute)

  if (name === '') {
    throw new UsageError(`${path} has no name, so it can't be added as a whole: name what is in it`)
  }

  // of a link what it leads to, as it was named, but under its own name
  const real = await realpath(absolute)
  const found: Found[] = []
  let size = 0

  for await (const one of walk(real, {
    except: await realpath(repo.path),
    onSkipped: (path, what) => { output.warn(`left out ${path}: ${what}`, { path }) },
    signal
  })) {
    found.push(one)
    size += one.size ?? 0
  }

  return { path, name, found, size }
}

async function addOne ({ output, signal }: Context, { store, roots }: Repo, { path, name, found, size }: Work, { bar, before, totalBytes }: { bar: Bar, before: number, totalBytes: number }): Promise<void> {
  const blocksBefore = store.size
  let files = found.filter(({ size }) => size != null).length
  let bytes = 0

  const cid = await importFiles(store, name, found, {
    onRead: length => {
      bytes += length
      bar.update({ part: totalBytes === 0 ? 1 : (before + bytes) / totalBytes, bytes: before + bytes, totalBytes })
      output.progress({ bytes: before + bytes, totalBytes })
    },
    onSkipped: (path, what) => {
      files--
      output.warn(`left out ${path}: ${what}`, { path })
    },
    signal
  })

  await roots.put({ cid, name, size: bytes, files, added: new Date() })

  output.event('added', { cid: cid.toString(), name, path, size: bytes, files, newBlocks: store.size - blocksBefore }, `${cid}  ${name}`)
  output.note(`${count(files, 'file')}, ${formatBytes(bytes)}; ${count(store.size - blocksBefore, 'new block')}`)
}
