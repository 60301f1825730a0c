import { InvalidParametersError } from '@libp2p/interface'
import { checkNames } from '../check-names.ts'
import * as defaults from '../constants.ts'

/**
 * What bounds an exchange. The reason for each default stands beside it in
 * `constants.ts`.
 */
export interface ExchangeLimits {
  /**
   * The largest RPC message that is taken, in bytes
   *
   * @default 16777216
   */
  maxRPCBytes: number

  /**
   * The most hashes, or mappings, in an RPC message that is taken
   *
   * @default 262144
   */
  maxRPCEntries: number

  /**
   * The most bytes that may come before the data of a frame
   *
   * @default 1024
   */
  maxFrameHeaderBytes: number

  /**
   * The longest hash, in bytes of UTF-8
   *
   * @default 512
   */
  maxHashBytes: number

  /**
   * The longest reason of a remote's error that is kept, in bytes
   *
   * @default 256
   */
  maxReasonBytes: number

  /**
   * How many hashes are requested and not yet received; the rest waits here
   *
   * @default 8192
   */
  maxOutstanding: number

  /**
   * How many hashes of the remote, on all exchanges of a service with it, may wait
   * for us before we stop reading
   *
   * @default 16384
   */
  maxPending: number

  /**
   * How many hashes of the remote, on all exchanges with it, may wait for us while
   * we wait for it as well, or it lets us send nothing. A REQUEST that comes while
   * fewer than `maxPending` wait may have more: as many as `maxRPCEntries`.
   *
   * @default 131072
   */
  maxPendingWhileRequesting: number

  /**
   * How many lookups of `createReadStream` run at a time
   *
   * @default 1024
   */
  maxLookups: number

  /**
   * How many sources are open at a time
   *
   * @default 16
   */
  maxSources: number

  /**
   * How many bytes are read ahead from all open sources together
   *
   * @default 1048576
   */
  maxReadAheadBytes: number

  /**
   * How many bytes of responses are kept unread before the remote is held back
   *
   * @default 4194304
   */
  maxUnreadBytes: number

  /**
   * How many bodies may begin before the HASHES that names them has come
   *
   * @default 1024
   */
  maxUnknownBodies: number

  /**
   * How long a lookup may take, and an open source may give nothing, in ms
   *
   * @default 20000
   */
  serveTimeout: number

  /**
   * How long to wait for an answer or for the next byte of a body, in ms
   *
   * @default 30000
   */
  requestTimeout: number

  /**
   * Over which time a body must make `minBodyRate`, in ms
   *
   * @default 60000
   */
  rateWindow: number

  /**
   * How many bytes of a body must come in a second
   *
   * @default 1024
   */
  minBodyRate: number

  /**
   * How long a response may be left unread while others wait behind it, in ms
   *
   * @default 60000
   */
  unreadTimeout: number

  /**
   * How long the remote may take to close after we did, in ms
   *
   * @default 30000
   */
  closeTimeout: number

  /**
   * How long nothing may be asked of an original that has closed before we
   * close as well, in ms
   *
   * @default 5000
   */
  quietTimeout: number
}

export const defaultLimits: ExchangeLimits = {
  maxRPCBytes: defaults.MAX_RPC_BYTES,
  maxRPCEntries: defaults.MAX_RPC_ENTRIES,
  maxFrameHeaderBytes: defaults.MAX_FRAME_HEADER_BYTES,
  maxHashBytes: defaults.MAX_HASH_BYTES,
  maxReasonBytes: defaults.MAX_REASON_BYTES,
  maxOutstanding: defaults.MAX_OUTSTANDING,
  maxPending: defaults.MAX_PENDING,
  maxPendingWhileRequesting: defaults.MAX_PENDING_WHILE_REQUESTING,
  maxLookups: defaults.MAX_LOOKUPS,
  maxSources: defaults.MAX_SOURCES,
  maxReadAheadBytes: defaults.MAX_READ_AHEAD_BYTES,
  maxUnreadBytes: defaults.MAX_UNREAD_BYTES,
  maxUnknownBodies: defaults.MAX_UNKNOWN_BODIES,
  serveTimeout: defaults.SERVE_TIMEOUT,
  requestTimeout: defaults.REQUEST_TIMEOUT,
  rateWindow: defaults.RATE_WINDOW,
  minBodyRate: defaults.MIN_BODY_RATE,
  unreadTimeout: defaults.UNREAD_TIMEOUT,
  closeTimeout: defaults.CLOSE_TIMEOUT,
  quietTimeout: defaults.QUIET_TIMEOUT
}

/**
 * The default limits with these deviations. Throws InvalidParametersError.
 */
export function withDefaults<T extends ExchangeLimits> (limits: Partial<T> = {}, defaults: T): T {
  const result = { ...defaults }

  checkNames('limit', limits, Object.keys(defaults))

  for (const [name, value] of Object.entries(limits)) {
    if (value != null) {
      if (typeof value !== 'number' || !(value > 0)) {
        throw new InvalidParametersError(`The limit "${name}" must be a number above 0, not ${String(value)}`)
      }

      result[name as keyof T] = value as T[keyof T]
    }
  }

  return result
}

/**
 * Those of an exchange alone
 */
export function exchangeLimits (limits: ExchangeLimits): ExchangeLimits {
  const result = { ...defaultLimits }

  for (const name of Object.keys(defaultLimits)) {
    result[name as keyof ExchangeLimits] = limits[name as keyof ExchangeLimits]
  }

  return result
}
