import { CID } from 'multiformats/cid'
import { fileContent } from './dag.ts'
import type { Store } from 'libp2p-hash-exchange'

/**
 * How much is gathered before it is handed to the browser, which keeps it on disk
 */
const PART_BYTES = 16 * 1024 * 1024

/**
 * How long the browser may need to begin to save it, in ms
 */
const SAVE_MS = 60_000

export interface SaveOptions {
  signal: AbortSignal
  onRead(bytes: number): void
}

/**
 * Checks a file against its hashes and saves it as a download
 */
export async function saveFile (store: Store, cid: string, name: string, { signal, onRead }: SaveOptions): Promise<void> {
  const parts: Blob[] = []
  let chunks: Uint8Array<ArrayBuffer>[] = []
  let gathered = 0

  for await (const chunk of fileContent(store, CID.parse(cid))) {
    signal.throwIfAborted()
    onRead(chunk.length)
    chunks.push(chunk as Uint8Array<ArrayBuffer>)
    gathered += chunk.length

    if (gathered >= PART_BYTES) {
      parts.push(new Blob(chunks))
      chunks = []
      gathered = 0
    }
  }

  const url = URL.createObjectURL(new Blob([...parts, ...chunks]))
  const link = document.createElement('a')

  link.href = url
  link.download = name.split('/').at(-1) ?? name
  link.click()
  setTimeout(() => { URL.revokeObjectURL(url) }, SAVE_MS)
}
