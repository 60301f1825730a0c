import { CopyField } from './copy-field.tsx'
import type { VNode } from 'preact'

interface ShareBoxProps {
  link?: string
  starting: boolean
  online: boolean
}

export function ShareBox ({ link, starting, online }: ShareBoxProps): VNode {
  return (
    <section class='share' aria-labelledby='share-heading'>
      <h2 id='share-heading'>Share this link</h2>
      {link == null
        ? <p class='empty'>{whyNone(starting, online)}</p>
        : (
          <>
            <CopyField label='Link' hideLabel what='link' value={link} id='share-link' primary />
            <p class='hint'>Who opens it gets what is here, and adds what they have. Keep this tab open meanwhile.</p>
          </>
          )}
    </section>
  )
}

function whyNone (starting: boolean, online: boolean): string {
  if (starting) {
    return 'There is a link as soon as this peer has started.'
  }

  return online
    ? 'No link yet: others can’t reach this tab so far. It keeps trying to reach a server that connects them.'
    : 'No link while this browser is offline.'
}
