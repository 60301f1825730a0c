import { once } from 'node:events'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { expect } from 'aegir/chai'
import { blockHash } from 'libp2p-hash-exchange'
import { sha512 } from 'multiformats/hashes/sha2'
import { Repo } from '../src/repo/repo.ts'
import { corrupt } from './fixtures/blocks.ts'
import { canMount, mounting } from './fixtures/disks.ts'
import { hashOf, makeFile } from './fixtures/files.ts'
import { useSandbox } from './fixtures/sandbox.ts'
import type { JSONEvent } from './fixtures/program.ts'
import type { Ended } from './fixtures/sandbox.ts'
import type { AddressInfo } from 'node:net'

const NOBODY = '/ip4/127.0.0.1/tcp/1'
const STRANGER = '12D3KooWGtrULq1Qz4SqiLMxptxTnurU9Y4xxRETrLQmhqKGHEKs'

/**
 * That it failed, and said so in one line that is no trace of a program
 */
function expectError ({ code, stderr }: Pick<Ended, 'code' | 'stderr'>, message: RegExp, expected = 1): void {
  expect(stderr).to.match(message)
  expect(stderr).to.match(/^error: .+\n$/)
  expect(stderr).to.not.match(/^\s+at /m)
  expect(code).to.equal(expected)
}

