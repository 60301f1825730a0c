import { fork } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'aegir/chai'
import { checkBuild, endPrograms, run, runExample } from './run.ts'
import type { Program } from './run.ts'

const MIB = 1024 * 1024
const EMPTY = sha256('')
const LEFT_OVER = `.${sha256('left over')}.part`

/**
 * What each process may need at most, as the issue has it
 */
const MAX_MEMORY = 250_000_000

function sha256 (content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/**
 * Bytes that look like chance, and are the same in every run
 */
async function writeBig (path: string, mebibytes: number): Promise<void> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
  const file = await open(path, 'wx')

  for (let i = 0; i < mebibytes; i++) {
    await file.writeFile(cipher.update(Buffer.alloc(MIB)))
  }

  await file.close()
}

async function hashesIn (folder: string): Promise<string[]> {
  const hashes = new Set<string>()

  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isFile()) {
      hashes.add(sha256(await readFile(join(folder, entry.name))))
    }
  }

  return [...hashes].sort()
}

/**
 * Files that have not been received as a whole
 */
async function unfinishedIn (folder: string): Promise<string[]> {
  return (await readdir(folder)).filter(name => name.startsWith('.'))
}

/**
 * Resolves when a file is on its way into the folder. Must be called before.
 */
async function arrivalIn (folder: string): Promise<void> {
  const watcher = watch(folder)

  await once(watcher, 'change')
  watcher.close()
}

/**
 * What each peer says at its end: how many files and bytes it has received, and
 * how much memory it took
 */
function summaries (program: Program): Record<string, { files: number, bytes: string, memory: number }> {
  const lines = program.stdout.matchAll(/^([AB]): received (\d+) files?, (\S+ \S+) in \S+ s, \S+ \S+\/s, peak memory (\S+) MB$/gm)

  return Object.fromEntries([...lines].map(([, name, files, bytes, memory]) => [name, { files: Number(files), bytes, memory: Number(memory) * 1e6 }]))
}

