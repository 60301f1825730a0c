import type { ExchangeLimits } from './limits.ts'
import type { AbortOptions, Logger, PeerId, TypedEventTarget } from '@libp2p/interface'
import type { Duplex, Source } from 'it-stream-types'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * The bytes of some content. Nothing should be opened for it before the first
 * chunk is asked for: a peer may request thousands of hashes in one message,
 * they are all looked up before the first is sent, and few are open at a time.
 * A generator function does this by itself. Chunks are not copied: a buffer that
 * was given must not be written to again.
 */
export type ByteSource = Iterable<Uint8Array | Uint8ArrayList> | AsyncIterable<Uint8Array | Uint8ArrayList>

/**
 * What `createReadStream` found for a hash
 */
export interface Content {
  /**
   * The bytes, in chunks of any size; or a function that gives them, which is called
   * when their turn has come, and never if the content is not wanted any more
   */
  stream: ByteSource | (() => ByteSource)

  /**
   * The place of the content in a log of the application, a whole number from 0
   * to 2^32 - 2, which the remote is told. Without it one is chosen.
   */
  sequence?: number
}

export interface ReadStreamOptions {
  /**
   * Who asks, where it is known
   */
  readonly peer?: PeerId

  /**
   * Aborted when the content is not wanted any more
   */
  readonly signal: AbortSignal
}

/**
 * Looks up the content of a hash that is provided. `undefined` is told to the
 * remote as not found; so is an error, which is also dispatched as `unsent`.
 */
export type CreateReadStream = (hash: string, options: ReadStreamOptions) => Content | undefined | Promise<Content | undefined>

export interface ExchangeInit {
  /**
   * What the remote is told as our ID in the first message, by which it also
   * knows this implementation. The default of the service is our own peer ID,
   * that of `handler`, which does not know it, is empty; an exchange over
   * anything else, and `false`, sends none.
   */
  id?: string | false

  /**
   * Asked beside the hashes that were given to `provide()`: if a hash may be
   * read by the remote. For sets that are too large to be held here as well: of
   * those that it knows `provide()` keeps nothing once they are announced.
   */
  provides?(hash: string): boolean

  /**
   * How many bytes the remote may send ahead of what was read here, from 65536 on.
   * Needed where the stream itself holds nobody back, such as that of WebRTC or
   * mplex: libp2p aborts it when 4 MiB wait there, so the window should leave room
   * for what is not counted, such as requests. An original is not held back by
   * this, as it does not know the message.
   *
   * @default none; for `handler` and the service 2 MiB where the stream needs it
   */
  window?: number

  /**
   * Deviations from the default limits
   */
  limits?: Partial<ExchangeLimits>

  /**
   * Where to log to
   *
   * @default `logger('libp2p:hash-exchange')`
   */
  log?: Logger
}

/**
 * The content of a hash, as it comes from the remote
 */
export interface ExchangeResponse {
  hash: string

  /**
   * The place of the content in the log of the remote, or a number without
   * meaning where the remote keeps none
   */
  sequence: number

  /**
   * The bytes, not checked against the hash. Can be read once. Chunks are views
   * into larger buffers: copy what is kept for long. Throws by name if the rest
   * does not come: RemoteError, BodyCutError, TimeoutError, UnreadError,
   * AbortError, or the error that ended the exchange. Not reading holds the
   * remote back; leaving early cancels the rest at the remote, unless that is an
   * original over libp2p, which would mix it into its next body.
   */
  stream: AsyncIterable<Uint8Array>

  /**
   * All of the bytes in one piece, in a buffer of their own, instead of reading the
   * stream: less work for small content. Rejects as the stream throws, and with
   * LimitError when there are more than `max`; the rest is cancelled then.
   *
   * @param max - in bytes, 16 MiB by default
   */
  bytes(max?: number): Promise<Uint8Array>

  /**
   * The same without a copy where all of it has come in one piece: to hash or parse it,
   * or to write it somewhere. As a view into a larger buffer, which other content comes
   * from as well, it must not be transferred to a worker, and copied if it is kept for
   * long.
   *
   * @param max - in bytes, 16 MiB by default
   */
  view(max?: number): Promise<Uint8Array>

