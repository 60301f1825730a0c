/**
 * What is to be explored: a state that is made of plain data, the steps from it,
 * and what is wrong with it
 */
export interface Model<State> {
  init: State
  /**
   * Gives each step that is possible, and what it changes
   */
  steps(state: State, step: (name: string, change: (state: State) => void) => void): void
  /**
   * What is wrong with a state, and at the end where no step is possible
   */
  wrong(state: State, end: boolean): string | undefined
}

export interface Explored {
  states: number
  /**
   * What went wrong, and the fewest steps that lead there
   */
  wrong: Map<string, string[]>
}

const MAX_STATES = 1_000_000

/**
 * Goes through all states that can be reached, breadth first. A path that never
 * ends is wrong as well.
 */
export function explore <State> ({ init, steps, wrong }: Model<State>): Explored {
  const ids = new Map<string, number>()
  const states: string[] = []
  const parents: number[] = []
  const names: string[] = []
  const edges: number[] = []
  const found = new Map<string, string[]>()

  const add = (state: State, parent: number, name: string): void => {
    const key = JSON.stringify(state)
    let id = ids.get(key)

    if (id == null) {
      id = states.length
      ids.set(key, id)
      states.push(key)
      parents.push(parent)
      names.push(name)
    }

    if (parent >= 0) {
      edges.push(parent, id)
    }
  }

  const report = (what: string | undefined, id: number): void => {
    if (what == null || found.has(what)) {
      return
    }

    const trace: string[] = []

    for (let at = id; parents[at] >= 0; at = parents[at]) {
      trace.unshift(names[at])
    }

    found.set(what, trace)
  }

  add(init, -1, '')

  for (let id = 0; id < states.length; id++) {
    if (id > MAX_STATES) {
      throw new Error(`There are more than ${MAX_STATES} states`)
    }

    const state: State = JSON.parse(states[id])
    const now = wrong(state, false)
    let count = 0

    if (now != null) {
      report(now, id)
      continue
    }

    steps(state, (name, change) => {
      const next: State = JSON.parse(states[id])

      change(next)
      count++
      add(next, id, name)
    })

    if (count === 0) {
      report(wrong(state, true), id)
    }
  }

  report(...loop(states.length, edges))

  return { states: states.length, wrong: found }
}

/**
 * Takes away, again and again, what nothing leads to: what is left is on a loop,
 * or behind one
 */
function loop (states: number, edges: number[]): [string | undefined, number] {
  const degrees = new Int32Array(states)
  const out: number[][] = Array.from({ length: states }, () => [])

  for (let i = 0; i < edges.length; i += 2) {
    degrees[edges[i + 1]]++
    out[edges[i]].push(edges[i + 1])
  }

  const free = [0]

  for (let id = free.pop(); id != null; id = free.pop()) {
    for (const to of out[id]) {
      if (--degrees[to] === 0) {
        free.push(to)
      }
    }
  }

  const left = degrees.findIndex(degree => degree > 0)

  return [left === -1 ? undefined : 'goes round for ever', left]
}
