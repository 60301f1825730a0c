import { AbortError, ConnectionClosedError, StreamAbortedError, StreamResetError, StreamStateError, TimeoutError } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import type { AbortOptions, Stream } from '@libp2p/interface'
import type { Duplex, Source } from 'it-stream-types'

/**
 * How long the remote may take to make room for the last of what was sent, in
 * ms. Only the last chunk waits by then, which even a slow network takes in this
 * time, while a remote that never reads would keep us for ever.
 */
const CLOSE_TIMEOUT = 30_000

type Bytes = Uint8Array | Uint8ArrayList

export interface StreamToDuplexOptions extends AbortOptions {
  /**
   * Aborts the stream: both halves reject with the reason of the signal
   */
  signal?: AbortSignal

  /**
   * How long the remote may take to make room for what is unsent when the source
   * given to `sink` has ended, in ms; then the stream is aborted with a
   * TimeoutError
   *
   * @default 30_000
   */
  closeTimeout?: number
}

/**
 * A libp2p Stream as `{ source, sink }`. The remote is held back while the
 * consumer of `source` works, and the source given to `sink` while the remote
 * does not read.
 *
 * `source` ends when the remote has closed its writing end, and only then: an
 * abort, a reset or a lost connection is thrown. To leave it early aborts the
 * stream, and so does an error in the source given to `sink`.
 *
 * Each half may be used once. When the stream has closed, and it does when both
 * halves have ended, nothing listens to it or to the signal any more.
 */
export function streamToDuplex (stream: Stream, options: StreamToDuplexOptions = {}): Duplex<AsyncGenerator<Uint8ArrayList>, Source<Bytes>, Promise<void>> {
  const { signal, closeTimeout = CLOSE_TIMEOUT } = options
  const listening = new AbortController()
  const used = new Set<string>()
  let unread = new Uint8ArrayList()
  // of a stream that has closed before nobody can tell if the remote ended it
  let ended = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
  // set when the stream has closed: why nothing more can be sent
  let failure: Error | undefined
  let wakeSource = (): void => {}
  let wakeSink = (): void => {}
  let failSink = (error?: Error): void => {}

  const claim = (half: string): void => {
    if (used.has(half)) {
      throw new StreamStateError(`The ${half} can be used once only`)
    }

    used.add(half)
  }

  const resume = (): void => {
    try {
      stream.resume()
    } catch (err) {
      // all was dispatched before the muxer found no connection to ask for more
      stream.log('could not ask for more data - %e', err)
    }
  }

  const onClose = ({ error }: { error?: Error }): void => {
    if (stream.status === 'aborted') {
      unread = new Uint8ArrayList()
    } else if (stream.readBufferLength > 0) {
      // take over what the stream still holds, which only resuming dispatches
      stream.pause()
      resume()
    }

    // muxers close their streams without an error when the connection is lost:
    // only the missing end of the remote's writing tells that from a good end
    failure = error ?? new ConnectionClosedError('The stream was closed before its end')
    ended = ended && error == null
    listening.abort()
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

        // not when the message comes: the resume() that dispatches it would go
        // on to start the muxer again
        if (stream.readStatus === 'readable') {
          stream.pause()
        }

        yield batch
      } else if (ended && stream.readBufferLength === 0) {
        return
      } else if (failure != null) {
        throw failure
      } else if (stream.readStatus === 'paused') {
        resume()
      } else {
        await new Promise<void>(resolve => { wakeSource = resolve })
      }
    }
  }

  const source = read()
  const finish = source.return.bind(source)

  Object.assign(source, {
    [Symbol.asyncIterator]: () => {
      claim('source')
      return source
    },
    // not in the generator: it may not have begun, or be waiting for the remote
    return: async (value: any) => {
      if (!ended || unread.byteLength + stream.readBufferLength > 0) {
        stream.abort(new AbortError('The source was left before its end'))
      }

      return finish(value)
    }
  })

  const sink = async (source: Source<Bytes>): Promise<void> => {
    claim('sink')

    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let iterator: AsyncIterator<Bytes> | Iterator<Bytes> | undefined
    let flushing = false

    const send = async (): Promise<void> => {
      iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()

      while (failure == null) {
        const { done, value } = await iterator.next()

        if (done === true) {
          break
        }

        // not only when send() returned false: one drain may make room for just
        // a part of what waits, which would then grow with each chunk
        while (stream.writableNeedsDrain && failure == null) {
          await new Promise<void>(resolve => { wakeSink = resolve })
        }

        if (value.byteLength > 0 && failure == null) {
          stream.send(value)
        }
      }

      flushing = true
      const timer = setTimeout(() => {
        stream.abort(new TimeoutError('The remote did not take the last of what was sent'))
      }, closeTimeout)

      // given a signal, it would leave listeners there
      await stream.close().finally(() => { clearTimeout(timer) })
    }

    // beside send(), as the source that it waits for may never give anything
    failSink = (error) => {
      // a stream that could be flushed may well close, but not with an error
      if (!flushing || error != null) {
        reject(failure)
        Promise.resolve().then(async () => iterator?.return?.()).catch(() => {})
      }
    }

    send().then(resolve, err => {
      stream.abort(err)
      // when the stream closes, close() rejects with an event
      reject(failure ?? err)
    })

    if (failure != null) {
      failSink(failure)
    }

    return promise
  }

  // Yamux lets the remote send up to 16 MiB ahead however little the stream is
  // ready to buffer (4 MiB), and what was rightly sent to a paused stream aborts
  // it. FIGURES
  const muxed: Stream & { maxStreamWindowSize?: number } = stream
  const window = muxed.maxStreamWindowSize ?? 0

  if (window > stream.maxReadBufferLength) {
    muxed.maxStreamWindowSize = stream.maxReadBufferLength
    // what the remote was allowed before now must fit as well
    stream.maxReadBufferLength += window
  }

  stream.addEventListener('message', (evt) => { unread.append(evt.data); wakeSource() }, listening)
  stream.addEventListener('remoteCloseWrite', () => { ended = true; wakeSource() }, listening)
  stream.addEventListener('drain', () => { wakeSink() }, listening)
  stream.addEventListener('close', onClose, listening)
  signal?.addEventListener('abort', () => { stream.abort(signal.reason) }, listening)

  if (stream.readStatus === 'readable') {
    stream.pause()
  }

  if (stream.status === 'reset') {
    onClose({ error: new StreamResetError() })
  } else if (stream.status === 'aborted') {
    onClose({ error: new StreamAbortedError() })
  } else if (stream.status !== 'open') {
    onClose({})
  } else if (signal?.aborted === true) {
    stream.abort(signal.reason)
  }

  return { source, sink }
}
