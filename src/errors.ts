/**
 * A remote peer announced a body and then told us that it cannot send the rest
 * of it: its source failed, or it gave up
 */
export class RemoteError extends Error {
  static name = 'RemoteError'

  constructor (message = 'The remote could not send the body') {
    super(message)
    this.name = 'RemoteError'
  }
}

/**
 * A body was cut: the remote began another one in its place
 */
export class BodyCutError extends Error {
  static name = 'BodyCutError'

  constructor (message = 'The body was cut before its end') {
    super(message)
    this.name = 'BodyCutError'
  }
}

/**
 * The remote closed the exchange before it answered the request
 */
export class RemoteClosedError extends Error {
  static name = 'RemoteClosedError'

  constructor (message = 'The remote closed the exchange before it answered the request') {
    super(message)
    this.name = 'RemoteClosedError'
  }
}

/**
 * The stream ended although the exchange was not closed
 */
export class UnexpectedEndError extends Error {
  static name = 'UnexpectedEndError'

  constructor (message = 'The stream ended before the exchange was closed') {
    super(message)
    this.name = 'UnexpectedEndError'
  }
}

/**
 * A response was left unread for too long while others waited behind it, or
 * nobody listened for it
 */
export class UnreadError extends Error {
  static name = 'UnreadError'

  constructor (message = 'The response was not read') {
    super(message)
    this.name = 'UnreadError'
  }
}

/**
 * The remote sent a mapping or a body that we did not ask for
 */
export class UnrequestedError extends Error {
  static name = 'UnrequestedError'

  constructor (message = 'The remote sent something that was not requested') {
    super(message)
    this.name = 'UnrequestedError'
  }
}

/**
 * The remote went over one of the limits of this exchange
 */
export class LimitError extends Error {
  static name = 'LimitError'

  constructor (message = 'The remote exceeded a limit') {
    super(message)
    this.name = 'LimitError'
  }
}

/**
 * The remote claimed a peer ID that is not the one it authenticated with
 */
export class ForeignIdError extends Error {
  static name = 'ForeignIdError'

  constructor (message = 'The remote claimed the peer ID of somebody else') {
    super(message)
    this.name = 'ForeignIdError'
  }
}

/**
 * Two hashes of one request were given the same sequence, by the application
 * here or by the remote
 */
export class DuplicateSequenceError extends Error {
  static name = 'DuplicateSequenceError'

  constructor (message = 'The sequence is already taken by another hash') {
    super(message)
    this.name = 'DuplicateSequenceError'
  }
}

/**
 * The exchange is closed, or closing, and takes nothing new
 */
export class ExchangeClosedError extends Error {
  static name = 'ExchangeClosedError'

  constructor (message = 'The exchange is closed') {
    super(message)
    this.name = 'ExchangeClosedError'
  }
}

/**
 * Content that a peer sent does not have the hash that it was asked for
 */
export class HashMismatchError extends Error {
  static name = 'HashMismatchError'

  constructor (message = 'The content does not have its hash') {
    super(message)
    this.name = 'HashMismatchError'
  }
}

/**
 * A peer offered more than could be remembered, and did not offer it again when
 * it was asked to
 */
export class IncompleteError extends Error {
  static name = 'IncompleteError'

  constructor (message = 'The peer offered more than could be taken') {
    super(message)
    this.name = 'IncompleteError'
  }
}

/**
 * A peer has added as many bytes as it may in a day
 */
export class PeerQuotaError extends Error {
  static name = 'PeerQuotaError'

  constructor (message = 'The peer has added as much as it may') {
    super(message)
    this.name = 'PeerQuotaError'
  }
}

/**
 * A peer sent so much wrong content that it is left alone for a while
 */
export class UntrustedPeerError extends Error {
  static name = 'UntrustedPeerError'

  constructor (message = 'The peer sent too much wrong content') {
    super(message)
    this.name = 'UntrustedPeerError'
  }
}

/**
 * The store could not put, or could not be asked, or it or a hasher took too long
 */
export class StoreError extends Error {
  static name = 'StoreError'

  constructor (message = 'The store failed', options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
  }
}

/**
 * What was thrown, as an error: anything can be thrown, also nothing
 */
export function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`Something was thrown that is not an Error: ${String(thrown)}`)
}
