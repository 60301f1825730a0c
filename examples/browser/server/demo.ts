import { parseArgs } from 'node:util'
import { servePage } from './page.ts'
import { startRelay } from './relay.ts'

const HELP = `Usage: npm run demo [-- options]

Serves a page whose tabs are peers, and starts a server that relays among them and has what they have.

Options:
  --port <number>  Of the page (default: any that is free)
  --stun <url>     A STUN server, as stun:stun.example.org:3478, which tabs in different networks need to
                   find each other (default: none, so that nobody is asked)
  --help, -h       Show this
`

interface Options {
  port?: number
  stun?: string
}

/**
 * What the command line says. Throws if it is not as it should be.
 */
function parseOptions (): Options | undefined {
  const { port, stun, help } = parseArgs({ options: { port: { type: 'string' }, stun: { type: 'string' }, help: { type: 'boolean', short: 'h' } } }).values

  if (help === true) {
    return
  }

  if (port != null && !(/^\d+$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) {
    throw new Error(`--port must be a number from 1 to 65535, not ${port}`)
  }

  if (stun != null && !/^stuns?:./.test(stun)) {
    throw new Error(`--stun must be a URL like stun:stun.example.org:3478, not ${stun}`)
  }

  return { port: port == null ? undefined : Number(port), stun }
}

async function serve ({ port, stun }: Options): Promise<void> {
  const { node } = await startRelay()
  const [address] = node.getMultiaddrs().map(address => address.toString())
  const page = await servePage({ addresses: [address], iceServers: stun == null ? [] : [{ urls: stun }], port })

  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    process.once(signal, () => {
      Promise.all([page.close(), node.stop()]).then(() => process.exit(code), () => process.exit(1))
    })
  }

  process.stdout.write(`The page:   ${page.url}
The server: ${address}
            hash-exchange sync ${address}
What it has is in memory only. Ctrl-C ends it.
`)
}

try {
  const options = parseOptions()

  if (options == null) {
    process.stdout.write(HELP)
  } else {
    await serve(options)
  }
} catch (err: any) {
  process.stderr.write(`${err.message}\nnpm run demo -- --help tells what there is.\n`)
  process.exit(2)
}
