import { Key } from 'interface-datastore/key'
import type { AbortOptions } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'

/**
 * What a store needs of its datastore
 */
export type StoreDatastore = Pick<Datastore, 'get' | 'put' | 'has' | 'delete' | 'batch'>

/**
 * The part of a datastore whose keys begin with a prefix
 */
export class Records {
  readonly #datastore: StoreDatastore
  readonly #prefix: string
  // if the datastore can say at once what it has, as far as is known
  #hasAtOnce = true

  constructor (datastore: StoreDatastore, prefix: string) {
    this.#datastore = datastore
    this.#prefix = prefix
  }

  /**
   * The value of a name, or undefined if it has none
   */
  async get (name: string, options: AbortOptions = {}): Promise<Uint8Array | undefined> {
    options.signal?.throwIfAborted()

    try {
      return await this.#datastore.get(this.#key(name), options)
    } catch (err: any) {
      // datastores make errors of their own of an aborted signal, one of them a NotFoundError
      options.signal?.throwIfAborted()

      if (err?.name !== 'NotFoundError') {
        throw err
      }
    }
  }

  async has (name: string, options: AbortOptions = {}): Promise<boolean> {
    options.signal?.throwIfAborted()

    try {
      return await this.#datastore.has(this.#key(name), options)
    } finally {
      // and one of them says "no"
      options.signal?.throwIfAborted()
    }
  }

  /**
   * The same as `get`, where it may well not be there. A datastore in memory says
   * so at once, which spares the error that it would throw; any other would have
   * to look twice for what is there.
   */
  async find (name: string, options: AbortOptions = {}): Promise<Uint8Array | undefined> {
    options.signal?.throwIfAborted()

    if (this.#hasAtOnce) {
      const has = this.#datastore.has(this.#key(name), options)

      if (typeof has === 'boolean') {
        options.signal?.throwIfAborted()
        return has ? this.get(name, options) : undefined
      }

      this.#hasAtOnce = false
      has.catch(() => {})
    }

    return this.get(name, options)
  }

  async put (name: string, value: Uint8Array): Promise<void> {
    await this.#datastore.put(this.#key(name), value)
  }

  async delete (name: string): Promise<void> {
    await this.#datastore.delete(this.#key(name))
  }

  /**
   * Puts values, and deletes those that are undefined. No name may be given
   * twice. Whether a part of them can be left undone depends on the datastore.
   */
  async putAll (values: Iterable<[name: string, value: Uint8Array | undefined]>): Promise<void> {
    const batch = this.#datastore.batch()

    for (const [name, value] of values) {
      if (value != null) {
        batch.put(this.#key(name), value)
      } else {
        batch.delete(this.#key(name))
      }
    }

    await batch.commit()
  }

  #key (name: string): Key {
    // without the check for slashes that are missing or too many
    return new Key(`${this.#prefix}/${name}`, false)
  }
}
