import { InvalidParametersError } from '@libp2p/interface'
import { base32 } from 'multiformats/bases/base32'
import { Turns } from './turns.ts'
import type { Records } from './records.ts'
import type { StoreCursor } from './store.ts'
import type { AbortOptions } from '@libp2p/interface'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * One cursor for each peer. Each is a record of JSON.
 */
export class Cursors {
  readonly #records: Records
  readonly #turns = new Turns()

  constructor (records: Records) {
    this.#records = records
  }

  async get (peer: string, options?: AbortOptions): Promise<StoreCursor | undefined> {
    const bytes = await this.#records.get(nameOf(peer), options)

    return bytes == null ? undefined : parse(bytes)
  }

  async set (peer: string, { logId, sequence }: StoreCursor, { signal }: AbortOptions = {}): Promise<void> {
    const name = nameOf(peer)
    const bytes = encoder.encode(JSON.stringify({ logId, sequence }))

    if (parse(bytes) == null) {
      throw new InvalidParametersError(`A cursor must have a logId, a string, and a sequence, a whole number, not ${logId} and ${sequence}`)
    }

    // datastores of files may mix up what is written under one name at the same time
    await this.#turns.take(name, async () => this.#records.put(name, bytes), signal)
  }
}

function nameOf (peer: string): string {
  if (typeof peer !== 'string') {
    throw new InvalidParametersError(`A peer must be a string, not ${typeof peer}`)
  }

  // a datastore may make a file name of it, and take upper case for lower case
  return `cursor/${base32.encode(encoder.encode(peer))}`
}

/**
 * One that cannot be read is like none: the peer is asked from the beginning
 */
function parse (bytes: Uint8Array): StoreCursor | undefined {
  try {
    const { logId, sequence } = JSON.parse(decoder.decode(bytes))

    return typeof logId === 'string' && Number.isSafeInteger(sequence) ? { logId, sequence } : undefined
  } catch {}
}
