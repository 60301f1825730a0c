import { mkdir, stat, writeFile } from 'node:fs/promises'
import { expect } from 'aegir/chai'
import { contentOf, hashOf, makeFile, makeFolder } from './fixtures/files.ts'
import { LARGE, MANY } from './fixtures/large.ts'
import { useSandbox } from './fixtures/sandbox.ts'

describe('init, add, serve, sync and get', function () {
  this.timeout(120_000)

  const sandbox = useSandbox()

  it('brings a file from one repo to another', async () => {
    await sandbox.ok('init', '--repo', 'a')
    await sandbox.ok('init', '--repo', 'b')
    await writeFile(sandbox.path('letter.txt'), 'beep boop')

    const added = await sandbox.ok('add', 'letter.txt', '--repo', 'a')
    const [cid, name] = added.stdout.trim().split('  ')
    expect(name).to.equal('letter.txt')
    expect(added.stderr).to.equal('1 file, 9 B; 1 new block\n')

    const listed = await sandbox.ok('ls', '--repo', 'a')
    expect(listed.stdout).to.equal(`${cid}      9 B  letter.txt\n`)

    const server = await sandbox.serve('a')
    const synced = await sandbox.ok('sync', '--repo', 'b', ...server.addresses)
    expect(synced.stdout).to.equal(`${server.peer} in sync: received 1 block (9 B), sent nothing\n`)
    // no bars where there is no terminal
    expect(synced.stderr).to.equal('')

    const got = await sandbox.ok('get', cid, '-o', 'copy.txt', '--repo', 'b')
    expect(got.stdout).to.equal('wrote copy.txt: 1 file, 9 B\n')
    expect(hashOf(sandbox.path('copy.txt'))).to.equal(hashOf(sandbox.path('letter.txt')))

    const toStdout = await sandbox.ok('get', cid, '-o', '-', '--repo', 'b')
    expect(toStdout).to.include({ stdout: 'beep boop', stderr: '' })

    // Ctrl-C
    expect(await sandbox.stop(server)).to.equal(130)
  })

  it('keeps the key of the peer for its user only, and what is there', async () => {
    const [peer] = await sandbox.init('a')
    const { mode } = await stat(sandbox.path('a', 'key'))
    const again = await sandbox.ok('init', '--repo', 'a', '--json')

    expect(mode & 0o777).to.equal(0o600)
    expect(again.events).to.deep.equal([{ event: 'init', repo: sandbox.path('a'), peer, created: false, newKey: false }])

    const status = await sandbox.ok('status', '--size', '--repo', 'a', '--json')
    expect(status.events[0]).to.include({ repo: sandbox.path('a'), peer, roots: 0, blocks: 0, bytes: 0 })
  })

  it(`brings a folder of ${MANY} files`, async () => {
    await sandbox.init('a', 'b')
    makeFolder(sandbox.path('many'), MANY)
    await mkdir(sandbox.path('many', 'nothing in it'))
    await writeFile(sandbox.path('many', 'a^b\\c ü'), 'names are kept')

    const added = await sandbox.ok('add', 'many', '--repo', 'a', '--json')
    const { cid } = added.events.slice(-1)[0]
    const server = await sandbox.serve('a')
    const synced = await sandbox.ok('sync', '--repo', 'b', '--json', server.addresses[0])
    const blocks = await sandbox.blocks('b')

    expect(synced.events.at(-1)).to.deep.include({ event: 'result', complete: true, confirmed: true, failed: [] })
    expect(synced.events.at(-1)?.received.hashes).to.equal(blocks.size)
    expect(synced.events.filter(({ event }) => event === 'received')).to.have.lengthOf(blocks.size)

    const got = await sandbox.ok('get', cid, '-o', 'copy', '--repo', 'b', '--json')
    expect(got.events.at(-1)).to.include({ event: 'written', cid, path: 'copy', files: MANY + 1 })
    expect(contentOf(sandbox.path('copy'))).to.deep.equal(contentOf(sandbox.path('many')))
  })

  it(`brings ${LARGE.name} in three files, over web sockets, and adds them again without writing`, async function () {
    this.timeout(LARGE.timeout)

    await sandbox.init('a', 'b')

    for (const [i, size] of LARGE.sizes.entries()) {
      await makeFile(sandbox.path('large', `${i}`), size)
    }

    const added = await sandbox.ok('add', 'large', '--repo', 'a', '--json')
    const [{ cid, newBlocks }] = added.events.slice(-1)
    expect(added.events.at(-1)).to.include({ event: 'added', name: 'large', size: LARGE.bytes, files: 3 })

    const again = await sandbox.ok('add', 'large', '--repo', 'a', '--json')
    expect(again.events.at(-1)).to.include({ event: 'added', cid, newBlocks: 0 })

    const server = await sandbox.serve('a')
    const synced = await sandbox.ok('sync', '--repo', 'b', '--json', server.addresses[1])
    expect(server.addresses[1]).to.contain('/ws/')
    expect(synced.events.at(-1)).to.deep.nested.include({ event: 'result', complete: true, 'received.hashes': newBlocks })

    await sandbox.ok('get', cid, '-o', 'copy', '--repo', 'b')
    expect(contentOf(sandbox.path('copy'))).to.deep.equal(contentOf(sandbox.path('large')))
  })
})
