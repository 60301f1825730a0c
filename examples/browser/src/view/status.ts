import { formatBytes, formatDuration, formatRate, plural } from './format.ts'
import { DROP } from './words.ts'
import type { PageState, PeerEntry, PeerStatus } from '../model.ts'

export interface Status {
  tone: 'idle' | 'busy' | 'good' | 'warning' | 'bad'
  /** changes seldom, as it is read out */
  text: string
  /** figures that change all the time */
  figures?: string
}

/**
 * Seconds until a peer's blocks are here: blocks are counted, bytes are what the rate is of
 */
export function secondsLeft ({ wanted, settled, received, rate }: PeerEntry): number | undefined {
  if (rate.received <= 0 || received.hashes === 0 || settled >= wanted) {
    return undefined
  }

  return (wanted - settled) * (received.bytes / received.hashes) / rate.received
}

/**
 * The page in one line
 */
export function statusOf (state: PageState): Status {
  const of = (status: PeerStatus): PeerEntry[] => state.peers.filter(peer => peer.state === status)
  const syncing = of('syncing')
  const synced = of('synced')

  if (state.status === 'starting') {
    return { tone: 'busy', text: 'Starting this peer' }
  }

  if (state.status === 'failed') {
    return { tone: 'bad', text: 'This peer could not start' }
  }

  if (syncing.length > 0) {
    return { tone: 'busy', text: `Syncing with ${plural(syncing.length, 'peer')}`, figures: syncFigures(syncing) }
  }

  if (state.imports.length > 0) {
    const bytes = sum(state.imports, entry => entry.total - entry.done)

    return { tone: 'busy', text: `Adding ${andOthers(state.imports)}`, figures: `${formatBytes(bytes)} left` }
  }

  if (synced.length > 0) {
    return { tone: 'good', text: `In sync with ${plural(synced.length, 'peer')}: ${inSync(state)}` }
  }

  if (!state.online) {
    return { tone: 'warning', text: 'Offline: peers are tried again when the network is back' }
  }

  for (const [status, tone, text] of PENDING) {
    const peers = of(status)

    if (peers.length > 0) {
      return { tone, text: `${text} ${andOthers(peers)}` }
    }
  }

  if (state.files.length === 0) {
    return { tone: 'idle', text: `Ready: ${DROP.toLowerCase()} files, or open a link that somebody gave you` }
  }

  return {
    tone: 'idle',
    text: state.share == null ? 'Ready, but others can’t reach this tab yet' : 'Ready: share the link, nobody is connected yet'
  }
}

const PENDING: Array<[PeerStatus, Status['tone'], string]> = [
  ['connecting', 'busy', 'Connecting to'],
  ['waiting', 'warning', 'Waiting for a direct connection to'],
  ['lost', 'warning', 'Lost the connection to'],
  ['failed', 'bad', 'No connection to']
]

function andOthers ([first, ...others]: Array<{ name: string }>): string {
  return others.length === 0 ? first.name : `${first.name} and ${plural(others.length, 'other')}`
}

function syncFigures (peers: PeerEntry[]): string {
  const wanted = sum(peers, peer => peer.wanted)
  const received = sum(peers, peer => peer.rate.received)
  const sent = sum(peers, peer => peer.rate.sent)
  const left = Math.max(...peers.map(peer => secondsLeft(peer) ?? 0))

  return [
    wanted > 0 ? `${sum(peers, peer => peer.settled)} of ${plural(wanted, 'block')}` : undefined,
    received > 0 ? `${formatRate(received)} in` : undefined,
    sent > 0 ? `${formatRate(sent)} out` : undefined,
    left > 0 ? `${formatDuration(left)} left` : undefined
  ].filter(part => part != null).join(' · ')
}

function inSync ({ blocks }: PageState): string {
  if (blocks.count === 0) {
    return 'neither side has anything yet'
  }

  if (blocks.verified === 0) {
    return `all ${plural(blocks.count, 'block')} are here and there`
  }

  return `${plural(blocks.verified, 'block')}, ${formatBytes(blocks.verifiedBytes)} verified`
}

export function sum<T> (entries: T[], value: (entry: T) => number): number {
  return entries.reduce((total, entry) => total + value(entry), 0)
}
