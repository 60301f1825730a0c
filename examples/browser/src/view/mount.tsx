import { render } from 'preact'
import { Page } from './page.tsx'
import type { PageModel } from '../model.ts'

/**
 * Shows the page in the element. Returns what takes it away again.
 */
export function mount (element: HTMLElement, model: PageModel): () => void {
  render(<Page model={model} />, element)

  return () => { render(null, element) }
}
