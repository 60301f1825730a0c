import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect } from 'aegir/chai'
import { pipe } from 'it-pipe'
import { exchange } from 'libp2p-hash-exchange'
import { useSandbox } from './fixtures/sandbox.ts'
import type { Program } from './fixtures/program.ts'
import type { Exchange } from 'libp2p-hash-exchange'

const BEEP = ['beep', 'boop', 'hey yo']
const WHATEVER = ['hey yo', 'WHATEVER', 'beep']

const BOOP_HASH = 'ae8d904cebfd629cdb1cc773a5bce8aca1dc1eee'
const BOOP_WRITTEN = `# BEGIN ${BOOP_HASH}
boop
# END ${BOOP_HASH}
`
const WHATEVER_HASH = 'fdb608cccac07c273ab532bb41eea07e2ddccf4e'
const WHATEVER_WRITTEN = `# BEGIN ${WHATEVER_HASH}
WHATEVER
# END ${WHATEVER_HASH}
`

const ORIGINAL = join(dirname(createRequire(import.meta.url).resolve('hash-exchange/package.json')), 'example', 'ex.js')

describe('pipe', function () {
  this.timeout(30_000)

  const sandbox = useSandbox()

  const ours = (...args: string[]): Program => sandbox.start('pipe', ...args)

  /**
   * The example of the original, as it was published
   */
  function original (args: string[]): Program {
    return sandbox.spawn(process.execPath, ['--no-deprecation', ORIGINAL, ...args], { NODE_PATH: join(import.meta.dirname, 'fixtures', 'modules') })
  }

  /**
   * Wires stdin and stdout of two programs, and ends the input of the first one
   * when both have written what they got
   */
  async function wire (a: Program, b: Program): Promise<void> {
    a.process.stdout.pipe(b.process.stdin)
    b.process.stdout.pipe(a.process.stdin)

    await Promise.all([a, b].map(async program => program.until(() => /# END|"message"/.test(program.stderr))))

    b.process.stdout.unpipe()
    b.process.stdout.resume()
    a.process.stdin.end()

    expect(await Promise.all([a.end(), b.end()])).to.deep.equal([0, 0])
  }

  /**
   * Wires an exchange in this process to a program
   */
  function connect (ex: Exchange, program: Program): void {
    pipe(program.process.stdout, ex, async (source) => pipeline(source, async function * (lists) {
      for await (const list of lists) {
        yield * list
      }
    }, program.process.stdin)).catch(() => {})
  }

  it('trades with another one', async () => {
    const a = ours(...BEEP)
    const b = ours(...WHATEVER)

    await wire(a, b)

    expect(a.stderr).to.equal(WHATEVER_WRITTEN)
    expect(b.stderr).to.equal(BOOP_WRITTEN)
  })

  it('trades with the example of the original', async () => {
    const a = ours(...BEEP)
    const b = original(WHATEVER)

    await wire(a, b)

    expect(a.stderr).to.equal(WHATEVER_WRITTEN)
    expect(b.stderr).to.equal(BOOP_WRITTEN)
  })

  it('trades with the example of the original in the other role', async () => {
    const a = original(BEEP)
    const b = ours(...WHATEVER)

    await wire(a, b)

    expect(a.stderr).to.equal(WHATEVER_WRITTEN)
    expect(b.stderr).to.equal(BOOP_WRITTEN)
  })

  it('tells scripts what came, on stderr as well', async () => {
    const a = ours('--json', ...BEEP)
    const b = ours('--json', '--', ...WHATEVER)

    await wire(a, b)

    expect(a.stderr).to.equal(`${JSON.stringify({ event: 'message', hash: WHATEVER_HASH, message: 'WHATEVER' })}\n`)
    expect(b.stderr).to.equal(`${JSON.stringify({ event: 'message', hash: BOOP_HASH, message: 'boop' })}\n`)
  })

  it('fails when something else comes than was announced', async () => {
    const program = ours()
    const ex = exchange(() => ({ stream: [Buffer.from('beep')] }))

    connect(ex, program)
    await ex.provide(BOOP_HASH)
    await program.until(() => program.stderr.endsWith('\n'))
    program.process.stdin.end()

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.equal(`error: what came as ${BOOP_HASH} is something else\n`)
  })

  it('fails when the other side is no exchange', async () => {
    const program = ours(...BEEP)

    program.process.stdout.resume()
    program.process.stdin.end('Hello? Is there anybody out there?')

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.match(/^error: .+\n$/)
  })

  for (const [what, bytes] of [['a cut message', (all: Buffer) => all.subarray(0, -1)], ['a few bytes that are none', () => Buffer.from('x')]] as const) {
    it(`fails when its input ends with ${what}`, async () => {
      const other = ours(...WHATEVER)
      const chunks: Buffer[] = []

      other.process.stdout.on('data', chunk => { chunks.push(chunk) })
      await new Promise(resolve => other.process.stdout.once('data', resolve))
      other.process.stdin.end()
      await other.end()

      const program = ours(...BEEP)

      program.process.stdout.resume()
      program.process.stdin.end(bytes(Buffer.concat(chunks)))

      expect(await program.end()).to.equal(1)
      expect(program.stderr).to.match(/^error: What came on stdin ended within a message, or is no exchange$/m)
    })
  }

  it('ends when nothing comes', async () => {
    const program = ours(...BEEP)

    program.process.stdout.resume()
    program.process.stdin.end()

    expect(await program.end()).to.equal(0)
    expect(program.stderr).to.equal('')
  })

  it('ends when nobody reads what it writes', async () => {
    const program = ours(...BEEP)

    program.process.stdout.destroy()

    expect(await program.end()).to.equal(0)
    expect(program.stderr).to.equal('')
  })

  it('ends by Ctrl-C', async () => {
    const program = ours(...BEEP).readStdout()

    await program.until(() => program.stdout !== '')
    program.process.kill('SIGINT')

    expect(await program.end()).to.equal(130)
  })
})
