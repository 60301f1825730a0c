import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'aegir/chai'

const DEMO = fileURLToPath(new URL('../server/demo.ts', import.meta.url))

const run = promisify(execFile)

describe('the demo', function () {
  this.timeout(60_000)

  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    it(`serves the page, tells where it and the server are, and ends with ${signal}`, async () => {
      const demo = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'inherit'] })
      const exit = once(demo, 'exit')
      let told = ''

      demo.stdout.setEncoding('utf8')

      for await (const text of demo.stdout) {
        told += text

        if (told.includes('Ctrl-C')) {
          break
        }
      }

      const url = /The page: +(?<url>\S+)/.exec(told)?.groups?.url ?? ''
      const address = /The server: (?<address>\S+)/.exec(told)?.groups?.address ?? ''

      expect(await (await fetch(url)).text()).to.include('<div id="app">')
      expect(await (await fetch(new URL('server.json', url))).json()).to.deep.equal({ addresses: [address], iceServers: [] })

      demo.kill(signal)
      expect(await exit).to.deep.equal([code, null])
    })
  }

  it('says what it can be told, and what it can not', async () => {
    expect((await run(process.execPath, [DEMO, '--help'])).stdout).to.include('Usage: npm run demo').and.to.include('--stun <url>')

    for (const args of [['--prot', '1'], ['--port', 'eighty'], ['--stun', 'example.org']]) {
      await expect(run(process.execPath, [DEMO, ...args])).to.eventually.be.rejected()
        .with.property('stderr').that.matches(new RegExp(`${args[0]}.*\\n.*--help`))
    }
  })
})
