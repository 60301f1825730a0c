import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect } from 'aegir/chai'
import { Folder } from '../../examples/files/folder.ts'
import { Progress } from '../../examples/files/progress.ts'

const CONTENT = Buffer.from('some content')
const HASH = createHash('sha256').update(CONTENT).digest('hex')

async function * bytes (...chunks: Array<Uint8Array | Error>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    if (chunk instanceof Error) {
      throw chunk
    }

    yield chunk
  }
}

describe('examples/files/folder.ts', () => {
  const progress = new Progress('counted', () => {})
  let folder: Folder

  beforeEach(async () => {
    folder = new Folder(await mkdtemp(join(tmpdir(), 'folder-')))
  })

  afterEach(async () => {
    progress.stop()
    await rm(folder.path, { recursive: true })
  })

  it('adds what it was promised', async () => {
    await folder.save(HASH, bytes(CONTENT.subarray(0, 5), CONTENT.subarray(5)), progress)

    expect(await readdir(folder.path)).to.deep.equal([HASH])
    expect(await readFile(join(folder.path, HASH))).to.deep.equal(CONTENT)
  })

  it('does not add anything else', async () => {
    await expect(folder.save(HASH, bytes(CONTENT, CONTENT), progress)).to.eventually.be.rejectedWith('what came is something else')

    expect(await readdir(folder.path)).to.deep.equal([])
  })

  it('does not add a part', async () => {
    await expect(folder.save(HASH, bytes(CONTENT, new Error('cut')), progress)).to.eventually.be.rejectedWith('cut')

    expect(await readdir(folder.path)).to.deep.equal([])
  })

  it('does not add what is not named by a SHA-256', async () => {
    for (const name of ['text', `../${HASH}`, HASH.toUpperCase(), '']) {
      await expect(folder.save(name, bytes(CONTENT), progress)).to.eventually.be.rejectedWith('its name is not a SHA-256')
    }

    expect(await readdir(folder.path)).to.deep.equal([])
  })

  it('does not read a file that has become shorter as if it were whole', async () => {
    const path = join(folder.path, 'file')

    await writeFile(path, CONTENT)
    await folder.scan(progress, new AbortController().signal)
    const file = folder.files.get(HASH)

    if (file == null) {
      throw new Error('The file was not found')
    }

    expect(await buffer(folder.read(file))).to.deep.equal(CONTENT)

    await truncate(path, 5)

    await expect(buffer(folder.read(file))).to.eventually.be.rejectedWith('has become shorter')
  })
})
