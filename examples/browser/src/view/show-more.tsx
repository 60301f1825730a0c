import { useState } from 'preact/hooks'
import { formatCount } from './format.ts'
import type { VNode } from 'preact'

const PAGE = 100

interface ShowMore<T> {
  shown: T[]
  showMore: VNode | null
}

/**
 * The first hundred of a long list, and a button for the next
 */
export function useShowMore<T> (entries: T[]): ShowMore<T> {
  const [limit, setLimit] = useState(PAGE)
  const left = entries.length - limit

  return {
    shown: left > 0 ? entries.slice(0, limit) : entries,
    showMore: left > 0
      ? (
        <button type='button' class='more' onClick={() => { setLimit(limit + PAGE) }}>
          Show {formatCount(Math.min(PAGE, left))} more of {formatCount(left)}
        </button>
        )
      : null
  }
}
