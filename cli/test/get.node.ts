import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import * as dagPb from '@ipld/dag-pb'
import { expect } from 'aegir/chai'
import { UnixFS } from 'ipfs-unixfs'
import { blockHash } from 'libp2p-hash-exchange'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { importFiles } from '../src/files/import.ts'
import { Repo } from '../src/repo/repo.ts'
import { contentOf, hashOf, makeFile } from './fixtures/files.ts'
import { useSandbox } from './fixtures/sandbox.ts'
import type { Store } from 'libp2p-hash-exchange'

const TEXT = new TextEncoder().encode('beep boop')

describe('get', function () {
  this.timeout(60_000)

  const sandbox = useSandbox()

  /**
   * Puts blocks into a repo that no importer would make
   */
  async function withStore<T> (use: (put: (code: number, bytes: Uint8Array) => Promise<CID>, store: Store) => Promise<T>): Promise<T> {
    const repo = await Repo.open(sandbox.path('a'), 'test', () => {})

    try {
      return await use(async (code, bytes) => {
        const cid = CID.createV1(code, await sha256.digest(bytes))

        await repo.store.put(blockHash(cid), bytes)

        return cid
      }, repo.store)
    } finally {
      await repo.close()
    }
  }

  /**
   * A folder with a file under each of these names
   */
  async function folder (...names: string[]): Promise<string> {
    return withStore(async put => {
      const Hash = await put(raw.code, TEXT)
      const Links = names.map(Name => ({ Name, Hash, Tsize: TEXT.length }))
      // not prepared, as that would sort them
      const cid = await put(dagPb.code, dagPb.encode({ Data: new UnixFS({ type: 'directory' }).marshal(), Links }))

      return cid.toString()
    })
  }

  beforeEach(async () => {
    await sandbox.init('a')
    await mkdir(sandbox.path('inner'))
  })

  for (const name of ['..', '.', '', '../outside', '/outside', 'a/b', 'a\0b']) {
    it(`writes nothing outside of the folder: ${JSON.stringify(name)}`, async () => {
      const cid = await folder(name)
      const { code, stderr } = await sandbox.run('get', cid, '-o', 'inner/copy', '--repo', 'a')

      expect(stderr).to.match(/^error: The folder \w+ has an entry named ".*", which would be written to another place\. It is not written\.\n$/)
      expect(code).to.equal(1)
      expect(await readdir(sandbox.path('inner'))).to.deep.equal([])
      expect((await readdir(sandbox.path())).sort()).to.deep.equal(['a', 'inner'])
    })
  }

  it('writes names that only look like it', async () => {
    const names = ['...', '.a', 'a\\b', 'a^b', '~', '-rf', ' ', '__proto__']
    const cid = await folder(...[...names].sort())

    await sandbox.ok('get', cid, '-o', 'inner/copy', '--repo', 'a')
    expect((await readdir(sandbox.path('inner', 'copy'))).sort()).to.deep.equal([...names].sort())
  })

  it('does not write one of two entries over the other', async () => {
    const { code, stderr } = await sandbox.run('get', await folder('a', 'a'), '-o', 'inner/copy', '--repo', 'a')

    expect(stderr).to.match(/has two entries that are one here: "a"/)
    expect(code).to.equal(1)
    expect(await readdir(sandbox.path('inner'))).to.deep.equal([])
  })

  it('does not follow links that are there, with --force either', async () => {
    const cid = await folder('one', 'two')

    await mkdir(sandbox.path('copy'))
    await writeFile(sandbox.path('precious'), 'precious')
    await symlink(sandbox.path('precious'), sandbox.path('copy', 'one'))

    const file = await sandbox.run('get', cid, '-o', 'copy', '--force', '--repo', 'a')
    expect(file.stderr).to.match(/copy\/one is there already and is no file/)
    expect(file.code).to.equal(1)

    await symlink(sandbox.path('inner'), sandbox.path('link'))
    const link = await sandbox.run('get', cid, '-o', 'link', '--force', '--repo', 'a')
    expect(link.stderr).to.match(/link is there already and is no folder/)

    expect(await readFile(sandbox.path('precious'), 'utf8')).to.equal('precious')
    expect(await readdir(sandbox.path('inner'))).to.deep.equal([])
  })

  it('replaces files and adds to folders with --force, and leaves all others', async () => {
    await mkdir(sandbox.path('from', 'sub'), { recursive: true })
    await writeFile(sandbox.path('from', 'sub', 'one'), 'new')
    await writeFile(sandbox.path('from', 'two'), 'new')
    await mkdir(sandbox.path('to', 'sub'), { recursive: true })
    await writeFile(sandbox.path('to', 'sub', 'one'), 'old')
    await writeFile(sandbox.path('to', 'sub', 'other'), 'other')

    const cid = await sandbox.add('a', 'from')
    await sandbox.ok('get', cid, '-o', 'to', '--force', '--repo', 'a')

    expect((await readdir(sandbox.path('to'), { recursive: true })).sort()).to.deep.equal(['sub', 'sub/one', 'sub/other', 'two'])
    expect(await readFile(sandbox.path('to', 'sub', 'one'), 'utf8')).to.equal('new')
    expect(await readFile(sandbox.path('to', 'sub', 'other'), 'utf8')).to.equal('other')
  })

  it('writes a file in two levels of nodes, as others make them', async () => {
    const inner = (size: number, blocks: CID[]): Uint8Array => {
      const file = new UnixFS({ type: 'file' })

      blocks.forEach(() => { file.addBlockSize(BigInt(size)) })

      return dagPb.encode({ Data: file.marshal(), Links: blocks.map(Hash => ({ Name: '', Hash, Tsize: size })) })
    }

    const cid = await withStore(async put => {
      const leaf = await put(raw.code, TEXT)
      // with its bytes in a node
      const node = await put(dagPb.code, dagPb.encode({ Data: new UnixFS({ type: 'file', data: TEXT }).marshal(), Links: [] }))
      const middle = await put(dagPb.code, inner(TEXT.length, [leaf, node]))

      return put(dagPb.code, inner(TEXT.length * 2, [middle, middle]))
    })

    expect((await sandbox.ok('get', cid.toString(), '-o', '-', '--repo', 'a')).stdout).to.equal('beep boop'.repeat(4))
  })

  it('writes what is in a CID itself', async () => {
    // the identity of "beep"
    expect((await sandbox.ok('get', 'bafkqabdcmvsxa', '-o', '-', '--repo', 'a')).stdout).to.equal('beep')
  })

  it('says so where a block is no file', async () => {
    const cid = await withStore(async put => put(dagPb.code, new Uint8Array([1, 2, 3])))
    const { code, stderr } = await sandbox.run('get', cid.toString(), '-o', 'copy', '--repo', 'a')

    expect(stderr).to.equal(`error: ${cid} is no file and no folder of UnixFS\n`)
    expect(code).to.equal(1)
  })

  it('writes no folder to stdout, and nothing to no path', async () => {
    const cid = await folder('one')

    expect(await sandbox.run('get', cid, '-o', '-', '--repo', 'a')).to.include({ code: 2, stdout: '', stderr: `error: ${cid} is a folder: give a path with -o\n` })
    expect(await sandbox.run('get', cid, '-o', '', '--repo', 'a')).to.include({ code: 2, stdout: '', stderr: 'error: Give a path with -o, or - for stdout\n' })
  })

  it('adds the rest where a name is not UTF-8', async function () {
    const name = Buffer.concat([Buffer.from(`${sandbox.path('inner')}/caf`), Buffer.from([0xe9])])

    await writeFile(sandbox.path('inner', 'file'), 'one')

    try {
      await writeFile(name, 'two')
    } catch {
      // not all file systems have such names
      return this.skip()
    }

    const { events, stderr } = await sandbox.ok('add', 'inner', '--repo', 'a', '--json')

    expect(stderr).to.equal(`warning: left out ${sandbox.path('inner', 'caf\ufffd')}: its name is not UTF-8, rename it\n`)
    expect(events.at(-1)).to.include({ event: 'added', files: 1, size: 3 })
  })

  it('adds the rest where a file vanishes', async () => {
    const skipped: string[] = []
    const found = ['one', 'two'].map(name => ({ path: sandbox.path('inner', name), place: name, size: 3 }))

    await writeFile(sandbox.path('inner', 'one'), 'one')

    const cid = await withStore(async (put, store) => importFiles(store, 'inner', found, {
      onRead: () => {},
      onSkipped: (path, what) => { skipped.push(`${path}: ${what}`) },
      signal: new AbortController().signal
    }))

    expect(skipped).to.deep.equal([`${sandbox.path('inner', 'two')}: it is not there any more`])
    await sandbox.ok('get', cid.toString(), '-o', 'copy', '--repo', 'a')
    expect(await readdir(sandbox.path('copy'))).to.deep.equal(['one'])
  })

  it('adds a link by what it leads to, and leaves out those in folders', async () => {
    await makeFile(sandbox.path('inner', 'file'), 1000)
    await symlink(sandbox.path('inner', 'file'), sandbox.path('inner', 'link'))
    await symlink(sandbox.path('inner'), sandbox.path('other name'))

    const { events, stderr } = await sandbox.ok('add', 'other name', 'inner/link', '--repo', 'a', '--json')
    const [folder, file] = events.filter(({ event }) => event === 'added')

    expect(stderr).to.equal(`warning: left out ${sandbox.path('inner', 'link')}: a symbolic link\n`)
    expect(folder).to.include({ name: 'other name', files: 1 })
    expect(file).to.include({ name: 'link', size: 1000, newBlocks: 0 })

    await sandbox.ok('get', folder.cid, '-o', 'copy', '--repo', 'a')
    expect([...contentOf(sandbox.path('copy'))]).to.deep.equal([['file', hashOf(sandbox.path('inner', 'file'))]])
  })

  it('leaves out the repo where it is in what is added', async () => {
    await makeFile(sandbox.path('inner', 'file'), 1000)
    await sandbox.init('inner/repo')

    const { stderr, events } = await sandbox.ok('add', 'inner', '--repo', 'inner/repo', '--json')

    expect(stderr).to.match(/^warning: left out .*repo: the repo itself\n$/)
    expect(events.at(-1)).to.include({ files: 1, size: 1000 })
  })
})
