import { formatBytes, formatSeconds } from './format.ts'
import { Speed } from './speed.ts'
import type { MultiBar, SingleBar } from 'cli-progress'

/**
 * What a bar shows
 */
export interface BarState {
  /**
   * How much of the work is done, from 0 to 1; undefined if that can't be known
   */
  part?: number

  /**
   * How many bytes were moved
   */
  bytes: number

  /**
   * How many there will be
   */
  totalBytes?: number

  /**
   * About how many there are still to come, where how many there will be is not
   * known
   */
  leftBytes?: number

  /**
   * More that is to be shown, before all else
   */
  note?: string
}

/**
 * The length of a bar, in characters, so that there is room for what it says on
 * a line of 80
 */
const BAR_SIZE = 10

/**
 * One bar on the terminal
 */
export class Bar {
  readonly #bar?: SingleBar
  readonly #speed = new Speed()

  constructor (bar?: SingleBar) {
    this.#bar = bar
  }

  update (state: BarState): void {
    if (this.#bar != null) {
      this.#speed.update(state.bytes)
      this.#bar.update(Math.floor(Math.min(1, state.part ?? 0) * 1000), { detail: describe(state, this.#speed.perSecond) })
    }
  }
}

/**
 * The bars of a command. They are shown on stderr if that is a terminal, and
 * nowhere else.
 */
export class Progress {
  readonly #bars?: MultiBar

  private constructor (bars?: MultiBar) {
    this.#bars = bars
  }

  static async create (show: boolean, stream: NodeJS.WriteStream = process.stderr): Promise<Progress> {
    if (!show || !stream.isTTY) {
      return new Progress()
    }

    const { MultiBar } = await import('cli-progress')

    return new Progress(new MultiBar({
      format: '{label}[{bar}] {percentage}% {detail}',
      barsize: BAR_SIZE,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      autopadding: true,
      emptyOnZero: true,
      fps: 5,
      // cut to the width of the terminal, and nothing of that is left changed however the process ends
      linewrap: true,
      clearOnComplete: true,
      // a line written above them has moved them
      forceRedraw: true,
      // interruption is the business of the command
      gracefulExit: false,
      stream
    }))
  }

  /**
   * Without a label where there is only one of its kind
   */
  bar (label = ''): Bar {
    return new Bar(this.#bars?.create(1000, 0, { label: label === '' ? '' : `${label} `, detail: '' }))
  }

  /**
   * Writes a line, above the bars if they are on the same terminal
   */
  print (stream: NodeJS.WritableStream, line: string): void {
    if (this.#bars?.isActive === true && (stream as Partial<NodeJS.WriteStream>).isTTY === true) {
      this.#bars.log(`${line}\n`)
      // otherwise it would be lost if they ended before they are drawn again
      this.#bars.update()
    } else {
      stream.write(`${line}\n`)
    }
  }

  stop (): void {
    this.#bars?.stop()
  }
}

/**
 * '12.3 MB of 200 MB, 45.0 MB/s, 4 s left'
 */
export function describe ({ part, bytes, totalBytes, leftBytes = totalBytes == null ? undefined : totalBytes - bytes, note }: BarState, perSecond: number): string {
  const parts = [totalBytes == null ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`]

  if (perSecond > 0) {
    parts.push(`${formatBytes(perSecond)}/s`)

    if (leftBytes != null && (part ?? 0) < 1) {
      parts.push(`${formatSeconds(leftBytes / perSecond)} left`)
    }
  }

  if (note != null) {
    parts.unshift(note)
  }

  return parts.join(', ')
}
