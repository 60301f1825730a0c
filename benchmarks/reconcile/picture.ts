export interface Line {
  name: string
  ours: boolean
  /**
   * Bytes by the number of hashes of each set
   */
  points: Array<[number, number]>
}

const WIDTH = 720
const HEIGHT = 340
const LEFT = 80
const RIGHT = 210
const TOP = 40
const BOTTOM = 60

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .foot { fill: #59636e; font-size: 11px }
  .grid { stroke: #d1d9e0 }
  .line { stroke: #a3adb8; stroke-width: 2; fill: none }
  .ours { stroke: #1f6feb; stroke-width: 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .foot { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .line { stroke: #6e7681 }
    .ours { stroke: #58a6ff }
  }
`

/**
 * Bytes against the size of the sets, both on logarithmic axes
 */
export function pictureOf (title: string, lines: Line[], foot: string): string {
  const all = lines.flatMap(({ points }) => points)
  const [firstX, lastX] = range(all.map(([hashes]) => hashes))
  const [firstY, lastY] = range(all.map(([, bytes]) => bytes))
  const x = (hashes: number): number => Math.round(LEFT + (Math.log10(hashes) - firstX) / (lastX - firstX) * (WIDTH - LEFT - RIGHT))
  const y = (bytes: number): number => Math.round(HEIGHT - BOTTOM - (Math.log10(bytes) - firstY) / (lastY - firstY) * (HEIGHT - TOP - BOTTOM))
  let svg = text(12, 22, title, 'title')

  for (let power = firstY; power <= lastY; power++) {
    svg += `<path class="grid" d="M${LEFT} ${y(10 ** power)}H${WIDTH - RIGHT}"/>\n${text(LEFT - 8, y(10 ** power) + 4, bytesText(10 ** power), 'foot', 'end')}`
  }

  for (let power = firstX; power <= lastX; power++) {
    svg += text(x(10 ** power), HEIGHT - BOTTOM + 18, (10 ** power).toLocaleString('en'), 'foot', 'middle')
  }

  for (const { name, ours, points } of lines) {
    const [hashes, bytes] = points[points.length - 1]

    svg += `<path class="line${ours ? ' ours' : ''}" d="M${points.map(([hashes, bytes]) => `${x(hashes)} ${y(bytes)}`).join('L')}"/>\n${text(x(hashes) + 8, y(bytes) + 4, `${name}: ${bytesText(bytes)}`)}`
  }

  svg += text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 36, 'hashes in each store', 'foot', 'middle') + text(12, HEIGHT - 8, foot, 'foot')

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" role="img" aria-label="${title}">
<style>${STYLE}</style>
${svg}</svg>
`
}

/**
 * Whole powers of ten around some numbers
 */
function range (numbers: number[]): [number, number] {
  return [Math.floor(Math.log10(Math.min(...numbers))), Math.ceil(Math.log10(Math.max(...numbers)))]
}

function bytesText (bytes: number): string {
  return bytes >= 1e6 ? `${Number((bytes / 1e6).toPrecision(2))} MB` : bytes >= 1e3 ? `${Number((bytes / 1e3).toPrecision(2))} kB` : `${Math.round(bytes)} B`
}

function text (x: number, y: number, content: string, name?: string, anchor = 'start'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${name == null ? '' : ` class="${name}"`}>${content}</text>\n`
}
