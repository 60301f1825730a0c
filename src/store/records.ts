import { Key } from 'interface-datastore/key'
import type { AbortOptions } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'

/**
 * What a store needs of its datastore
 */
export type StoreDatastore = Pick<Datastore, 'get' | 'put' | 'has' | 'delete'>

/**
 * The part of a datastore whose keys begin with a prefix
 */
export class Records {
  readonly #datastore: StoreDatastore
  readonly #prefix: string

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

  async put (name: string, value: Uint8Array): Promise<void> {
    await this.#datastore.put(this.#key(name), value)
  }

  async delete (name: string): Promise<void> {
    await this.#datastore.delete(this.#key(name))
  }

  #key (name: string): Key {
    // without the check for slashes that are missing or too many
    return new Key(`${this.#prefix}/${name}`, false)
  }
}
