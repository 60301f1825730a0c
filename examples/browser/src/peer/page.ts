import { multiaddr } from '@multiformats/multiaddr'
import { blockStore } from 'libp2p-hash-exchange'
import { CID } from 'multiformats/cid'
import { importFiles } from '../import/import-files.ts'
import { linkTo, parseAddress } from './addresses.ts'
import { folderFiles } from './dag.ts'
import { collectDropped } from './dropped.ts'
import { explain } from './explain.ts'
import { Files } from './files.ts'
import { Link } from './link.ts'
import { createNode } from './node.ts'
import { saveFile } from './save.ts'
import { takeSlot } from './slot.ts'
import { isFull, measure, openStorage, persist } from './storage.ts'
import { WatchedBlockstore } from './watched-blockstore.ts'
import type { Dropped } from './dropped.ts'
import type { LinkInit } from './link.ts'
import type { Node } from './node.ts'
import type { FolderItem, Notice, PageModel, PageState } from '../model.ts'
import type { Store } from 'libp2p-hash-exchange'

const TICK_MS = 500

/**
 * How often the browser is asked how much space is used, in ms
 */
const MEASURE_MS = 5000

/**
 * With so much of the quota used the person is warned
 */
const FULL_SHARE = 0.9

/**
 * How many peers that have come by themselves are shown
 */
const MAX_PASSIVE = 50

const NOT_SECURE = 'Browsers allow what this page needs only over https, or from this machine (http://localhost). Open it there.'

interface ServerInfo {
  addresses: string[]
  iceServers: RTCIceServer[]
}

/**
 * The peer of this tab, and all that the page shows of it
 */
export class Page implements PageModel {
  readonly state: PageState = {
    status: 'starting',
    online: navigator.onLine,
    blocks: { count: 0, verified: 0, verifiedBytes: 0, rejected: 0 },
    files: [],
    imports: [],
    downloads: [],
    peers: [],
    notices: []
  }

  readonly #listeners = new Set<() => void>()
  readonly #links = new Map<string, Link>()
  // who was disconnected by the person, and may not come back by itself
  readonly #left = new Set<string>()
  // files are added and removed one after the other: they may share blocks
  #turn = Promise.resolve()
  readonly #running = new Map<string, AbortController>()
  readonly #ready = Promise.withResolvers<void>()
  #node?: Node
  #store?: Store
  #files?: Files
  // where the command line tool, which knows no WebRTC, gets the same
  #server?: string
  #told = false
  #count = 0

  constructor () {
    // told to those who wait for it
    this.#ready.promise.catch(() => {})
  }

