import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect } from 'aegir/chai'
import { servePage } from '../server/page.ts'
import { startRelay } from '../server/relay.ts'
import { launchChromium } from './fixtures/chromium.ts'
import { writeFolder, writeSample } from './fixtures/samples.ts'
import { Tab } from './fixtures/tab.ts'
import type { PrivateKey } from '@libp2p/interface'
import type { Browser, BrowserContext } from 'playwright-core'

const TOOL = fileURLToPath(new URL('../../../cli/bin/hash-exchange.js', import.meta.url))

/**
 * Where to keep pictures of the main states, to look at them
 */
const { SCREENSHOTS } = process.env

const MB = 1_000_000

/**
 * A file that takes a while, larger in the long form of the tests, and what a tab may take while it goes through it,
 * which Chromium measures itself
 */
const [LARGE_BYTES, MAX_TAB_BYTES] = process.env.LONG != null ? [200 * MB, 120 * MB] : [100 * MB, 60 * MB]

const run = promisify(execFile)

async function sha256 (path: string): Promise<string> {
  const hash = createHash('sha256')

  for await (const chunk of createReadStream(path)) {
    hash.update(chunk)
  }

  return hash.digest('hex')
}

describe('the page', function () {
  this.timeout(600_000)

  let browser: Browser
  let folder: string
  let privateKey: PrivateKey
  let server: Awaited<ReturnType<typeof startRelay>>
  let site: Awaited<ReturnType<typeof servePage>>
  let contexts: BrowserContext[] = []
  let tabs: Tab[] = []

  /**
   * A tab in a browser of its own
   */
  async function open (url = site.url, options: Parameters<Browser['newContext']>[0] = {}): Promise<Tab> {
    const context = await browser.newContext(options)

    contexts.push(context)
    return openIn(context, url)
  }

  async function openIn (context: BrowserContext, url = site.url): Promise<Tab> {
    const tab = await Tab.open(context, url)

    tabs.push(tab)
    return tab
  }

  async function picture (tab: Tab, name: string): Promise<void> {
    if (SCREENSHOTS != null) {
      await tab.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
    }
  }

  before(async () => {
    browser = await launchChromium()
    folder = await mkdtemp(join(tmpdir(), 'hash-exchange-page-'))
  })

  after(async () => {
    await browser.close()
    await rm(folder, { recursive: true })
  })

  beforeEach(async () => {
    privateKey = await generateKeyPair('Ed25519')
    server = await startRelay({ privateKey })
    site = await servePage({ addresses: server.node.getMultiaddrs().map(address => address.toString()) })
  })

  afterEach(async () => {
    const errors = tabs.flatMap(({ errors }) => errors)

    await Promise.all(contexts.map(async context => context.close()))
    await Promise.all([site.close(), server.node.stop()])
    contexts = []
    tabs = []

    expect(errors).to.be.empty()
  })

  it(`converges: two tabs, of which one is loaded again midway, a server and the tool, on 200 files and one of ${LARGE_BYTES / MB} MB`, async () => {
    const large = join(folder, 'large.bin')
    const small = join(folder, '200 files')
    const hash = await writeSample(large, LARGE_BYTES)
    await writeFolder(small, 200)

    const a = await open()
    const link = await a.link()

    await picture(a, 'empty')
    const memory = [a.watchMemory()]

    await a.add(large)
    await a.page.getByTestId('import-row').waitFor()
    await picture(a, 'adding')

    const b = await open(link)

    await b.grownTo(40)
    await picture(b, 'syncing')

    const before = await b.blocks()

    await b.page.reload()
    await b.peers('synced').or(b.peers('syncing')).first().waitFor()
    memory.push(b.watchMemory())
    await a.addFolder(small)

    for (const tab of [a, b]) {
      await tab.has('large.bin')
      await tab.has('200 files')
      await tab.inSyncWith(2)
    }

    const total = await a.blocks()

    // nothing is lost, and nothing is fetched again but what was on its way
    expect(await b.blocks()).to.equal(total)
    expect(server.store.size).to.equal(total)
    expect(before).to.be.below(total)
    expect(await b.verified()).to.be.at.most(total - before)
    expect(await b.peers('synced', 'WebRTC').count()).to.equal(1)
    expect(await b.peers('synced', 'WebSockets').count()).to.equal(1)
    await picture(a, 'in sync')
    await picture(b, 'in sync after reload')

    for (const bytes of await Promise.all(memory.map(async stop => stop()))) {
      expect(bytes).to.be.within(1, MAX_TAB_BYTES)
    }

    // all of it back, from the tab
    expect(await sha256(await b.download('large.bin'))).to.equal(hash)

    // and by the command line
    const repo = join(folder, 'repo')
    const copy = join(folder, 'copy')

    await run(process.execPath, [TOOL, 'init', '--repo', repo])
    await run(process.execPath, [TOOL, 'sync', server.node.getMultiaddrs()[0].toString(), '--repo', repo])
    await run(process.execPath, [TOOL, 'get', await b.cid('200 files'), '-o', copy, '--repo', repo])

    const names = (await readdir(small, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())
    expect(names).to.have.length(200)

    for (const { parentPath, name } of names) {
      expect(await readFile(join(parentPath.replace(small, copy), name))).to.deep.equal(await readFile(join(parentPath, name)))
    }
  })

  it('goes from tab to tab over WebRTC when the server has done its part', async () => {
    const file = join(folder, 'direct.bin')
    const hash = await writeSample(file, 10 * MB)
    const a = await open()
    const b = await open(await a.link())

    await b.peers('synced', 'WebRTC').waitFor()
    await b.disconnectFrom('WebSockets')
    await a.disconnectFrom('WebSockets')
    await a.add(file)
    await b.has('direct.bin')

    expect(await b.verified()).to.equal(await a.blocks())
    expect(server.store.size).to.equal(0)
    expect(await sha256(await b.download('direct.bin'))).to.equal(hash)
  })

  it('goes on when the server comes back, and says what is the matter meanwhile', async () => {
    const { node, store } = server
    const listen = node.getMultiaddrs().map(address => address.toString().replace(/\/p2p\/.*$/, ''))
    const file = join(folder, 'late.bin')
    await writeSample(file, MB)

    const a = await open()
    await a.inSyncWith(1)
    await server.node.stop()
    await a.peers('lost').waitFor()
    await picture(a, 'lost')

    await a.add(file)
    await a.has('late.bin')
    server = await startRelay({ store, privateKey, listen })
    await a.inSyncWith(1)
    expect(store.size).to.equal(await a.blocks())

    await contexts[0].setOffline(true)
    await a.page.getByTestId('offline').waitFor()
    await contexts[0].setOffline(false)
    await a.page.getByTestId('offline').waitFor({ state: 'detached' })
  })

  it('keeps what it has when it is closed, and is another peer in another tab', async () => {
    const file = join(folder, 'kept.bin')
    const hash = await writeSample(file, MB)
    const first = await open()
    const [context] = contexts

    // as this one is a private window
    await first.page.getByText('This browser may delete what is stored here').waitFor()

    await first.add(file)
    await first.has('kept.bin')

    const second = await openIn(context, await first.link())
    await second.has('kept.bin')
    await second.inSyncWith(2)
    expect(await second.page.getByText('tab 2', { exact: true }).count()).to.equal(1)

    await first.page.close()
    await server.node.stop()

    const again = await openIn(context)
    await again.has('kept.bin')
    expect(await again.verified()).to.equal(0)
    expect(await sha256(await again.download('kept.bin'))).to.equal(hash)
  })

  it('tells in words when the browser has no space left', async () => {
    const file = join(folder, 'much.bin')
    await writeSample(file, 15 * MB)

    const a = await open()

    await a.inSyncWith(1)
    await a.limitSpace(5 * MB)
    await a.add(file)
    await a.page.getByTestId('notice').filter({ hasText: 'much.bin could not be added: this browser gives no more space. Remove files here' }).waitFor()
    await picture(a, 'full')
    // nothing is left of it
    await a.shrunkTo(0)

    // one that has it does not fit either
    const b = await open()
    await b.add(file)
    await b.has('much.bin')
    await a.peers('failed').filter({ hasText: 'no more space' }).waitFor()

    await a.limitSpace(Infinity)
    await a.peers('failed').getByRole('button', { name: /try again|retry/i }).click()
    await a.has('much.bin')
  })

  it('tells in words what is wrong with an address', async () => {
    const a = await open()

    await a.inSyncWith(1)

    await a.connect('hello')
    await a.page.getByText('That is no link to a page like this one, and no address.').waitFor()
    await a.connect(await a.link())
    await a.page.getByText('That is this tab.').waitFor()
    await a.connect('/ip4/127.0.0.1/tcp/10001/ws/p2p/12D3KooWEhYacYzHt7bFnT1T8dSNZdQ55Cbjr6qR6X2o5Xvw5ukn')
    await a.peers('lost').filter({ hasText: 'could be reached' }).waitFor()
    await picture(a, 'unreachable')
  })

  it('is used by the keyboard alone, and fits a phone', async () => {
    const file = join(folder, 'a rather long name of a file that does not fit into one line of a phone.bin')
    await writeSample(file, 1000)

    const a = await open(site.url, { viewport: { width: 320, height: 640 }, colorScheme: 'dark' })
    const { page } = a

    await a.add(file)
    await a.has('a rather long name')
    await a.inSyncWith(1)
    await picture(a, 'phone')
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).to.equal(320)

    await a.focusByKeyboard('Remove')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await a.has('a rather long name')

    await a.focusByKeyboard('Remove')
    await page.keyboard.press('Enter')
    await page.getByTestId('confirm-remove').focus()
    await page.keyboard.press('Enter')
    await a.file('a rather long name').waitFor({ state: 'detached' })

    // the server still has it, and it does not come back
    expect(server.store.size).to.equal(2)
    await page.reload()
    await a.inSyncWith(1)
    expect(await a.files.count()).to.equal(0)
  })
})
