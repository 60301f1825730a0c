import { useEffect, useState } from 'preact/hooks'
import { CopyId } from './copy-button.tsx'
import { DownloadButton } from './download-button.tsx'
import { formatBytes } from './format.ts'
import { useAction } from './hooks.ts'
import { Problem } from './notices.tsx'
import { useShowMore } from './show-more.tsx'
import type { FolderItem, PageModel } from '../model.ts'
import type { VNode } from 'preact'

interface FolderItemsProps {
  cid: string
  /** what is listed of a folder that is on its way is listed again when it is here */
  complete: boolean
  model: PageModel
}

export function FolderItems ({ cid, complete, model }: FolderItemsProps): VNode {
  const [items, setItems] = useState<FolderItem[]>()
  const { error, run } = useAction()
  const { shown, showMore } = useShowMore(items ?? [])

  useEffect(() => {
    let current = true

    void run(async () => {
      const listed = await model.folder(cid)

      if (current) {
        setItems(listed)
      }
    })

    return () => { current = false }
  }, [cid, complete])

  return (
    <div class='items'>
      <Problem text={error} />
      {items == null && error == null && <p class='empty'>Reading the folder…</p>}
      {items?.length === 0 && <p class='empty'>This folder has no files.</p>}
      <ul>
        {shown.map(({ path, cid, size }) => (
          <li class='entry' key={path} data-testid='folder-item' data-cid={cid}>
            <p class='name'><bdi>{path}</bdi></p>
            <p class='figures'>{formatBytes(size)}</p>
            <div class='actions'>
              <CopyId id={cid} what={`CID of ${path}`} />
              <DownloadButton cid={cid} name={path.slice(path.lastIndexOf('/') + 1)} size={size} model={model} />
            </div>
          </li>
        ))}
      </ul>
      {showMore}
    </div>
  )
}
