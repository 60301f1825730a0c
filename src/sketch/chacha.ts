/**
 * How many numbers of 32 bits a block has
 */
export const BLOCK_WORDS = 16

const ROUNDS = 8

/**
 * A block of ChaCha8 (Bernstein, "ChaCha, a variant of Salsa20", 2008)
 *
 * @param secret - its key, eight little-endian numbers
 * @param input - four numbers, in the place of its counter and nonce
 * @param out - where the block goes
 * @param start - from where on
 */
export function chacha8 (secret: Int32Array, input: Int32Array, out: Int32Array, start = 0): void {
  // "expand 32-byte k"
  let x0 = 0x61707865
  let x1 = 0x3320646e
  let x2 = 0x79622d32
  let x3 = 0x6b206574
  let x4 = secret[0]
  let x5 = secret[1]
  let x6 = secret[2]
  let x7 = secret[3]
  let x8 = secret[4]
  let x9 = secret[5]
  let xa = secret[6]
  let xb = secret[7]
  let xc = input[0]
  let xd = input[1]
  let xe = input[2]
  let xf = input[3]

  for (let round = 0; round < ROUNDS; round += 2) {
    // columns
    x0 = x0 + x4 | 0; xc ^= x0; xc = xc << 16 | xc >>> 16
    x8 = x8 + xc | 0; x4 ^= x8; x4 = x4 << 12 | x4 >>> 20
    x0 = x0 + x4 | 0; xc ^= x0; xc = xc << 8 | xc >>> 24
    x8 = x8 + xc | 0; x4 ^= x8; x4 = x4 << 7 | x4 >>> 25

    x1 = x1 + x5 | 0; xd ^= x1; xd = xd << 16 | xd >>> 16
    x9 = x9 + xd | 0; x5 ^= x9; x5 = x5 << 12 | x5 >>> 20
    x1 = x1 + x5 | 0; xd ^= x1; xd = xd << 8 | xd >>> 24
    x9 = x9 + xd | 0; x5 ^= x9; x5 = x5 << 7 | x5 >>> 25

    x2 = x2 + x6 | 0; xe ^= x2; xe = xe << 16 | xe >>> 16
    xa = xa + xe | 0; x6 ^= xa; x6 = x6 << 12 | x6 >>> 20
    x2 = x2 + x6 | 0; xe ^= x2; xe = xe << 8 | xe >>> 24
    xa = xa + xe | 0; x6 ^= xa; x6 = x6 << 7 | x6 >>> 25

    x3 = x3 + x7 | 0; xf ^= x3; xf = xf << 16 | xf >>> 16
    xb = xb + xf | 0; x7 ^= xb; x7 = x7 << 12 | x7 >>> 20
    x3 = x3 + x7 | 0; xf ^= x3; xf = xf << 8 | xf >>> 24
    xb = xb + xf | 0; x7 ^= xb; x7 = x7 << 7 | x7 >>> 25

    // diagonals
    x0 = x0 + x5 | 0; xf ^= x0; xf = xf << 16 | xf >>> 16
    xa = xa + xf | 0; x5 ^= xa; x5 = x5 << 12 | x5 >>> 20
    x0 = x0 + x5 | 0; xf ^= x0; xf = xf << 8 | xf >>> 24
    xa = xa + xf | 0; x5 ^= xa; x5 = x5 << 7 | x5 >>> 25

    x1 = x1 + x6 | 0; xc ^= x1; xc = xc << 16 | xc >>> 16
    xb = xb + xc | 0; x6 ^= xb; x6 = x6 << 12 | x6 >>> 20
    x1 = x1 + x6 | 0; xc ^= x1; xc = xc << 8 | xc >>> 24
    xb = xb + xc | 0; x6 ^= xb; x6 = x6 << 7 | x6 >>> 25

    x2 = x2 + x7 | 0; xd ^= x2; xd = xd << 16 | xd >>> 16
    x8 = x8 + xd | 0; x7 ^= x8; x7 = x7 << 12 | x7 >>> 20
    x2 = x2 + x7 | 0; xd ^= x2; xd = xd << 8 | xd >>> 24
    x8 = x8 + xd | 0; x7 ^= x8; x7 = x7 << 7 | x7 >>> 25

    x3 = x3 + x4 | 0; xe ^= x3; xe = xe << 16 | xe >>> 16
    x9 = x9 + xe | 0; x4 ^= x9; x4 = x4 << 12 | x4 >>> 20
    x3 = x3 + x4 | 0; xe ^= x3; xe = xe << 8 | xe >>> 24
    x9 = x9 + xe | 0; x4 ^= x9; x4 = x4 << 7 | x4 >>> 25
  }

  out[start] = x0 + 0x61707865
  out[start + 1] = x1 + 0x3320646e
  out[start + 2] = x2 + 0x79622d32
  out[start + 3] = x3 + 0x6b206574
  out[start + 4] = x4 + secret[0]
  out[start + 5] = x5 + secret[1]
  out[start + 6] = x6 + secret[2]
  out[start + 7] = x7 + secret[3]
  out[start + 8] = x8 + secret[4]
  out[start + 9] = x9 + secret[5]
  out[start + 10] = xa + secret[6]
  out[start + 11] = xb + secret[7]
  out[start + 12] = xc + input[0]
  out[start + 13] = xd + input[1]
  out[start + 14] = xe + input[2]
  out[start + 15] = xf + input[3]
}
