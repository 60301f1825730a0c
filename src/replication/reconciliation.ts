import { ProtocolError, TimeoutError } from '@libp2p/interface'
import { toError } from '../errors.ts'
import { RPCType } from '../wire/rpc-codec.ts'
import { CellReceiver } from './cell-receiver.ts'
import { CellSender } from './cell-sender.ts'
import type { Comparing } from './comparing.ts'
import type { Reconciling } from './reconciling.ts'
import type { SketchSnapshot, Store, StoreSketch } from '../store/store.ts'
import type { ReceivedRPC, RPCMessage } from '../wire/rpc-codec.ts'

/**
 * How many messages of a remote are ignored that has not heard yet that it is over
 */
const MAX_IGNORED = 64

/**
 * How many times as long as for a message it may take in all
 */
const MAX_TIMEOUTS = 4

export interface ReconciliationOwner {
  readonly peer: string
  /**
   * If we have opened the exchange
   */
  readonly opener: boolean
  readonly store: Store
  readonly reconciling: Reconciling
  /**
   * If the remote may read everything
   */
  mayReadAll(): Promise<boolean>
  /**
   * Sends a message at once
   */
  tell(message: RPCMessage): void
  /**
   * It is known what is to be listed
   */
  onReconciled(): void
  onFatal(err: Error): void
}

/**
 * What is to be listed
 */
export type Outcome = 'differences' | 'list'

/**
 * Finds out where our store and that of a peer differ, before either announces
 * anything: the side that has opened the exchange sends cells, the other one finds the
 * keys in them. SPEC.md has the rules.
 */
export class Reconciliation implements Comparing {
  /**
   * The sequences of what only we have, in ascending order
   */
  public differences: number[] = []
  /**
   * The last sequence that was compared. What comes after it is news.
   */
  public comparedUpTo = 0

  public readonly sketch?: StoreSketch

  readonly #owner: ReconciliationOwner
  // until it has ended for us
  #role?: CellSender | CellReceiver
  readonly #controller = new AbortController()
  #ours?: Outcome
  #theirs?: Outcome
  #result?: Outcome
  #hasTurn = false
  #age = 0
  #quietFor = 0
  #ignored = 0

  constructor (owner: ReconciliationOwner) {
    this.#owner = owner
    this.#role = owner.opener ? new CellSender(this) : new CellReceiver(this)
    this.sketch = owner.store.sketch
  }

  /**
   * What both sides are to list, once that is known
   */
  get result (): Outcome | undefined {
    return this.#result
  }

  /**
   * It is decided if we compare, or ask for a list. Only who has opened the exchange
   * can do so by himself.
   */
  begin (compares: boolean): void {
    if (this.#role instanceof CellSender) {
      if (compares) {
        this.run(this.#role.begin())
      } else {
        this.giveUp()
      }
    }
  }

  /**
   * The remote knows nothing of this
   */
  skip (): void {
    this.#end('list')
  }

  /**
   * The exchange starts nothing new
   */
  stop (): void {
    this.#role = undefined
    this.#controller.abort()
    this.#leave()
  }

  tick (ms: number, timeout: number): void {
    this.#age += ms
    this.#quietFor += ms

    if (this.#result != null || (this.#quietFor < timeout && this.#age < MAX_TIMEOUTS * timeout)) {
      return
    }

    if (this.#ours == null) {
      this.giveUp()
    } else {
      this.#owner.onFatal(new TimeoutError(`The remote did not say for ${timeout} ms if it agrees in what differs`))
    }
  }

  /**
   * Throws ProtocolError and InvalidMessageError
   */
  onMessage ({ type, sequence, data = new Uint8Array(0) }: ReceivedRPC): void {
    if (this.#theirs != null) {
      throw new ProtocolError(`The remote sent ${type} after it had ended the comparison`)
    }

    this.#quietFor = 0

    if (type === RPCType.GIVE_UP) {
      this.#theirs = 'list'
      this.giveUp()
      this.#conclude('list')
      return
    }

    if (type === RPCType.DONE) {
      this.#theirs = 'differences'
    }

    if (this.#role != null) {
      this.#role.onMessage(type, sequence, data)
    } else if (type === RPCType.DONE) {
      // it has found the same, or has not heard that we have given up
      this.#conclude(this.#ours ?? 'list')
    } else if (++this.#ignored > MAX_IGNORED) {
      throw new ProtocolError('The remote does not end the comparison')
    }
  }

  // Comparing

  get over (): boolean {
    return this.#controller.signal.aborted
  }

  tell (message: RPCMessage): void {
    this.#owner.tell(message)
  }

  run (work: Promise<void>): void {
    work.catch(err => {
      if (!this.over) {
        this.#owner.onFatal(toError(err))
      }
    })
  }

  async mayCompare (): Promise<boolean> {
    try {
      return await this.#owner.mayReadAll() && !this.over
    } catch {
      // a list fails by name if it has to ask the same
      return false
    }
  }

  async turn (): Promise<boolean> {
    const began = await this.#owner.reconciling.begin(this.#owner.peer, this.#controller.signal)

    this.#hasTurn = began

    if (this.over) {
      this.#leave()
    }

    return began && !this.over
  }

  maySalt (): boolean {
    return this.#owner.reconciling.maySalt(this.#owner.peer)
  }

  async salt (salt: Uint8Array): Promise<SketchSnapshot | undefined> {
    return this.sketch == null ? undefined : this.#owner.reconciling.salt(this.sketch, salt, this.#controller.signal)
  }

  sequencesOf (keys: Int32Array[], { lastSequence, removed }: SketchSnapshot): number[] | undefined {
    const sequences = new Set<number>()

    for (const key of keys) {
      const sequence = this.sketch?.find(key)

      if (sequence != null && sequence <= lastSequence) {
        sequences.add(sequence)
      } else if (this.sketch?.removed === removed) {
        return undefined
      }
    }

    return [...sequences].sort((a, b) => a - b)
  }

  finish (differences: number[], { lastSequence }: SketchSnapshot, data?: Uint8Array<ArrayBuffer>): void {
    if (!this.over) {
      this.differences = differences
      this.comparedUpTo = lastSequence
      this.tell({ type: RPCType.DONE, data })
      this.#end('differences')
    }
  }

  giveUp (): void {
    if (!this.over) {
      this.tell({ type: RPCType.GIVE_UP })
      this.#end('list')
    }
  }

  #end (outcome: Outcome): void {
    if (this.over) {
      return
    }

    this.#ours = outcome
    this.stop()

    if (outcome === 'list' || this.#owner.opener) {
      // otherwise the remote has not said yet that it agrees
      this.#conclude(outcome)
    }
  }

  #conclude (result: Outcome): void {
    if (this.#result == null && this.#ours != null) {
      this.#result = result
      this.#owner.onReconciled()
    }
  }

  #leave (): void {
    if (this.#hasTurn) {
      this.#hasTurn = false
      this.#owner.reconciling.end(this.#owner.peer)
    }
  }
}
