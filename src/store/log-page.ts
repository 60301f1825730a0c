import { varint } from 'multiformats'
import { StoreCorruptError } from './errors.ts'

/**
 * How many entries a page has. One of sha2-256 hashes takes 4.5 kB then, which
 * is written anew with each commit; and a million hashes are 7,813 pages to read
 * when a store is opened.
 */
export const PAGE_ENTRIES = 128

/**
 * The bytes of multihashes, in the order of their sequences
 */
export type Page = Uint8Array[]

/**
 * In the place of an entry that was deleted: the others must keep theirs
 */
export const BLANK = new Uint8Array(0)

/**
 * The number of the page that a sequence is on. The first page has the number
 * 0, the first sequence is 1.
 */
export function pageOf (sequence: number): number {
  return Math.floor((sequence - 1) / PAGE_ENTRIES)
}

/**
 * The place of a sequence on its page, from 0 on
 */
export function placeOf (sequence: number): number {
  return (sequence - 1) % PAGE_ENTRIES
}

/**
 * Each entry with its length as a varint before it
 */
export function encodePage (page: Page): Uint8Array {
  let size = 0

  for (const { length } of page) {
    size += length + lengthBytes(length)
  }

  const bytes = new Uint8Array(size)
  let offset = 0

  for (const entry of page) {
    varint.encodeTo(entry.length, bytes, offset)
    offset += lengthBytes(entry.length)
    bytes.set(entry, offset)
    offset += entry.length
  }

  return bytes
}

/**
 * A page is written for each put that nothing else is put with
 */
function lengthBytes (length: number): number {
  return length < 0x80 ? 1 : varint.encodingLength(length)
}

/**
 * Throws StoreCorruptError
 */
export function decodePage (bytes: Uint8Array): Page {
  const page: Page = []

  scanPage(bytes, (start, end) => { page.push(bytes.subarray(start, end)) })

  return page
}

/**
 * Finds the entries of a page. Throws StoreCorruptError.
 */
export function scanPage (bytes: Uint8Array, onEntry: (start: number, end: number) => void): void {
  let count = 0

  for (let offset = 0; offset < bytes.length; count++) {
    const [length, lengthBytes] = decodeLength(bytes, offset)
    const start = offset + lengthBytes

    offset = start + length
    onEntry(start, offset)

    if (offset > bytes.length) {
      throw new StoreCorruptError('The last entry of a page is cut')
    }
  }

  if (count === 0 || count > PAGE_ENTRIES) {
    throw new StoreCorruptError(`A page has ${count} entries instead of 1 to ${PAGE_ENTRIES}`)
  }
}

function decodeLength (bytes: Uint8Array, offset: number): [number, number] {
  try {
    return varint.decode(bytes, offset)
  } catch (cause) {
    throw new StoreCorruptError(`The length of an entry cannot be read: ${String(cause)}`)
  }
}
