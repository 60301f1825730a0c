import { expect } from 'aegir/chai'
import { count, formatBytes, formatSeconds } from '../src/format.ts'
import { Speed } from '../src/speed.ts'

describe('formats', () => {
  it('numbers of bytes', () => {
    const texts = [0, 1, 999, 1000, 1234, 9994, 9996, 99_940, 99_960, 999_499, 999_500, 1_500_000, 2 ** 31, 1e18].map(formatBytes)

    expect(texts).to.deep.equal(['0 B', '1 B', '999 B', '1.00 kB', '1.23 kB', '9.99 kB', '10.0 kB', '99.9 kB', '100 kB', '999 kB', '1.00 MB', '1.50 MB', '2.15 GB', '1000 PB'])
  })

  it('times', () => {
    expect([0, 0.2, 59, 60, 61, 3599, 3600, 7260].map(formatSeconds)).to.deep.equal(['0 s', '1 s', '59 s', '1 min 0 s', '1 min 1 s', '59 min 59 s', '1 h 0 min', '2 h 1 min'])
  })

  it('how many there are of something', () => {
    expect([0, 1, 5000].map(number => count(number, 'file'))).to.deep.equal(['0 files', '1 file', '5,000 files'])
  })
})

describe('speed', () => {
  it('is that of the last seconds', () => {
    const speed = new Speed(0)

    expect(speed.perSecond).to.equal(0)
    speed.update(1000, 1000)
    expect(speed.perSecond).to.equal(1000)

    // ten seconds at a tenth of that
    for (let i = 1; i <= 100; i++) {
      speed.update(1000 + i * 10, 1000 + i * 100)
    }

    expect(speed.perSecond).to.be.closeTo(100, 1)
  })
})