describe('what goes wrong', function () {
  this.timeout(60_000)

  const sandbox = useSandbox()

  describe('with addresses and peers', () => {
    it('an address that is none', async () => {
      await sandbox.init('a')

      await Promise.all(['example.org:4001', '/ip4/1.2.3/tcp/1', '', '/'].map(async address => {
        expectError(await sandbox.run('sync', address, '--repo', 'a'), /is no multiaddr\. One looks like \/ip4\//, 2)
      }))
    })

    it('an address of another kind', async () => {
      await sandbox.init('a')

      expectError(await sandbox.run('sync', '/ip4/127.0.0.1/udp/1/quic-v1', '--repo', 'a'), /That kind of address can't be dialled\. Give one with \/tcp\//)
    })

    it('nobody at the address', async () => {
      await sandbox.init('a')

      const cases: Array<[args: string[], message: RegExp]> = [
        [[NOBODY], /Nobody listens there: the connection was refused\. Is "hash-exchange serve" running/],
        [[`${NOBODY}/ws`], /No web socket could be opened there\. Is "hash-exchange serve" running/],
        [[NOBODY, '--live'], /Nobody listens there/],
        [['/dns4/nobody.invalid/tcp/1'], /The name in the address can't be found/]
      ]

      for (const [args, message] of cases) {
        expectError(await sandbox.run('sync', ...args, '--repo', 'a'), message)
      }
    })

    it('somebody else at the address', async () => {
      await sandbox.init('a', 'b')

      const { addresses } = await sandbox.serve('a')
      const address = addresses[0].replace(/p2p\/.+/, `p2p/${STRANGER}`)

      expectError(await sandbox.run('sync', address, '--repo', 'b'), /Another peer answered at that address/)
    })

    it('something else at the address', async () => {
      await sandbox.init('a')

      const server = createServer(socket => { socket.end('220 mail.example.org\r\n') }).listen(0, '127.0.0.1')
      await once(server, 'listening')

      try {
        const { port } = server.address() as AddressInfo

        expectError(await sandbox.run('sync', `/ip4/127.0.0.1/tcp/${port}`, '--repo', 'a'), /What answers at that address is no libp2p peer/)
      } finally {
        server.close()
      }
    })

    it('a peer that leaves: what came is kept, and the next run goes on', async () => {
      await sandbox.init('a', 'b')
      await makeFile(sandbox.path('file'), 100_000_000)
      await sandbox.add('a', 'file')

      const server = await sandbox.serve('a')
      const program = sandbox.start('sync', server.addresses[0], '--repo', 'b', '--json').readStdout()

      await program.event('received')
      server.program.process.kill('SIGKILL')
      expect(await program.end()).to.equal(1)
      expect(program.stderr).to.match(/^error: …\w+: The connection was lost\. Run the command again, it goes on where it was\./)

      const { size } = await sandbox.blocks('b')
      const again = await sandbox.serve('a')
      const { events } = await sandbox.ok('sync', again.addresses[0], '--repo', 'b', '--json')

      expect(size).to.be.at.least(1)
      expect(events.at(-1)?.received.hashes).to.equal((await sandbox.blocks('b')).size - size)
    })

    it('one of several peers: the others are synced with', async () => {
      await sandbox.init('a', 'b', 'c')
      await writeFile(sandbox.path('a.txt'), 'a')
      await writeFile(sandbox.path('b.txt'), 'b')
      await sandbox.add('a', 'a.txt')
      await sandbox.add('b', 'b.txt')

      const [a, b] = [await sandbox.serve('a'), await sandbox.serve('b')]
      const { code, stderr, events } = await sandbox.run('sync', a.addresses[0], NOBODY, b.addresses[1], '--repo', 'c', '--json')

      expectError({ code, stderr }, /Nobody listens there/)
      expect(events.filter(({ event }) => event === 'result').map(({ peer, complete }) => ({ peer, complete }))).to.have.deep.members([
        { peer: a.peer, complete: true },
        { peer: b.peer, complete: true }
      ])
      expect(await sandbox.blocks('c')).to.have.property('size', 2)
    })

    it('an address to listen on that another program has', async () => {
      await sandbox.init('a', 'b')

      const { addresses } = await sandbox.serve('a')
      const result = await sandbox.run('serve', '--listen', addresses[0].replace(/\/p2p\/.+/, ''), '--repo', 'b')

      expectError(result, /Another program listens on that address already\. Choose another with --listen/)
    })
  })

  describe('with the repo', () => {
    it('that is not there', async () => {
      await Promise.all([['ls'], ['status'], ['check'], ['serve'], ['add', '.'], ['sync', NOBODY], ['get', 'bafkqaaa', '-o', 'x']].map(async command => {
        expectError(await sandbox.run(...command, '--repo', 'nowhere'), /^error: There is no repo at .*nowhere\. Make one with "hash-exchange init"/)
      }))

      expect(await readdir(sandbox.path())).to.deep.equal([])
    })

    it('that would be among other things', async () => {
      await mkdir(sandbox.path('a'))
      await writeFile(sandbox.path('a', 'letter.txt'), 'beep boop')

      expectError(await sandbox.run('init', '--repo', 'a'), /has something else in it: letter\.txt\. Choose a folder that is empty/)
      expect(await readdir(sandbox.path('a'))).to.deep.equal(['letter.txt'])
    })

    it('that another process uses', async () => {
      await sandbox.init('a')

      const server = await sandbox.serve('a')

      await Promise.all([['ls'], ['add', '.'], ['sync', NOBODY], ['serve']].map(async command => {
        expectError(await sandbox.run(...command, '--repo', 'a'), new RegExp(`^error: The repo is in use by "hash-exchange serve" \\(process ${server.program.process.pid}\\)\\. Wait until that has ended`))
      }))

      await sandbox.stop(server)
      await sandbox.ok('ls', '--repo', 'a')
    })

    it('whose last user was killed: it can be used', async () => {
      await sandbox.init('a')

      const { program } = await sandbox.serve('a')

      program.process.kill('SIGKILL')
      await program.end()
      await sandbox.ok('ls', '--repo', 'a')
    })

    it('whose key is damaged', async () => {
      await sandbox.init('a')
      await writeFile(sandbox.path('a', 'key'), 'beep')

      expectError(await sandbox.run('serve', '--repo', 'a'), /The key of the repo, .*key, can't be read\. Put back a copy/)
    })

    it('whose key is gone: init makes another one, and leaves the rest', async () => {
      const [peer] = await sandbox.init('a')
      await writeFile(sandbox.path('file'), 'beep boop')
      await sandbox.add('a', 'file')
      await rm(sandbox.path('a', 'key'))

      expectError(await sandbox.run('serve', '--repo', 'a'), /The key of the repo, .*key, is gone\. Put back a copy of it, or run "hash-exchange init"/)

      const { stderr, events } = await sandbox.ok('init', '--repo', 'a', '--json')
      const { peer: other, ...made } = events.at(-1) as JSONEvent
      expect(made).to.deep.include({ event: 'init', created: false, newKey: true })
      expect(stderr).to.match(/the key of the repo was gone, so that it has a new one, and is another peer now/)
      expect(other).to.not.equal(peer)
      expect((await sandbox.ok('status', '--repo', 'a', '--json')).events[0]).to.include({ peer: other, roots: 1, blocks: 1 })
    })
  })

  describe('with the disk', () => {
    it('a file that may not become so large: nothing is lost', async function () {
      await sandbox.init('a')
      await makeFile(sandbox.path('small'), 1000)
      await makeFile(sandbox.path('large'), 3_000_000)

      const before = await sandbox.add('a', 'small')

      // 512 blocks of 512 or of 1,024 bytes
      expectError(await sandbox.shell('ulimit -f 512 && $HX add large --repo a'), /A file would become larger than may be written here .* Nothing that was there is lost/)

      const roots = await sandbox.ok('ls', '--repo', 'a', '--json')
      expect(roots.events.map(({ cid }) => cid)).to.deep.equal([before])
      await sandbox.ok('check', '--repo', 'a')

      const cid = await sandbox.add('a', 'large')
      await sandbox.ok('get', cid, '-o', 'copy', '--repo', 'a')
      expect(hashOf(sandbox.path('copy'))).to.equal(hashOf(sandbox.path('large')))
    })

    it('one that is full while it syncs: nothing is lost, and it goes on when there is room', async function () {
      if (!canMount()) {
        this.skip()
      }

      await sandbox.init('a')
      // more than may wait to be written at the same time, as of that nothing may come to its end
      await makeFile(sandbox.path('large'), 90_000_000)
      await mkdir(sandbox.path('disk'))

      const cid = await sandbox.add('a', 'large')
      const { addresses } = await sandbox.serve('a')

      const { stdout, stderr, code } = await sandbox.shell(mounting([
        'mount -t tmpfs -o size=60m tmpfs disk',
        '$HX init --repo disk/b >/dev/null || exit',
        `$HX sync ${addresses[0]} --repo disk/b`,
        'echo "synced $?"',
        'mount -o remount,size=200m disk',
        '$HX check --repo disk/b || exit',
        `$HX sync ${addresses[0]} --repo disk/b || exit`,
        `$HX get ${cid} -o copy --repo disk/b || exit`
      ]))

      expect(stderr).to.match(/^error: .*The disk is full\. Nothing that was there is lost: free some space and run the command again/m)
      expect(stderr).to.not.match(/^\s+at /m)
      expect(stdout).to.contain('synced 1\n')
      expect(code).to.equal(0)

      const first = Number(/^checked (\d+) blocks/m.exec(stdout)?.[1])
      const second = Number(/gave all it offers: received (\d+) blocks/.exec(stdout.slice(stdout.indexOf('checked')))?.[1])
      expect(first).to.be.above(0)
      expect(first + second).to.equal(87)
      expect(hashOf(sandbox.path('copy'))).to.equal(hashOf(sandbox.path('large')))
    })

    it('one that is full while it adds and while it writes', async function () {
      if (!canMount()) {
        this.skip()
      }

      await sandbox.init('a')
      await makeFile(sandbox.path('large'), 30_000_000)
      await mkdir(sandbox.path('disk'))

      const cid = await sandbox.add('a', 'large')

      const { stdout, stderr } = await sandbox.shell(mounting([
        'mount -t tmpfs -o size=12m tmpfs disk',
        `$HX get ${cid} -o disk/copy --repo a`,
        'echo "got $?, $(ls -A disk | wc -l) files"',
        '$HX init --repo disk/b >/dev/null || exit',
        '$HX add large --repo disk/b',
        'echo "added $?"'
      ]))

      expect(stdout).to.equal('got 1, 0 files\nadded 1\n')
      expect(stderr).to.match(/^error: The disk is full\..+\nerror: The disk is full\..+\n$/)
    })

    it('one that can only be read', async function () {
      if (!canMount()) {
        this.skip()
      }

      await mkdir(sandbox.path('disk'))
      await makeFile(sandbox.path('file'), 1000)

      const { stdout, stderr } = await sandbox.shell(mounting([
        'mount -t tmpfs tmpfs disk',
        '$HX init --repo disk/a >/dev/null || exit',
        'mount -o remount,ro disk',
        '$HX add file --repo disk/a',
        'echo "added $?"',
        '$HX init --repo disk/b',
        'echo "made $?"',
        'mount -o remount,rw disk',
        '$HX add file --repo disk/a 2>/dev/null'
      ]))

      expect(stderr).to.match(/^error: The disk can only be read, not written to\..+\nerror: The disk can only be read, not written to\..+\n$/)
      expect(stdout).to.match(/^added 1\nmade 1\nbafkrei\w+ {2}file\n$/)
    })

    it('a corrupted block: get writes nothing, check finds it, and it can be fetched again', async () => {
      await sandbox.init('a', 'b')
      await makeFile(sandbox.path('file'), 3_000_000)

      const cid = await sandbox.add('a', 'file')
      const server = await sandbox.serve('a')
      await sandbox.ok('sync', server.addresses[0], '--repo', 'b')

      // all but the root are bytes of the file
      const [, hash] = [...await sandbox.blocks('b')].filter(hash => hash !== cid)
      await corrupt(sandbox.path('b'), hash)

      expectError(await sandbox.run('get', cid, '-o', 'copy', '--repo', 'b'), new RegExp(`^error: The block ${hash} is corrupted on the disk: .* Remove it with "hash-exchange check --remove"`))
      expect((await readdir(sandbox.path())).sort()).to.deep.equal(['a', 'b', 'file'])

      const checked = await sandbox.run('check', '--repo', 'b')
      expect(checked.stdout).to.match(new RegExp(`^corrupted ${hash}\\nchecked 4 blocks`))
      expectError(checked, /1 block corrupted or missing\. Give --remove/)

      expectError(await sandbox.run('check', '--remove', '--repo', 'b'), /The corrupted ones are removed; "hash-exchange sync --again" gets them back/)
      expectError(await sandbox.run('get', cid, '-o', 'copy', '--repo', 'b'), new RegExp(`^error: The block ${hash} is not in the repo\\. Fetch it`))

      const again = await sandbox.ok('sync', '--again', server.addresses[0], '--repo', 'b', '--json')
      expect(again.events.at(-1)?.received).to.include({ hashes: 1 })

      await sandbox.ok('check', '--repo', 'b')
      await sandbox.ok('get', cid, '-o', 'copy', '--repo', 'b')
      expect(hashOf(sandbox.path('copy'))).to.equal(hashOf(sandbox.path('file')))
    })

    it('a corrupted block of the peer: all others arrive, and it is named', async () => {
      await sandbox.init('a', 'b')
      await makeFile(sandbox.path('file'), 3_000_000)

      const cid = await sandbox.add('a', 'file')
      const [hash] = [...await sandbox.blocks('a')].filter(hash => hash !== cid)
      await corrupt(sandbox.path('a'), hash)

      const server = await sandbox.serve('a')
      const { code, stderr, events } = await sandbox.run('sync', server.addresses[0], '--repo', 'b', '--json')

      expectError({ code, stderr }, new RegExp(`^error: ${hash} did not arrive: .*What came is not the content`))
      expect(events.find(({ event }) => event === 'result')).to.deep.nested.include({ complete: false, 'received.hashes': 3, 'failed[0].hash': hash })
    })

    it('one of the peer whose hash can\'t be checked: all others arrive, and it is told', async () => {
      await sandbox.init('a', 'b', 'c')
      await writeFile(sandbox.path('file'), 'beep boop')
      await sandbox.add('a', 'file')

      const repo = await Repo.open(sandbox.path('a'), 'test', () => {})
      const bytes = new TextEncoder().encode('hey yo')
      await repo.store.put(blockHash(await sha512.digest(bytes)), bytes)
      await repo.close()

      const server = await sandbox.serve('a')
      const { stderr } = await sandbox.ok('sync', server.addresses[0], '--repo', 'b')
      const { events } = await sandbox.ok('sync', server.addresses[0], '--repo', 'c', '--json')

      expect(stderr).to.match(/^Hashes that the peer offers and that can't be checked here: 1\. What they name was left out/)
      expect(events.find(({ event }) => event === 'result')).to.deep.nested.include({ complete: true, takes: false, 'received.hashes': 1, ignored: 1 })
    })
  })

  describe('with files', () => {
    it('that are not there: nothing is added', async () => {
      await sandbox.init('a')
      await makeFile(sandbox.path('file'), 1000)

      expectError(await sandbox.run('add', 'file', 'nowhere', '--repo', 'a'), /There is no such file or folder: .*nowhere/)
      expect(await sandbox.blocks('a')).to.have.property('size', 0)
    })

    it('that are there already', async () => {
      await sandbox.init('a')
      await writeFile(sandbox.path('file'), 'one')
      await writeFile(sandbox.path('other'), 'another')

      const cid = await sandbox.add('a', 'file')

      expectError(await sandbox.run('get', cid, '-o', 'other', '--repo', 'a'), /other is there already\. Choose another path, or give --force/)
      expect(hashOf(sandbox.path('other'))).to.not.equal(hashOf(sandbox.path('file')))

      await sandbox.ok('get', cid, '-o', 'other', '--force', '--repo', 'a')
      expect(hashOf(sandbox.path('other'))).to.equal(hashOf(sandbox.path('file')))
    })

    it('that have no folder to be in, or no CID', async () => {
      await sandbox.init('a')
      await writeFile(sandbox.path('file'), 'one')

      const cid = await sandbox.add('a', 'file')

      expectError(await sandbox.run('get', cid, '-o', 'nowhere/file', '--repo', 'a'), /There is no folder .*nowhere to write to\. Make it first\./)
      expectError(await sandbox.run('get', 'file', '-o', 'copy', '--repo', 'a'), /"file" is no CID\. "add" prints those/, 2)
      expectError(await sandbox.run('get', cid.replace(/..$/, 'aa'), '-o', 'copy', '--repo', 'a'), /is not in the repo\. Fetch it|is no CID/)
    })
  })
})
