import { Key } from 'interface-datastore'
import { blockHash } from 'libp2p-hash-exchange'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { presence } from './dag.ts'
import { decodeRecord, encodeRecord } from './file-record.ts'
import { Marks } from './marks.ts'
import type { Presence } from './dag.ts'
import type { FileRecord } from './file-record.ts'
import type { FileEntry } from '../model.ts'
import type { Datastore } from 'interface-datastore'
import type { Store } from 'libp2p-hash-exchange'

const RECORDS = new Key('/page/files')
const REMOVED_RECORDS = new Key('/page/removed/records')
const REMOVED_BLOCKS = new Key('/page/removed/blocks')

interface Listed {
  entry: FileEntry
  /**
   * The hashes of the records that name it
   */
  records: Set<string>
}

/**
 * The files and folders whose names are known here, and how much of each is here
 */
export class Files {
  readonly #datastore: Datastore
  readonly #onChange: () => void
  readonly #listed = new Map<string, Listed>()
  // hashes that were removed here, which nobody is to bring back
  readonly #removedRecords: Marks
  readonly #removedBlocks: Marks
  #store?: Store
  #checking?: Promise<void>
  #checkAgain = false

  readonly #onLacking: () => void

  /**
   * @param datastore - where the names are kept
   * @param onChange - called when there is something new to show
   * @param onLacking - called when something is wanted again that was not before
   */
  constructor (datastore: Datastore, onChange: () => void, onLacking: () => void) {
    this.#datastore = datastore
    this.#onChange = onChange
    this.#onLacking = onLacking
    this.#removedRecords = new Marks(datastore, REMOVED_RECORDS)
    this.#removedBlocks = new Marks(datastore, REMOVED_BLOCKS)
  }

  get entries (): FileEntry[] {
    return Array.from(this.#listed.values(), ({ entry }) => entry).sort((a, b) => b.added - a.added || (a.name < b.name ? -1 : 1))
  }

  /**
   * If it is not among those that were removed
   */
  isWanted (hash: string): boolean {
    return !this.#removedRecords.has(hash) && !this.#removedBlocks.has(hash)
  }

  async open (store: Store): Promise<void> {
    this.#store = store

    await Promise.all([this.#removedRecords.open(), this.#removedBlocks.open()])

    for await (const { key, value } of this.#datastore.query({ prefix: RECORDS.toString() })) {
      this.#list(key.baseNamespace(), decodeRecord(value))
    }
  }

  /**
   * A block was stored: it may be a record
   */
  onBlock (cid: CID, bytes: Uint8Array): void {
    const record = decodeRecord(bytes)

    if (record != null) {
      const hash = blockHash(cid)

      this.#list(hash, record)
      // it is in the store as well; if this fails it is just not listed the next time
      Promise.resolve(this.#datastore.put(RECORDS.child(new Key(hash)), bytes)).catch(() => {})
      this.check().catch(() => {})
    }
  }

  async add (record: FileRecord): Promise<void> {
    const bytes = encodeRecord(record)

    await this.#store?.put(blockHash(CID.createV1(raw.code, await sha256.digest(bytes))), bytes)
    await this.check()
  }

  /**
   * What was removed may come back, as it is added again
   */
  async allow (hash: string): Promise<void> {
    await this.#removedBlocks.delete(hash)
  }

  /**
   * Deletes what is of a file alone
   */
  async remove (cid: string): Promise<void> {
    const listed = this.#listed.get(cid)

    if (listed == null) {
      return
    }

    for (const hash of listed.records) {
      await this.#removedRecords.add(hash)
      await this.#store?.delete(hash)
      await this.#datastore.delete(RECORDS.child(new Key(hash)))
    }

    this.#listed.delete(cid)
    this.#onChange()
    await this.discard((await this.#presence(cid)).here)
  }

  /**
   * Deletes blocks, but for those of the files that are listed. Nobody is to bring
   * them back.
   */
  async discard (hashes: Iterable<string>): Promise<void> {
    const needed = new Set<string>()

    for (const cid of this.#listed.keys()) {
      (await this.#presence(cid)).here.forEach(hash => { needed.add(hash) })
    }

    for (const hash of hashes) {
      if (!needed.has(hash)) {
        await this.#removedBlocks.add(hash)
        await this.#store?.delete(hash)
      }
    }
  }

  /**
   * Looks how much is here of the files that are not complete. While it looks, another
   * look is noted, and no more than one.
   */
  async check (): Promise<void> {
    this.#checkAgain = true

    if (this.#checking == null) {
      this.#checking = this.#checkAll().finally(() => { this.#checking = undefined })
    }

    await this.#checking
  }

  async #checkAll (): Promise<void> {
    while (this.#checkAgain) {
      this.#checkAgain = false
      await this.#check()
    }
  }

  async #check (): Promise<void> {
    let lacking = false

    for (const { entry } of [...this.#listed.values()].filter(({ entry }) => !entry.complete)) {
      const { bytes, complete, missing } = await this.#presence(entry.cid)

      entry.complete = complete
      entry.here = complete ? entry.size : Math.min(bytes, entry.size)

      // what was removed may be what another file needs now
      for (const hash of missing) {
        if (this.#removedBlocks.has(hash)) {
          await this.#removedBlocks.delete(hash)
          lacking = true
        }
      }
    }

    this.#onChange()

    if (lacking) {
      this.#onLacking()
    }
  }

  async #presence (cid: string): Promise<Presence> {
    return presence(this.#store as Store, CID.parse(cid))
  }

  #list (hash: string, record?: FileRecord): void {
    if (record == null) {
      return
    }

    const listed = this.#listed.get(record.cid) ?? { entry: { ...record, here: 0, complete: false }, records: new Set() }

    listed.records.add(hash)
    this.#listed.set(record.cid, listed)
    this.#onChange()
  }
}
