import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

const SYSTEM_CHROMIUM = '/usr/bin/chromium'
const WEBSOCKET_PEER = 'test/fixtures/websocket-peer'

/**
 * The browser the browser tests run in: the system's Chromium where there is one, so that nothing has to be
 * downloaded; '' is the one that the test runner downloads. `CHROMIUM_PATH` overrides it, with '' too.
 */
const chromium = process.env.CHROMIUM_PATH ?? (existsSync(SYSTEM_CHROMIUM) ? SYSTEM_CHROMIUM : '')

/** @type {import('aegir').PartialOptions} */
export default {
  build: {
    // of all that a page loads for this package, minified and compressed; three fifths of it are its own code
    bundlesize: true,
    bundlesizeMax: '72KB'
  },
  test: {
    // where aegir builds before the tests it also ends them at the first failure, as it gives both options one short
    // name; so the scripts that need a build run it themselves
    build: false,
    browser: {
      config: {
        browserContextOptions: chromium === ''
          ? {}
          : {
              executablePath: chromium,
              args: [
                '--disable-background-networking',
                '--disable-component-update',
                '--disable-sync',
                '--no-first-run'
              ]
            }
      }
    },
    before: async ({ runner }) => {
      if (runner !== 'browser' && runner !== 'webworker') {
        return
      }

      const env = {}

      if (chromium !== '') {
        env.PLAYWRIGHT_BROWSERS_PATH = await preventBrowserDownload()
      }

      // a peer in Node for the browser to dial, built together with the tests
      const peer = existsSync(`${WEBSOCKET_PEER}.ts`)
        ? await (await import(`./dist/${WEBSOCKET_PEER}.js`)).startWebSocketPeer()
        : undefined

      if (peer != null) {
        env.WEBSOCKET_PEER = peer.multiaddr
      }

      return { env, peer }
    },
    after: async (_, before) => {
      await before?.peer?.stop()
    }
  },
  lint: {
    files: [
      '*.{js,ts}',
      '.aegir.js',
      'benchmarks/**/*.{js,ts}',
      'examples/**/*.{js,ts}',
      'scripts/**/*.{js,ts}',
      'src/**/*.{js,ts}',
      'test/**/*.{js,ts}',
      // a package of its own
      '!examples/browser/**',
      '!**/node_modules/**',
      '!**/dist/**'
    ]
  },
  dependencyCheck: {
    ignore: [
      // the package itself, which its examples import by name
      'libp2p-hash-exchange',
      // puts the right Node into the path of the npm scripts, nothing imports it
      'node',
      // comes with aegir, see below
      'playwright-core'
    ],
    productionIgnorePatterns: [
      '/benchmarks',
      '/dist',
      '/examples',
      '/scripts',
      '/test',
      '.aegir.js'
    ]
  }
}

/**
 * The test runner downloads its own browser unless it finds it marked as installed, even when it is told to use
 * another one. The marks are kept in a folder of this project, so that no other project takes them for the browser.
 */
async function preventBrowserDownload () {
  const folder = path.join(import.meta.dirname, 'node_modules', '.cache', 'system-chromium')

  // read when the registry is loaded
  process.env.PLAYWRIGHT_BROWSERS_PATH = folder
  const { registry: { registry } } = await import('playwright-core/lib/coreBundle')

  for (const name of ['chromium', 'chromium-headless-shell']) {
    const { directory } = registry.findExecutable(name)

    await mkdir(directory, { recursive: true })
    await writeFile(path.join(directory, 'INSTALLATION_COMPLETE'), '')
  }

  return folder
}
