import { Key } from 'interface-datastore'
import { blockHash } from 'libp2p-hash-exchange'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { presence } from './dag.ts'
import { decodeRecord, encodeRecord } from './file-record.ts'
import { Marks } from './marks.ts'
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

    await this.check()
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
      void this.check()
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
   * Deletes the blocks that no other file has
   */
  async remove (cid: string): Promise<void> {
    const listed = this.#listed.get(cid)
    const store = this.#store

    if (listed == null || store == null) {
      return
    }

    const shared = new Set<string>()

    for (const other of this.#listed.keys()) {
      if (other !== cid) {
        (await presence(store, CID.parse(other))).cids.forEach(cid => { shared.add(blockHash(cid)) })
      }
    }

    const own = (await presence(store, CID.parse(cid))).cids.map(cid => blockHash(cid)).filter(hash => !shared.has(hash))

    for (const hash of listed.records) {
      await this.#removedRecords.add(hash)
      await store.delete(hash)
      await this.#datastore.delete(RECORDS.child(new Key(hash)))
    }

    await this.discard(own)

    this.#listed.delete(cid)
    this.#onChange()
  }

  /**
   * Deletes blocks, which nobody is to bring back
   */
  async discard (hashes: Iterable<string>): Promise<void> {
    for (const hash of hashes) {
      await this.#removedBlocks.add(hash)
      await this.#store?.delete(hash)
    }
  }

  /**
   * Looks how much is here of the files that are not complete, one call at a time
   */
  async check (): Promise<void> {
    while (this.#checking != null) {
      await this.#checking
    }

    this.#checking = this.#check().finally(() => { this.#checking = undefined })
    await this.#checking
  }

  async #check (): Promise<void> {
    for (const { entry } of [...this.#listed.values()].filter(({ entry }) => !entry.complete)) {
      // a DAG that cannot be read is not complete
      const found = await presence(this.#store as Store, CID.parse(entry.cid)).catch(() => undefined)

      if (found != null) {
        entry.here = Math.min(found.bytes, entry.size)
        entry.complete = found.complete
      }
    }

    this.#onChange()

    if (this.#removedBlocks.size > 0 && this.entries.some(({ complete }) => !complete)) {
      // it may be what another file lacks now
      await this.#removedBlocks.clear()
      this.#onLacking()
    }
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
