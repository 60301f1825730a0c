import { DropZone } from './drop-zone.tsx'
import { FileList } from './file-list.tsx'
import { Header } from './header.tsx'
import { useAction, usePage, usePageDrop } from './hooks.ts'
import { Notices } from './notices.tsx'
import { OtherWays } from './other-ways.tsx'
import { PeerList } from './peer-list.tsx'
import { ShareBox } from './share-box.tsx'
import { StatusLine } from './status-line.tsx'
import { Transfers } from './transfers.tsx'
import type { PageModel } from '../model.ts'
import type { VNode } from 'preact'

export function Page ({ model }: { model: PageModel }): VNode {
  const state = usePage(model)
  const adding = useAction()
  const ready = state.status === 'ready'
  const add = (files: DataTransfer | FileList): void => { void adding.run(async () => model.add(files)) }
  const dragging = usePageDrop(ready, add)

  return (
    <div class='page'>
      <Header state={state} />
      <main>
        {!state.online && (
          <p class='banner' role='status' data-testid='offline'>
            This browser is offline. What is here stays usable.
          </p>
        )}
        <Notices notices={state.notices} model={model} />
        <StatusLine state={state} />
        {state.status === 'failed'
          ? <Failed problem={state.problem} />
          : (
            <div class='columns'>
              <div class='adding'>
                <DropZone ready={ready} empty={state.files.length + state.imports.length === 0} error={adding.error} onFiles={add} />
                <Transfers state={state} model={model} />
              </div>
              <div class='side'>
                <ShareBox link={state.share?.link} starting={!ready} online={state.online} />
                <PeerList state={state} model={model} />
                <OtherWays address={state.share?.address} server={state.share?.server} ready={ready} model={model} />
              </div>
              <FileList files={state.files} ready={ready} coming={state.peers.some(({ wanted, settled }) => wanted > settled)} model={model} />
            </div>
            )}
      </main>
      {dragging && <div class='dropping'><p>Drop to add</p></div>}
    </div>
  )
}

function Failed ({ problem }: { problem?: string }): VNode {
  return (
    <div class='failed' role='alert'>
      <p>{problem ?? 'The browser did not say why. Private windows and blocked site data are the usual reasons.'}</p>
      <button type='button' class='primary' onClick={() => { location.reload() }}>Try again</button>
    </div>
  )
}
