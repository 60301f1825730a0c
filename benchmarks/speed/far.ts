import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/**
 * The port in an address of any of the systems
 */
const PORT = /(?<=^|\/tcp\/)\d+/

/**
 * Stands before a provider on this machine, as if it were far away
 */
export interface Distance {
  /**
   * Where it is dialled instead
   */
  address: string
  close(): void
}

/**
 * Lets all bytes to and from a provider take some time, however many they are
 *
 * @param address - where the provider is
 * @param ms - how long, each way
 */
export async function distanceTo (address: string, ms: number): Promise<Distance> {
  const port = Number(PORT.exec(address)?.[0])
  const sockets = new Set<Socket>()

  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.on('data', bytes => { setTimeout(() => { to.write(bytes) }, ms) })
    from.on('end', () => { setTimeout(() => { to.end() }, ms) })
    // what that ends is told by the sides
    from.on('error', () => { to.destroy() })
    from.on('close', () => { sockets.delete(from) })
  }

  const server = createServer({ noDelay: true, allowHalfOpen: true }, near => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })

    pass(near, far)
    pass(far, near)
  })

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    address: address.replace(PORT, String((server.address() as AddressInfo).port)),
    close () {
      server.close()
      sockets.forEach(socket => { socket.destroy() })
    }
  }
}
