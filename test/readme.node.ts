import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { expect } from 'aegir/chai'

const PROGRAMS: Array<{ name: string, prints: RegExp[], inDocs?: false }> = [{
  name: 'As a libp2p service',
  prints: [/^[0-9a-f]{64} beep$/m, /^[0-9a-f]{64} boop$/m, /^[0-9a-f]{64} hey yo$/m]
}, {
  name: 'As a replicator of stores',
  prints: [/^6 bytes of bafkrei\w{52} from 12D3KooW\w+$/m, /^received 1, sent 1, failed 0$/m, /^3 blocks here, 3 there$/m]
}, {
  name: 'Beside Helia',
  prints: [/^1 bafkrei\w{52}$/m, /^2 bafkrei\w{52}$/m],
  inDocs: false
}, {
  name: 'As a bare protocol handler',
  prints: [/^an exchange with 12D3KooW\w+$/m, /^a the content of a$/m, /^b the content of b$/m]
}, {
  name: 'Over any duplex',
  prints: [/^a got 4 WHATEVER$/m, /^b got 2 boop$/m]
}]

const file = async (name: string): Promise<string> => readFile(new URL(`../${name}`, import.meta.url), 'utf8')

/**
 * The first program below a heading
 */
function program (markdown: string, name: string): string {
  const section = markdown.slice(markdown.indexOf(name))

  return section.slice(section.indexOf('```ts\n') + 6, section.indexOf('\n```\n'))
}

/**
 * What a program prints. It imports the package by its name, as a user would,
 * which is the build.
 */
async function run (source: string): Promise<string> {
  const { NODE_OPTIONS, ...env } = process.env
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module-typescript', '-'], { env, stdio: ['pipe', 'pipe', 'pipe'], timeout: 30_000 })
  let output = ''

  child.stdout.on('data', data => { output += data })
  child.stderr.on('data', data => { output += data })
  child.stdin.end(source)

  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) {
        resolve(output)
      } else {
        reject(new Error(`The program ended with ${code ?? signal}:\n${output}`))
      }
    })
  })
}

describe('the README', () => {
  for (const { name, prints, inDocs = true } of PROGRAMS) {
    it(`has a program that runs: ${name}`, async () => {
      const output = await run(program(await file('README.md'), name))

      for (const line of prints) {
        expect(output).to.match(line)
      }
    })

    if (inDocs) {
      it(`has the same program as the docs: ${name}`, async () => {
        const docs = (await file('src/index.ts')).replaceAll(/^ \* ?/gm, '')

        expect(program(docs, name)).to.equal(program(await file('README.md'), name))
      })
    }
  }
})
