import { expect } from 'aegir/chai'
import { CommandError } from '../src/errors.ts'
import { explain } from '../src/explain.ts'

describe('explanations', () => {
  it('of our own errors are what they say', () => {
    expect(explain(new CommandError('The disk is full, ENOSPC'))).to.equal('The disk is full, ENOSPC')
  })

  it('are found in causes and in the parts of errors', () => {
    const full = new Error('ENOSPC: no space left on device, write')

    expect(explain(new Error('could not put', { cause: new Error('PutFailedError', { cause: full }) }))).to.match(/^The disk is full\..*\(ENOSPC: no space left on device, write\)$/)
    expect(explain(new AggregateError([new Error('x'), new Error('connect ECONNREFUSED 127.0.0.1:1')], 'all failed'))).to.match(/^Nobody listens there: the connection was refused\./)
  })

  it('have no trace of a program in them', () => {
    const err = new Error('some failed:\n\n/ip4/127.0.0.1/tcp/1: Error: listen EADDRINUSE: address already in use 127.0.0.1:1\n    at Server.listen (node:net:1:2)\n')

    expect(explain(err)).to.match(/^Another program listens on that address already\. .* \(\/ip4\/127\.0\.0\.1\/tcp\/1: Error: listen EADDRINUSE: address already in use 127\.0\.0\.1:1\)$/)
  })

  it('name the path that it is about', () => {
    expect(explain(new Error('EACCES: permission denied, open \'/a\''))).to.equal('You may not read or write that: EACCES: permission denied, open \'/a\'')
  })

  it('of what is not known are what it says', () => {
    expect(explain(new TypeError('strange\nthing'))).to.equal('TypeError: strange')
    expect(explain('text')).to.equal('text')
    expect(explain(undefined)).to.equal('undefined')
  })

  it('end, also where an error is its own cause', () => {
    const err = new Error('round')
    err.cause = err

    expect(explain(err)).to.equal('round')
  })
})
