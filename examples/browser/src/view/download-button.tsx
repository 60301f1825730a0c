import { useAction } from './hooks.ts'
import { Problem } from './notices.tsx'
import type { PageModel } from '../model.ts'
import type { VNode } from 'preact'

interface DownloadButtonProps {
  cid: string
  name: string
  size: number
  model: PageModel
}

export function DownloadButton ({ cid, name, size, model }: DownloadButtonProps): VNode {
  const { pending, error, run } = useAction()

  const download = (): void => {
    if (!pending) {
      void run(async () => model.download(cid, name, size))
    }
  }

  return (
    <>
      <button type='button' class='quiet' data-testid='download' aria-disabled={pending} onClick={download}>
        Download<span class='hidden'> {name}</span>
      </button>
      <Problem text={error} />
    </>
  )
}
