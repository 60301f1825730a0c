/**
 * Something that is to be told as it is: what was wrong, and what to do
 */
export class CommandError extends Error {
  static name = 'CommandError'

  constructor (message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
  }
}

/**
 * The command line is not as it should be
 */
export class UsageError extends Error {
  static name = 'UsageError'

  constructor (message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/**
 * The user or the system told us to stop
 */
export class InterruptedError extends Error {
  static name = 'InterruptedError'

  constructor (message = 'Interrupted') {
    super(message)
    this.name = 'InterruptedError'
  }
}

/**
 * A block that is needed is not in the repo
 */
export class MissingBlockError extends CommandError {
  static name = 'MissingBlockError'

  public readonly hash: string

  constructor (hash: string) {
    super(`The block ${hash} is not in the repo. Fetch it with "hash-exchange sync" from a peer that has it, with --again if it had been fetched before.`)
    this.name = 'MissingBlockError'
    this.hash = hash
  }
}

/**
 * The content of a block on the disk is not what its hash says
 */
export class CorruptBlockError extends CommandError {
  static name = 'CorruptBlockError'

  public readonly hash: string

  constructor (hash: string) {
    super(`The block ${hash} is corrupted on the disk: its content does not have its hash. Remove it with "hash-exchange check --remove", then get it back with "hash-exchange sync --again" from a peer that has it, or by adding its file again.`)
    this.name = 'CorruptBlockError'
    this.hash = hash
  }
}
