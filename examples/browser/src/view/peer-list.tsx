import { plural } from './format.ts'
import { PeerRow } from './peer-row.tsx'
import type { PageModel, PageState } from '../model.ts'
import type { VNode } from 'preact'

export function PeerList ({ state, model }: { state: PageState, model: PageModel }): VNode {
  const { peers, blocks } = state

  return (
    <section class='peers' aria-labelledby='peers-heading'>
      <div class='heading'>
        <h2 id='peers-heading'>See who has it</h2>
        {peers.length > 0 && <p class='figures'>{plural(peers.length, 'peer')}</p>}
      </div>
      {peers.length === 0
        ? <p class='empty'>Nobody yet. Open the link in another tab or browser, and it appears here.</p>
        : <ul>{peers.map(peer => <PeerRow key={peer.id} peer={peer} model={model} />)}</ul>}
      {blocks.verified + blocks.rejected > 0 && (
        <p class='hint'>
          {plural(blocks.verified, 'received block')} checked against {blocks.verified === 1 ? 'its hash' : 'their hashes'}
          {blocks.rejected > 0 ? `, and ${plural(blocks.rejected, 'block')} rejected: not what was asked for, so not stored.` : ', none rejected.'}
        </p>
      )}
    </section>
  )
}
