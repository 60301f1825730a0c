import { InvalidMessageError, ProtocolError } from '@libp2p/interface'
import { FIRST_CELLS, LISTED_BYTES } from '../constants.ts'
import { CELL_BYTES, KEY_BYTES } from '../sketch/cells.ts'
import { KEY_WORDS } from '../sketch/mapping.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { cellsAfter } from './comparing.ts'
import { checkSalt, joinSalts, makeSalt } from './salted.ts'
import type { Comparing } from './comparing.ts'
import type { SketchSnapshot } from '../store/store.ts'

/**
 * The part of the side that has opened the exchange: it sends the cells of its store,
 * as many as are asked for
 */
export class CellSender {
  readonly #comparing: Comparing
  #snapshot?: SketchSnapshot
  #sent = 0
  #salted = false

  constructor (comparing: Comparing) {
    this.#comparing = comparing
  }

  async begin (): Promise<void> {
    const { sketch } = this.#comparing

    // the list of a small store is shorter than the cells
    if (sketch == null || !(await this.#comparing.mayCompare()) || sketch.size * LISTED_BYTES <= FIRST_CELLS * CELL_BYTES || !(await this.#comparing.turn())) {
      this.#comparing.giveUp()
    } else {
      this.#snapshot = sketch.snapshot()
      this.#send(this.#snapshot)
    }
  }

  /**
   * Throws ProtocolError and InvalidMessageError
   */
  onMessage (type: RPCType, size: number, data: Uint8Array): void {
    const snapshot = this.#snapshot

    if (snapshot == null) {
      throw new ProtocolError(`The remote sent ${type} although it has no cells`)
    }

    if (type === RPCType.MORE && this.#sent === snapshot.cells.length) {
      this.#comparing.giveUp()
    } else if (type === RPCType.MORE) {
      this.#send(snapshot)
    } else if (type === RPCType.DONE) {
      this.#onDone(data, snapshot)
    } else if (type === RPCType.SALT && !this.#salted) {
      this.#comparing.run(this.#sendSalted(checkSalt(data)))
    } else {
      throw new ProtocolError(`The remote sent ${type} where it may not`)
    }
  }

  #send ({ cells, size, sum }: SketchSnapshot): void {
    const start = this.#sent

    this.#sent = Math.min(cells.length, start + cellsAfter(start))

    const data = cells.encode(start, this.#sent)

    this.#comparing.tell({ type: RPCType.CELLS, sequence: size, data: start === 0 ? new Uint8Array([...sum.encode(), ...data]) : data })
  }

  /**
   * The remote has found the keys of what only we have
   */
  #onDone (data: Uint8Array, snapshot: SketchSnapshot): void {
    if (data.length > this.#sent * KEY_BYTES) {
      throw new ProtocolError('The remote found more keys than there were cells')
    }

    const sequences = this.#comparing.sequencesOf(keysOf(data), snapshot)

    if (sequences == null) {
      this.#comparing.giveUp()
    } else {
      this.#comparing.finish(sequences, snapshot)
    }
  }

  async #sendSalted (theirs: Uint8Array): Promise<void> {
    this.#snapshot = undefined
    this.#salted = true

    if (!this.#comparing.maySalt()) {
      this.#comparing.giveUp()
      return
    }

    const ours = makeSalt()

    this.#comparing.tell({ type: RPCType.SALT, data: ours })

    const snapshot = await this.#comparing.salt(joinSalts(ours, theirs))

    if (snapshot == null) {
      this.#comparing.giveUp()
    } else if (!this.#comparing.over) {
      this.#snapshot = snapshot
      this.#sent = 0
      this.#send(snapshot)
    }
  }
}

/**
 * Throws InvalidMessageError
 */
function keysOf (data: Uint8Array): Int32Array[] {
  if (data.length % KEY_BYTES !== 0) {
    throw new InvalidMessageError(`Keys have ${KEY_BYTES} bytes each, but there are ${data.length}`)
  }

  const view = new DataView(data.buffer, data.byteOffset, data.length)

  return Array.from({ length: data.length / KEY_BYTES }, (_, i) => Int32Array.from({ length: KEY_WORDS }, (_, word) => view.getInt32(i * KEY_BYTES + word * 4, true)))
}
