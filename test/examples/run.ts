import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'

/**
 * A program in a process of its own, and what it has written so far
 */
export class Program {
  readonly process: ChildProcessWithoutNullStreams
  stdout = ''
  stderr = ''

  readonly #ended: Promise<number | string>
  #onOutput = (): void => {}

  constructor (command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(command, args, {
      // none of the options with which the tests run
      env: { ...process.env, NODE_OPTIONS: '', ...env }
    })

    this.#ended = once(this.process, 'close').then(([code, signal]) => code ?? signal)

    this.process.stderr.setEncoding('utf8').on('data', text => {
      this.stderr += text
      this.#onOutput()
    })

    // the other end of a pipe may be gone
    this.process.stdin.on('error', () => {})
  }

  /**
   * Keeps what is written to stdout
   */
  readStdout (): this {
    this.process.stdout.setEncoding('utf8').on('data', text => {
      this.stdout += text
      this.#onOutput()
    })

    return this
  }

  /**
   * Resolves when the condition holds after some output. Rejects when the
   * program ends before.
   */
  async until (condition: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onOutput = () => {
        if (condition()) {
          resolve()
        }
      }

      this.#onOutput()
      this.#ended.then(code => {
        reject(new Error(`Ended with ${code} before it wrote what was expected: ${this.stdout}${this.stderr}`))
      }, reject)
    })
  }

  /**
   * Resolves to the exit code, or to the name of the signal that ended it
   */
  async end (): Promise<number | string> {
    return this.#ended
  }
}

const programs: Program[] = []

export function run (command: string, args: string[], env?: NodeJS.ProcessEnv): Program {
  const program = new Program(command, args, env)

  programs.push(program)

  return program
}

/**
 * Runs one of the examples with the Node.js that runs the tests
 */
export function runExample (name: string, args: string[] = [], env?: NodeJS.ProcessEnv): Program {
  return run(process.execPath, [`examples/${name}`, ...args], env)
}

/**
 * Ends what a test has left running
 */
export async function endPrograms (): Promise<void> {
  for (const program of programs.splice(0)) {
    program.process.kill('SIGKILL')
    await program.end()
  }
}

/**
 * The examples import the package by its name, so they need what was built
 */
export function checkBuild (): void {
  if (!existsSync('dist/src/index.js')) {
    throw new Error('The examples need dist, run `npm run build` first')
  }
}
