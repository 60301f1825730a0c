import { sha256 } from '@noble/hashes/sha2.js'
import { isSha256Multihash } from './block-hash.ts'
import type { Sketch } from '../sketch/sketch.ts'

/**
 * A slot is 32 bytes of key and the sequence, 0 where it is free
 */
const KEY_WORDS = 8

/**
 * How much of a key names it in a sketch, and says where it goes
 */
const NAME_WORDS = 4

const MIN_SLOTS = 1024

/**
 * How full it may get, and how much it grows then: it takes 45 bytes for each hash
 * when it is full, and 59 when it has just grown
 */
const MAX_LOAD = 0.8
const GROWTH = 1.3

/**
 * The sequence of each hash, in memory: a hash table with linear probing. All of a
 * SHA-256 is the key, that of the block or of another multihash: anybody can make
 * up a name that only begins as another one does. Where a key goes follows from its
 * first 16 bytes, by which it can also be found, and is mixed with random numbers, so
 * that nobody can choose many that go to the same place.
 */
export class HashIndex {
  #slots = MIN_SLOTS
  #keys = new Int32Array(MIN_SLOTS * KEY_WORDS)
  #sequences = new Uint32Array(MIN_SLOTS)
  #size = 0
  // the key that is looked for
  readonly #key = new Int32Array(KEY_WORDS)
  readonly #name = this.#key.subarray(0, NAME_WORDS)
  readonly #seed = globalThis.crypto.getRandomValues(new Uint32Array(NAME_WORDS)).map(word => word | 1)
  readonly #sketch?: Sketch

  /**
   * @param sketch - of the keys, kept up to date
   */
  constructor (sketch?: Sketch) {
    this.#sketch = sketch
  }

  get size (): number {
    return this.#size
  }

  get (multihash: Uint8Array): number | undefined {
    const sequence = this.#sequences[this.#find(multihash)]

    return sequence === 0 ? undefined : sequence
  }

  /**
   * The sequence of a hash by the first 16 bytes of its key
   */
  find (name: Int32Array): number | undefined {
    this.#key.set(name)

    let slot = this.#home(this.#key, 0)

    while (this.#sequences[slot] !== 0 && !this.#hasKey(slot * KEY_WORDS, NAME_WORDS)) {
      slot = this.#next(slot)
    }

    return this.#sequences[slot] || undefined
  }

  /**
   * The first 16 bytes of all keys, one after the other
   */
  names (): Int32Array {
    const names = new Int32Array(this.#size * NAME_WORDS)
    let at = 0

    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#sequences[slot] !== 0) {
        // a view of each would take several times as long
        for (let word = 0; word < NAME_WORDS; word++) {
          names[at++] = this.#keys[slot * KEY_WORDS + word]
        }
      }
    }

    return names
  }

  /**
   * Keeps a sequence, from 1 on
   */
  set (multihash: Uint8Array, sequence: number): void {
    let slot = this.#find(multihash)

    if (this.#sequences[slot] === 0) {
      if (this.#size >= this.#slots * MAX_LOAD) {
        this.#grow()
        slot = this.#find(multihash)
      }

      this.#keys.set(this.#key, slot * KEY_WORDS)
      this.#size++
      this.#sketch?.add(this.#name)
    }

    this.#sequences[slot] = sequence
  }

  delete (multihash: Uint8Array): void {
    let free = this.#find(multihash)

    if (this.#sequences[free] === 0) {
      return
    }

    this.#size--
    this.#sketch?.remove(this.#name)

    // those behind it move up, unless they would come before their own place
    for (let slot = this.#next(free); this.#sequences[slot] !== 0; slot = this.#next(slot)) {
      const home = this.#home(this.#keys, slot * KEY_WORDS)
      const fromHome = (slot - home + this.#slots) % this.#slots
      const fromFree = (slot - free + this.#slots) % this.#slots

      if (fromHome >= fromFree) {
        this.#keys.copyWithin(free * KEY_WORDS, slot * KEY_WORDS, (slot + 1) * KEY_WORDS)
        this.#sequences[free] = this.#sequences[slot]
        free = slot
      }
    }

    this.#sequences[free] = 0
  }

  /**
   * The slot that a multihash is in, or that is free for it
   */
  #find (multihash: Uint8Array): number {
    this.#read(multihash)

    let slot = this.#home(this.#key, 0)

    while (this.#sequences[slot] !== 0 && !this.#hasKey(slot * KEY_WORDS, KEY_WORDS)) {
      slot = this.#next(slot)
    }

    return slot
  }

  #hasKey (at: number, words: number): boolean {
    for (let i = 0; i < words; i++) {
      if (this.#keys[at + i] !== this.#key[i]) {
        return false
      }
    }

    return true
  }

  /**
   * The digest of the usual hash is a SHA-256 itself
   */
  #read (multihash: Uint8Array): void {
    const isSha256 = isSha256Multihash(multihash)
    const bytes = isSha256 ? multihash : sha256(multihash)

    for (let i = 0, at = isSha256 ? 2 : 0; i < KEY_WORDS; i++, at += 4) {
      this.#key[i] = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24
    }
  }

  #home (keys: Int32Array, at: number): number {
    let mixed = 0

    for (let i = 0; i < NAME_WORDS; i++) {
      mixed = Math.imul(mixed ^ keys[at + i] ^ keys[at + i] >>> 15, this.#seed[i])
      mixed ^= mixed >>> 16
    }

    // to the number of slots, which is not a power of 2
    return Math.floor((mixed >>> 0) / 2 ** 32 * this.#slots)
  }

  #next (slot: number): number {
    return slot + 1 === this.#slots ? 0 : slot + 1
  }

  #grow (): void {
    const keys = this.#keys
    const sequences = this.#sequences

    this.#slots = Math.ceil(this.#slots * GROWTH)
    this.#keys = new Int32Array(this.#slots * KEY_WORDS)
    this.#sequences = new Uint32Array(this.#slots)

    for (let old = 0; old < sequences.length; old++) {
      if (sequences[old] !== 0) {
        let slot = this.#home(keys, old * KEY_WORDS)

        while (this.#sequences[slot] !== 0) {
          slot = this.#next(slot)
        }

        // a view of each would take several times as long
        for (let word = 0; word < KEY_WORDS; word++) {
          this.#keys[slot * KEY_WORDS + word] = keys[old * KEY_WORDS + word]
        }

        this.#sequences[slot] = sequences[old]
      }
    }
  }
}
