import { AbortError, InvalidParametersError, TimeoutError } from '@libp2p/interface'
import { isUint8ArrayList } from 'uint8arraylist'
import { toError } from '../errors.ts'
import type { Content } from './api.ts'
import type { Lookup } from './lookups.ts'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface SentBodyOwner {
  /**
   * If a source may be read on
   */
  mayRead(): boolean
  /**
   * By how much what was read ahead has grown, or shrunk if it is negative
   */
  onReadAhead(change: number): void
  /**
   * There is something to send
   */
  wake(): void
}

/**
 * A body that was promised to the remote, and its source: not opened before its
 * turn, then read ahead as far as its owner allows
 */
export class SentBody {
  public readonly hash: string
  public readonly sequence: number
  /**
   * 0 until its first frame is sent
   */
  public channel = 0
  /**
   * The source has given all that it is going to
   */
  public ended = false
  public error?: Error
  /**
   * How many have been taken
   */
  public bytes = 0

  readonly #owner: SentBodyOwner
  readonly #lookup: Lookup
  readonly #content: Content
  #sync?: Iterator<Uint8Array | Uint8ArrayList>
  #async?: AsyncIterator<Uint8Array | Uint8ArrayList>
  #parts: Uint8Array[] = []
  #next = 0
  // for how long the source has given nothing although it was asked, in ms
  #idleFor = -1
  #resume?: () => void

  constructor (lookup: Lookup, content: Content, sequence: number, owner: SentBodyOwner) {
    this.hash = lookup.hash
    this.sequence = sequence
    this.#lookup = lookup
    this.#content = content
    this.#owner = owner
  }

  /**
   * Opens the source
   */
  open (): void {
    try {
      const stream = typeof this.#content.stream === 'function' ? this.#content.stream() : this.#content.stream

      checkSource(stream)

      if (Symbol.asyncIterator in stream) {
        this.#async = opened(stream[Symbol.asyncIterator]())
        // its errors are kept for the remote, it never rejects
        void this.#read(this.#async)
      } else {
        this.#sync = opened(stream[Symbol.iterator]())
      }
    } catch (err: any) {
      this.#end(toError(err))
    }
  }

  /**
   * The name of its channel
   */
  get name (): string {
    return (this.sequence + 1).toString(16)
  }

  /**
   * The next bytes to send, at most `max` of them, if there are any now
   */
  take (max: number): Uint8Array | undefined {
    while (this.#next === this.#parts.length && this.#sync != null && !this.ended) {
      try {
        const { done, value } = this.#sync.next()

        if (done === true) {
          this.#end()
        } else {
          this.#add(value)
        }
      } catch (err: any) {
        this.#fail(err)
      }
    }

    if (this.#next === this.#parts.length) {
      return undefined
    }

    let part = this.#parts[this.#next]

    if (part.length > max) {
      this.#parts[this.#next] = part.subarray(max)
      part = part.subarray(0, max)
    } else if (++this.#next === this.#parts.length) {
      this.#parts = []
      this.#next = 0
    }

    this.bytes += part.length
    this.#owner.onReadAhead(-part.length)
    return part
  }

  /**
   * If all that its source gave has been taken
   */
  get empty (): boolean {
    return this.#next === this.#parts.length
  }

  /**
   * Reads on, where there was no room to read ahead before
   */
  resume (): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  /**
   * Some time has passed, in ms
   */
  tick (ms: number, timeout: number): void {
    if (this.#idleFor >= 0) {
      this.#idleFor += ms

      if (this.#idleFor >= timeout) {
        this.stop(new TimeoutError(`The source of "${this.hash}" gave nothing for ${timeout} ms`))
      }
    }
  }

  /**
   * Nothing more is sent of it. Releases the source, also one that was never
   * opened.
   */
  stop (reason: Error = new AbortError()): void {
    if (this.ended) {
      this.#drop()
      return
    }

    this.#end(reason)
    this.#drop()
    this.#lookup.abort(reason)

    release(this.#sync ?? this.#async ?? this.#content.stream, reason)
  }

  async #read (source: AsyncIterator<Uint8Array | Uint8ArrayList>): Promise<void> {
    try {
      while (!this.ended) {
        this.#idleFor = 0
        const { done, value } = await source.next()
        this.#idleFor = -1

        if (this.ended) {
          return
        }

        if (done === true) {
          this.#end()
          return
        }

        this.#add(value)
        this.#owner.wake()

        if (!this.#owner.mayRead()) {
          await new Promise<void>(resolve => { this.#resume = resolve })
        }
      }
    } catch (err: any) {
      if (!this.ended) {
        this.#fail(err)
      }
    }
  }

  /**
   * The source has failed, or gave what cannot be sent. What came before is
   * sent.
   */
  #fail (thrown: unknown): void {
    const err = toError(thrown)

    this.#end(err)
    this.#lookup.abort(err)
    release(this.#sync ?? this.#async, err)
  }

  #add (chunk: Uint8Array | Uint8ArrayList): void {
    if (isUint8ArrayList(chunk)) {
      for (const part of chunk) {
        this.#addPart(part)
      }
    } else {
      this.#addPart(chunk)
    }
  }

  #addPart (part: Uint8Array): void {
    if (!(part instanceof Uint8Array)) {
      throw new InvalidParametersError(`The source of "${this.hash}" gave ${typeof part === 'object' ? 'an object' : `a ${typeof part}`} instead of a Uint8Array`)
    }

    // an empty chunk is not sent: an original stalls on it
    if (part.length > 0) {
      this.#parts.push(part)
      this.#owner.onReadAhead(part.length)
    }
  }

  #drop (): void {
    for (const part of this.#parts.slice(this.#next)) {
      this.#owner.onReadAhead(-part.length)
    }

    this.#parts = []
    this.#next = 0
  }

  #end (err?: Error): void {
    this.ended = true
    this.error = err
    this.#idleFor = -1
    this.resume()
    this.#owner.wake()
  }
}

/**
 * Throws InvalidParametersError
 */
export function checkSource (source: unknown): void {
  if (typeof source !== 'object' || source == null || !(Symbol.asyncIterator in source || Symbol.iterator in source)) {
    throw new InvalidParametersError('createReadStream must give { stream }, an iterable or async iterable of Uint8Arrays or a function that gives one, or undefined')
  }
}

function opened <T> (iterator: T): T {
  if (iterator == null) {
    throw new InvalidParametersError('A source gave no iterator')
  }

  return iterator
}

/**
 * Tells a source that nobody reads on: an open iterator, a Node.js stream or a
 * web stream
 */
export function release (source: any, reason: Error): void {
  try {
    const released = source?.return?.() ?? source?.destroy?.(reason) ?? source?.cancel?.(reason)

    // nobody waits for it, nor has anybody an interest left in its errors
    Promise.resolve(released).catch(() => {})
  } catch {}
}
