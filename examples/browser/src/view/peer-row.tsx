import { formatBytes, formatDuration, formatRate, formatCount, plural } from './format.ts'
import { useSecondsUntil } from './hooks.ts'
import { Problem } from './notices.tsx'
import { ProgressBar } from './progress-bar.tsx'
import { secondsLeft } from './status.ts'
import type { PageModel, PeerEntry, PeerStatus, Totals } from '../model.ts'
import type { VNode } from 'preact'

const LEAVE: Partial<Record<PeerStatus, string>> = { connecting: 'Cancel', lost: 'Forget', failed: 'Forget' }

export function PeerRow ({ peer, model }: { peer: PeerEntry, model: PageModel }): VNode {
  const { id, name, transport, state, problem, received, sent, wanted, settled, rate } = peer
  const syncing = state === 'syncing'
  const moved = syncing || state === 'synced' || received.hashes + sent.hashes > 0
  const ended = state === 'lost' || state === 'failed'

  return (
    <li class='peer' data-testid='peer-row' data-peer={id} data-state={state} data-transport={transport}>
      <div>
        <p class='name' title={id}><bdi>{name}</bdi></p>
        <button type='button' class='quiet' onClick={() => { model.disconnect(id) }}>
          {LEAVE[state] ?? 'Disconnect'}<span class='hidden'> {name}</span>
        </button>
      </div>
      <div>
        <p class='state'><StateWords peer={peer} /></p>
        {transport != null && <span class='transport'>{transport}</span>}
      </div>
      {syncing && <ProgressBar label={`Syncing with ${name}`} done={settled} total={wanted > settled ? wanted : 0} />}
      {problem != null && (state === 'failed' ? <Problem text={problem} /> : <p class='hint'>{problem}</p>)}
      {moved && (
        <dl>
          <Direction name='Received' totals={received} rate={syncing ? rate.received : 0} of={syncing ? { settled, wanted } : undefined} />
          <Direction name='Sent' totals={sent} rate={syncing ? rate.sent : 0} />
        </dl>
      )}
      {ended && <button type='button' onClick={() => { model.retry(id) }}>Try again<span class='hidden'> {name}</span></button>}
    </li>
  )
}

function StateWords ({ peer }: { peer: PeerEntry }): VNode {
  const seconds = useSecondsUntil(peer.state === 'lost' ? peer.retryAt : undefined)
  const left = secondsLeft(peer)

  switch (peer.state) {
    case 'connecting': return <>Connecting…</>
    case 'waiting': return <>Waiting for a direct connection</>
    case 'syncing': return <>Syncing{left != null && `, ${formatDuration(left)} left`}</>
    case 'synced': return <>In sync</>
    case 'lost': return <>Lost{peer.retryAt != null && (seconds > 0 ? `, trying again in ${seconds} s` : ', trying again')}</>
    default: return <>Stopped</>
  }
}

interface DirectionProps {
  name: string
  totals: Totals
  rate: number
  of?: { settled: number, wanted: number }
}

function Direction ({ name, totals, rate, of }: DirectionProps): VNode {
  const blocks = totals.hashes === 0 ? 'nothing' : plural(totals.hashes, 'block')

  return (
    <div>
      <dt>{name}</dt>
      <dd>{of != null && of.wanted > 0 ? `${formatCount(of.settled)} of ${plural(of.wanted, 'block')}` : blocks}</dd>
      <dd>{totals.bytes > 0 && formatBytes(totals.bytes)}</dd>
      <dd>{rate > 0 && formatRate(rate)}</dd>
    </div>
  )
}
