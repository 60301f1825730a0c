import { useEffect, useReducer, useState } from 'preact/hooks'
import { messageOf } from './format.ts'
import type { PageModel, PageState } from '../model.ts'

export function usePage (model: PageModel): PageState {
  const [, update] = useReducer<number, void>(count => count + 1, 0)

  useEffect(() => {
    const unsubscribe = model.subscribe(() => { update() })
    // it may have changed between the first rendering and now
    update()

    return unsubscribe
  }, [model])

  return model.state
}

export interface Action {
  pending: boolean
  error?: string
  /** resolves to false where it was rejected: `error` says why */
  run (action: () => Promise<void>): Promise<boolean>
}

/**
 * Runs what the model can do, and keeps what went wrong for showing it where it was started
 */
export function useAction (): Action {
  const [pending, setPending] = useState(false)
  const [error, setError] = useState<string>()

  const run = async (action: () => Promise<void>): Promise<boolean> => {
    setPending(true)
    setError(undefined)

    try {
      await action()

      return true
    } catch (err) {
      // the person has cancelled it, and knows
      if (!(err instanceof Error && err.name === 'AbortError')) {
        setError(messageOf(err))
      }

      return false
    } finally {
      setPending(false)
    }
  }

  return { pending, error, run }
}

/**
 * Whole seconds from now until then, counting down
 */
export function useSecondsUntil (time?: number): number {
  const [now, setNow] = useState(Date.now)

  useEffect(() => {
    if (time == null) {
      return
    }

    setNow(Date.now())
    const timer = setInterval(() => { setNow(Date.now()) }, 1000)

    return () => { clearInterval(timer) }
  }, [time])

  return time == null ? 0 : Math.max(0, Math.ceil((time - now) / 1000))
}

/**
 * True while files are dragged over the page. What is dropped anywhere on it is given to `drop`; never does the
 * browser leave the page for a file.
 */
export function usePageDrop (enabled: boolean, drop: (files: DataTransfer) => void): boolean {
  const [dragging, setDragging] = useState(false)

  useEffect(() => {
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true

    const onOver = (event: DragEvent): void => {
      if (hasFiles(event)) {
        event.preventDefault()
        event.dataTransfer!.dropEffect = enabled ? 'copy' : 'none'
        setDragging(enabled)
      }
    }

    const onLeave = (event: DragEvent): void => {
      if (event.relatedTarget == null) {
        setDragging(false)
      }
    }

    const onDrop = (event: DragEvent): void => {
      setDragging(false)

      if (hasFiles(event)) {
        event.preventDefault()

        if (enabled) {
          drop(event.dataTransfer!)
        }
      }
    }

    window.addEventListener('dragover', onOver)
    window.addEventListener('dragleave', onLeave)
    window.addEventListener('drop', onDrop)

    return () => {
      window.removeEventListener('dragover', onOver)
      window.removeEventListener('dragleave', onLeave)
      window.removeEventListener('drop', onDrop)
    }
  })

  return dragging
}
