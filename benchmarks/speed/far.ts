import { multiaddr } from '@multiformats/multiaddr'
import { TcpProxy } from '../../test/fixtures/tcp-proxy.ts'

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
  stop(): Promise<void>
}

/**
 * Lets all bytes to and from a provider take some time, however many they are
 *
 * @param address - where the provider is
 * @param ms - how long, each way
 */
export async function distanceTo (address: string, ms: number): Promise<Distance> {
  const proxy = await TcpProxy.before(multiaddr(`/ip4/127.0.0.1/tcp/${PORT.exec(address)?.[0]}`))

  proxy.faults = { delay: ms }

  return {
    address: address.replace(PORT, PORT.exec(proxy.address.toString())?.[0] ?? ''),
    stop: async () => { await proxy.stop() }
  }
}
