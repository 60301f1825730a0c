import { readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { expect } from 'aegir/chai'
import { useSandbox } from './fixtures/sandbox.ts'

const COMMANDS: Record<string, string[]> = {
  init: ['Makes the repo', '--repo <dir>'],
  add: ['<path...>', 'Symbolic links', 'hash-exchange add photos letter.txt'],
  ls: ['--blocks', 'its CID, size and name'],
  get: ['<cid>', '--output <path>', '--force', 'checked against its hash'],
  serve: ['--allow <peer...>', '--accept <peer...>', '--accept-all', '--listen <multiaddr...>', 'Nobody may add unless'],
  sync: ['<multiaddr...>', '--pull', '--push', '--live', '--again', 'Ends with 0 only if everything arrived'],
  pipe: ['[message...]', 'Needs no repo'],
  status: ['--size', 'the ID of its peer'],
  check: ['--remove', 'disks fail']
}

describe('the command line', function () {
  this.timeout(30_000)

  const sandbox = useSandbox()

  it('explains itself', async () => {
    const { code, stdout, stderr } = await sandbox.run('--help')

    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
    expect(stdout).to.match(/^Usage: hash-exchange /)

    for (const text of ['HASH_EXCHANGE_REPO', '--json', 'Exit codes:', '130', ...Object.keys(COMMANDS)]) {
      expect(stdout).to.contain(text)
    }
  })

  for (const [command, texts] of Object.entries(COMMANDS)) {
    it(`explains ${command}`, async () => {
      const { code, stdout, stderr } = await sandbox.run(command, '--help')

      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
      expect(stdout).to.match(new RegExp(`^Usage: hash-exchange ${command} `))

      for (const text of ['--repo <dir>', '--json', '--help', 'Exit codes:', '$ hash-exchange', ...texts]) {
        // status has no example
        if (command !== 'status' || text !== '$ hash-exchange') {
          expect(stdout).to.contain(text)
        }
      }

      for (const line of stdout.split('\n')) {
        expect(line.length, line).to.be.at.most(80)
      }
    })
  }

  it('explains itself and each command with "help" as well', async () => {
    for (const args of [[], ['sync']]) {
      expect(await sandbox.run('help', ...args)).to.deep.include(await sandbox.run(...args, '--help'))
    }
  })

  it('tells its version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))

    expect(await sandbox.run('--version')).to.include({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('refuses what it does not understand', async () => {
    const wrong: Array<[args: string[], message: RegExp]> = [
      [[], /^Usage: hash-exchange /],
      [['sing'], /unknown command 'sing'/],
      [['help', 'sing'], /unknown command 'sing'/],
      [['ls', '--bogus'], /unknown option '--bogus'/],
      [['add'], /missing required argument 'path'/],
      [['sync'], /missing required argument 'multiaddr'/],
      [['get', 'bafkqaaa'], /required option '-o, --output <path>' not specified/],
      [['sync', '/ip4/127.0.0.1/tcp/1', '--push', '--pull', '--repo', 'a'], /Give --pull or --push/],
      [['serve', '--accept', 'somebody', '--repo', 'a'], /"somebody" is no peer ID/],
      [['serve', '--listen', 'here', '--repo', 'a'], /"here" is no multiaddr/],
      ...['/ip4/127.0.0.1/udp/0/quic-v1', '/ip4/127.0.0.1/tcp/0/wss', '/ip4/127.0.0.1', '/tcp/4100', '/p2p-circuit'].map((address): [string[], RegExp] => [
        ['serve', '--listen', address, '--repo', 'a'], /can't be listened on\. Give an address of this machine with \/tcp\/ and a port/
      ])
    ]

    const results = await Promise.all(wrong.map(async ([args]) => sandbox.run(...args)))

    for (const [i, { code, stdout, stderr }] of results.entries()) {
      expect(stderr).to.match(wrong[i][1])
      expect({ code, stdout }, stderr).to.deep.equal({ code: 2, stdout: '' })
    }
  })

  it('tells scripts what went wrong, and people as well', async () => {
    const { code, stdout, stderr, events } = await sandbox.run('ls', '--json', '--repo', 'nowhere')

    expect(code).to.equal(1)
    expect(stdout.split('\n')).to.have.lengthOf(2)
    expect(events).to.have.lengthOf(1)
    expect(events[0]).to.have.property('event', 'error')
    expect(stderr).to.equal(`error: ${events[0].message}\n`)
  })

  it('finds the repo where HASH_EXCHANGE_REPO says, or where the system keeps data', async () => {
    const byVariable = await sandbox.shell(`HASH_EXCHANGE_REPO=${sandbox.path('a')} $HX init --json`)
    const byDefault = await sandbox.shell(`HASH_EXCHANGE_REPO= XDG_DATA_HOME= HOME=${sandbox.path('home')} $HX status`)

    expect(byVariable.events[0]).to.include({ repo: sandbox.path('a'), created: true })
    expect(byDefault.code).to.equal(1)
    expect(byDefault.stderr).to.contain(process.platform === 'linux' ? sandbox.path('home', '.local', 'share', 'hash-exchange') : 'hash-exchange')
    expect(byDefault.stderr).to.not.contain(homedir())
  })

  it('ends when nobody reads what it writes', async () => {
    await sandbox.init('a')
    await writeFile(sandbox.path('file'), 'beep')
    await sandbox.add('a', 'file')

    const program = sandbox.start('ls', '--blocks', '--repo', 'a')

    program.process.stdout.destroy()

    expect(await program.end()).to.equal(0)
    expect(program.stderr).to.equal('')
  })
})
