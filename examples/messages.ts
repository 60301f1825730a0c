/* eslint-disable no-console */

/**
 * Trades the messages given as arguments with the other end of stdin and stdout:
 * the example of the original, in today's form
 *
 * ```sh
 * mkfifo back
 * node examples/messages.ts beep boop 'hey yo' < back |
 *   node examples/messages.ts 'hey yo' WHATEVER beep > back
 * ```
 */

import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { pipe } from 'it-pipe'
import { exchange } from 'libp2p-hash-exchange'

const HELP = `Usage: node examples/messages.ts [--] [message...]

Trades messages with another exchange, of this package or the original, whose stdin and stdout are wired to the stdout
and stdin of this one. What the other has and this one has not is written to stderr. It ends when its stdin does.

Options:
  --help, -h  Show this
`

const sha1 = (data: string | Uint8Array): string => createHash('sha1').update(data).digest('hex')

function fail (err: Error, code = 1): void {
  console.error('error: %s', err.message)
  process.exitCode = code
}

async function trade (messages: string[]): Promise<void> {
  const data = new Map(messages.map(message => [sha1(message), Buffer.from(message)]))

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
        throw new Error(`what came as ${hash} is something else`)
      }

      console.error('# BEGIN %s\n%s\n# END %s', hash, body.toString(), hash)
    }).catch(fail)
  })

  ex.addEventListener('failed', ({ detail: { hash, error } }) => {
    fail(new Error(`${hash} did not come: ${error.message}`))
  })

  try {
    await pipe(process.stdin, ex, async (source) => pipeline(source, async function * (lists) {
      for await (const list of lists) {
        yield * list
      }
    }, process.stdout))
  } catch (err: any) {
    // nobody closes the exchange, as there could always be more: it is over when the other side has left. What had
    // not come by then has failed by itself.
    if (err.name !== 'UnexpectedEndError' && err.code !== 'EPIPE') {
      fail(err)
    }
  } finally {
    process.stdin.destroy()
  }
}

try {
  const { values: { help }, positionals: messages } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true
  })

  if (help === true) {
    process.stdout.write(HELP)
  } else if (process.stdin.isTTY || process.stdout.isTTY) {
    throw new Error('stdin and stdout must be wired to another exchange, see --help')
  } else {
    await trade(messages)
  }
} catch (err: any) {
  fail(err, 2)
}
