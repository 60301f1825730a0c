import { CID } from 'multiformats/cid'

/**
 * Only hashes go over the network, so what a file is called is a block as well: JSON
 * that begins with this
 */
const MAGIC = '{"hash-exchange-file":1,'

const MAX_BYTES = 4096

export interface FileRecord {
  cid: string
  name: string
  /**
   * In bytes
   */
  size: number
  /**
   * How many files, if it is a folder
   */
  files?: number
  /**
   * Milliseconds since 1970
   */
  added: number
}

export function encodeRecord ({ cid, name, size, files, added }: FileRecord): Uint8Array {
  return new TextEncoder().encode(MAGIC + JSON.stringify({ cid, name, size, files, added }).slice(1))
}

/**
 * The record that a block is, if it is one. Anybody may have made it.
 */
export function decodeRecord (block: Uint8Array): FileRecord | undefined {
  if (block.length > MAX_BYTES || block[0] !== 0x7b) {
    return
  }

  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(block)

    if (text.startsWith(MAGIC)) {
      return checked(JSON.parse(text))
    }
  } catch {
    // no record
  }
}

function checked ({ cid, name, size, files, added }: any): FileRecord | undefined {
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

  if (typeof name === 'string' && name !== '' && isCount(size) && isCount(added) && (files == null || isCount(files))) {
    return { cid: CID.parse(cid).toString(), name, size, added, ...(files == null ? {} : { files }) }
  }
}
