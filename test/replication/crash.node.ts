import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tcp } from '@libp2p/tcp'
import { expect } from 'aegir/chai'
import all from 'it-all'
import { blockHash } from '../../src/index.ts'
import { endPrograms, run } from '../examples/run.ts'
import { blocks, hashesOf, memoryStore, putBlocks, wrongIn } from '../fixtures/blocks.ts'
import { openFolderStore } from '../fixtures/folder-store.ts'
import { seeded } from '../fixtures/network.ts'
import { createReplica, PATIENT, stopReplicas } from '../fixtures/replicas.ts'
import { runs } from '../fixtures/runs.ts'
import { wrapStore } from '../fixtures/wrapped-store.ts'
import type { FolderStore } from '../fixtures/folder-store.ts'
import type { Replica } from '../fixtures/replicas.ts'

const KIB = 1024
const RUNS = runs(3, 50)
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

// small ones, some that are put as they come, and small ones again
const THERE = [...blocks(0, 300, KIB), ...blocks(300, 2, 1500 * KIB), ...blocks(302, 300, 3 * KIB)]
const HERE = blocks(5000, 100, KIB)
const ALL = THERE.length + HERE.length

/**
 * So many are put at a time, so that there are many announcements and the cursor
 * moves
 */
const STEP = 50

/**
 * So long a process may live on when its time has come, in ms
 */
const MAX_GRACE = 20

describe(`a process that is killed while it replicates (seed ${seed})`, function () {
  this.timeout(120_000)

  const random = seeded(seed)
  let folder: string
  // how many blocks were read for it
  let gets: number
  let onGet: () => void
  let there: Replica

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hash-exchange-crash-'))
    gets = 0
    onGet = () => {}

    const below = await memoryStore(THERE.slice(0, STEP))
    const store = wrapStore(below, {
      async * get (hash) {
        gets++
        onGet()
        yield * below.get(hash)
      }
    })

    there = await createReplica({ store, address: '/ip4/127.0.0.1/tcp/0', transports: [tcp()], accept: () => true, limits: PATIENT })

    const here = await openFolderStore(folder)
    await putBlocks(here.store, HERE)
    await here.close()
  })

  afterEach(async () => {
    await endPrograms()
    await stopReplicas()
    await rm(folder, { recursive: true })
  })

  /**
   * Puts what comes next
   */
  async function feed (): Promise<void> {
    const before = there.store.size

    for (const { hash, bytes } of THERE) {
      if (there.store.size < before + STEP) {
        await there.store.put(hash, bytes)
      }
    }
  }

  /**
   * Runs it until so many more blocks were read for it, or it has all, and kills
   * it a little later
   */
  async function killAfter (count: number): Promise<void> {
    const program = run(process.execPath, ['--experimental-transform-types', '--no-warnings', 'test/fixtures/crash-peer.ts', folder, there.addresses[0].toString()]).readStdout()
    const done = program.until(() => program.stdout.includes(`has ${ALL}\n`))
    const end = gets + count
    let fed = gets

    await Promise.race([done, new Promise<void>(resolve => {
      onGet = () => {
        if (gets >= end) {
          resolve()
        } else if (gets >= fed + STEP / 2) {
          // before it has come to rest
          fed = gets
          void feed()
        }
      }

      void feed()
      onGet()
    })])
    done.catch(() => {})
    await new Promise(resolve => setTimeout(resolve, random() * MAX_GRACE))

    program.process.kill('SIGKILL')
    expect(await program.end()).to.equal('SIGKILL')
  }

  /**
   * Nothing is in the log that is not there, and the cursor is not past what is
   */
  async function expectSound ({ store }: FolderStore): Promise<void> {
    const had = new Set(await hashesOf(store))

    expect(await wrongIn(store)).to.be.empty()
    expect(had.size).to.equal(store.size)
    expect([...had]).to.include.members(HERE.map(({ hash }) => hash))

    const cursor = await store.cursor(there.peer.toString())

    if (cursor != null) {
      expect(cursor.logId).to.equal(there.store.logId)
    }

    for await (const { hash, sequence } of there.store.since(0)) {
      if (sequence <= (cursor?.sequence ?? -1)) {
        expect(had.has(hash), `${sequence} of ${cursor?.sequence}`).to.be.true()
      }
    }
  }

  async function killAndGoOn (): Promise<void> {
    await killAfter(Math.floor(random() * THERE.length))

    if (random() < 0.3) {
      await killAfter(Math.floor(random() * THERE.length))
    }

    const here = await openFolderStore(folder)

    try {
      await expectSound(here)

      const before = await hashesOf(here.store)
      const local = await createReplica({ store: here.store, transports: [tcp()], address: '/ip4/127.0.0.1/tcp/0', limits: PATIENT })

      await putBlocks(there.store, THERE)

      const result = await local.service.replicate(there.addresses)
      const expected = [...THERE, ...HERE].map(({ hash }) => hash).sort()

      // what had been put is not sent again
      expect(result.received.hashes).to.equal(expected.length - before.length)
      expect(result.failed).to.be.empty()
      expect(result.confirmed).to.be.true()
      expect(await hashesOf(here.store)).to.deep.equal(expected)
      expect(await hashesOf(there.store)).to.deep.equal(expected)
      await expectSound(here)

      // also those that had no place in the log yet
      for await (const { cid, bytes } of here.blockstore.getAll()) {
        expect(await here.store.has(blockHash(cid)), cid.toString()).to.be.true()
        // or the file stays open
        await all(bytes)
      }
    } finally {
      await here.close()
    }
  }

  for (let i = 1; i <= RUNS; i++) {
    it(`loses nothing, and goes on (${i} of ${RUNS})`, killAndGoOn)
  }
})
