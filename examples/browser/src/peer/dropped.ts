import type { ImportItem } from '../import/messages.ts'

export interface Dropped {
  /**
   * Of the file, or of the folder
   */
  name: string
  folder: boolean
  items: ImportItem[]
  bytes: number
}

/**
 * What was dropped or chosen: each file, and each folder, is to be one entry
 */
export async function collectDropped (from: DataTransfer | FileList): Promise<Dropped[]> {
  const items = from instanceof FileList ? chosen(from) : await dropped(from)
  const found = new Map<string, Dropped>()

  for (const [i, { path, file }] of items.entries()) {
    const name = path.split('/', 1)[0]
    const folder = path.includes('/')
    // two files may have the same name
    const key = folder ? `${name}/` : `${i}`
    const entry = found.get(key)

    if (entry == null) {
      found.set(key, { name, folder, items: [{ path, file }], bytes: file.size })
    } else {
      entry.items.push({ path, file })
      entry.bytes += file.size
    }
  }

  return [...found.values()]
}

function chosen (files: FileList): ImportItem[] {
  return Array.from(files, file => ({ path: file.webkitRelativePath === '' ? file.name : file.webkitRelativePath, file }))
}

async function dropped ({ items, files }: DataTransfer): Promise<ImportItem[]> {
  // at once: nothing is left of them after the event
  const entries = Array.from(items, item => item.webkitGetAsEntry?.()).filter(entry => entry != null)

  return entries.length === 0 ? chosen(files) : (await Promise.all(entries.map(async entry => walk(entry, entry.name)))).flat()
}

async function walk (entry: FileSystemEntry, path: string): Promise<ImportItem[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => { (entry as FileSystemFileEntry).file(resolve, reject) })

    return [{ path, file }]
  }

  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const found: ImportItem[] = []

  // some at a time, and none at the end
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => { reader.readEntries(resolve, reject) })

    if (entries.length === 0) {
      return found
    }

    for (const entry of entries) {
      found.push(...await walk(entry, `${path}/${entry.name}`))
    }
  }
}
