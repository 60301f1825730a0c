#!/usr/bin/env node

/* eslint-disable no-console */

/**
 * The program is built from src; this file is not, so that npm finds it when it
 * makes the link to it
 */

const NEEDED = [22, 12]

const [major, minor] = process.versions.node.split('.').map(Number)

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(`error: hash-exchange needs Node.js ${NEEDED.join('.')} or later, this is ${process.versions.node}`)
  process.exit(1)
}

// imported after the check, as an older Node.js could not even read it
const { main } = await import('../dist/src/main.js')

await main(process.argv.slice(2))
