import { fileURLToPath } from 'node:url'
import { preview } from 'vite'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * With these a page may measure its memory (`measureUserAgentSpecificMemory`)
 */
const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp'
}

export interface PageInit {
  /**
   * Addresses of the server, for the page
   */
  addresses: string[]
  iceServers?: Array<{ urls: string }>
  port?: number
  host?: string
}

/**
 * Serves the page that was built, and `server.json`, which tells it where the server is
 */
export async function servePage ({ addresses, iceServers = [], port = 0, host = 'localhost' }: PageInit): Promise<{ url: string, close(): Promise<void> }> {
  const server = await preview({
    root: ROOT,
    logLevel: 'warn',
    preview: { port, host, strictPort: port !== 0, headers: HEADERS },
    plugins: [{
      name: 'server-json',
      configurePreviewServer ({ middlewares }) {
        middlewares.use('/server.json', (_, response) => {
          response.setHeader('content-type', 'application/json')
          response.end(JSON.stringify({ addresses, iceServers }))
        })
      }
    }]
  })
  const url = server.resolvedUrls?.local[0]

  if (url == null) {
    throw new Error('The page could not be served')
  }

  return { url, close: async () => server.close() }
}
