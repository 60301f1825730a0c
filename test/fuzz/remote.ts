import { Uint8ArrayList } from 'uint8arraylist'
import { nextTask } from '../../src/exchange/next-task.ts'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import { RPCType } from '../../src/wire/rpc-codec.ts'
import { drain } from '../fixtures/content.ts'
import type { FuzzInput } from './input.ts'
import type { Exchange } from '../../src/index.ts'

const TYPES = [RPCType.AVAILABLE, RPCType.REQUEST, RPCType.HASHES, RPCType.SINCE, RPCType.CLOSE, RPCType.SEEN, RPCType.ID]
const SEQUENCES = [0, 1, 2, 3, 4, 7, 8, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1]
const CHANNELS = [2, 3, 4, 5, 300, -1, -2, -3, 1]

/**
 * What a remote may have under its hashes
 */
export interface RemoteContent {
  hashes: readonly string[]
  /**
   * What it may send, right or wrong
   */
  contents: readonly Uint8Array[]
}

/**
 * The other side of an exchange, which says whatever the bytes of a fuzzer make of
 * it: most of it well-formed, so that it gets beyond the decoders
 */
export class FuzzedRemote {
  /**
   * Settles when both directions have ended
   */
  readonly ended: Promise<Array<PromiseSettledResult<void>>>

  readonly #input: FuzzInput
  readonly #content: RemoteContent
  readonly #writer = new FrameWriter()
  #unsent = new Uint8ArrayList()
  #finished = false
  #reset?: Error
  #wake = (): void => {}

  constructor (exchange: Exchange, input: FuzzInput, content: RemoteContent) {
    this.#input = input
    this.#content = content
    this.ended = Promise.allSettled([exchange.sink(this.#source()), drain(exchange.source)])
  }

  /**
   * Says one thing
   */
  say (): void {
    const { hashes, contents } = this.#content
    const input = this.#input
    const type = input.pick(TYPES)
    const channel = input.pick(CHANNELS)
    const sequence = input.pick(SEQUENCES)

    switch (input.below(16)) {
      case 0: case 1: case 2: case 3:
        this.#writer.rpc({ type, hashes: input.some(hashes), sequence })
        break
      case 4: case 5: case 6: case 7:
        this.#writer.rpc({ type: RPCType.HASHES, mapping: input.some(hashes).map((hash, i) => ({ hash, sequence: (sequence + i) % 2 ** 32 })) })
        break
      case 8: case 9:
        this.#writer.data(channel, name(sequence), input.pick(contents))
        break
      case 10:
        this.#writer.data(channel, undefined, input.pick(contents))
        break
      case 11: case 12:
        this.#writer.end(channel)
        break
      case 13:
        this.#writer.end(channel, name(sequence))
        break
      case 14:
        this.#writer.error(channel, input.below(2) === 0 ? undefined : name(sequence), input.below(2) === 0 ? undefined : input.pick(contents))
        break
      default:
        this.#take()
        this.#unsent.append(input.bytes(input.below(12)))
    }
  }

  /**
   * Sends what was said, cut in two, and lets what it causes happen
   */
  async send (): Promise<void> {
    this.#take()
    this.#wake()
    await nextTask()
  }

  async finish (): Promise<void> {
    this.#finished = true
    await this.send()
  }

  async reset (): Promise<void> {
    this.#reset = Object.assign(new Error('The stream was reset'), { name: 'StreamResetError' })
    await this.send()
  }

  #take (): void {
    this.#unsent.append(this.#writer.take())
  }

  async * #source (): AsyncGenerator<Uint8ArrayList> {
    while (this.#reset == null) {
      if (this.#unsent.byteLength > 0) {
        const cut = this.#input.below(8) * 16
        const chunk = this.#unsent.sublist(0, cut === 0 ? undefined : Math.min(cut, this.#unsent.byteLength))

        this.#unsent.consume(chunk.byteLength)
        yield chunk
      } else if (this.#finished) {
        return
      } else {
        await new Promise<void>(resolve => { this.#wake = resolve })
      }
    }

    throw this.#reset
  }
}

function name (sequence: number): string {
  return (sequence + 1).toString(16)
}
