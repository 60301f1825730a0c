import { ConnectForm } from './connect-form.tsx'
import { CopyField } from './copy-field.tsx'
import type { PageModel } from '../model.ts'
import type { VNode } from 'preact'

interface OtherWaysProps {
  address?: string
  server?: string
  ready: boolean
  model: PageModel
}

/**
 * For those who have no use for a link to a page, or have an address themselves
 */
export function OtherWays ({ address, server, ready, model }: OtherWaysProps): VNode {
  return (
    <section class='ways' aria-labelledby='ways-heading'>
      <h2 id='ways-heading'>Other ways to connect</h2>
      <ConnectForm ready={ready} model={model} />
      {address != null && (
        <CopyField label='Address of this peer' what='address' value={address} id='share-address' />
      )}
      {server != null && (
        <CopyField label='In a terminal' what='command' value={`hash-exchange sync ${server}`} id='share-command' />
      )}
    </section>
  )
}
