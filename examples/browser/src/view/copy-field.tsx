import { CopyButton } from './copy-button.tsx'
import type { VNode } from 'preact'

interface CopyFieldProps {
  label: string
  hideLabel?: boolean
  what: string
  value: string
  id: string
  primary?: boolean
}

export function CopyField ({ label, hideLabel, what, value, id, primary }: CopyFieldProps): VNode {
  return (
    <div class='field'>
      <label for={id} class={hideLabel === true ? 'hidden' : undefined}>{label}</label>
      <input id={id} data-testid={id} readOnly value={value} onFocus={event => { event.currentTarget.select() }} />
      <CopyButton text={value} what={what} class={primary === true ? 'primary' : undefined}>Copy</CopyButton>
    </div>
  )
}
