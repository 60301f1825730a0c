import type { Counter, CounterGroup, Metrics } from '@libp2p/interface'

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
  readonly #useless?: Counter

  constructor (metrics: Metrics | undefined, gauges: ReplicationGauges) {
    this.#bytes = metrics?.registerCounterGroup('libp2p_hash_exchange_bytes_total', { label: 'direction', help: 'Bytes of content replicated' })
    this.#hashes = metrics?.registerCounterGroup('libp2p_hash_exchange_hashes_total', { label: 'direction', help: 'Hashes whose content was replicated' })
    this.#failures = metrics?.registerCounterGroup('libp2p_hash_exchange_failures_total', { label: 'error', help: 'Hashes that could not be had, by the name of the error' })
    this.#useless = metrics?.registerCounter('libp2p_hash_exchange_useless_hashes_total', { help: 'Announced hashes that are not those of blocks that could be checked' })

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

  onUseless (hashes: number): void {
    if (hashes > 0) {
      this.#useless?.increment(hashes)
    }
  }

  onFailed (error: Error): void {
    this.#failures?.increment({ [error.name]: 1 })
  }
}
