import { besideOf, blocksPerSecond, bytesPerSecond, medianOf } from './report.ts'
import { SYSTEMS } from './systems.ts'
import { WORKS } from './works.ts'
import type { Machine } from './packages.ts'
import type { Outcomes } from './report.ts'

const MIB = 1024 * 1024

/**
 * The works that are shown, each in a panel of its own
 */
const SHOWN = ['1x256MiB', '1024x256KiB', '20000x4KiB', '100000x128B']

const PANEL = { width: 480, head: 36, row: 20, gap: 20 }
const LABEL_WIDTH = 170
const BAR_WIDTH = 135
const BAR_HEIGHT = 12
const LINE = 16
const LINE_LENGTH = 160

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .foot { fill: #59636e; font-size: 11px }
  .bar { fill: #a3adb8 }
  .ours { fill: #1f6feb }
  .spread { stroke: #1f2328 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .foot { fill: #9198a1 }
    .bar { fill: #6e7681 }
    .ours { fill: #58a6ff }
    .spread { stroke: #e6edf3 }
  }
`

/**
 * The rates of all systems with a network as bars with their spread, and beside each how many
 * times as fast it is as ours
 */
export function pictureOf (outcomes: Outcomes, chosen: string[], { processor, platform, versions }: Machine, runs: number): string {
  const systems = chosen.filter(system => !system.startsWith('store-'))
  const works = SHOWN.filter(work => work in outcomes)
  const height = PANEL.head + systems.length * PANEL.row + PANEL.gap
  const panels = works.map((work, i) => `<g transform="translate(${i % 2 * PANEL.width} ${Math.floor(i / 2) * height})">\n${panelOf(work, outcomes, systems)}</g>\n`)
  const top = Math.ceil(works.length / 2) * height
  const foot = wrap(`Medians of ${runs} runs with the lowest and the highest; x is times the rate of the system of ours that it is compared with. ${processor}, ${platform}, ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}. Two processes over loopback.`)
  const size = `${PANEL.width * 2} ${top + (foot.length + 1) * LINE}`

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" width="${PANEL.width * 2}" role="img" aria-label="How fast blocks are brought from one process to another">
<style>${STYLE}</style>
${panels.join('')}${foot.map((line, i) => text(12, top + (i + 1) * LINE, line, 'foot')).join('')}</svg>
`
}

function panelOf (work: string, outcomes: Outcomes, systems: string[]): string {
  const { title, size } = WORKS[work]
  const [figure, unit] = size * 16 > MIB ? [bytesPerSecond, 'MB/s'] as const : [blocksPerSecond, 'blocks/s'] as const
  const rates = systems.map(system => medianOf(outcomes[work][system], figure))
  const most = Math.max(...rates.map(rate => rate?.max ?? 0))
  const x = (rate: number): number => LABEL_WIDTH + Math.round(BAR_WIDTH * rate / most)

  return text(12, 22, `${title}, ${unit}`, 'title') + systems.map((system, i) => {
    const rate = rates[i]
    const { title } = SYSTEMS[system]
    const beside = besideOf(outcomes[work], system)
    const y = PANEL.head + i * PANEL.row
    const label = text(12, y + BAR_HEIGHT - 1, title)

    if (rate == null) {
      return label + text(LABEL_WIDTH, y + BAR_HEIGHT - 1, outcomes[work][system] == null ? '-' : 'failed')
    }

    const { median, min, max } = rate
    const ours = medianOf(outcomes[work][beside], figure)
    const value = Math.round(unit === 'MB/s' ? median / 1e6 : median).toLocaleString('en')
    const times = ours == null || system === beside ? '' : ` (${(median / ours.median).toFixed(2)} x ${beside})`
    const middle = y + BAR_HEIGHT / 2

    return `${label}<rect class="bar${title.startsWith('our') ? ' ours' : ''}" x="${LABEL_WIDTH}" y="${y}" width="${x(median) - LABEL_WIDTH}" height="${BAR_HEIGHT}"/>
<path class="spread" d="M${x(min)} ${middle}H${x(max)}"/>
${text(x(max) + 6, y + BAR_HEIGHT - 1, value + times)}`
  }).join('')
}

function text (x: number, y: number, content: string, name?: string): string {
  return `<text x="${x}" y="${y}"${name == null ? '' : ` class="${name}"`}>${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>\n`
}

function wrap (content: string): string[] {
  return content.match(new RegExp(`.{1,${LINE_LENGTH}}(?: |$)`, 'g')) ?? []
}
