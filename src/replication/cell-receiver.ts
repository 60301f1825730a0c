import { ProtocolError } from '@libp2p/interface'
import { FIRST_CELLS, LISTED_BYTES } from '../constants.ts'
import { nextTask } from '../exchange/next-task.ts'
import { CELL_BYTES, KEY_BYTES } from '../sketch/cells.ts'
import { Peeling } from '../sketch/peeling.ts'
import { SetSum, SUM_BYTES } from '../sketch/set-sum.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { cellsAfter } from './comparing.ts'
import { checkSalt, joinSalts, makeSalt } from './salted.ts'
import type { Comparing } from './comparing.ts'
import type { SketchSnapshot } from '../store/store.ts'

/**
 * How many bytes a difference costs: 1.4 cells, and a key where the other side has it
 */
const BYTES_OF_DIFFERENCE = 1.4 * CELL_BYTES + KEY_BYTES / 2

/**
 * How many keys are looked for in one go: some milliseconds
 */
const SLICE = 2000

/**
 * What the remote's cells are of
 */
interface RemoteSet {
  size: number
  sum: SetSum
}

/**
 * The part of the side that has not opened the exchange: it finds in the remote's
 * cells what only one of the two has
 */
export class CellReceiver {
  readonly #comparing: Comparing
  #remote?: RemoteSet
  #snapshot?: SketchSnapshot
  #peeling?: Peeling
  // how many cells came, if these were the last, and how many messages of them are
  // to come
  #came = 0
  #last = false
  #expected = 1
  #received: Uint8Array[] = []
  #working = false
  // our part of a salt, once the remote was asked for one, and then that of both
  #ourSalt?: Uint8Array
  #salt?: Uint8Array

  constructor (comparing: Comparing) {
    this.#comparing = comparing
  }

  /**
   * Throws ProtocolError and InvalidMessageError
   */
  onMessage (type: RPCType, size: number, data: Uint8Array): void {
    if (type === RPCType.CELLS) {
      this.#onCells(size, data)
    } else if (type === RPCType.SALT && this.#ourSalt != null && this.#salt == null) {
      this.#salt = joinSalts(checkSalt(data), this.#ourSalt)
      this.#comparing.run(this.#work(this.#salt))
    } else {
      throw new ProtocolError(`The remote sent ${type} where it may not`)
    }
  }

  #onCells (size: number, data: Uint8Array): void {
    const first = this.#came === 0
    const cells = first ? data.subarray(SUM_BYTES) : data
    const count = cells.length / CELL_BYTES

    if (this.#expected === 0 || this.#last || !Number.isInteger(count) || count < 1 || count > cellsAfter(this.#came) || (this.#ourSalt != null && this.#salt == null)) {
      throw new ProtocolError(`The remote sent ${data.length} bytes of cells that it was not asked for`)
    }

    if (first) {
      this.#remote = { size, sum: SetSum.decode(data) }
    }

    // fewer than were asked for are the last
    this.#last = count < cellsAfter(this.#came)
    this.#came += count
    this.#expected--
    this.#received.push(cells)

    // with all that were asked for, so that keys are looked for once
    if ((this.#expected === 0 || this.#last) && !this.#working) {
      this.#comparing.run(this.#work())
    }
  }

  /**
   * Looks for keys in what has come, if that is all that was asked for. With a salt
   * cells of ours are made first.
   */
  async #work (salt?: Uint8Array): Promise<void> {
    this.#working = true

    if (salt != null) {
      this.#snapshot = await this.#comparing.salt(salt)
    } else if (this.#snapshot == null && await this.#comparing.mayCompare() && await this.#comparing.turn()) {
      this.#snapshot = this.#comparing.sketch?.snapshot()
    }

    const snapshot = this.#snapshot
    const remote = this.#remote

    if (snapshot == null) {
      this.#comparing.giveUp()
    } else if (remote != null && this.#received.length > 0) {
      this.#peeling ??= new Peeling(snapshot.cells, remote.size - snapshot.size, this.#salt)
      await this.#peel(this.#peeling, snapshot, remote)
    }

    this.#working = false
  }

  async #peel (peeling: Peeling, snapshot: SketchSnapshot, remote: RemoteSet): Promise<void> {
    this.#received.splice(0).forEach(cells => { peeling.add(cells) })

    if (!isWorthIt(peeling, snapshot.size, remote.size, snapshot.cells.length)) {
      this.#comparing.giveUp()
      return
    }

    while (!peeling.proceed(SLICE)) {
      await nextTask()

      if (this.#comparing.over) {
        return
      }
    }

    if (peeling.complete) {
      this.#finish(peeling, snapshot, remote)
    } else if (peeling.failed || this.#last || peeling.length === snapshot.cells.length) {
      this.#retry()
    } else {
      this.#askForMore(peeling, snapshot.cells.length)
    }
  }

  #finish ({ own, remote: found }: Peeling, snapshot: SketchSnapshot, remote: RemoteSet): void {
    const sequences = this.#comparing.sequencesOf(own, snapshot)
    const sum = snapshot.sum.copy()

    own.forEach(key => { sum.add(key, -1) })
    found.forEach(key => { sum.add(key, 1) })

    if (sequences == null || !sum.equals(remote.sum)) {
      // no two sets differ like this, or there are differences that can't be seen
      this.#retry()
    } else {
      this.#comparing.finish(sequences, snapshot, bytesOf(found))
    }
  }

  #askForMore ({ length, needs }: Peeling, most: number): void {
    const enough = Math.min(most, Math.max(needs, length + 1))

    for (let asked = length; asked < enough; asked += cellsAfter(asked)) {
      this.#expected++
      this.#comparing.tell({ type: RPCType.MORE })
    }
  }

  /**
   * The hashes may have been chosen so that they can't be told from each other in
   * these cells
   */
  #retry (): void {
    if (this.#ourSalt != null || !this.#comparing.maySalt()) {
      this.#comparing.giveUp()
      return
    }

    const salt = makeSalt()

    this.#ourSalt = salt
    this.#peeling = undefined
    this.#snapshot = undefined
    this.#came = 0
    this.#last = false
    this.#expected = 1
    this.#comparing.tell({ type: RPCType.SALT, data: salt })
  }
}

/**
 * If there are likely to be enough cells, and a list of both sides would be longer
 */
function isWorthIt ({ differences, needs }: Peeling, here: number, there: number, cells: number): boolean {
  const spared = (here + there - differences) * LISTED_BYTES

  return needs <= cells && differences * BYTES_OF_DIFFERENCE < Math.max(spared, FIRST_CELLS * CELL_BYTES)
}

function bytesOf (keys: Int32Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(keys.length * KEY_BYTES)
  const view = new DataView(bytes.buffer)

  keys.forEach((key, i) => {
    key.forEach((word, j) => { view.setInt32(i * KEY_BYTES + j * 4, word, true) })
  })

  return bytes
}
