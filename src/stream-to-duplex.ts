import { AbortError, ConnectionClosedError, StreamAbortedError, StreamResetError, StreamStateError, TimeoutError } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import type { AbortOptions, Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Duplex, Source } from 'it-stream-types'

/**
 * How long the remote may take to make room for the last of what we sent, in
 * ms. Only one chunk is still waiting by then, which takes no modem this long;
 * a remote that stopped reading would keep the stream open for ever.
 */
const CLOSE_TIMEOUT = 30_000

export interface StreamToDuplexOptions extends AbortOptions {
  /**
   * Aborts the stream, at any time until it is closed. Both halves then reject
   * with the reason of the signal.
   */
  signal?: AbortSignal

  /**
   * How long the remote may take, once the source given to the sink has ended,
   * to make room for what is still unsent, in ms. The stream is aborted with a
   * TimeoutError after that.
   *
   * @default 30_000
   */
  closeTimeout?: number
}

/**
 * A byte stream as an async iterable to read and a function to write with
 */
export type StreamDuplex = Duplex<AsyncGenerator<Uint8ArrayList>, Source<Uint8Array | Uint8ArrayList>, Promise<void>>

/**
 * A libp2p Stream as `{ source, sink }`. The remote is held back while the
 * consumer of `source` works, and the source given to `sink` while the remote
 * does not read.
 *
 * `source` ends only when the remote closed its end of the stream; it throws
 * when the stream is aborted, reset, or gone with its connection. To leave it
 * early aborts the stream, as does an error of the source given to `sink`.
 *
 * Each half may be used once. What listens to the stream and the signal is
 * removed when the stream closes, which it does when both halves have ended.
 */
export function streamToDuplex (stream: Stream, options: StreamToDuplexOptions = {}): StreamDuplex {
  const { signal, closeTimeout = CLOSE_TIMEOUT } = options
  let unread = new Uint8ArrayList()
  // once the stream is closed nothing tells whether the remote ended it or the connection was lost
  let ended = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
  let failure: Error | undefined // why nothing more can be sent, once the stream is closed
  let sourceUsed = false
  let sinkUsed = false
  let wakeSource = (): void => {}
  let wakeSink = (): void => {}
  let failSink = (err?: Error): void => {}

  const onMessage = (evt: StreamMessageEvent): void => {
    unread.append(evt.data)
    wakeSource()
  }

  const onRemoteCloseWrite = (): void => {
    ended = true
    wakeSource()
  }

  const onDrain = (): void => {
    wakeSink()
  }

  const onAbort = (): void => {
    stream.abort(signal?.reason)
  }

  const onClose = ({ error }: Pick<StreamCloseEvent, 'error'>): void => {
    // what the stream still holds can be had now, but not for long
    if (stream.readBufferLength > 0) {
      stream.pause()
      resume(stream)
    }

    if (stream.status === 'aborted') {
      unread = new Uint8ArrayList()
    }

    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('remoteCloseWrite', onRemoteCloseWrite)
    stream.removeEventListener('drain', onDrain)
    stream.removeEventListener('close', onClose)
    signal?.removeEventListener('abort', onAbort)

    // a muxer closes its streams without an error when the connection is lost
    failure = error ?? new ConnectionClosedError('The stream was closed before it ended')
    ended = ended && error == null
    wakeSource()
    wakeSink()
    failSink(error)
  }

  async function * read (): AsyncGenerator<Uint8ArrayList> {
    while (true) {
      signal?.throwIfAborted()

      if (unread.byteLength > 0) {
        const batch = unread
        unread = new Uint8ArrayList()

        // not in the message listener: a resume() in progress would undo it
        // for the muxer only
        if (stream.readStatus === 'readable') {
          stream.pause()
        }

        yield batch
      } else if (failure == null && stream.readStatus === 'paused') {
        resume(stream)
      } else if (ended && stream.readBufferLength === 0) {
        return
      } else if (failure != null) {
        throw failure
      } else {
        await new Promise<void>(resolve => { wakeSource = resolve })
      }
    }
  }

  async function write (iterator: AsyncIterator<Uint8Array | Uint8ArrayList> | Iterator<Uint8Array | Uint8ArrayList>): Promise<void> {
    while (failure == null) {
      // not only when send() returned false: a drain event makes room, but not
      // always for all that waits
      if (stream.writableNeedsDrain) {
        await new Promise<void>(resolve => { wakeSink = resolve })
        continue
      }

      const { done, value } = await iterator.next()

      if (done === true) {
        break
      }

      if (failure == null && value.byteLength > 0) {
        stream.send(value)
      }
    }
  }

  const generator = read()

  // beside what a generator does on leaving: it may not have begun, or be
  // waiting for the remote
  const leave = (err: Error): void => {
    if (!ended || unread.byteLength + stream.readBufferLength > 0) {
      stream.abort(err)
    }
  }

  return undefined as any
}
