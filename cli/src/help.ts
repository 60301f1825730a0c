/**
 * What is below the options of each command, and of the program itself
 */
export const EXIT_CODES = `
Exit codes:
  0    all went well, and where something was to arrive, everything did that was
       offered and can be checked (by SHA-256)
  1    something failed, or not everything arrived; stderr says what
  2    the command line is not as it should be
  130  ended by Ctrl-C (SIGINT), 143 by SIGTERM; what was done is kept`

export const PROGRAM = `
The usual way, on two machines:
  a$ hash-exchange init
  a$ hash-exchange add photos              prints the CID of the folder
  a$ hash-exchange serve                   prints addresses of this peer
  b$ hash-exchange init
  b$ hash-exchange sync <an address of a>
  b$ hash-exchange get <CID> -o photos

Environment:
  HASH_EXCHANGE_REPO  where the repo is, without --repo
  DEBUG               what of libp2p is logged to stderr: 'libp2p:*'

Files:
  In the repo are the private key of this peer (key, for its user only), the
  blocks (blocks), and their log (log). It needs no server. One process can use
  it at a time.
${EXIT_CODES}

"hash-exchange help <command>" says more of a command.`

export const INIT = `
Makes the repo with the key of a new peer, and prints its peer ID. A repo that
is there already is left as it is, unless its key is gone: then it gets a new
one, and with it a new peer ID.

Example:
  $ hash-exchange init --repo /srv/blocks
`

export const ADD = `
Cuts files into blocks and puts those into the repo that are not there yet: as
UnixFS, in the way that kubo and Helia call unixfs-v1-2025. Prints the CID of
each path and its name. Interrupted, it can be repeated: blocks that are there
are not written again.

Symbolic links in folders, what is no file and no folder, and files that vanish
or whose names are not UTF-8, are left out with a warning. Times and modes of
files are not kept.

Example:
  $ hash-exchange add photos letter.txt
`

export const LS = `
Lists what was added to this repo: its CID, size and name, the oldest first.
What came from other peers is not in that list, as only those who added it know
its name; --blocks lists all hashes.

Example:
  $ hash-exchange ls --json
`

export const GET = `
Writes the file or the folder with a CID. Each block is checked against its hash
as it is written, and what is written gets its name when all of it is there and
right. Nothing is replaced unless --force is given.

Examples:
  $ hash-exchange get bafybei… -o photos
  $ hash-exchange get bafkrei… -o - | less
`

export const SERVE = `
Lets peers read what is in the repo, and stays until it is interrupted. Prints
the addresses of this peer, then a line for each event. Anyone may read unless
--allow names who may. Nobody may add unless --accept names who may, or
--accept-all is given; what they add is checked, and passed on to who is there.

While it runs, no other command can use the repo.

Examples:
  $ hash-exchange serve --listen /ip4/0.0.0.0/tcp/4100 /ip4/0.0.0.0/tcp/4101/ws
  $ hash-exchange serve --allow 12D3KooWA… 12D3KooWB… --accept 12D3KooWA…
`

export const SYNC = `
Makes this repo and those of the peers at the addresses have the same blocks:
takes what they have, and offers what this one has, which they take if they are
served with --accept. Addresses with the same peer ID are ways to one peer.
Interrupted, the next run goes on where this one was.

What comes is checked before it is stored. How much time is left is an estimate,
as peers tell hashes and not sizes.

Ends with 0 only if everything arrived: all that the peers offered, here; and
all that is here, there, with --push or where the peer takes from this one. If
one peer fails, the others are synced with all the same.

Examples:
  $ hash-exchange sync /ip4/192.0.2.1/tcp/4100/p2p/12D3KooW…
  $ hash-exchange sync --pull --live /dns4/example.org/tcp/443/wss/p2p/12D3KooW…
`

export const PIPE = `
Trades messages with another exchange, whose stdin and stdout are wired to the
stdout and stdin of this one: with another "hash-exchange pipe", or with the
example of the npm package hash-exchange of 2015. What the other one has and
this one has not is written to stderr. Ends when its stdin does. Needs no repo.

Example:
  $ mkfifo back
  $ hash-exchange pipe beep boop 'hey yo' < back |
      hash-exchange pipe 'hey yo' WHATEVER beep > back

Both stay until Ctrl-C, as there could always be more.
`

export const STATUS = `
Tells where the repo is, the ID of its peer, how many roots and blocks it has,
the ID of its log, and how much room is left on the disk.
`

export const CHECK = `
Reads all blocks and checks each one against its hash: disks fail. Ends with 1
if one is corrupted, even if it was removed.

Example:
  $ hash-exchange check --remove; hash-exchange sync --again <multiaddr>
`
