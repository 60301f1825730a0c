import { Key } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import type { Datastore } from 'interface-datastore'

const PREFIX = '/hash-exchange-cli/roots'

/**
 * What was added to a repo
 */
export interface Root {
  cid: CID
  name: string

  /**
   * Bytes of all files
   */
  size: number

  files: number
  added: Date
}

/**
 * The list of what was added to a repo. A root is put there when all of its
 * blocks are.
 */
export class Roots {
  readonly #datastore: Pick<Datastore, 'put' | 'query'>

  constructor (datastore: Pick<Datastore, 'put' | 'query'>) {
    this.#datastore = datastore
  }

  async put ({ cid, ...root }: Root): Promise<void> {
    await this.#datastore.put(new Key(`${PREFIX}/${cid}`), new TextEncoder().encode(JSON.stringify(root)))
  }

  /**
   * In the order in which they were added
   */
  async all (): Promise<Root[]> {
    const roots: Root[] = []

    for await (const { key, value } of this.#datastore.query({ prefix: PREFIX })) {
      const { name, size, files, added } = JSON.parse(new TextDecoder().decode(value))

      roots.push({ cid: CID.parse(key.name()), name, size, files, added: new Date(added) })
    }

    return roots.sort((a, b) => a.added.getTime() - b.added.getTime())
  }
}
