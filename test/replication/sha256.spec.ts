import { sha256 as reference } from '@noble/hashes/sha2.js'
import { expect } from 'aegir/chai'
import { createSha256, sha256 } from '../../src/replication/sha256.ts'
import { content } from '../fixtures/content.ts'

/**
 * That of the platform, which may need some time to have its fastest way ready: it is tried before and after
 */
describe('sha2-256', () => {
  for (const when of ['at once', 'later']) {
    for (const size of [0, 1, 63, 64, 127, 1023, 1024, 4096, 1_000_000]) {
      it(`of ${size} bytes, ${when}`, async () => {
        const bytes = content(size, size)

        expect(await sha256(bytes)).to.deep.equal(reference(bytes))
      })
    }

    it(`of several that come in parts at the same time, ${when}`, () => {
      const contents = [content(1, 300_000), content(2, 200_000), content(3, 100)]
      const hashes = contents.map(() => createSha256())

      for (let at = 0; at < 300_000; at += 1000) {
        hashes.forEach((hash, i) => { hash.update(contents[i].subarray(at, at + 1000)) })
      }

      // one that is left before its end takes nothing from the others
      createSha256().update(contents[0])

      expect(hashes.map(hash => hash.digest())).to.deep.equal(contents.map(content => reference(content)))
    })

    it(`gives the digest for good, ${when}`, () => {
      const [first, second] = [content(1, 100), content(2, 100)].map(bytes => {
        const hash = createSha256()
        hash.update(bytes)
        return hash.digest()
      })

      expect(first).to.deep.equal(reference(content(1, 100)))
      expect(second).to.deep.equal(reference(content(2, 100)))
    })
  }
})
