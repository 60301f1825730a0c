import { CommanderError } from 'commander'
import { InterruptedError, UsageError } from './errors.ts'
import { FAILED, OK, USAGE } from './exit-codes.ts'
import { explain } from './explain.ts'
import { Interruption } from './interruption.ts'
import { createProgram } from './program.ts'
import type { Context } from './context.ts'
import type { Output } from './output.ts'

/**
 * How long something may go on when the command has ended, in ms
 */
const LINGER_MS = 3000

/**
 * Runs the program with its arguments, and sets the exit code
 */
export async function main (args: string[]): Promise<void> {
  process.stdout.on('error', onOutputError)
  process.stderr.on('error', onOutputError)

  process.exitCode = await run(args)

  // whatever keeps it running does not matter any more
  setTimeout(() => { process.exit() }, LINGER_MS).unref()
}

async function run (args: string[]): Promise<number> {
  let exitCode = OK

  const program = createProgram(async (context, command) => {
    exitCode = await runCommand(context, command)
  })

  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (err) {
    if (!(err instanceof CommanderError)) {
      throw err
    }

    // it has told itself; --help and --version are errors for it as well
    return err.exitCode === 0 ? OK : USAGE
  }

  return exitCode
}

async function runCommand (context: Omit<Context, 'signal'>, command: (context: Context) => Promise<number>): Promise<number> {
  const { output } = context
  const interruption = new Interruption(() => { output.note('Ending. Another Ctrl-C ends it at once.') })

  const onUnexpected = (err: unknown): void => {
    output.error(explain(err))
    debug(err)
    process.exit(FAILED)
  }

  process.on('uncaughtException', onUnexpected)
  interruption.start()

  try {
    const code = await command({ ...context, signal: interruption.signal })

    return interruption.exitCode ?? code
  } catch (err) {
    return interruption.exitCode == null ? failed(output, err) : interrupted(output, err, interruption.exitCode)
  } finally {
    interruption.stop()
  }
}

function failed (output: Output, err: unknown): number {
  const usage = err instanceof UsageError

  output.error(usage ? err.message : explain(err))
  debug(err)

  return usage ? USAGE : FAILED
}

/**
 * What fails because it was interrupted is told as that
 */
function interrupted (output: Output, err: unknown, exitCode: number): number {
  output.event('interrupted', {})

  if (!(err instanceof InterruptedError)) {
    debug(err)
  }

  return exitCode
}

/**
 * Where an error came from is for those who look for it
 */
function debug (err: unknown): void {
  if (process.env.DEBUG != null && process.env.DEBUG !== '') {
    process.stderr.write(`${err instanceof Error ? err.stack : String(err)}\n`)
  }
}

/**
 * What it writes goes nowhere
 */
function onOutputError (err: NodeJS.ErrnoException): void {
  if (err.code === 'EPIPE') {
    // as in "hash-exchange ls | head": nobody reads the rest
    process.exit()
  }

  // what has no code is of "pipe", whose output ends with what ended the exchange
  if (err.code != null) {
    process.stderr.write(`error: ${explain(err)}\n`)
    process.exit(FAILED)
  }
}
