import { readdir } from 'node:fs/promises'
import { expect } from 'aegir/chai'
import { contentOf, makeFile } from './fixtures/files.ts'
import { LARGE } from './fixtures/large.ts'
import { useSandbox } from './fixtures/sandbox.ts'
import type { Program } from './fixtures/program.ts'

/**
 * After how many blocks it is interrupted
 */
const BLOCKS = 20

describe('interruption', function () {
  this.timeout(LARGE.timeout)

  const sandbox = useSandbox()

  beforeEach(async () => {
    await sandbox.init('a', 'b')

    for (const [i, size] of LARGE.sizes.entries()) {
      await makeFile(sandbox.path('large', `${i}`), size)
    }
  })

  it('of sync by SIGKILL and by SIGINT: what was received is not sent again', async () => {
    const cid = await sandbox.add('a', 'large')
    const all = await sandbox.blocks('a')
    const server = await sandbox.serve('a')

    const received = (program: Program): string[] => program.events('received').map(({ hash }) => hash)

    const syncUntil = async (blocks: number): Promise<Program> => {
      const program = sandbox.start('sync', '--repo', 'b', '--json', server.addresses[0]).readStdout()

      await program.until(() => program.stdout.split('"event":"received"').length > blocks)

      return program
    }

    const killed = await syncUntil(BLOCKS)
    killed.process.kill('SIGKILL')
    expect(await killed.end()).to.equal('SIGKILL')

    const afterKill = await sandbox.blocks('b')
    expect(afterKill.size).to.be.at.least(BLOCKS).and.below(all.size - BLOCKS)
    // all that it has told of is there
    expect([...afterKill]).to.include.members(received(killed))
    // and each of these can be read
    expect((await sandbox.ok('check', '--repo', 'b', '--json')).events.at(-1)).to.include({ blocks: afterKill.size, corrupted: 0 })

    const interrupted = await syncUntil(BLOCKS)
    interrupted.process.kill('SIGINT')
    expect(await interrupted.end()).to.equal(130)
    expect(interrupted.events('interrupted')).to.have.lengthOf(1)

    const afterInt = await sandbox.blocks('b')
    expect(afterInt.size).to.be.at.least(afterKill.size + BLOCKS).and.below(all.size)
    expect(received(interrupted).filter(hash => afterKill.has(hash))).to.deep.equal([])

    const last = await sandbox.ok('sync', '--repo', 'b', '--json', server.addresses[0])
    const result = last.events.at(-1)
    expect(result).to.deep.include({ event: 'result', complete: true, failed: [] })
    expect(result?.received.hashes).to.equal(all.size - afterInt.size)
    expect(await sandbox.blocks('b')).to.deep.equal(all)

    await sandbox.ok('get', cid, '-o', 'copy', '--repo', 'b')
    expect(contentOf(sandbox.path('copy'))).to.deep.equal(contentOf(sandbox.path('large')))
  })

  it('of add by SIGINT and by SIGKILL: what was written is not written again', async () => {
    const total = (await sandbox.ok('add', 'large', '--repo', 'a', '--json')).events.at(-1)?.newBlocks
    let before = 0

    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const program = sandbox.start('add', 'large', '--repo', 'b', '--json').readStdout()

      await program.event('progress', ({ bytes }) => bytes > 0)
      program.process.kill(signal)
      expect(await program.end()).to.equal(signal === 'SIGINT' ? 130 : signal)
      expect(program.events('added')).to.deep.equal([])

      // it is no root before all of it is there
      expect((await sandbox.ok('ls', '--repo', 'b', '--json')).events).to.deep.equal([])

      const { size } = await sandbox.blocks('b')
      expect(size).to.be.at.least(before)
      before = size
    }

    const again = await sandbox.ok('add', 'large', '--repo', 'b', '--json')
    const all = await sandbox.blocks('b')

    expect(again.events.at(-1)).to.include({ event: 'added', newBlocks: all.size - before })
    expect(all.size).to.be.at.least(total)
  })

  it('of get: nothing is there in part', async () => {
    const cid = await sandbox.add('a', 'large')
    const program = sandbox.start('get', cid, '-o', 'copy', '--repo', 'a', '--json').readStdout()

    await program.event('progress')
    program.process.kill('SIGINT')
    expect(await program.end()).to.equal(130)
    expect((await readdir(sandbox.path())).sort()).to.deep.equal(['a', 'b', 'large'])

    // the second one is killed, so that it can't clean up
    const killed = sandbox.start('get', cid, '-o', 'copy', '--repo', 'a', '--json').readStdout()

    await killed.event('progress')
    killed.process.kill('SIGKILL')
    await killed.end()
    expect(await readdir(sandbox.path())).to.not.include('copy')

    await sandbox.ok('get', cid, '-o', 'copy', '--repo', 'a')
    expect((await readdir(sandbox.path())).sort()).to.deep.equal(['a', 'b', 'copy', 'large'])
    expect(contentOf(sandbox.path('copy'))).to.deep.equal(contentOf(sandbox.path('large')))
  })

  it('twice ends it at once', async () => {
    // something that does not end by itself, and does not care
    const program = sandbox.spawn(process.execPath, ['--input-type=module', '-e', `
      import { Interruption } from ${JSON.stringify(new URL('../dist/src/interruption.js', import.meta.url))}

      new Interruption(signal => { console.log('first', signal) }).start()
      setInterval(() => {}, 1000)
      console.log('started')
    `]).readStdout()

    await program.until(() => program.stdout.includes('started'))
    program.process.kill('SIGINT')
    await program.until(() => program.stdout.includes('first SIGINT'))
    program.process.kill('SIGINT')

    expect(await program.end()).to.equal(130)
  })
})
