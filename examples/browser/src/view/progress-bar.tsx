import type { VNode } from 'preact'

interface ProgressBarProps {
  label: string
  done: number
  /** 0 where that is not known yet */
  total: number
}

export function ProgressBar ({ label, done, total }: ProgressBarProps): VNode {
  // an element that had a value can't be without one again
  return total > 0
    ? <progress key='known' aria-label={label} value={Math.min(done, total)} max={total} />
    : <progress key='unknown' aria-label={label} />
}
