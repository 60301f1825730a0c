/**
 * What the page shows and what it can be told: the peer is on one side of this, the view on the other
 */

export interface PageState {
  /**
   * 'failed' when no store or no node could be made: `problem` says why and what to do
   */
  status: 'starting' | 'ready' | 'failed'
  problem?: string

  /**
   * This peer. `name` is 'tab 1', 'tab 2', ...: each tab of one browser is a peer of its own, with a store of its own
   */
  peer?: { id: string, name: string }

  /**
   * What to give to others, once others can reach this peer: a link to this page, and the address alone
   */
  share?: {
    link: string
    address: string
    /** where the command line tool, which knows no WebRTC, gets the same */
    server?: string
  }

  /**
   * What the browser says of its network
   */
  online: boolean

  /**
   * Bytes. `kept` is false in private windows and where the browser may throw things away when space is short
   */
  storage?: { used: number, quota: number, kept: boolean }

  /**
   * Blocks in the store, and how many of them were received since the page was opened. Each of those was checked
   * against its hash before it was stored.
   */
  blocks: {
    count: number
    verified: number
    rejected: number
    /** bytes of those verified */
    verifiedBytes: number
  }

  /**
   * The newest first
   */
  files: FileEntry[]

  imports: ImportEntry[]
  downloads: DownloadEntry[]
  peers: PeerEntry[]

  /**
   * What the person should know, until it is dismissed
   */
  notices: Notice[]
}

export interface FileEntry {
  cid: string
  name: string
  /** bytes */
  size: number
  /** how many files, if this is a folder */
  files?: number
  /** milliseconds since 1970 */
  added: number
  /** bytes of it that are here; less than size while it is on its way */
  here: number
  complete: boolean
}

export interface FolderItem {
  path: string
  cid: string
  size: number
}

export interface ImportEntry {
  id: string
  name: string
  /** bytes */
  done: number
  total: number
  /** of files */
  files: { done: number, total: number }
}

export interface DownloadEntry {
  id: string
  name: string
  done: number
  total: number
}

export interface PeerEntry {
  /** address without the peer's ID where that is not known */
  id: string
  /** 'the server of this page', or the last characters of the ID */
  name: string
  transport?: 'WebRTC' | 'WebSockets' | 'relayed' | 'other'
  state: PeerStatus
  /** what went wrong and what to do, where state is 'failed' or 'waiting' */
  problem?: string
  /** when it is tried again: milliseconds since 1970 */
  retryAt?: number
  received: Totals
  sent: Totals
  /** blocks: of those that the other side has and this one lacked, how many are here */
  wanted: number
  settled: number
  /** bytes per second, received and sent */
  rate: { received: number, sent: number }
}

/**
 * connecting; waiting: only a relay connects both, waiting for a direct connection; syncing; synced: both sides have
 * the same; lost: will be tried again; failed: will not
 */
export type PeerStatus = 'connecting' | 'waiting' | 'syncing' | 'synced' | 'lost' | 'failed'

export interface Totals { hashes: number, bytes: number }

export interface Notice {
  id: string
  kind: 'error' | 'warning' | 'info'
  text: string
}

export interface PageActions {
  /** what was dropped or chosen */
  add (files: DataTransfer | FileList): Promise<void>
  cancelImport (id: string): void
  /** an address, or a link to such a page. Throws with a sentence for the person */
  connect (text: string): Promise<void>
  disconnect (peer: string): void
  retry (peer: string): void
  /** saves a file; of a folder only one of its files at a time */
  download (cid: string, name: string, size: number): Promise<void>
  cancelDownload (id: string): void
  folder (cid: string): Promise<FolderItem[]>
  /** from this store; peers that still have it would offer it again, so it is refused from then on */
  remove (cid: string): Promise<void>
  dismiss (notice: string): void
}

/**
 * The state, and who wants to know when it changes: called at most once a frame
 */
export interface PageModel extends PageActions {
  readonly state: PageState
  subscribe (listener: () => void): () => void
}
