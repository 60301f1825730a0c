import { InvalidParametersError } from '@libp2p/interface'
import { checkNames } from './check-names.ts'
import type { HashExchangeInit } from './index.ts'

/**
 * Each option of the service, and with what else it has a meaning
 */
const OPTIONS: Record<keyof HashExchangeInit, 'store' | 'createReadStream' | 'both'> = {
  store: 'store',
  accept: 'store',
  allow: 'store',
  autoReplicate: 'store',
  hashers: 'store',
  maxBytes: 'store',
  want: 'store',
  createReadStream: 'createReadStream',
  provides: 'createReadStream',
  id: 'both',
  limits: 'both',
  log: 'both',
  maxInboundStreams: 'both',
  maxOutboundStreams: 'both',
  runOnLimitedConnection: 'both',
  window: 'both'
}

/**
 * Throws InvalidParametersError for options that do not exist or do not go together:
 * with an `allow` that is not used everybody could read everything
 */
export function checkServiceInit (init: HashExchangeInit): void {
  if (init?.store == null && init?.createReadStream == null) {
    throw new InvalidParametersError('Give hashExchange() a store, to replicate it, or createReadStream, to serve content by its hash')
  }

  checkNames('option', init, Object.keys(OPTIONS))

  const other = init.store == null ? 'store' : 'createReadStream'

  for (const [name, value] of Object.entries(init)) {
    if (value != null && OPTIONS[name as keyof HashExchangeInit] === other) {
      throw new InvalidParametersError(other === 'store'
        ? `${name} needs a store: hashExchange({ store, ${name} })`
        : `With a store, that is what is provided: leave out ${name}`)
    }
  }
}
