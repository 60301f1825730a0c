import { SYSTEMS } from './systems.ts'
import { TEN_TIMES, WORKS } from './works.ts'
import type { RunResult } from './run.ts'

/**
 * All that was measured of one system at one work
 */
export interface Outcome {
  runs: RunResult[]
  errors: string[]
}

/**
 * By work and system
 */
export type Outcomes = Record<string, Record<string, Outcome>>

type Figure = (run: RunResult) => number

const MIB = 1024 * 1024

export const blocksPerSecond: Figure = ({ blocks, seconds }) => blocks / seconds
export const bytesPerSecond: Figure = ({ bytes, seconds }) => bytes / seconds

/**
 * The median of some figure, with the lowest and the highest; undefined where
 * there is none because it was not measured, or a run has failed
 */
export function medianOf (outcome: Outcome | undefined, figure: Figure): { median: number, min: number, max: number } | undefined {
  if (outcome == null || outcome.errors.length > 0 || outcome.runs.length === 0) {
    return undefined
  }

  const values = outcome.runs.map(figure).sort((a, b) => a - b)
  const middle = values.length / 2

  return { median: (values[Math.ceil(middle) - 1] + values[Math.floor(middle)]) / 2, min: values[0], max: values[values.length - 1] }
}

/**
 * How many times as large a figure is as another
 */
function times (value: Outcome | undefined, of: Outcome | undefined, figure: Figure): string | undefined {
  const [a, b] = [medianOf(value, figure), medianOf(of, figure)]

  return a == null || b == null ? undefined : (a.median / b.median).toFixed(2)
}

function count (value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 })
}

function row (columns: string[], widths: number[]): string {
  return columns.map((column, i) => i === 0 ? column.padEnd(widths[i]) : column.padStart(widths[i])).join('  ').trimEnd()
}

function table (title: string, header: string[], rows: string[][]): string {
  const widths = header.map((column, i) => Math.max(i === 0 ? title.length : column.length, ...rows.filter(row => row.length === header.length).map(row => row[i].length)))

  return `${row([title, ...header.slice(1)], widths)}\n${rows.map(columns => `${row(columns, widths)}\n`).join('')}\n`
}

/**
 * Which of ours a system is compared with, among those that did the work
 */
export function besideOf (outcomes: Record<string, Outcome>, system: string): string {
  const { beside } = SYSTEMS[system]

  return beside in outcomes ? beside : 'exchange'
}

/**
 * What a system did at a work, as columns
 */
function columnsOf (outcomes: Record<string, Outcome>, system: string, inMs: boolean): string[] {
  const { title } = SYSTEMS[system]
  const outcome = outcomes[system]
  const beside = besideOf(outcomes, system)
  const compared = times(outcome, outcomes[beside], blocksPerSecond)
  const median = (figure: Figure): number => medianOf(outcome, figure)?.median ?? NaN
  const seconds = medianOf(outcome, ({ seconds }) => inMs ? seconds * 1000 : seconds)

  if (outcome == null || outcome.runs.length + outcome.errors.length === 0) {
    return [title, '-']
  }

  if (seconds == null) {
    return [title, `failed in ${outcome.errors.length} of ${outcome.errors.length + outcome.runs.length} runs: ${outcome.errors[0]?.split('\n')[0]}`]
  }

  return [
    title,
    seconds.median.toFixed(3),
    `${seconds.min.toFixed(3)}-${seconds.max.toFixed(3)}`,
    ...inMs ? [] : [count(median(bytesPerSecond) / 1e6), count(median(blocksPerSecond))],
    compared == null ? '-' : `${compared} x ${beside}`,
    median(({ cpu }) => cpu).toFixed(2),
    `${count(median(({ rss }) => rss.provider / MIB))} / ${count(median(({ rss }) => rss.receiver / MIB))}`,
    (median(({ wire }) => wire) / 1e6).toFixed(2)
  ]
}

/**
 * Tables of all works that were done
 */
export function reportOf (outcomes: Outcomes, systems: string[]): string {
  let text = ''

  for (const [work, bySystem] of Object.entries(outcomes)) {
    const { title, firstByte = false } = WORKS[work]
    const header = ['', firstByte ? 'ms' : 'seconds', 'min-max', ...firstByte ? [] : ['MB/s', 'blocks/s'], 'as fast as', 'CPU s', 'peak RSS, MiB', 'wire, MB']

    text += table(title, header, systems.map(system => columnsOf(bySystem, system, firstByte)))
  }

  for (const [few, many] of TEN_TIMES.filter(works => works.every(work => work in outcomes))) {
    text += table(`${WORKS[many].title} instead of ${WORKS[few].title}`, ['', 'times the time'], systems.map(system => [
      SYSTEMS[system].title,
      times(outcomes[many][system], outcomes[few][system], ({ seconds }) => seconds) ?? '-'
    ]))
  }

  const { 'ten-from-one': ten, '20000x4KiB': alone } = outcomes

  if (ten != null) {
    text += table('ten receivers at once', ['', 'sum of rates, x alone', 'slowest, of its share'], systems.filter(system => ten[system] != null).map(system => [
      SYSTEMS[system].title,
      times(ten[system], alone?.[system], blocksPerSecond) ?? '-',
      medianOf(ten[system], ({ slowest }) => slowest)?.median.toLocaleString('en', { style: 'percent' }) ?? '-'
    ]))
  }

  return text
}
