import { formatBytes, formatCount, plural } from './format.ts'
import { ProgressBar } from './progress-bar.tsx'
import type { PageModel, PageState } from '../model.ts'
import type { VNode } from 'preact'

/**
 * What is being added, and what is being saved
 */
export function Transfers ({ state: { imports, downloads }, model }: { state: PageState, model: PageModel }): VNode | null {
  if (imports.length + downloads.length === 0) {
    return null
  }

  return (
    <ul class='transfers' aria-label='Being added and saved'>
      {imports.map(({ id, name, done, total, files }) => (
        <li key={`import ${id}`} data-testid='import-row'>
          <Transfer verb='Adding' name={name} done={done} total={total} onCancel={() => { model.cancelImport(id) }}>
            {files.total > 1 && `${formatCount(files.done)} of ${plural(files.total, 'file')} · `}
          </Transfer>
        </li>
      ))}
      {downloads.map(({ id, name, done, total }) => (
        <li key={`download ${id}`} data-testid='download-row'>
          <Transfer verb='Saving' name={name} done={done} total={total} onCancel={() => { model.cancelDownload(id) }} />
        </li>
      ))}
    </ul>
  )
}

interface TransferProps {
  verb: string
  name: string
  done: number
  total: number
  children?: string | false
  onCancel (): void
}

function Transfer ({ verb, name, done, total, children, onCancel }: TransferProps): VNode {
  return (
    <>
      <p class='name'>{verb} <bdi>{name}</bdi></p>
      <button type='button' class='quiet' onClick={onCancel}>Cancel<span class='hidden'> {name}</span></button>
      <ProgressBar label={`${verb} ${name}`} done={done} total={total} />
      <p class='figures'>{children}{formatBytes(done)}{total > 0 && ` of ${formatBytes(total)}`}</p>
    </>
  )
}
