const UNREACHABLE = 'No address of it could be reached. It may be closed, or not connected to its relay.'

const SENTENCES: Record<string, string> = {
  LimitedConnectionError: 'Only a relay connects both sides, and no direct connection could be made. A firewall may forbid WebRTC.',
  TimeoutError: 'The other side did not answer in time.',
  AbortError: 'It was cancelled.',
  DialError: UNREACHABLE,
  // a WebSocket does not say why it can't be opened
  ConnectionFailedError: UNREACHABLE,
  NoValidAddressesError: 'This browser can reach none of its addresses: it can use WebSockets (/ws) and WebRTC (/webrtc).',
  UnsupportedProtocolError: 'The other side does not replicate files: it speaks no /hash-exchange.',
  StreamResetError: 'The connection was lost.',
  ConnectionClosedError: 'The connection was lost.',
  UntrustedPeerError: 'It sent content that does not have its hash too often, and is left alone for a while.',
  UnexpectedEndError: 'The connection was lost.'
}

/**
 * An error as a sentence for the person
 */
export function explain (err: any): string {
  if (err?.name === 'AggregateError' && Array.isArray(err.errors) && err.errors.length > 0) {
    return explain(err.errors[0])
  }

  // a WebSocket that cannot be opened tells an event, and nothing in it
  if (err instanceof Event || /\[object \w*Event\]/.test(err?.message)) {
    return UNREACHABLE
  }

  return SENTENCES[err?.name] ?? `${err?.message ?? err}`
}
