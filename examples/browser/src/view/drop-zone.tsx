import { Problem } from './notices.tsx'
import { DROP } from './words.ts'
import type { VNode } from 'preact'

interface DropZoneProps {
  ready: boolean
  empty: boolean
  error?: string
  onFiles (files: FileList): void
}

// not all phones have folders to choose
const FOLDERS = 'webkitdirectory' in HTMLInputElement.prototype

/**
 * All of it is the label of the file input; the folder's button lies above. What is dropped is the page's matter.
 */
export function DropZone ({ ready, empty, error, onFiles }: DropZoneProps): VNode {
  return (
    <section aria-labelledby='drop-heading'>
      <div class='drop' data-empty={empty}>
        <div>
          <h2 id='drop-heading'>{DROP} files here</h2>
          {empty && <p>{ready ? 'Single files or whole folders. They are kept in this browser.' : 'Opening the store…'}</p>}
        </div>
        <div class='choose'>
          <FileInput id='file-input' ready={ready} onFiles={onFiles} />
          <label for='file-input' class='button primary whole'>Choose files</label>
          {FOLDERS && (
            <>
              <FileInput id='folder-input' ready={ready} onFiles={onFiles} folder />
              <label for='folder-input' class='button'>Choose a folder</label>
            </>
          )}
        </div>
      </div>
      <Problem text={error} />
    </section>
  )
}

interface FileInputProps {
  id: string
  ready: boolean
  folder?: boolean
  onFiles (files: FileList): void
}

function FileInput ({ id, ready, folder, onFiles }: FileInputProps): VNode {
  return (
    <input
      id={id}
      data-testid={id}
      type='file'
      class='hidden'
      multiple
      disabled={!ready}
      {...{ webkitdirectory: folder }}
      // choosing the same again is a change only if nothing is chosen
      onClick={event => { event.currentTarget.value = '' }}
      onChange={({ currentTarget: { files } }) => {
        if (files != null && files.length > 0) {
          onFiles(files)
        }
      }}
    />
  )
}
