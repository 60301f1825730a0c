import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { expect } from 'aegir/chai'
import { Output } from '../src/output.ts'
import { describe as describeState, Progress } from '../src/progress.ts'

/**
 * Something that is taken for a terminal, and keeps what is written
 */
class Terminal extends PassThrough {
  isTTY = true
  columns = 120
  written = ''

  constructor () {
    super()
    this.on('data', chunk => { this.written += chunk })
  }
}

describe('progress', () => {
  it('says how many bytes there are, how fast they come, and how long that takes', () => {
    expect(describeState({ part: 0.25, bytes: 50_000_000, totalBytes: 200_000_000 }, 10_000_000)).to.equal('50.0 MB of 200 MB, 10.0 MB/s, 15 s left')
    expect(describeState({ part: 1, bytes: 2, totalBytes: 2, note: '1/1 blocks' }, 10)).to.equal('1/1 blocks, 2 B of 2 B, 10 B/s')
    expect(describeState({ bytes: 7 }, 0)).to.equal('7 B')
  })

  it('shows a bar on a terminal, and takes it away at the end', async () => {
    const terminal = new Terminal()
    const progress = await Progress.create(true, terminal as any)
    const bar = progress.bar('adding')

    bar.update({ part: 0.5, bytes: 1000, totalBytes: 2000 })
    progress.print(terminal, 'a line')
    progress.stop()

    const text = stripVTControlCharacters(terminal.written)
    expect(text).to.contain('a line\n')
    expect(text).to.match(/adding \[={5} {5}\] {2}50% 1\.00 kB of 2\.00 kB/)
    // the bar is drawn again below the line
    expect(text.lastIndexOf('adding')).to.be.above(text.indexOf('a line'))
  })

  it('leaves room for what there is to say on a line of 80', async () => {
    const terminal = new Terminal()
    const progress = await Progress.create(true, terminal as any)

    progress.bar().update({ part: 0.5, bytes: 1000, note: '28000/56000 blocks' })
    progress.print(terminal, 'a line')
    progress.stop()

    expect(stripVTControlCharacters(terminal.written)).to.match(/(^|\s)\[={5} {5}\] {2}50% 28000\/56000 blocks, 1\.00 kB/)
    expect('[=====     ]  50% '.length + describeState({ part: 0.5, bytes: 123_000_000, leftBytes: 30_000_000_000, note: '28000/56000 blocks' }, 45_000_000).length).to.be.below(80)
  })

  it('escapes what a terminal would do', () => {
    const terminal = new Terminal()
    const file = new Terminal()
    file.isTTY = false

    new Output(false, terminal, terminal).event('a', {}, ['a\x1b[2Jb\nc', 'd\tü'])
    new Output(false, file, file).warn('a\x1b[2Jb')
    expect(terminal.written).to.equal('a\\x1b[2Jb\\x0ac\nd\tü\n')
    expect(file.written).to.equal('warning: a\x1b[2Jb\n')
  })

  it('shows nothing where there is no terminal, or if it shall not', async () => {
    const file = new Terminal()
    file.isTTY = false
    const terminal = new Terminal()

    for (const progress of [await Progress.create(true, file as any), await Progress.create(false, terminal as any)]) {
      const bar = progress.bar('adding')

      bar.update({ part: 0.5, bytes: 1 })
      progress.stop()
    }

    expect(file.written).to.equal('')
    expect(terminal.written).to.equal('')
  })

  it('is told to scripts at once, and then not too often', () => {
    const stdout = new Terminal()
    const output = new Output(true, stdout, new Terminal())

    output.progress({ bytes: 1 }, 'a')
    output.progress({ bytes: 2 }, 'a')
    output.progress({ bytes: 3 }, 'b')

    expect(stdout.written).to.equal('{"event":"progress","bytes":1}\n{"event":"progress","bytes":3}\n')
  })
})
