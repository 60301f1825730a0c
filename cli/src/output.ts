import { printable } from './format.ts'
import { Progress } from './progress.ts'

/**
 * How often scripts are told how far something is, in ms
 */
const PROGRESS_MS = 1000

/**
 * What a command tells: lines on stdout, for people or, with --json, for
 * scripts; and on stderr what went wrong and what people might want to know
 */
export class Output {
  readonly json: boolean
  readonly #stdout: NodeJS.WritableStream
  readonly #stderr: NodeJS.WritableStream
  readonly #toldAt = new Map<string, number>()
  #progress?: Progress

  constructor (json: boolean, stdout: NodeJS.WritableStream = process.stdout, stderr: NodeJS.WritableStream = process.stderr) {
    this.json = json
    this.#stdout = stdout
    this.#stderr = stderr
  }

  /**
   * Shows bars on the terminal while something is done. Lines are written above
   * them. There are none with --json.
   */
  async withProgress<T> (work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress = this.#progress = await Progress.create(!this.json)

    try {
      return await work(progress)
    } finally {
      this.#progress = undefined
      progress.stop()
    }
  }

  /**
   * Tells that something happened: people by a text, or its lines, and not at all
   * if there is none
   */
  event (event: string, data: object, text?: string | string[]): void {
    if (this.json) {
      this.#write(this.#stdout, JSON.stringify({ event, ...data }))
    } else if (text != null) {
      this.#writeText(this.#stdout, text)
    }
  }

  /**
   * Tells scripts how far something is, not too often. People have bars.
   */
  progress (data: object, of = ''): void {
    const now = performance.now()

    if (now - (this.#toldAt.get(of) ?? -Infinity) >= PROGRESS_MS) {
      this.#toldAt.set(of, now)
      this.event('progress', data)
    }
  }

  /**
   * Something for people only
   */
  note (text: string): void {
    if (!this.json) {
      this.#writeText(this.#stderr, text)
    }
  }

  warn (message: string, data: object = {}): void {
    this.#tell('warning', message, data)
  }

  error (message: string, data: object = {}): void {
    this.#tell('error', message, data)
  }

  #tell (event: string, message: string, data: object): void {
    if (this.json) {
      this.event(event, { message, ...data })
    }

    // not twice where both are one
    if (!this.json || this.#stdout !== this.#stderr) {
      this.#writeText(this.#stderr, `${event}: ${message}`)
    }
  }

  /**
   * Names of files may have anything in them, which a terminal must not obey
   */
  #writeText (stream: NodeJS.WritableStream, text: string | string[]): void {
    const lines = Array.isArray(text) ? text : [text]
    const isTTY = (stream as Partial<NodeJS.WriteStream>).isTTY === true

    this.#write(stream, (isTTY ? lines.map(printable) : lines).join('\n'))
  }

  #write (stream: NodeJS.WritableStream, line: string): void {
    if (this.#progress == null) {
      stream.write(`${line}\n`)
    } else {
      this.#progress.print(stream, line)
    }
  }
}
