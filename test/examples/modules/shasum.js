import { createHash } from 'node:crypto'

/**
 * The original's example requires the module of this name, but its package lists
 * that for development only. This is as much of it as the example uses.
 *
 * @param {string} text
 * @returns {string}
 */
function shasum (text) {
  return createHash('sha1').update(text).digest('hex')
}

export { shasum as 'module.exports' }
