/**
 * What the page and the thread that cuts files into blocks tell each other
 */

export interface ImportItem {
  path: string
  file: File
}

/**
 * To the thread: what to import, or that a block has been stored
 */
export type ToImport = { type: 'start', name: string, items: ImportItem[] } | { type: 'stored', id: number }

/**
 * From the thread
 */
export type FromImport = { type: 'block', id: number, cid: Uint8Array, bytes: Uint8Array } |
{ type: 'read', bytes: number, files: number } |
{ type: 'done', cid: string, size: number } |
{ type: 'error', message: string }
