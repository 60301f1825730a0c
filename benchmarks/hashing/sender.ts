/**
 * Offers as many blocks of a size as its parent says
 */

import { parseBlockHash } from '../../src/index.ts'
import { block, hashOf } from './blocks.ts'
import { createNode, createStore } from './node.ts'

const [size, count] = process.argv.slice(2).map(Number)
const numbers = new Map<string, number>()
const store = await createStore(cid => block(numbers.get(cid.toString()) ?? 0, size))

for (let i = 0; i < count; i++) {
  const bytes = block(i, size)
  const hash = hashOf(bytes)

  numbers.set(String(parseBlockHash(hash)), i)
  await store.put(hash, bytes)
}

const node = await createNode({ store })

process.send?.(node.getMultiaddrs()[0].toString())
