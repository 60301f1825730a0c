import type { CounterGroup, Metrics } from '@libp2p/interface'

export interface ReplicationGauges {
  exchanges(): number
  wants(): number
}

/**
 * What is counted where libp2p has metrics
 */
export class ReplicationMetrics {
  readonly #bytes?: CounterGroup
  readonly #hashes?: CounterGroup
  readonly #failures?: CounterGroup

  constructor (metrics: Metrics | undefined, gauges: ReplicationGauges) {
    this.#bytes = metrics?.registerCounterGroup('libp2p_hash_exchange_bytes_total', { label: 'direction', help: 'Bytes of content replicated' })
    this.#hashes = metrics?.registerCounterGroup('libp2p_hash_exchange_hashes_total', { label: 'direction', help: 'Hashes whose content was replicated' })
    this.#failures = metrics?.registerCounterGroup('libp2p_hash_exchange_failures_total', { label: 'error', help: 'Hashes that could not be had, by the name of the error' })

    metrics?.registerMetric('libp2p_hash_exchange_exchanges', { help: 'Open exchanges', calculate: gauges.exchanges })
    metrics?.registerMetric('libp2p_hash_exchange_wants', { help: 'Hashes that are offered and not here', calculate: gauges.wants })
  }

  onReceived (bytes: number): void {
    this.#bytes?.increment({ received: bytes })
    this.#hashes?.increment({ received: 1 })
  }

  onSent (bytes: number): void {
    this.#bytes?.increment({ sent: bytes })
    this.#hashes?.increment({ sent: 1 })
  }

  onFailed (error: Error): void {
    this.#failures?.increment({ [error.name]: 1 })
  }
}
