import { useEffect, useState } from 'preact/hooks'
import { shorten } from './format.ts'
import type { ComponentChildren, VNode } from 'preact'

interface CopyButtonProps {
  text: string
  /** 'link', 'address': what is copied, for those who hear the page */
  what: string
  class?: string
  children: ComponentChildren
}

export function CopyButton ({ text, what, class: className, children }: CopyButtonProps): VNode {
  const [state, setState] = useState<'idle' | 'copied' | 'by hand'>('idle')

  useEffect(() => {
    const timer = state === 'copied' ? setTimeout(() => { setState('idle') }, 2000) : undefined

    return () => { clearTimeout(timer) }
  }, [state])

  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      setState('copied')
    } catch {
      // not allowed, or not there: without https
      setState('by hand')
    }
  }

  return (
    <>
      <button type='button' class={`copy ${className ?? ''}`} data-copied={state === 'copied'} onClick={() => { void copy() }}>
        {/* both take the room of the wider, so that nothing moves */}
        <span>{children}<span class='hidden'> (copy {what})</span></span>
        <span aria-hidden='true'>Copied</span>
      </button>
      <span class='hidden' role='status'>{state === 'copied' ? `Copied the ${what}` : ''}</span>
      {state === 'by hand' && (
        <label class='by-hand'>
          The browser does not let this page copy: press Ctrl+C or ⌘C
          <input readOnly value={text} ref={input => { input?.select() }} onCopy={() => { setState('copied') }} />
        </label>
      )}
    </>
  )
}

interface CopyIdProps {
  id: string
  what: string
  short?: string
}

/**
 * A CID or peer ID, shortened, which copies all of it
 */
export function CopyId ({ id, what, short = shorten(id) }: CopyIdProps): VNode {
  return (
    <CopyButton text={id} what={what} class='id'>
      <code title={id}>{short}</code>
      <svg viewBox='0 0 16 16' aria-hidden='true'><path d='M6 6h7v7H6zM10 3H3v7' /></svg>
    </CopyButton>
  )
}
