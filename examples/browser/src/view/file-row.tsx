import { useMemo, useState } from 'preact/hooks'
import { CopyId } from './copy-button.tsx'
import { DownloadButton } from './download-button.tsx'
import { FolderItems } from './folder-items.tsx'
import { formatBytes, plural } from './format.ts'
import { ProgressBar } from './progress-bar.tsx'
import type { FileEntry, PageModel } from '../model.ts'
import type { VNode } from 'preact'

interface FileRowProps {
  file: FileEntry
  model: PageModel
  onRemove (file: FileEntry): void
}

/**
 * Rendered again only if the file has changed: the page is at each frame while blocks come
 */
export function FileRow ({ file, model, onRemove }: FileRowProps): VNode {
  return useMemo(
    () => <Row file={file} model={model} onRemove={onRemove} />,
    [file.cid, file.name, file.size, file.files, file.here, file.complete, model]
  )
}

function Row ({ file, model, onRemove }: FileRowProps): VNode {
  const { cid, name, size, files, here, complete } = file
  const [open, setOpen] = useState(false)

  return (
    <li class='file' data-testid='file-row' data-cid={cid} data-complete={complete}>
      <div class='entry'>
        {files == null
          ? <p class='name' title={name}><bdi>{name}</bdi></p>
          : (
            <button type='button' class='name folder' title={name} aria-expanded={open} onClick={() => { setOpen(!open) }}>
              <svg viewBox='0 0 16 16' aria-hidden='true'><path d='m6 3 5 5-5 5' /></svg>
              <bdi>{name}</bdi>
            </button>
            )}
        <p class='figures'>
          {files != null && `${plural(files, 'file')} · `}
          {complete ? formatBytes(size) : `${formatBytes(here)} of ${formatBytes(size)} here`}
        </p>
        <div class='actions'>
          <CopyId id={cid} what={`CID of ${name}`} />
          {files == null && complete && <DownloadButton cid={cid} name={name} size={size} model={model} />}
          <button type='button' class='quiet' onClick={() => { onRemove(file) }}>Remove<span class='hidden'> {name}</span></button>
        </div>
        {!complete && <ProgressBar label={`${name}, what is here`} done={here} total={size} />}
      </div>
      {open && <FolderItems cid={cid} complete={complete} model={model} />}
    </li>
  )
}
