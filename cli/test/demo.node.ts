import { mkdir, readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'aegir/chai'
import { makeFolder } from './fixtures/files.ts'
import { ended, useSandbox } from './fixtures/sandbox.ts'

const DEMO = fileURLToPath(new URL('../scripts/demo.js', import.meta.url))
const README = new URL('../README.md', import.meta.url)

describe('the demonstration', function () {
  this.timeout(60_000)

  const sandbox = useSandbox()

  const run = async (...args: string[]): ReturnType<typeof ended> => {
    return ended(sandbox.spawn(process.execPath, [DEMO, ...args], { TMPDIR: sandbox.path() }).readStdout())
  }

  /**
   * What is different each time
   */
  const general = (command: string): string => command
    .replace(/\/ip4\/127\S+\/p2p\/\S+/, '<multiaddr>')
    .replace(/baf\w+/, '<CID>')
    .replace(/ --listen \S+/, '')

  it('does what the README shows, and leaves nothing behind', async () => {
    const { code, stdout } = await run()
    const commands = stdout.split('\n').filter(line => line.startsWith('$ '))
    const readme = await readFile(README, 'utf8')
    const shown = readme.split('\n').filter(line => line.startsWith('$ hash-exchange'))

    expect(code).to.equal(0)
    expect(stdout).to.match(/\nsrc and copy are equal: \d+ files, \d+ bytes\n$/)
    expect(commands.map(general)).to.deep.equal(shown.slice(0, commands.length).map(general))
    expect(await readdir(sandbox.path())).to.deep.equal([])
  })

  it('takes another folder', async () => {
    makeFolder(sandbox.path('other'), 20)

    const { code, stdout } = await run(sandbox.path('other'))

    expect(code).to.equal(0)
    expect(stdout).to.match(/\nother and copy are equal: 20 files, \d+ bytes\n$/)
    expect(await readdir(sandbox.path())).to.deep.equal(['other'])
  })

  it('fails where something fails', async () => {
    // which can't be added
    await mkdir(sandbox.path('folder\\'))

    const none = await run(sandbox.path('nowhere'))
    expect(none.code).to.equal(2)

    const { code, stderr } = await run(sandbox.path('folder\\'))
    expect(code).to.equal(1)
    expect(stderr).to.match(/^error: The name of the folder .* ends with a backslash.*\nerror: hash-exchange add ended with 1\n$/)
    expect(await readdir(sandbox.path())).to.deep.equal(['folder\\'])
  })
})
