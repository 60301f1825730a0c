import { parseArgs } from 'node:util'
import { servePage } from './page.ts'
import { startRelay } from './relay.ts'

const HELP = `Usage: npm run demo [-- options]

Serves a page whose tabs are peers, and starts a server that relays among them and has what they have.

Options:
  --port <number>   Of the page (default: any)
  --stun <url>      A STUN server, as stun:stun.example.org:3478, which tabs in different networks need to
                    find each other (default: none, so that nobody is asked)
  --help, -h        Show this
`

const { values } = parseArgs({ options: { port: { type: 'string' }, stun: { type: 'string' }, help: { type: 'boolean', short: 'h' } } })

if (values.help === true) {
  process.stdout.write(HELP)
  process.exit(0)
}

const { node } = await startRelay()
const page = await servePage({
  addresses: node.getMultiaddrs().map(address => address.toString()),
  iceServers: values.stun == null ? [] : [{ urls: values.stun }],
  port: values.port == null ? undefined : Number(values.port)
})

process.stdout.write(`The page:   ${page.url}
The server: ${node.getMultiaddrs()[0]}
            hash-exchange sync ${node.getMultiaddrs()[0]}
What it has is in memory only. Ctrl-C ends it.
`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    Promise.all([page.close(), node.stop()]).then(() => process.exit(0), () => process.exit(1))
  })
}
