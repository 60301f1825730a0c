import { raceSignal } from 'race-signal'
import { MAX_BATCH_BYTES, MAX_BATCH_HASHES, MAX_WAITING_ANNOUNCEMENTS } from '../constants.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { hashLength, hashList } from './hashes.ts'
import { Inlet } from './inlet.ts'
import type { ExchangeLimits } from './limits.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'

interface Batch {
  hashes: string[]
  bytes: number
  /**
   * What the message says of the place of its last hash in a log
   */
  sequence?: number
}

/**
 * What is provided to the remote, and what of it is still to be announced
 */
export class Announcer {
  readonly #wake: () => void
  readonly #writer: FrameWriter
  readonly #limits: ExchangeLimits
  readonly #provides?: (hash: string) => boolean
  readonly #provided = new Set<string>()
  // the last one grows until it is full or sent
  readonly #batches: Batch[] = []
  // settled when a message has been written, while somebody waits for it
  #room?: PromiseWithResolvers<void>
  // async iterables that are being read
  readonly #inlets = new Set<Inlet<string>>()
  // why nothing new is taken, and why nothing is announced any more
  #closed?: Error
  #ended?: Error

  constructor (wake: () => void, writer: FrameWriter, limits: ExchangeLimits, provides?: (hash: string) => boolean) {
    this.#wake = wake
    this.#writer = writer
    this.#limits = limits
    this.#provides = provides
  }

  /**
   * If there is nothing left to announce
   */
  get idle (): boolean {
    return this.#batches.length === 0
  }

  isProvided (hash: string): boolean {
    return this.#provided.has(hash) || this.#provides?.(hash) === true
  }

  /**
   * Announces hashes. What is there is taken at once, so that it is provided
   * from now on; what comes by and by is asked for as fast as the remote reads.
   */
  async provide (hashes: string | Iterable<string> | AsyncIterable<string>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()

    if (typeof hashes === 'object' && hashes != null && Symbol.asyncIterator in hashes) {
      await this.#provideAsync(hashes, signal)
    } else {
      for (const hash of hashList(hashes)) {
        this.#add(hash)
      }

      await this.#hasRoom(signal)
    }
  }

  /**
   * Announces hashes as one message, which says where in our log the last one
   * stands, -1 if before the first of all. Whether they may be read is not decided
   * here.
   */
  async announce (hashes: string[], sequence: number): Promise<void> {
    this.#check()
    this.#batches.push({ hashes, bytes: Infinity, sequence: sequence + 1 })
    this.#wake()

    await this.#hasRoom()
  }

  unprovide (hashes: string | Iterable<string>): void {
    for (const hash of hashList(hashes)) {
      this.#provided.delete(hash)
    }
  }

  /**
   * Writes one message, as more would keep answers and bodies waiting. Returns if
   * there was one.
   */
  fill (): boolean {
    const batch = this.#batches.shift()

    if (batch == null) {
      return false
    }

    this.#writer.rpc({ type: RPCType.AVAILABLE, hashes: batch.hashes, sequence: batch.sequence })
    this.#tellRoom()

    return true
  }

  /**
   * Takes nothing new. What waits is still announced.
   */
  close (err: Error): void {
    this.#closed ??= err
    this.#inlets.forEach(inlet => { inlet.interrupt(err) })
  }

  end (err: Error): void {
    this.#provided.clear()
    this.#batches.length = 0
    this.#ended ??= err
    this.close(err)
    this.#tellRoom()
  }

  get #full (): boolean {
    return this.#batches.length > MAX_WAITING_ANNOUNCEMENTS
  }

  async #provideAsync (hashes: AsyncIterable<string>, signal?: AbortSignal): Promise<void> {
    const inlet = new Inlet<string>()
    const onAbort = (): void => { inlet.interrupt(signal?.reason) }

    this.#inlets.add(inlet)
    signal?.addEventListener('abort', onAbort)

    try {
      for await (const hash of inlet.read(hashes)) {
        this.#add(hash)
        await this.#hasRoom(signal)
        signal?.throwIfAborted()
      }
    } finally {
      this.#inlets.delete(inlet)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #hasRoom (signal?: AbortSignal): Promise<void> {
    while (this.#full) {
      this.#room ??= Promise.withResolvers()
      await raceSignal(this.#room.promise, signal)
    }

    if (this.#ended != null) {
      throw this.#ended
    }
  }

  #tellRoom (): void {
    this.#room?.resolve()
    this.#room = undefined
  }

  #check (): void {
    const refusal = this.#ended ?? this.#closed

    if (refusal != null) {
      throw refusal
    }
  }

  #add (hash: string): void {
    this.#check()

    const length = hashLength(hash, this.#limits.maxHashBytes)
    let batch = this.#batches.at(-1)

    if (batch == null || batch.hashes.length === MAX_BATCH_HASHES || batch.bytes + length > MAX_BATCH_BYTES) {
      batch = { hashes: [], bytes: 0 }
      this.#batches.push(batch)
      this.#wake()
    }

    if (this.#provides?.(hash) !== true) {
      this.#provided.add(hash)
    }

    batch.hashes.push(hash)
    batch.bytes += length
  }
}
