import type { BlockSet } from './content.ts'

/**
 * The side that has the blocks
 */
export interface Provider {
  /**
   * How a receiver finds it
   */
  address: string
  /**
   * Gets ready to give a set of blocks. Not timed.
   */
  prepare(set: BlockSet): Promise<void>
  stop(): Promise<void>
}

/**
 * The side that lacks them, connected to one provider or several with the same
 * blocks
 */
export interface Receiver {
  /**
   * Gets ready to receive a set of blocks: finds out what a user would know
   * before. Not timed.
   */
  prepare(set: BlockSet): Promise<void>
  /**
   * Receives the blocks that the providers have made ready, and checks each.
   * Timed from its beginning to its end.
   */
  receive(): Promise<Received>
  /**
   * How long it takes until the first byte of one block is here, in ms, on a
   * connection on which nothing else happens
   */
  firstByte?(block: number): Promise<number>
  stop(): Promise<void>
}

export interface Received {
  blocks: number
  bytes: number
}

export interface SystemOptions {
  /**
   * A folder for what it keeps on disk. It is removed afterwards.
   */
  folder: string
}

/**
 * A way to bring blocks from one process to another
 */
export interface System {
  provide(options: SystemOptions): Promise<Provider>
  connect(addresses: string[], options: SystemOptions): Promise<Receiver>
}
