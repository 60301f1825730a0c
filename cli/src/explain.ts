import { CommandError } from './errors.ts'

/**
 * What is said of an error of the system or of a library: what was wrong, and
 * what to do. Tried in this order on the messages of the error and its causes:
 * several libraries keep only the text of what went wrong below them.
 */
const EXPLANATIONS: Array<[pattern: RegExp, message: string]> = [
  [/ENOSPC|EDQUOT|[Nn]o space left on device|Disk quota exceeded/, 'The disk is full. Nothing that was there is lost: free some space and run the command again, it goes on where it was.'],
  [/EFBIG|File too large/, 'A file would become larger than may be written here (see "ulimit -f", or the limit of the file system). Nothing that was there is lost: raise the limit and run the command again, it goes on where it was.'],
  [/EROFS|[Rr]ead-only file ?system/, 'The disk can only be read, not written to. Mount it for writing, or choose another place.'],
  [/EMFILE|ENFILE|Too many open files/, 'Too many files are open. Raise the limit ("ulimit -n") and run the command again.'],
  [/EIO\b|Input\/output error/, 'The disk can\'t be read or written: it may be failing. Make a copy of what is on it.'],
  [/EADDRINUSE|address already in use/, 'Another program listens on that address already. Choose another with --listen, where port 0 is any that is free.'],
  [/EADDRNOTAVAIL/, 'This machine does not have that address to listen on. Choose another with --listen.'],
  [/ECONNREFUSED/, 'Nobody listens there: the connection was refused. Is "hash-exchange serve" running there, and is this its address?'],
  [/EHOSTUNREACH|ENETUNREACH|EHOSTDOWN/, 'There is no way to that address from here. Is the network up, and is the address right?'],
  [/ENOTFOUND|EAI_AGAIN|ESERVFAIL/, 'The name in the address can\'t be found. Is it right, and is the network up?'],
  [/Payload identity key|UnexpectedPeerError|does not match expected/, 'Another peer answered at that address than the one named after /p2p/. "hash-exchange serve" there prints the right address.'],
  [/UnsupportedProtocolError|[Pp]rotocol selection failed/, 'The peer does not replicate blocks: it does not speak the protocol.'],
  [/NoValidAddressesError|no valid addresses/i, 'That kind of address can\'t be dialled. Give one with /tcp/, with or without /ws.'],
  [/dial self/i, 'That is the address of this peer itself.'],
  [/EncryptionFailedError|MuxerUnavailableError|UnexpectedEOFError|InvalidMessageError|unexpected end of input/, 'What answers at that address is no libp2p peer, or it has hung up.'],
  [/ECONNRESET|EPIPE|StreamResetError|ConnectionClosedError|UnexpectedEndError|stream was reset|connection closed/i, 'The connection was lost. Run the command again, it goes on where it was.'],
  [/TimeoutError|ETIMEDOUT|timed out|due to timeout/i, 'Nothing was heard for too long. Is the peer running, and can it be reached? The next run goes on where this one was.']
]

/**
 * With the path that it is about, for what can be wrong with any path
 */
const PATH_EXPLANATIONS: Array<[pattern: RegExp, what: string]> = [
  [/ENOENT|No such file or directory/, 'There is no such file or folder'],
  [/EACCES|EPERM|[Pp]ermission denied/, 'You may not read or write that'],
  [/EISDIR/, 'That is a folder, not a file'],
  [/ENOTDIR|Not a directory/, 'That is no folder'],
  [/ENAMETOOLONG/, 'That name is too long']
]

const NO_WEB_SOCKET = 'No web socket could be opened there. Is "hash-exchange serve" running there, and is this its address?'

/**
 * How deep errors may be in others, in case one is in itself
 */
const MAX_DEPTH = 8

/**
 * Says in plain words what an error means, and keeps what the system said
 */
export function explain (err: unknown): string {
  if (err instanceof CommandError) {
    return err.message
  }

  if (isSilentEvent(err) || isSilentEvent((err as any)?.cause)) {
    return NO_WEB_SOCKET
  }

  const texts = allTexts(err).filter(text => text !== '')
  const text = texts.join('; ')

  for (const [pattern, message] of EXPLANATIONS) {
    if (pattern.test(text)) {
      return `${message} (${first(texts, pattern)})`
    }
  }

  for (const [pattern, what] of PATH_EXPLANATIONS) {
    if (pattern.test(text)) {
      return `${what}: ${first(texts, pattern)}`
    }
  }

  return (texts[0] ?? String(err)).split('\n')[0]
}

/**
 * What a web socket fails with, which never says why
 */
function isSilentEvent (err: any): boolean {
  return err?.type === 'error' && (err.message ?? '') === ''
}

/**
 * The line that says what happened: some messages have the trace of another error
 * in them
 */
function first (texts: string[], pattern: RegExp): string {
  const lines = texts.flatMap(text => text.split('\n')).map(line => line.trim())

  return lines.find(line => pattern.test(line)) ?? lines[0]
}

/**
 * Names and messages of an error, its causes and its parts, from the outside in
 */
function allTexts (err: any, depth = 0): string[] {
  // web sockets fail with an event that has a message
  if (typeof err?.message !== 'string' || depth > MAX_DEPTH) {
    return []
  }

  const { name, message, cause, error, errors } = err
  const text = [name === 'Error' || message.includes(name) ? '' : name, message].filter(Boolean).join(': ')

  return [text, ...[cause, error, ...(Array.isArray(errors) ? errors : [])].flatMap(inner => allTexts(inner, depth + 1))]
}
