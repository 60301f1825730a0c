import { once } from 'node:events'
import { expect } from 'aegir/chai'
import { pipe } from 'it-pipe'
import { exchange } from '../../src/index.ts'
import { checkBuild, endPrograms, run, runExample } from './run.ts'
import type { Program } from './run.ts'
import type { Exchange } from '../../src/index.ts'

const BEEP = ['beep', 'boop', 'hey yo']
const WHATEVER = ['hey yo', 'WHATEVER', 'beep']

const BOOP_HASH = 'ae8d904cebfd629cdb1cc773a5bce8aca1dc1eee'
const BOOP_WRITTEN = `# BEGIN ${BOOP_HASH}
boop
# END ${BOOP_HASH}
`
const WHATEVER_WRITTEN = `# BEGIN fdb608cccac07c273ab532bb41eea07e2ddccf4e
WHATEVER
# END fdb608cccac07c273ab532bb41eea07e2ddccf4e
`

function ours (args: string[]): Program {
  return runExample('messages.ts', args)
}

/**
 * The example of the original, as it was published
 */
function original (args: string[]): Program {
  return run(process.execPath, ['--no-deprecation', 'node_modules/hash-exchange/example/ex.js', ...args], { NODE_PATH: 'test/examples/modules' })
}

/**
 * Wires stdin and stdout of two programs, and ends the input of the first one
 * when both have written what they got
 */
async function wire (a: Program, b: Program): Promise<void> {
  a.process.stdout.pipe(b.process.stdin)
  b.process.stdout.pipe(a.process.stdin)

  await Promise.all([a, b].map(async program => program.until(() => /^# END/m.test(program.stderr))))

  b.process.stdout.unpipe()
  b.process.stdout.resume()
  a.process.stdin.end()

  expect(await Promise.all([a.end(), b.end()])).to.deep.equal([0, 0])
}

/**
 * Wires an exchange in this process to a program
 */
function connect (ex: Exchange, program: Program): void {
  pipe(program.process.stdout, ex, async (source) => {
    for await (const list of source) {
      program.process.stdin.write(list.subarray())
    }
  }).catch(() => {})
}

describe('examples/messages.ts', function () {
  this.timeout(30_000)

  before(checkBuild)
  afterEach(endPrograms)

  it('trades with another one', async () => {
    const a = ours(BEEP)
    const b = ours(WHATEVER)

    await wire(a, b)

    expect(a.stderr).to.equal(WHATEVER_WRITTEN)
    expect(b.stderr).to.equal(BOOP_WRITTEN)
  })

  it('trades with the example of the original', async () => {
    const a = ours(BEEP)
    const b = original(WHATEVER)

    await wire(a, b)

    expect(a.stderr).to.equal(WHATEVER_WRITTEN)
    expect(b.stderr).to.equal(BOOP_WRITTEN)
  })

  it('trades with the example of the original in the other role', async () => {
    const a = original(BEEP)
    const b = ours(WHATEVER)

    await wire(a, b)

    expect(a.stderr).to.equal(WHATEVER_WRITTEN)
    expect(b.stderr).to.equal(BOOP_WRITTEN)
  })

  it('ends when nobody reads what it writes', async () => {
    const program = ours(BEEP)

    program.process.stdout.destroy()

    expect(await program.end()).to.equal(0)
    expect(program.stderr).to.equal('')
  })

  it('fails when the other side leaves before it has sent what it announced', async () => {
    const program = ours([])
    const requested = once(program.process.stdout, 'data')

    // AVAILABLE ["aa"]
    program.process.stdin.write(Buffer.from('0d0802120130220600000a026161', 'hex'))
    await requested
    program.process.stdin.end()

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.match(/^error: aa did not come: .+\n$/)
  })

  it('fails when something else comes than was announced', async () => {
    const program = ours([])
    const ex = exchange(() => ({ stream: [Buffer.from('beep')] }))

    connect(ex, program)
    await ex.provide(BOOP_HASH)
    await program.until(() => program.stderr.endsWith('\n'))
    program.process.stdin.end()

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.equal(`error: what came as ${BOOP_HASH} is something else\n`)
  })

  it('fails when the other side is no exchange', async () => {
    const program = ours(BEEP)

    program.process.stdout.resume()
    program.process.stdin.end('Hello? Is there anybody out there?')

    expect(await program.end()).to.equal(1)
    expect(program.stderr).to.match(/^error: .+\n$/)
  })

  it('explains itself', async () => {
    const program = ours(['--help']).readStdout()

    expect(await program.end()).to.equal(0)
    expect(program.stdout).to.match(/^Usage: /)
    expect(program.stderr).to.equal('')
  })

  it('refuses an option that it does not have', async () => {
    const program = ours(['--bogus'])

    expect(await program.end()).to.equal(2)
    expect(program.stderr).to.match(/^error: .*--bogus/)
  })
})
