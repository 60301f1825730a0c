import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { pipe as join } from 'it-pipe'
import { exchange } from 'libp2p-hash-exchange'
import { CommandError, UsageError } from '../errors.ts'
import { FAILED, OK } from '../exit-codes.ts'
import type { Context } from '../context.ts'
import type { Exchange } from 'libp2p-hash-exchange'

/**
 * What the exchange says of an input that ends where it can't
 */
const CUT = 'The stream ended within a frame'

/**
 * Trades messages over stdin and stdout: the example of the original. What comes
 * is written to stderr, as stdout is for the other side.
 */
export async function pipe ({ output, signal }: Context, messages: string[]): Promise<number> {
  if (process.stdin.isTTY || process.stdout.isTTY) {
    throw new UsageError('stdin and stdout must be wired to another exchange, see --help')
  }

  const data = new Map(messages.map(message => [sha1(message), Buffer.from(message)]))
  let failed = false

  const fail = (err: Error): void => {
    failed = true
    output.error(err.message)
  }

  const ex = exchange(hash => {
    const message = data.get(hash)

    return message && { stream: [message] }
  })

  ex.provide(data.keys()).catch(fail)

  ex.addEventListener('available', ({ detail: hashes }) => {
    ex.request(hashes)
  })

  ex.addEventListener('response', ({ detail: { hash, stream } }) => {
    buffer(stream).then(body => {
      if (sha1(body) !== hash) {
        throw new CommandError(`what came as ${hash} is something else`)
      }

      output.event('message', { hash, message: body.toString() }, [`# BEGIN ${hash}`, ...body.toString().split('\n'), `# END ${hash}`])
    }).catch(fail)
  })

  ex.addEventListener('failed', ({ detail: { hash, error } }) => {
    fail(new CommandError(`${hash} did not come: ${error.message}`))
  })

  const stop = (): void => { ex.abort(signal.reason) }
  signal.addEventListener('abort', stop)

  try {
    await run(ex)
  } catch (err: any) {
    signal.throwIfAborted()

    // nobody closes the exchange, as there could always be more: it is over when the other side has left. What had
    // not come by then has failed by itself.
    if (err.message === CUT) {
      fail(new CommandError('What came on stdin ended within a message, or is no exchange'))
    } else if (err.name !== 'UnexpectedEndError' && err.code !== 'EPIPE') {
      fail(err)
    }
  } finally {
    signal.removeEventListener('abort', stop)
    process.stdin.destroy()
  }

  return failed ? FAILED : OK
}

async function run (ex: Exchange): Promise<void> {
  await join(process.stdin, ex, async (source) => pipeline(source, async function * (lists) {
    for await (const list of lists) {
      yield * list
    }
  }, process.stdout))
}

function sha1 (data: string | Uint8Array): string {
  return createHash('sha1').update(data).digest('hex')
}
