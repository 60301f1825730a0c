import { expect } from 'aegir/chai'
import { chacha8 } from '../../src/sketch/chacha.ts'
import { hexOf, wordsOf } from '../fixtures/keys.ts'

describe('ChaCha8', () => {
  it('gives the blocks that others give', () => {
    // by @noble/ciphers 2.4.0, whose counter and nonce are one input here
    const vectors = [
      ['00'.repeat(32), '00'.repeat(16), '3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e984ce172b9216f419f445367456d5619314a42a3da86b001387bfdb80e0cfe42'],
      ['ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb', '3e23e8160039594a33894f6564e1b134', '81bfe49952cac835c499dcf551c133e81df9442c60aacc994adbefb818ff8f6935f0757a4257556f293f86a31af728daca0f4afc409f1c1327ebe0dfa59f844f']
    ]

    for (const [secret, input, expected] of vectors) {
      const block = new Int32Array(16)

      chacha8(wordsOf(secret), wordsOf(input), block)
      expect(hexOf(block)).to.equal(expected)
    }
  })
})