  subscribe (listener: () => void): () => void {
    this.#listeners.add(listener)

    return () => { this.#listeners.delete(listener) }
  }

  /**
   * Opens the store, starts the peer, and goes to the server of the page and to the
   * peer in the link
   */
  async start (): Promise<void> {
    try {
      if (!isSecureContext) {
        throw new Error(NOT_SECURE)
      }

      await this.#start()
    } catch (err) {
      const problem = explain(err)

      Object.assign(this.state, { status: 'failed', problem })
      this.#ready.reject(new Error(problem))
      this.#change()
    }
  }

  async #start (): Promise<void> {
    const slot = await takeSlot()
    const { blockstore, datastore, kept } = await openStorage(slot)
    const files = this.#files = new Files(datastore, () => { this.#change() }, () => { this.#links.forEach(link => { link.restart() }) })
    const watched = new WatchedBlockstore(blockstore, (cid, bytes) => { files.onBlock(cid, bytes) })
    const store = this.#store = await blockStore({ blockstore: watched, datastore })

    await files.open(store)

    const server = await this.#serverInfo()
    const node = this.#node = await createNode({ store, datastore, iceServers: server.iceServers, want: hash => files.isWanted(hash), accept: peer => !this.#left.has(peer) })
    const { hashExchange } = node.services

    this.state.peer = { id: node.peerId.toString(), name: `tab ${slot}` }
    this.state.status = 'ready'
    this.#ready.resolve()

    store.addEventListener('put', () => { this.#change() })
    store.addEventListener('delete', () => { this.#change() })
    node.addEventListener('self:peer:update', () => { this.#share() })
    node.addEventListener('connection:open', () => { this.#links.forEach(link => { link.onConnection() }) })
    node.addEventListener('connection:close', () => { this.#links.forEach(link => { link.onConnection() }) })
    hashExchange.addEventListener('received', ({ detail: { bytes } }) => {
      this.state.blocks.verified++
      this.state.blocks.verifiedBytes += bytes
    })
    hashExchange.addEventListener('failed', ({ detail: { error } }) => {
      if (error.name === 'HashMismatchError') {
        this.state.blocks.rejected++
      }
    })
    hashExchange.addEventListener('exchange', ({ detail: { remotePeer } }) => {
      const id = remotePeer?.toString()

      if (remotePeer != null && id != null && this.#linkOf(id) == null && !this.#left.has(id) && this.#links.size < MAX_PASSIVE) {
        this.#link({ target: remotePeer, passive: true })
      }
    })

    addEventListener('online', () => { this.#onOnline() })
    addEventListener('offline', () => { this.#onOnline() })
    addEventListener('hashchange', () => { this.#openLink() })
    document.addEventListener('visibilitychange', () => { this.#hurry() })
    setInterval(() => { this.#tick() }, TICK_MS)
    setInterval(() => { this.#measure(kept) }, MEASURE_MS)

    this.#measure(kept)
    this.#check()

    if (server.addresses.length > 0) {
      this.#server = server.addresses[0]
      this.#link({ target: multiaddr(server.addresses[0]), name: 'the server of this page' })
    }

    this.#openLink()
    this.#change()
  }

  // PageActions

  async add (from: DataTransfer | FileList): Promise<void> {
    const found = await collectDropped(from)

    // files may be dropped as soon as there is a page
    await this.#ready.promise
    await persist()

    for (const dropped of found) {
      await this.#takeTurn(async () => this.#import(dropped))
    }
  }

  cancelImport (id: string): void {
    this.#running.get(id)?.abort(new Error('Adding it was cancelled.'))
  }

  async connect (text: string): Promise<void> {
    const address = parseAddress(text)
    const id = address.getComponents().findLast(({ name }) => name === 'p2p')?.value

    if (id === this.state.peer?.id) {
      throw new Error('That is this tab. Open the link in another tab or browser, or give it to somebody else.')
    }

    const known = id == null ? undefined : this.#linkOf(id)

    this.#left.delete(id ?? '')

    if (known == null) {
      this.#link({ target: address })
    } else {
      known.retry()
    }
  }

  disconnect (peer: string): void {
    const link = this.#linkOf(peer)

    this.#left.add(peer)
    link?.end()
    this.#forget(link)
    this.#node?.getPeers().filter(id => id.toString() === peer).forEach(id => { this.#node?.hangUp(id).catch(() => {}) })
  }

  retry (peer: string): void {
    this.#linkOf(peer)?.retry()
  }

  async download (cid: string, name: string, size: number): Promise<void> {
    const id = `download-${this.#count++}`
    const entry = { id, name, done: 0, total: size }
    const controller = new AbortController()

    this.#running.set(id, controller)
    this.state.downloads = [...this.state.downloads, entry]
    this.#change()

    try {
      await saveFile(this.#store as Store, cid, name, {
        signal: controller.signal,
        onRead: bytes => {
          entry.done += bytes
          this.#change()
        }
      })
    } catch (err) {
      if (!controller.signal.aborted) {
        this.#notify('error', `${name} could not be saved: ${explain(err)}`)
      }
    } finally {
      this.#running.delete(id)
      this.state.downloads = this.state.downloads.filter(other => other !== entry)
      this.#change()
    }
  }

  cancelDownload (id: string): void {
    this.#running.get(id)?.abort()
  }

  async folder (cid: string): Promise<FolderItem[]> {
    return folderFiles(this.#store as Store, CID.parse(cid))
  }

  async remove (cid: string): Promise<void> {
    await this.#takeTurn(async () => this.#files?.remove(cid))
    this.#hurry()
  }

  dismiss (notice: string): void {
    this.state.notices = this.state.notices.filter(({ id }) => id !== notice)
    this.#change()
  }

  async #takeTurn (does: () => Promise<void> | undefined): Promise<void> {
    const done = this.#turn.then(does)

    this.#turn = done.catch(() => {})
    await done
  }

  async #import ({ name, folder, items, bytes }: Dropped): Promise<void> {
    const id = `import-${this.#count++}`
    const entry = { id, name, done: 0, total: bytes, files: { done: 0, total: items.length } }
    const controller = new AbortController()
    const files = this.#files as Files
    const store = this.#store as Store
    const stored: string[] = []

    this.#running.set(id, controller)
    this.state.imports = [...this.state.imports, entry]
    this.#change()

    try {
      const { cid, size } = await importFiles(store, name, items, {
        signal: controller.signal,
        onRead: (bytes, files) => {
          entry.done = bytes
          entry.files.done = files
          this.#change()
        },
        onNew: async hash => {
          stored.push(hash)
          await files.allow(hash)
        }
      })

      await files.add({ cid: cid.toString(), name, size, added: Date.now(), ...(folder ? { files: items.length } : {}) })
    } catch (err) {
      this.#notify('error', isFull(err)
        ? `${name} could not be added: this browser gives no more space. Remove files here, or free space on this device, then add it again.`
        : `${name} could not be added: ${explain(err)}`)
      // a part of it is of no use
      await files.discard(stored).catch(err => { this.#notify('warning', `What was stored of ${name} could not be removed: ${explain(err)}`) })
    } finally {
      this.#running.delete(id)
      this.state.imports = this.state.imports.filter(other => other !== entry)
      this.#change()
    }
  }

  #link (init: Pick<LinkInit, 'target' | 'name' | 'passive'>): void {
    const link = new Link({
      ...init,
      node: this.#node as Node,
      onChange: () => { this.#change() },
      onSynced: () => { this.#check() }
    })

    this.#links.set(link.entry.id, link)
    link.run().catch(err => { this.#notify('error', explain(err)) }).finally(() => { this.#forget(link) })
    this.#change()
  }

  #forget (link?: Link): void {
    this.#links.forEach((other, key) => {
      if (other === link) {
        this.#links.delete(key)
      }
    })
    this.#change()
  }

  #linkOf (peer: string): Link | undefined {
    return [...this.#links.values()].find(({ entry }) => entry.id === peer)
  }

  #openLink (): void {
    if (location.hash.length > 1) {
      this.connect(location.hash).catch(err => { this.#notify('error', explain(err)) })
    }
  }

  /**
   * What others need to come here
   */
  #share (): void {
    const own = this.#node?.getMultiaddrs().find(address => address.getComponents().some(({ name }) => name === 'webrtc'))

    this.state.share = own == null ? undefined : { link: linkTo(own), address: own.toString(), server: this.#server }
    this.#change()
  }

  async #serverInfo (): Promise<ServerInfo> {
    try {
      const response = await fetch('server.json')

      if (response.ok) {
        return await response.json()
      }
    } catch {
      // told below
    }

    this.#notify('warning', 'This page has no server, so others can\'t be told how to reach this tab. Start it with "npm run demo", or connect to a peer by its address.')
    return { addresses: [], iceServers: [] }
  }

  #measure (kept: boolean): void {
    // one that cannot tell shows nothing, which is what there is to know
    this.#measured(kept).catch(() => {})
  }

  async #measured (kept: boolean): Promise<void> {
    const measured = await measure()

    if (measured != null) {
      const full = measured.used > measured.quota * FULL_SHARE

      if (full && (this.state.storage == null || this.state.storage.used <= this.state.storage.quota * FULL_SHARE)) {
        this.#notify('warning', 'This browser has little space left for this page. Remove files that others have as well.')
      }

      this.state.storage = { ...measured, kept: kept && await navigator.storage.persisted() }
      this.#change()
    }
  }

  #onOnline (): void {
    this.state.online = navigator.onLine
    this.#change()
    this.#hurry()
  }

  /**
   * The tab is seen again, or online: what waits is tried now
   */
  #hurry (): void {
    if (navigator.onLine && document.visibilityState === 'visible') {
      this.#links.forEach(link => {
        if (link.entry.state === 'lost') {
          link.retry()
        }
      })
    }
  }

  #tick (): void {
    this.#links.forEach(link => { link.tick() })
    this.#share()

    if (this.state.files.some(({ complete }) => !complete) && this.state.peers.some(({ state }) => state === 'syncing')) {
      this.#check()
    }
  }

  #check (): void {
    this.#files?.check().catch(err => { this.#notify('error', `What is here of the files could not be read: ${explain(err)}`) })
  }

  #notify (kind: Notice['kind'], text: string): void {
    if (!this.state.notices.some(notice => notice.text === text)) {
      this.state.notices = [...this.state.notices, { id: `notice-${this.#count++}`, kind, text }]
      this.#change()
    }
  }

  #change (): void {
    if (!this.#told) {
      this.#told = true
      requestAnimationFrame(() => { this.#tell() })
    }
  }

  #tell (): void {
    this.#told = false
    this.state.blocks.count = this.#store?.size ?? 0
    this.state.files = this.#files?.entries ?? []
    this.state.peers = Array.from(new Set(this.#links.values()), ({ entry }) => entry)
    this.#listeners.forEach(listener => { listener() })
  }
}
