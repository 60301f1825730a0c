import { resolve } from 'node:path'
import { Command } from 'commander'
import { USAGE } from './exit-codes.ts'
import * as help from './help.ts'
import { Output } from './output.ts'
import { defaultRepoPath } from './repo/default-path.ts'
import { version } from './version.ts'
import type { CheckOptions } from './commands/check.ts'
import type { GetOptions } from './commands/get.ts'
import type { LsOptions } from './commands/ls.ts'
import type { ServeOptions } from './commands/serve.ts'
import type { StatusOptions } from './commands/status.ts'
import type { SyncOptions } from './commands/sync.ts'
import type { Context } from './context.ts'

/**
 * Where to listen if nothing is said: on all interfaces, on ports that are free
 */
const LISTEN = ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws']

/**
 * Called with what was asked for
 */
export interface Run {
  (context: Omit<Context, 'signal'>, command: (context: Context) => Promise<number>): Promise<void>
}

/**
 * The command line. What a command needs is loaded when it is run, as libp2p
 * takes a while.
 */
export function createProgram (run: Run): Command {
  const program = new Command('hash-exchange')

  const runCommand = async (command: (context: Context) => Promise<number>, { name = '', toStderr = false } = {}): Promise<void> => {
    const { repo, json = false } = program.opts<{ repo: string, json?: boolean }>()

    await run({
      command: name,
      repo: resolve(repo),
      output: new Output(json, toStderr ? process.stderr : process.stdout)
    }, command)
  }

  const add = (name: string, description: string, text: string): Command => {
    return program.command(name).description(description).addHelpText('after', text + help.EXIT_CODES)
  }

  program
    .description('Replicates files and folders among peers: checked against their hashes, and going on where it was interrupted.')
    .version(version())
    .option('--repo <dir>', 'where the repo is; by default in the folder for data of the user\'s programs, or what HASH_EXCHANGE_REPO says', defaultRepoPath())
    .option('--json', 'tell everything on stdout as JSON, an object on each line with what happened as "event"')
    .addHelpText('after', help.PROGRAM)
    .configureHelp({ showGlobalOptions: true })
    // its own shows the help of the program for a command that there is not
    .helpCommand(false)
    .exitOverride()

  add('init', 'make a repo', help.INIT)
    .action(async () => runCommand(async context => (await import('./commands/init.ts')).init(context), { name: 'init' }))

  add('add', 'put files and folders into the repo', help.ADD)
    .argument('<path...>', 'files and folders')
    .action(async (paths: string[]) => runCommand(async context => (await import('./commands/add.ts')).add(context, paths), { name: 'add' }))

  add('ls', 'list what was added', help.LS)
    .option('--blocks', 'list the hashes of all blocks instead')
    .action(async (options: LsOptions) => runCommand(async context => (await import('./commands/ls.ts')).ls(context, options), { name: 'ls' }))

  add('get', 'write a file or a folder from the repo', help.GET)
    .argument('<cid>', 'what "add" printed')
    .requiredOption('-o, --output <path>', 'where to write it; - is stdout, for a file')
    .option('-f, --force', 'replace files that are there, and add to folders')
    .action(async (cid: string, options: GetOptions) => runCommand(async context => (await import('./commands/get.ts')).get(context, cid, options), { name: 'get', toStderr: options.output === '-' }))

  add('serve', 'let peers read, and perhaps add', help.SERVE)
    .option('--allow <peer...>', 'IDs of the peers that may read; without it anyone may')
    .option('--accept <peer...>', 'IDs of the peers that may add; without it nobody may')
    .option('--accept-all', 'anyone may add')
    .option('--listen <multiaddr...>', 'where to listen', LISTEN)
    .action(async (options: ServeOptions) => runCommand(async context => (await import('./commands/serve.ts')).serve(context, options), { name: 'serve' }))

  add('sync', 'have the same as other peers', help.SYNC)
    .argument('<multiaddr...>', 'addresses of peers, as "serve" prints them')
    .option('--pull', 'only take')
    .option('--push', 'only offer')
    .option('--live', 'go on with what is added later, until it is interrupted; a peer that is lost is waited for')
    .option('--again', 'ask for all that the peers have, also for what was there once and was removed here')
    .action(async (addresses: string[], options: SyncOptions) => runCommand(async context => (await import('./commands/sync.ts')).sync(context, addresses, options), { name: 'sync' }))

  add('pipe', 'trade messages over stdin and stdout', help.PIPE)
    .argument('[message...]', 'what this side has')
    .action(async (messages: string[]) => runCommand(async context => (await import('./commands/pipe.ts')).pipe(context, messages), { name: 'pipe', toStderr: true }))

  add('status', 'tell about the repo', help.STATUS)
    .option('--size', 'also how many bytes the files of the blocks have, which takes longer')
    .action(async (options: StatusOptions) => runCommand(async context => (await import('./commands/status.ts')).status(context, options), { name: 'status' }))

  add('check', 'check all blocks against their hashes', help.CHECK)
    .option('--remove', 'remove those that are corrupted, so that they can be fetched again')
    .action(async (options: CheckOptions) => runCommand(async context => (await import('./commands/check.ts')).check(context, options), { name: 'check' }))

  add('help', 'tell more of a command', '')
    .argument('[command]')
    .action((name?: string) => {
      const command = name == null ? program : program.commands.find(command => command.name() === name)

      if (command != null) {
        command.help()
      }

      program.error(`error: unknown command '${name}'`, { exitCode: USAGE })
    })

  return program
}
