/**
 * What a store finds in its datastore is not what it wrote there: it cannot be
 * opened, or read on, without losing hashes
 */
export class StoreCorruptError extends Error {
  static name = 'StoreCorruptError'

  constructor (message = 'The log of the store cannot be read') {
    super(message)
    this.name = 'StoreCorruptError'
  }
}
