import { useRef, useState } from 'preact/hooks'
import { FileRow } from './file-row.tsx'
import { formatBytes, plural } from './format.ts'
import { RemoveDialog } from './remove-dialog.tsx'
import { useShowMore } from './show-more.tsx'
import { sum } from './status.ts'
import type { FileEntry, PageModel } from '../model.ts'
import type { VNode } from 'preact'

interface FileListProps {
  files: FileEntry[]
  ready: boolean
  /** if blocks come that may be of files whose names have not come */
  coming: boolean
  model: PageModel
}

export function FileList ({ files, ready, coming, model }: FileListProps): VNode {
  const { shown, showMore } = useShowMore(files)
  const [removing, setRemoving] = useState<FileEntry>()
  const heading = useRef<HTMLHeadingElement>(null)

  return (
    <section class='files' aria-labelledby='files-heading'>
      <div class='heading'>
        <h2 id='files-heading' ref={heading} tabIndex={-1}>Files</h2>
        {files.length > 0 && <p class='figures'>{plural(sum(files, file => file.files ?? 1), 'file')}, {formatBytes(sum(files, file => file.size))}</p>}
      </div>
      {files.length === 0
        ? <p class='empty'>{emptyWords(ready, coming)}</p>
        : <ul>{shown.map(file => <FileRow key={file.cid} file={file} model={model} onRemove={setRemoving} />)}</ul>}
      {showMore}
      {removing != null && (
        <RemoveDialog
          name={removing.name}
          remove={async () => model.remove(removing.cid)}
          onClose={removed => {
            setRemoving(undefined)

            if (removed) {
              // the button that had the focus is gone with its row
              heading.current?.focus()
            }
          }}
        />
      )}
    </section>
  )
}

function emptyWords (ready: boolean, coming: boolean): string {
  if (!ready) {
    return 'Opening the store…'
  }

  return coming
    ? 'Blocks are coming. A file is listed when its name has come, which is sent after its content.'
    : 'Nothing here yet. What you add is listed here, and what other peers send as it comes.'
}
