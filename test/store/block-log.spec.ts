import { logger } from '@libp2p/logger'
import { expect } from 'aegir/chai'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import all from 'it-all'
import { multihashOf as parseHash } from '../../src/store/block-hash.ts'
import { BlockLog } from '../../src/store/block-log.ts'
import { Records } from '../../src/store/records.ts'
import { faultyDatastore, Faults } from './faulty.ts'
import { hashOf, range } from './hashes.ts'

const log = logger('test')

describe('BlockLog', () => {
  let datastore: MemoryDatastore
  let faults: Faults
  let blockLog: BlockLog

  async function open (): Promise<void> {
    faults = new Faults()
    blockLog = await BlockLog.open(new Records(faultyDatastore(datastore, faults), '/x'), log)
    faults.tried.length = 0
    faults.writes = 0
  }

  beforeEach(async () => {
    datastore = new MemoryDatastore()
    await open()
  })

  function multihashOf (index: number): Uint8Array {
    return parseHash(hashOf(index)) as Uint8Array
  }

  function sequenceOf (hash: string): number | undefined {
    return blockLog.sequence(parseHash(hash) as Uint8Array)
  }

  async function append (index: number, removes?: number): Promise<number> {
    return blockLog.append(multihashOf(index), removes)
  }

  async function fill (count: number): Promise<void> {
    for (let first = 0; first < count; first += 128) {
      await Promise.all(range(first, Math.min(128, count - first)).map(async index => append(index)))
    }

    faults.tried.length = 0
    faults.writes = 0
  }

  async function listed (since = 0): Promise<string[]> {
    return (await all(blockLog.since(since))).map(({ hash }) => hash)
  }

  async function sequencesOf (hashes: string[]): Promise<Array<number | undefined>> {
    return hashes.map(sequenceOf)
  }

  it('joins into one write what comes while another one is under way', async () => {
    const sequences = await Promise.all(range(0, 300).map(async index => append(index)))
    const pages = faults.tried.filter(name => name.startsWith('put /x/log/'))

    expect(sequences).to.deep.equal(range(1, 300))
    // one alone, then 128 over two pages, 128 over two pages, and the rest
    expect(pages.map(name => Number(name.slice(-8)))).to.deep.equal([0, 0, 1, 1, 2, 2])
  })

  it('lists the last entries without a read', async () => {
    await fill(200)
    datastore.get = () => { throw new Error('Read') }

    expect(await listed(128)).to.deep.equal(range(128, 72).map(hashOf))
    await expect(listed(127)).to.be.rejectedWith('Read')
  })

  it('reads page by page', async () => {
    await fill(300)
    const { get } = datastore
    let reads = 0
    datastore.get = (...args) => {
      reads++
      return get.apply(datastore, args)
    }

    const entries = blockLog.since(0)
    await entries.next()
    expect(reads).to.equal(1)
    await all(entries)
    expect(reads).to.equal(2)
  })

  it('lists what is added, and not what is removed, while it is read', async () => {
    await fill(140)
    const hashes: string[] = []

    for await (const { hash, sequence } of blockLog.since(0)) {
      hashes.push(hash)

      if (sequence === 3) {
        await blockLog.remove(multihashOf(5), 6)
        await blockLog.remove(multihashOf(135), 136)
      } else if (sequence === 140) {
        await append(140)
      }
    }

    expect(hashes).to.deep.equal(range(0, 141).filter(index => index !== 5 && index !== 135).map(hashOf))
  })

  it('gives nothing for sequences that it does not have', async () => {
    await fill(3)

    expect(await listed(3)).to.be.empty()
    expect(await listed(1e9)).to.be.empty()
    expect(await listed(Infinity)).to.be.empty()
    expect(await listed(-1e9)).to.have.lengthOf(3)
    expect(await listed(1.5)).to.have.lengthOf(2)
  })

  describe('when a write fails', () => {
    const cases = (['not done', 'done, but fails'] as const).flatMap(decision => range(1, 2).map(write => ({ decision, write })))

    cases.forEach(({ decision, write }) => {
      it(`rejects what was in it, and is as it was before, if write ${write} is ${decision}`, async () => {
        const before = [...range(0, 130), 500].map(hashOf)
        await fill(130)

        // the first one is written alone
        const first = append(500)
        // these are written together: two new ones, one that replaces another, and one that is removed
        const changes = [append(130), append(131), append(3, 4), blockLog.remove(multihashOf(129), 130)]
        faults.decide = (number) => number === write ? decision : 'done'

        expect(await first).to.equal(131)

        for (const { status } of await Promise.allSettled(changes)) {
          expect(status).to.equal('rejected')
        }

        for (const again of [false, true]) {
          if (again) {
            await open()
          }

          expect(blockLog).to.have.property('size', 131)
          expect(blockLog).to.have.property('lastSequence', 131)
          expect(await listed()).to.deep.equal(before)
          expect(await sequencesOf(before)).to.deep.equal(range(1, 131))
          expect(sequenceOf(hashOf(130))).to.be.undefined()
          expect(sequenceOf(hashOf(131))).to.be.undefined()
        }

        // nothing else is left of it, so that a sequence can be given again
        expect(await append(600)).to.equal(132)
        expect(sequenceOf(hashOf(130))).to.be.undefined()
      })
    })

    it('knows what there was, also when undoing it fails', async () => {
      await fill(130)

      // its page is written
      faults.decide = (number) => number === 0 ? 'done, but fails' : 'not done'
      await expect(blockLog.remove(multihashOf(3), 4)).to.be.rejectedWith('Faulty')
      await expect(append(500)).to.be.rejectedWith('Faulty')

      expect(sequenceOf(hashOf(3))).to.equal(4)
      expect(await listed()).to.deep.equal(range(0, 130).map(hashOf))
    })

    it('lists meanwhile what will not be removed', async () => {
      await fill(130)

      const writing = Promise.withResolvers<void>()
      const writeOn = Promise.withResolvers<void>()
      const put = datastore.put.bind(datastore)
      let writes = 0

      datastore.put = async (key, value) => {
        if (writes++ === 1) {
          writing.resolve()
          await writeOn.promise
        }

        return put(key, value)
      }

      // two pages: it is removed from the first, and added to the second
      faults.decide = (number) => number === 1 ? 'done, but fails' : 'done'
      const change = append(3, 4)
      await writing.promise
      expect(await listed()).to.deep.equal(range(0, 130).map(hashOf))
      writeOn.resolve()
      await expect(change).to.be.rejectedWith('Faulty')
      expect(await listed()).to.deep.equal(range(0, 130).map(hashOf))
    })

    it('has no hash twice if it is killed while that is undone', async () => {
      for (const write of range(2, 3)) {
        datastore = new MemoryDatastore()
        await open()
        await fill(130)

        // two pages, then the same to undo it
        const decisions = ['done', 'done, but fails', 'done', 'done'] as const
        faults.decide = (number) => number >= write ? 'not done' : decisions[number]
        await expect(append(3, 4)).to.be.rejectedWith('Faulty')
        await open()

        const hashes = await listed()

        expect(new Set(hashes)).to.have.lengthOf(hashes.length)
        expect(await sequencesOf(hashes)).to.deep.equal((await all(blockLog.since(0))).map(({ sequence }) => sequence))
      }
    })

    it('tries again before the next write to undo it', async () => {
      await fill(3)
      faults.decide = () => 'done, but fails'
      await expect(append(3)).to.be.rejectedWith('Faulty')
      await expect(append(4)).to.be.rejectedWith('Faulty')
      expect(await listed()).to.deep.equal(range(0, 3).map(hashOf))

      faults.decide = () => 'done'
      expect(await append(5)).to.equal(4)
      expect(await listed()).to.deep.equal([0, 1, 2, 5].map(hashOf))
      expect(sequenceOf(hashOf(3))).to.be.undefined()

      await open()
      expect(await listed()).to.deep.equal([0, 1, 2, 5].map(hashOf))
      expect(sequenceOf(hashOf(3))).to.be.undefined()
    })

    it('writes what waits behind it', async () => {
      faults.decide = (number) => number === 0 ? 'not done' : 'done'
      const results = await Promise.allSettled([append(0), append(1)])

      expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'fulfilled'])
      expect(await listed()).to.deep.equal([hashOf(1)])
    })
  })

  describe('when it is opened', () => {
    it('knows the sequence of each hash that is there', async () => {
      await fill(200)
      await blockLog.remove(multihashOf(10), 11)
      await append(10)
      await blockLog.remove(multihashOf(20), 21)
      await open()

      const indices = range(0, 200).filter(index => index !== 20)

      expect(await sequencesOf(indices.map(hashOf))).to.deep.equal(indices.map(index => index === 10 ? 201 : index + 1))
      expect(sequenceOf(hashOf(20))).to.be.undefined()
      expect(blockLog).to.have.property('size', 199)
    })

    it('writes nothing if nothing is amiss', async () => {
      await fill(200)
      const faults = new Faults()
      await BlockLog.open(new Records(faultyDatastore(datastore, faults), '/x'), log)

      expect(faults.tried).to.be.empty()
    })

    it('throws StoreCorruptError for pages that it cannot read', async () => {
      await fill(300)
      const page = (number: number): Key => new Key(`/x/log/0000000${number}`)
      const bytes = await datastore.get(page(1))

      for (const [number, value] of [
        [1, []], [1, bytes.subarray(1)], [1, bytes.subarray(0, -1)], [1, bytes.subarray(0, 34 + 1)], [1, [...bytes, 0]], [1, [0x80]],
        [1, bytes.subarray(0, 35)], [2, []], [2, [1]], [2, [1, 1]], [2, [0x80, 0x00]], [2, Array(129).fill(0)]
      ] as const) {
        const copy = new MemoryDatastore()

        for await (const { key, value } of datastore.query({})) {
          await copy.put(key, value)
        }

        await copy.put(page(number), Uint8Array.from(value))
        await expect(BlockLog.open(new Records(copy, '/x'), log), String(value)).to.eventually.be.rejected.with.property('name', 'StoreCorruptError')
      }
    })

    it('throws StoreCorruptError for a page that is there and said not to be found', async () => {
      await fill(300)
      const { get } = datastore
      datastore.get = (key, options) => {
        if (key.toString() === '/x/log/00000001') {
          throw Object.assign(new Error('EMFILE'), { name: 'NotFoundError' })
        }

        return get.call(datastore, key, options)
      }

      await expect(open()).to.eventually.be.rejected.with.property('name', 'StoreCorruptError')
    })

    it('throws StoreCorruptError later for pages that have changed since', async () => {
      await fill(300)
      const bytes = await datastore.get(new Key('/x/log/00000000'))

      for (const value of [undefined, bytes.subarray(0, 35), [...bytes.subarray(0, 1), 0, 0, ...bytes.subarray(3)]]) {
        if (value == null) {
          await datastore.delete(new Key('/x/log/00000000'))
        } else {
          await datastore.put(new Key('/x/log/00000000'), Uint8Array.from(value))
        }

        await expect(listed()).to.eventually.be.rejected.with.property('name', 'StoreCorruptError')
      }
    })
  })
})
