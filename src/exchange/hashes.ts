import { InvalidParametersError } from '@libp2p/interface'
import { MAX_SEQUENCE } from '../wire/rpc-codec.ts'

const encoder = new TextEncoder()
// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/

/**
 * How many bytes of UTF-8 a hash of the application takes. Throws
 * InvalidParametersError if it could not be sent as it is.
 */
export function hashLength (hash: string, maxBytes: number): number {
  if (typeof hash !== 'string') {
    throw new InvalidParametersError(`A hash must be a string, not ${hash === null ? 'null' : typeof hash}`)
  }

  const length = ASCII.test(hash) ? hash.length : encoder.encode(hash).byteLength

  if (length > maxBytes) {
    throw new InvalidParametersError(`A hash may have ${maxBytes} bytes, this one has ${length}: "${hash.substring(0, 40)}…"`)
  }

  if (!hash.isWellFormed()) {
    throw new InvalidParametersError('A hash has half a surrogate pair and would not arrive as it is')
  }

  return length
}

/**
 * One hash or several as an iterable
 */
export function hashList (hashes: string | Iterable<string>): Iterable<string> {
  if (typeof hashes === 'string') {
    return [hashes]
  }

  if (hashes?.[Symbol.iterator] == null) {
    throw new InvalidParametersError('Hashes must be a string or an iterable of strings')
  }

  return hashes
}

/**
 * Throws InvalidParametersError for anything that is not a whole number from
 * `min` to 2^32 - 2
 */
export function checkSequence (sequence: number, min: -1 | 0): void {
  if (!Number.isInteger(sequence) || sequence < min || sequence > MAX_SEQUENCE) {
    throw new InvalidParametersError(`A sequence must be a whole number from ${min} to ${MAX_SEQUENCE}, not ${String(sequence)}`)
  }
}
