import { useLayoutEffect, useRef } from 'preact/hooks'
import { useAction } from './hooks.ts'
import { Problem } from './notices.tsx'
import type { VNode } from 'preact'

interface RemoveDialogProps {
  name: string
  remove (): Promise<void>
  onClose (removed: boolean): void
}

export function RemoveDialog ({ name, remove, onClose }: RemoveDialogProps): VNode {
  const dialog = useRef<HTMLDialogElement>(null)
  const { pending, error, run } = useAction()

  useLayoutEffect(() => { dialog.current?.showModal() }, [])

  const confirm = async (): Promise<void> => {
    if (!pending && await run(remove)) {
      dialog.current?.close('removed')
    }
  }

  return (
    <dialog ref={dialog} aria-labelledby='remove-heading' onClose={event => { onClose(event.currentTarget.returnValue === 'removed') }}>
      <h2 id='remove-heading'>Remove <bdi>{name}</bdi>?</h2>
      <p>It is deleted here only: other peers that have it keep it. This tab does not take it from them again.</p>
      <Problem text={error} />
      <div class='actions'>
        {/* first, and so the one that has the focus */}
        <button type='button' onClick={() => { dialog.current?.close() }}>Keep it</button>
        <button type='button' class='danger' data-testid='confirm-remove' aria-disabled={pending} onClick={() => { void confirm() }}>
          {pending ? 'Removing…' : 'Remove'}
        </button>
      </div>
    </dialog>
  )
}