describe('examples/files.ts', function () {
  this.timeout(30_000)

  let root: string
  let a: string
  let b: string

  before(checkBuild)

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'files-example-'))
    a = join(root, 'a')
    b = join(root, 'b')

    await mkdir(a)
    await mkdir(b)
  })

  afterEach(async () => {
    await endPrograms()
    await rm(root, { recursive: true })
  })

  function sync (...args: string[]): Program {
    return runExample('files.ts', args, { TMPDIR: root }).readStdout()
  }

  it('brings both folders to the same content', async () => {
    await writeBig(join(a, 'big.bin'), 5)
    await writeFile(join(a, 'empty'), '')
    await writeFile(join(a, 'text'), 'only here')
    await writeFile(join(a, 'the same text'), 'only here')
    await writeFile(join(a, 'shared'), 'on both sides')
    await writeFile(join(b, 'also shared'), 'on both sides')
    await writeFile(join(b, 'other'), 'only there')
    // not what it says it is
    await writeFile(join(b, sha256('lost')), 'found')
    await mkdir(join(a, 'folder'))
    await writeFile(join(a, 'folder', 'text'), 'in a subfolder')
    await symlink(join(a, 'text'), join(b, 'link'))
    await writeFile(join(b, LEFT_OVER), 'of a run that was killed')

    const big = sha256(await readFile(join(a, 'big.bin')))
    const first = sync(a, b)

    expect(await first.end()).to.equal(0, first.stderr)
    expect(first.stdout).to.match(/^A: 1 subfolders or links in it are left alone$/m)
    expect(first.stdout).to.match(/\nin sync\n$/)
    expect(summaries(first)).to.have.nested.property('A.files', 2)
    expect(summaries(first)).to.have.nested.property('A.bytes', '15 B')
    expect(summaries(first)).to.have.nested.property('B.files', 3)
    expect(summaries(first)).to.have.nested.property('B.bytes', '5.2 MB')

    expect(await readdir(a)).to.have.members([
      'big.bin', 'empty', 'folder', 'shared', 'text', 'the same text', sha256('only there'), sha256('found')
    ])
    expect(await readdir(b)).to.have.members([
      'also shared', 'link', 'other', sha256('lost'), big, EMPTY, sha256('only here')
    ])
    expect(await hashesIn(a)).to.deep.equal(await hashesIn(b))
    expect(await hashesIn(a)).to.deep.equal([big, EMPTY, ...['only here', 'on both sides', 'only there', 'found'].map(sha256)].sort())

    const second = sync(a, b)

    expect(await second.end()).to.equal(0, second.stderr)
    expect(second.stdout).to.match(/\nin sync\n$/)
    expect(summaries(second)).to.have.nested.property('A.files', 0)
    expect(summaries(second)).to.have.nested.property('B.files', 0)
  })

  it('has nothing to do for empty folders', async () => {
    const program = sync(a, b)

    expect(await program.end()).to.equal(0, program.stderr)
    expect(program.stdout).to.match(/\nin sync\n$/)
  })

  it('syncs more files than are announced in one message', async () => {
    const count = 1200

    for (let i = 0; i < count; i++) {
      await writeFile(join(i % 3 === 0 ? a : b, `${i}`), `file ${i}`)

      // on both sides, so that nothing is to be sent
      if (i % 3 === 1) {
        await writeFile(join(a, `${i}`), `file ${i}`)
      }
    }

    const program = sync(a, b)

    expect(await program.end()).to.equal(0, program.stderr)
    expect(summaries(program)).to.have.nested.property('A.files', 400)
    expect(summaries(program)).to.have.nested.property('B.files', 400)
    expect(await hashesIn(a)).to.have.lengthOf(count).and.to.deep.equal(await hashesIn(b))
  })

  it('makes two samples when it is given no folders', async () => {
    const program = sync()

    expect(await program.end()).to.equal(0, program.stderr)
    expect(program.stdout).to.match(/\nin sync\n$/)

    const [samples] = (await readdir(root)).filter(name => name !== 'a' && name !== 'b')

    expect(program.stdout).to.include(join(root, samples))
    expect(await hashesIn(join(root, samples, 'a'))).to.have.lengthOf.above(2)
      .and.to.deep.equal(await hashesIn(join(root, samples, 'b')))
  })

  it('needs little memory for big files', async function () {
    const mebibytes = process.env.LONG == null ? 64 : 2048

    this.timeout(process.env.LONG == null ? 30_000 : 300_000)
    await writeBig(join(a, 'big'), mebibytes)

    const program = sync(a, b)

    expect(await program.end()).to.equal(0, program.stderr)
    expect(program.stdout).to.match(/\nin sync\n$/)
    expect(summaries(program)).to.have.nested.property('B.files', 1)
    expect(summaries(program).A.memory).to.be.within(1, MAX_MEMORY)
    expect(summaries(program).B.memory).to.be.within(1, MAX_MEMORY)
  })

  async function stopBy (signal: NodeJS.Signals): Promise<number | string> {
    await writeBig(join(a, 'big'), 128)

    const arrival = arrivalIn(b)
    const program = sync(a, b)

    await arrival
    expect(await unfinishedIn(b)).to.have.lengthOf(1)
    program.process.kill(signal)

    return program.end()
  }

  it('leaves nothing unfinished when it is interrupted', async () => {
    expect(await stopBy('SIGINT')).to.equal(130)
    expect(await readdir(a)).to.deep.equal(['big'])
    expect(await readdir(b)).to.deep.equal([])
  })

  it('leaves nothing unfinished when it is terminated', async () => {
    expect(await stopBy('SIGTERM')).to.equal(143)
    expect(await readdir(a)).to.deep.equal(['big'])
    expect(await readdir(b)).to.deep.equal([])
  })

  it('leaves nothing unfinished where the other peer dies', async () => {
    await writeBig(join(a, 'big'), 128)

    // in the place of files.ts
    const arrival = arrivalIn(b)
    const peers = [['A', a], ['B', b]].map(args => fork('examples/files/peer.ts', args, { execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }, silent: true }))
    let stderr = ''

    peers[1].stdout?.resume()
    peers[1].stderr?.setEncoding('utf8').on('data', text => { stderr += text })

    const [[address]] = await Promise.all(peers.map(async peer => once(peer, 'message')))

    peers[1].send(address)
    await arrival
    expect(await unfinishedIn(b)).to.have.lengthOf(1)
    peers[0].kill('SIGKILL')

    expect(await once(peers[1], 'close')).to.deep.equal([1, null])
    expect(stderr).to.match(/^B: error: .+\n$/)
    expect(await readdir(b)).to.deep.equal([])
  })

  it('leaves nothing unfinished when there is no room for it', async function () {
    if (process.platform === 'win32') {
      this.skip()
    }

    await writeBig(join(a, 'big'), 8)
    await writeFile(join(a, 'small'), 'small')

    // no file may have more than 4 MB
    const program = run('sh', ['-c', 'ulimit -f 8000 && exec "$0" "$@"', process.execPath, 'examples/files.ts', a, b]).readStdout()

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.match(/^B: error: Could not write to .+b: EFBIG/m)
    expect(program.stderr).to.match(/\nnot in sync\n$/)
    expect(await unfinishedIn(b)).to.deep.equal([])
    expect(await hashesIn(b)).to.not.include(sha256(await readFile(join(a, 'big'))))
  })

  it('gets all the others when one of the files has no place', async () => {
    await writeFile(join(a, 'first'), 'first')
    await writeFile(join(a, 'second'), 'second')
    await writeFile(join(b, sha256('first')), 'in its place')

    const program = sync(a, b)

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.match(new RegExp(`^B: could not get ${sha256('first')}: .+ has its name, but other content$`, 'm'))
    expect(program.stderr).to.match(/\nnot in sync\n$/)
    expect(await readdir(b)).to.have.members([sha256('first'), sha256('second')])
    expect(await readFile(join(b, sha256('first')), 'utf8')).to.equal('in its place')
    expect(await readdir(a)).to.have.members(['first', 'second', sha256('in its place')])
  })

  it('fails when it may not read a file', async function () {
    if (process.getuid?.() === 0) {
      // who may read everything
      this.skip()
    }

    await writeFile(join(a, 'secret'), 'secret', { mode: 0 })

    const program = sync(a, b)

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.match(/^A: error: EACCES: .+secret/m)
  })

  describe('arguments', () => {
    it('refuses a folder that is not there', async () => {
      const program = sync(a, join(root, 'c'))

      expect(await program.end()).to.equal(2)
      expect(program.stderr).to.match(/^error: ENOENT: .*c'\n/)
    })

    it('refuses a file in the place of a folder', async () => {
      await writeFile(join(root, 'c'), '')
      const program = sync(a, join(root, 'c'))

      expect(await program.end()).to.equal(2)
      expect(program.stderr).to.match(/^error: .+c is not a folder\n/)
    })

    it('refuses a folder with itself', async () => {
      await symlink(a, join(root, 'c'))
      const program = sync(a, join(root, 'c'))

      expect(await program.end()).to.equal(2)
      expect(program.stderr).to.match(/^error: .+a and .+c are the same folder\n/)
    })

    it('refuses one folder', async () => {
      const program = sync(a)

      expect(await program.end()).to.equal(2)
      expect(program.stderr).to.match(/^error: Two folders are needed, not 1\n/)
    })

    it('refuses an option that it does not have', async () => {
      const program = sync('--bogus', a, b)

      expect(await program.end()).to.equal(2)
      expect(program.stderr).to.match(/^error: .*--bogus/)
    })

    it('explains itself', async () => {
      const program = sync('--help')

      expect(await program.end()).to.equal(0)
      expect(program.stdout).to.match(/^Usage: /)
    })
  })
})
