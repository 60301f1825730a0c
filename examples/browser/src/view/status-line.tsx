import { statusOf } from './status.ts'
import type { PageState } from '../model.ts'
import type { VNode } from 'preact'

/**
 * The figures are beside what is read out: they change too often for that
 */
export function StatusLine ({ state }: { state: PageState }): VNode {
  const { tone, text, figures } = statusOf(state)

  return (
    <div class='status' data-tone={tone}>
      <p role='status' aria-live='polite' data-testid='status-line' data-blocks={state.blocks.count} data-verified={state.blocks.verified}>{text}</p>
      {figures != null && figures !== '' && <p class='figures'>{figures}</p>}
    </div>
  )
}
