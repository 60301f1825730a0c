import { Key } from 'interface-datastore'
import type { Datastore } from 'interface-datastore'

/**
 * A set of hashes that is kept. Where the browser gives no more space it is in memory
 * only, so that what there is can still be removed.
 */
export class Marks {
  readonly #datastore: Datastore
  readonly #prefix: Key
  readonly #hashes = new Set<string>()

  constructor (datastore: Datastore, prefix: Key) {
    this.#datastore = datastore
    this.#prefix = prefix
  }

  async open (): Promise<void> {
    for await (const key of this.#datastore.queryKeys({ prefix: this.#prefix.toString() })) {
      this.#hashes.add(key.baseNamespace())
    }
  }

  has (hash: string): boolean {
    return this.#hashes.has(hash)
  }

  async add (hash: string): Promise<void> {
    this.#hashes.add(hash)

    try {
      await this.#datastore.put(this.#prefix.child(new Key(hash)), new Uint8Array())
    } catch {
      // see above
    }
  }

  async delete (hash: string): Promise<void> {
    if (this.#hashes.delete(hash)) {
      await this.#datastore.delete(this.#prefix.child(new Key(hash)))
    }
  }
}
