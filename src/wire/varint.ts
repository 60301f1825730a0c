/**
 * How many bytes an unsigned number of up to 32 bits takes
 */
export function varintLength (value: number): number {
  let length = 1

  while (value > 0x7f) {
    value >>>= 7
    length++
  }

  return length
}

/**
 * Writes an unsigned number of up to 32 bits. Returns the position behind it.
 */
export function writeVarint (buf: Uint8Array, pos: number, value: number): number {
  while (value > 0x7f) {
    buf[pos++] = (value & 0x7f) | 0x80
    value >>>= 7
  }

  buf[pos++] = value

  return pos
}
