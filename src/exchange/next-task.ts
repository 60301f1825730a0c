/**
 * Resolves when all has been done that had been waiting to be done: what came from
 * a disk or the network, but also what it has caused. A timer would take several
 * milliseconds in browsers.
 */
export async function nextTask (): Promise<void> {
  await new Promise<void>(resolve => {
    if (globalThis.setImmediate != null) {
      globalThis.setImmediate(resolve)
      return
    }

    const { port1, port2 } = new MessageChannel()

    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}
