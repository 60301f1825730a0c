import { useState } from 'preact/hooks'
import { useAction } from './hooks.ts'
import { Problem } from './notices.tsx'
import type { PageModel } from '../model.ts'
import type { VNode } from 'preact'

export function ConnectForm ({ ready, model }: { ready: boolean, model: PageModel }): VNode {
  const [text, setText] = useState('')
  const { pending, error, run } = useAction()

  const connect = async (event: Event): Promise<void> => {
    event.preventDefault()

    if (ready && !pending && text.trim() !== '' && await run(async () => model.connect(text.trim()))) {
      setText('')
    }
  }

  return (
    <form onSubmit={event => { void connect(event) }}>
      <div class='field'>
        <label for='connect'>Link or address of somebody else</label>
        <input
          id='connect'
          data-testid='connect-input'
          value={text}
          placeholder='https://… or /ip4/…'
          autocomplete='off'
          autocapitalize='off'
          spellcheck={false}
          disabled={!ready}
          aria-invalid={error != null}
          aria-describedby='connect-problem'
          onInput={event => { setText(event.currentTarget.value) }}
        />
        <button data-testid='connect-button' disabled={!ready} aria-disabled={pending}>{pending ? 'Connecting…' : 'Connect'}</button>
      </div>
      <Problem text={error} id='connect-problem' />
    </form>
  )
}
