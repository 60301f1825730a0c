import { writeFile } from 'node:fs/promises'
import { expect } from 'aegir/chai'
import { ended, LOCAL_TCP, useSandbox } from './fixtures/sandbox.ts'

describe('serve and sync', function () {
  this.timeout(60_000)

  const sandbox = useSandbox()

  /**
   * Makes repos, each with a block of its own. Resolves to their peer IDs.
   */
  async function repos (...names: string[]): Promise<string[]> {
    const peers = await sandbox.init(...names)

    await Promise.all(names.map(async name => {
      await writeFile(sandbox.path(`${name}.txt`), name)
      await sandbox.add(name, `${name}.txt`)
    }))

    return peers
  }

  const size = async (repo: string): Promise<number> => (await sandbox.blocks(repo)).size

  it('lets anyone read and nobody add', async () => {
    const [, b] = await repos('a', 'b')
    const server = await sandbox.serve('a')

    // sync takes what there is, and says that nothing was taken
    const synced = await sandbox.ok('sync', server.addresses[0], '--repo', 'b')
    expect(synced.stdout).to.match(/gave all it offers: received 1 block \(1 B\), sent nothing/)
    expect(synced.stderr).to.equal(`The peer takes nothing from this one (which is ${b}); "serve --accept" there would change that.\n`)

    // who only offers has done nothing then
    const pushed = await sandbox.run('sync', '--push', server.addresses[0], '--repo', 'b')
    expect(pushed.code).to.equal(1)
    expect(pushed.stderr).to.equal(`error: The peer ${server.peer} takes nothing from this one. It must be served with --accept ${b}, or --accept-all.\n`)

    await sandbox.stop(server)
    expect(await size('a')).to.equal(1)
    expect(await size('b')).to.equal(2)
  })

  it('lets those add who are named with --accept', async () => {
    const [, b] = await repos('a', 'b', 'c')
    const server = await sandbox.serve('a', '--accept', b)

    expect((await sandbox.run('sync', '--push', server.addresses[0], '--repo', 'c')).code).to.equal(1)

    const pushed = await sandbox.ok('sync', '--push', server.addresses[0], '--repo', 'b')
    expect(pushed.stdout).to.match(/in sync: received nothing, sent 1 block \(1 B\)/)
    // there is nothing to send any more, which is as good
    await sandbox.ok('sync', '--push', server.addresses[0], '--repo', 'b')

    await server.program.event('received', ({ peer }) => peer === b)
    await sandbox.stop(server)
    expect(await size('a')).to.equal(2)
    // it was not asked to take
    expect(await size('b')).to.equal(1)
  })

  it('lets anyone add with --accept-all', async () => {
    await repos('a', 'b', 'c')

    const server = await sandbox.serve('a', '--accept-all')

    await sandbox.ok('sync', server.addresses[0], '--repo', 'b')
    await sandbox.ok('sync', '--push', server.addresses[1], '--repo', 'c')
    await sandbox.stop(server)
    expect(await size('a')).to.equal(3)
    expect(await size('b')).to.equal(2)
    expect(await size('c')).to.equal(1)
  })

  it('lets those read who are named with --allow: to others nothing is there', async () => {
    const [, b, c, d] = await repos('a', 'b', 'c', 'd')
    const server = await sandbox.serve('a', '--allow', b, c)

    const offer = await sandbox.ok('sync', '--pull', server.addresses[0], '--repo', 'b', '--json')
    expect(offer.events.at(-1)).to.include({ event: 'result', offered: true })
    await sandbox.ok('sync', '--pull', server.addresses[0], '--repo', 'c')

    const nothing = await sandbox.ok('sync', '--pull', server.addresses[0], '--repo', 'd', '--json')
    expect(nothing.events.at(-1)).to.include({ event: 'result', offered: false })
    const refused = await sandbox.ok('sync', '--pull', server.addresses[0], '--repo', 'd')
    expect(refused.stdout).to.contain('received nothing')
    expect(refused.stderr).to.equal(`The peer offers nothing to this one (${d}): its repo is empty, or it is served with --allow and does not name this peer.\n`)

    // that there is nothing new is something else
    const again = await sandbox.ok('sync', '--pull', server.addresses[0], '--repo', 'b')
    expect(again).to.include({ stderr: '' })

    expect(await size('b')).to.equal(2)
    expect(await size('c')).to.equal(2)
    expect(await size('d')).to.equal(1)
  })

  it('does not give with --pull', async () => {
    await repos('a', 'b')

    const server = await sandbox.serve('a', '--accept-all')

    expect((await sandbox.ok('sync', '--pull', server.addresses[0], '--repo', 'b')).stdout).to.contain('sent nothing')
    await sandbox.stop(server)
    expect(await size('a')).to.equal(1)
  })

  it('takes addresses with one peer ID for ways to one peer, and finds out an ID that is not given', async () => {
    await repos('a', 'b')

    const server = await sandbox.serve('a')
    const both = await sandbox.ok('sync', ...server.addresses, '--repo', 'b', '--json')
    const without = await sandbox.ok('sync', server.addresses[0].replace(/\/p2p\/.+/, ''), '--repo', 'b')

    expect(both.events.filter(({ event }) => event === 'result')).to.have.lengthOf(1)
    expect(without.stderr).to.match(new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+ is peer ${server.peer}\n`))
  })

  it('goes on with --live, and waits for a peer that is lost', async () => {
    await repos('a', 'b', 'c')

    const server = await sandbox.serve('a', '--accept-all')
    const live = sandbox.start('sync', '--live', '--json', server.addresses[0], '--repo', 'b').readStdout()

    await live.event('synced', ({ received, sent }) => received.hashes === 1 && sent.hashes === 1)

    // another peer adds to the one that serves
    await sandbox.ok('sync', '--push', server.addresses[0], '--repo', 'c')
    await live.event('synced', ({ received }) => received.hashes === 2)

    // it comes again at the same address, with more
    await sandbox.stop(server)
    await live.event('lost')
    await writeFile(sandbox.path('more.txt'), 'more')
    await sandbox.add('a', 'more.txt')
    const again = sandbox.start('serve', '--json', '--repo', 'a', '--listen', server.addresses[0].replace(/\/p2p\/.+/, '')).readStdout()
    await live.event('received', ({ bytes }) => bytes === 4)

    await again.event('synced')
    live.process.kill('SIGINT')
    expect(await live.end()).to.equal(130)
    expect(await size('b')).to.equal(4)

    // who had all has broken nothing off
    await again.event('disconnected')
    expect(again.events().map(({ event }) => event)).to.include('closed').and.not.include('broken')
  })

  it('tells each event in a line', async () => {
    const [a, b] = await repos('a', 'b')
    const program = sandbox.start('serve', '--repo', 'a', '--accept-all', '--listen', LOCAL_TCP).readStdout()

    await program.until(() => program.stderr.endsWith('Ctrl-C ends it\n'))
    expect(program.stdout).to.match(new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+/p2p/${a}\n$`))
    expect(program.stderr).to.equal('serving 1 block: anyone may read, anyone may add; Ctrl-C ends it\n')

    await sandbox.ok('sync', program.stdout.trim(), '--repo', 'b')
    await program.until(() => program.stdout.includes('disconnected'))
    program.process.kill('SIGINT')

    const { code, stdout } = await ended(program)
    const time = '\\d{4}-\\d{2}-\\d{2}T[\\d:.]+Z'
    expect(code).to.equal(130)
    expect(stdout.split('\n').slice(1).join('\n')).to.match(new RegExp(`^${time} connected ${b}
${time} received ${b} bafkrei\\w+ \\(1 B\\)
${time} (synced ${b} received 1 block \\(1 B\\), sent 1 block \\(1 B\\)|closed ${b})
${time} disconnected ${b}
$`))
  })
})
