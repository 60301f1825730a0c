import { CopyId } from './copy-button.tsx'
import { formatBytes, plural } from './format.ts'
import { DROP } from './words.ts'
import type { PageState } from '../model.ts'
import type { VNode } from 'preact'

export function Header ({ state: { peer, storage, blocks, status } }: { state: PageState }): VNode {
  return (
    <header>
      <div class='bar'>
        <p class='brand'>
          <svg viewBox='0 0 24 24' aria-hidden='true'><path d='M9 4v16M15 4v16M4 9h16M4 15h16' /></svg>
          hash-exchange
        </p>
        {peer != null && (
          <div class='self'>
            <strong>{peer.name}</strong>
            {/* as others see it */}
            <CopyId id={peer.id} what='ID of this peer' short={`…${peer.id.slice(-8)}`} />
          </div>
        )}
      </div>
      <div class='intro'>
        <div>
          <h1>{DROP} files, share the link, see who has them.</h1>
          <p>This tab is a peer with a store of its own. What it receives is checked against its hash before it is kept.</p>
        </div>
        {status === 'ready' && (
          <div class='store'>
            <p>
              <span>{plural(blocks.count, 'block')} here</span>
              {storage != null && <span>{formatBytes(storage.used)} of {formatBytes(storage.quota)}</span>}
            </p>
            {storage != null && (
              <meter min={0} max={storage.quota} high={storage.quota * 0.9} optimum={0} value={storage.used} aria-label='Storage used' />
            )}
            {storage?.kept === false && (
              <p class='hint'>This browser may delete what is stored here: it is a private window, or space is short.</p>
            )}
          </div>
        )}
      </div>
    </header>
  )
}
