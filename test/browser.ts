import { testWebSockets } from './fixtures/websocket-tests.ts'

describe('a browser and a peer in Node.js', () => {
  testWebSockets(() => {
    const { WEBSOCKET_PEER } = process.env

    if (WEBSOCKET_PEER == null) {
      throw new Error('The test runner has not started the peer in Node.js')
    }

    return WEBSOCKET_PEER
  })
})
