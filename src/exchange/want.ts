import type { ReceivedBody } from './received-body.ts'

/**
 * Not sent yet
 */
export const WAITING = 0
/**
 * In a REQUEST that is not answered yet
 */
export const SENT = 1
/**
 * Its body is going to come
 */
export const PROMISED = 2
/**
 * Its body has begun, or it is known not to come
 */
export const SETTLED = 3

/**
 * A hash that was asked for, and who here waits for it. Without anybody waiting
 * it is kept until the remote has answered, as the answer must have been asked
 * for.
 */
export class Want {
  public readonly hash: string
  /**
   * Of the hash, in bytes
   */
  public readonly length: number
  public state: typeof WAITING | typeof SENT | typeof PROMISED | typeof SETTLED = WAITING
  /**
   * If `request()` was called for it
   */
  public requested = false
  /**
   * In which request it was sent
   */
  public request?: Want[]
  /**
   * The place in the order in which bodies were promised
   */
  public order = 0

  #gets?: Array<PromiseWithResolvers<ReceivedBody>>

  constructor (hash: string, length: number) {
    this.hash = hash
    this.length = length
  }

  get wanted (): boolean {
    return this.takers > 0
  }

  /**
   * How many calls of `get()` and `request()` wait for it, the latter together
   */
  get takers (): number {
    return (this.#gets?.length ?? 0) + (this.requested ? 1 : 0)
  }

  join (): PromiseWithResolvers<ReceivedBody> {
    const deferred = Promise.withResolvers<ReceivedBody>()

    this.#gets ??= []
    this.#gets.push(deferred)
    return deferred
  }

  leave (deferred: PromiseWithResolvers<ReceivedBody>, reason: Error): void {
    this.#gets = this.#gets?.filter(other => other !== deferred)
    deferred.reject(reason)
  }

  /**
   * Gives the response to every `get()`. Returns false if there was none.
   */
  resolve (response: ReceivedBody): boolean {
    const gets = this.#gets
    this.#gets = undefined

    gets?.forEach(({ resolve }) => { resolve(response) })

    return gets != null && gets.length > 0
  }

  /**
   * Gives the error to every `get()`, and leaves nobody waiting
   */
  reject (err: Error): void {
    const gets = this.#gets
    this.#gets = undefined
    this.requested = false

    gets?.forEach(({ reject }) => { reject(err) })
  }
}
