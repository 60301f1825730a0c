import type { Notice, PageModel } from '../model.ts'
import type { VNode } from 'preact'

export function Notices ({ notices, model }: { notices: Notice[], model: PageModel }): VNode {
  return (
    <>
      {notices.map(({ id, kind, text }) => (
        <div class='notice' data-kind={kind} role={kind === 'error' ? 'alert' : 'status'} data-testid='notice' key={id}>
          <p>{text}</p>
          <button type='button' class='quiet' onClick={() => { model.dismiss(id) }}>Dismiss</button>
        </div>
      ))}
    </>
  )
}

/**
 * What an action was rejected with, where it was started
 */
export function Problem ({ text, id }: { text?: string, id?: string }): VNode | null {
  return text == null ? null : <p class='problem' role='alert' id={id}>{text}</p>
}
