/**
 * The ID of the stream protocol. The version is that of the npm package whose
 * wire format this is.
 */
export const PROTOCOL = '/hash-exchange/4.0.1'

/**
 * The ID of the protocol that adds the messages by which two stores find out where
 * they differ. What replicates offers it first.
 */
export const PROTOCOL_4_1 = '/hash-exchange/4.1.0'

/**
 * The largest RPC message that we take. An original sends what it is given in
 * one message: 100,000 hashes of 40 characters are 4.2 MB.
 */
export const MAX_RPC_BYTES = 16 * 1024 * 1024

/**
 * The most hashes or mappings in an RPC message that we take, counted before
 * the first string is made of them. Twice what originals were seen to send.
 */
export const MAX_RPC_ENTRIES = 262_144

/**
 * The most bytes of a frame that may come before its data: a channel, a name
 * of at most eight characters and a type take 20.
 */
export const MAX_FRAME_HEADER_BYTES = 1024

/**
 * How much content goes into one DATA frame. Small enough for the remote to see
 * a body of another channel soon, large enough for the eight bytes of header
 * not to matter.
 */
export const MAX_DATA_BYTES = 64 * 1024

/**
 * How many bytes are joined into one `send`. A noise packet holds 65,519 bytes,
 * and with yamux's 12 bytes of header this fills exactly four of them.
 */
export const SEND_BYTES = 262_028

/**
 * How many bytes the remote may send ahead of what was read, where the stream holds
 * nobody back: libp2p aborts one in which 4 MiB wait, and what is on its way when the
 * remote hears of it, and what is no content, has to fit as well. It limits the rate
 * to this much per round trip: 40 MB/s at 50 ms.
 */
export const WINDOW = 2 * 1024 * 1024

/**
 * The smallest window that may be asked for: with less the messages that open it
 * would be a good part of what is sent
 */
export const MIN_WINDOW = 65_536

/**
 * The longest hash, in bytes of UTF-8. A multihash as a CID takes 60, an
 * unusual one up to twice as many.
 */
export const MAX_HASH_BYTES = 512

/**
 * The most hashes in an AVAILABLE or REQUEST that we send. An original was four
 * times as fast with 1,000 in a message as with 20,000.
 */
export const MAX_BATCH_HASHES = 1000

/**
 * The most bytes of hashes in an AVAILABLE or REQUEST that we send
 */
export const MAX_BATCH_BYTES = 64 * 1024

/**
 * How many hashes are requested and not yet received. Eight requests of a
 * thousand keep the remote busy over any round trip.
 */
export const MAX_OUTSTANDING = 8192

/**
 * How many hashes of a peer may wait for us before we stop reading from it:
 * twice what one of ours has outstanding
 */
export const MAX_PENDING = 16_384

/**
 * How many hashes of a peer may wait for us while we wait for it, too: not to
 * read would lock both of us then. Each takes half a kilobyte, and what the
 * application gives for it.
 */
export const MAX_PENDING_WHILE_REQUESTING = 131_072

/**
 * How many lookups of `createReadStream` run at a time: those of one full
 * request
 */
export const MAX_LOOKUPS = 1024

/**
 * How many sources are open at a time: enough to hide the latency of a disk
 */
export const MAX_SOURCES = 16

/**
 * How many bytes are read ahead from all open sources together: 64 KiB, a usual
 * chunk of a file, of each
 */
export const MAX_READ_AHEAD_BYTES = 1024 * 1024

/**
 * How many bytes of responses nobody has read yet we keep before we hold the
 * remote back: 16 full sends, which keeps a network busy while a reader works
 */
export const MAX_UNREAD_BYTES = 4 * 1024 * 1024

/**
 * How many bodies may begin before we know their names: an original that is
 * read slowly was seen to send 288 bodies before the HASHES that name them
 */
export const MAX_UNKNOWN_BODIES = 1024

/**
 * How long a lookup may take, and a source may give nothing, in ms: a disk that
 * has to start takes 10 s
 */
export const SERVE_TIMEOUT = 20_000

/**
 * How long we wait for an answer or for the next byte of a body, in ms: longer
 * than one of ours takes to give up its source
 */
export const REQUEST_TIMEOUT = 30_000

/**
 * Over which time a body must make its {@link MIN_BODY_RATE}, in ms
 */
export const RATE_WINDOW = 60_000

/**
 * How many bytes of a body must come in a second. A modem makes this; one byte
 * every 29 seconds does not.
 */
export const MIN_BODY_RATE = 1024

/**
 * How long a response may be left unread while others wait behind it, in ms:
 * twice what a requester waits, so that it is not the first to give up
 */
export const UNREAD_TIMEOUT = 60_000

/**
 * How long the remote may take to close after we did, in ms: as long as for any
 * other answer
 */
export const CLOSE_TIMEOUT = 30_000

/**
 * How long nothing may be asked of an original that has closed before we close
 * as well, in ms. (Of one of ours nothing more can be asked, so there we close
 * at once.)
 */
export const QUIET_TIMEOUT = 5000

/**
 * The longest reason of an ERROR frame that is kept, in bytes
 */
export const MAX_REASON_BYTES = 256

/**
 * How many messages of announcements may wait to be sent before `provide()`
 * waits: the next one can be written while the one before is sent
 */
export const MAX_WAITING_ANNOUNCEMENTS = 2

/**
 * How many cells the sketch of a store has: with 1.4 for each difference enough for
 * 23,000, in 0.9 MB
 */
export const SKETCH_CELLS = 32_768

/**
 * The most cells that a sketch may have. A quarter of these are sent together, and
 * must fit into one message.
 */
export const MAX_SKETCH_CELLS = 1_048_576

/**
 * How many cells are sent first: enough for about 180 differences, in 6.7 kB
 */
export const FIRST_CELLS = 256

/**
 * About how many bytes a hash of a block takes in an AVAILABLE
 */
export const LISTED_BYTES = 62
