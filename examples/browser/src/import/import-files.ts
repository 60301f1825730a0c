import { blockHash } from 'libp2p-hash-exchange'
import { CID } from 'multiformats/cid'
import type { FromImport, ImportItem, ToImport } from './messages.ts'
import type { Store } from 'libp2p-hash-exchange'

export interface ImportOptions {
  signal: AbortSignal
  onRead(bytes: number, files: number): void
  /**
   * A block is to be stored that is not there
   */
  onNew(hash: string): Promise<void>
}

/**
 * Cuts files into blocks on a thread of its own, so that the page stays responsive,
 * and stores them. Resolves to the root and the size of the content.
 */
export async function importFiles (store: Store, name: string, items: ImportItem[], { signal, onRead, onNew }: ImportOptions): Promise<{ cid: CID, size: number }> {
  signal.throwIfAborted()

  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  const done = Promise.withResolvers<{ cid: CID, size: number }>()
  const puts = new Set<Promise<void>>()
  const tell = (message: ToImport): void => { worker.postMessage(message) }

  const onBlock = async (id: number, cid: Uint8Array, bytes: Uint8Array): Promise<void> => {
    try {
      const hash = blockHash(CID.decode(cid))

      if (!await store.has(hash)) {
        await onNew(hash)
        await store.put(hash, bytes)
      }

      tell({ type: 'stored', id })
    } catch (err: any) {
      done.reject(err)
    }
  }

  worker.addEventListener('message', ({ data }: MessageEvent<FromImport>) => {
    switch (data.type) {
      case 'block': {
        const put = onBlock(data.id, data.cid, data.bytes).finally(() => { puts.delete(put) })
        puts.add(put)
        break
      }
      case 'read': onRead(data.bytes, data.files); break
      case 'done': done.resolve({ cid: CID.parse(data.cid), size: data.size }); break
      default: done.reject(new Error(data.message))
    }
  })
  worker.addEventListener('error', ({ message }) => { done.reject(new Error(`Adding files failed: ${message}`)) })

  const onAbort = (): void => { done.reject(signal.reason) }

  signal.addEventListener('abort', onAbort)
  tell({ type: 'start', name, items })

  try {
    return await done.promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    worker.terminate()
    // those that were begun come to their end
    await Promise.all(puts)
  }
}