  /**
   * Cancels the rest at the remote. The stream throws the error.
   *
   * @param err - AbortError by default
   */
  abort(err?: Error): void
}

/**
 * A response of which all may have come already
 */
export interface ReceivedResponse extends ExchangeResponse {
  /**
   * All of the content, if all has come and nothing of it was read
   */
  takeAll(): Uint8Array[] | undefined
}

/**
 * A hash and why its content did not come, or was not sent
 */
export interface ExchangeFailure {
  hash: string
  error: Error
}

export interface ExchangeEvents {
  /**
   * Hashes that the remote provides and that are not provided here, at most
   * 1,000 of them at a time
   */
  available: CustomEvent<string[]>

  /**
   * The content of a hash that was asked for by `request()`
   */
  response: CustomEvent<ExchangeResponse>

  /**
   * A hash that was asked for by `request()` has no response
   */
  failed: CustomEvent<ExchangeFailure>

  /**
   * Content that the remote asked for could not be sent, or not to its end
   */
  unsent: CustomEvent<ExchangeFailure>

  /**
   * What the remote claims to be. Only `remotePeer` is authenticated.
   */
  id: CustomEvent<string>

  /**
   * The remote wants to hear of what came after this sequence, -1 for all
   */
  since: CustomEvent<number>

  /**
   * The remote has received all up to this sequence
   */
  seen: CustomEvent<number>

  /**
   * The exchange is over: without a detail, both sides have closed it and all
   * promised content has arrived; with one, that is what ended it
   */
  close: CustomEvent<Error | null>
}

/**
 * One conversation with one peer
 */
export interface Exchange extends TypedEventTarget<ExchangeEvents>, Duplex<AsyncGenerator<Uint8ArrayList>, Source<Uint8Array | Uint8ArrayList>, Promise<void>> {
  /**
   * The peer at the other end, authenticated. Undefined over a plain pipe.
   */
  readonly remotePeer?: PeerId

  /**
   * The negotiated protocol. Undefined over a plain pipe.
   */
  readonly protocol?: string

  /**
   * Allows the remote to read hashes, and announces them. Those of an iterable
   * are taken at once, those of an async iterable as fast as the remote reads.
   * Resolves when only a few messages of them are left to be sent, so the
   * exchange must be piped first if there are thousands. Need not be awaited.
   * Rejects with InvalidParametersError, ExchangeClosedError, the signal's reason,
   * or the error that ended the exchange.
   */
  provide(hashes: string | Iterable<string> | AsyncIterable<string>, options?: AbortOptions): Promise<void>

  /**
   * Takes back what was provided. The remote is not told, it does not find it.
   */
  unprovide(hashes: string | Iterable<string>): void

  /**
   * Asks for content. Each hash is dispatched as `response` or as `failed`.
   * Throws InvalidParametersError.
   */
  request(hashes: string | Iterable<string>): void

  /**
   * Asks for the content of one hash. Rejects with NotFoundError if the remote
   * does not have it or does not want us to have it, TimeoutError,
   * RemoteClosedError, ExchangeClosedError, InvalidParametersError, the signal's
   * reason, or the error that ended the exchange. The signal also ends the
   * stream of the response as long as it comes, unless others asked for the
   * hash as well: all of them are given the same response.
   */
  get(hash: string, options?: AbortOptions): Promise<ExchangeResponse>

  /**
   * Tells the remote from where on to announce
   *
   * @param sequence - -1 for all
   */
  since(sequence: number): void

  /**
   * Tells the remote up to where everything has arrived
   */
  seen(sequence: number): void

  /**
   * Closes when everything asked for here has come and everything asked for by
   * the remote is answered. Resolves when the remote has closed as well and all
   * promised content has arrived. Need not be awaited, there is the event.
   * Rejects with the error that ended the exchange; a signal that is aborted
   * ends it.
   */
  close(options?: AbortOptions): Promise<void>

  /**
   * Ends the exchange at once
   *
   * @param err - AbortError by default
   */
  abort(err?: Error): void
}
