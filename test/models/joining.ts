import type { Model } from './explore.ts'

/**
 * The rules that are in question. Leave one out to see what it is for.
 */
export const RULES = {
  /**
   * The end of a list is awaited before another one is asked for
   */
  oneListDue: true,
  /**
   * What was put before a call, and has not been announced, is outstanding
   */
  putsAreNews: true,
  /**
   * A REQUEST without hashes says of what announcement it was the last to hear
   */
  saysUpTo: true,
  /**
   * Who did not open the exchange does not end it
   */
  openerEnds: true,
  /**
   * What the remote has is asked for again when a call joins that takes
   */
  asksAgain: true
}

export type Rules = typeof RULES

export interface PeerConfig {
  log: string[]
  puts?: number
  accepts?: boolean
  calls?: CallConfig[]
}

export interface CallConfig {
  takes: boolean
  offers: boolean
  live: boolean
  /**
   * If it is given up some time, where it is live
   */
  ends: boolean
}

type Message = ['SINCE', number] | ['AVAILABLE', string | null, number] | ['REQUEST', string | null, number] | ['HASHES'] | ['BODY', string] | ['CLOSE']

interface Call extends CallConfig {
  state: 'waits' | 'rides' | 'resolved'
  exchanges: number
  /**
   * What was there when it began: of the remote's, and of ours
   */
  toTake: string[]
  toGive: string[]
}

interface Node {
  log: string[]
  got: string[]
  cursor: number
  puts: number
  calls: Call[]
}

interface Side {
  opener: boolean
  takes: boolean | null
  offers: boolean
  live: boolean
  finished: boolean
  confirmed: boolean
  synced: boolean
  // that nothing more is wanted was said, here and there
  done: boolean
  remoteDone: boolean
  remoteAsked: boolean
  remoteDeaf: boolean
  // of the remote's list
  due: boolean
  asksLater: boolean
  asked: boolean
  listed: boolean
  marked: boolean
  heard: number
  // of ours
  begun: boolean
  running: boolean
  ended: boolean
  listOffers: boolean
  position: number
  stop: number
  since: number
  announced: number
  promised: number
  // announcements that came before it was decided if any are taken
  held: Array<[string | null, number]>
  wants: Array<{ hash: string, requested: boolean }>
  requests: Array<string | null>
  nothing: number | null
  owes: Array<string | null>
  closed: boolean
  remoteClosed: boolean
}

interface Open {
  sides: [Side, Side]
  /**
   * What each side has sent
   */
  wires: [Message[], Message[]]
}

export interface State {
  nodes: Node[]
  exchange: Open | null
  bad: string | null
}

const NAMES = 'AB'

/**
 * More exchanges than that a call does not ride on
 */
const MAX_EXCHANGES = 5

/**
 * How calls of `replicate()` come and go on the exchange of two peers that
 * replicate: who ends it, what joining one brings that has gone on for a while, and
 * what is put meanwhile. One exchange follows another, never two at a time. Each
 * message has one hash, nothing fails, no queue has a bound.
 */
export function joining (rules: Rules, peers: [PeerConfig, PeerConfig]): Model<State> {
  const init: State = {
    nodes: peers.map(({ log, puts = 0, calls = [] }) => ({
      log,
      got: [],
      cursor: 0,
      puts,
      calls: calls.map(call => ({ ...call, state: 'waits', exchanges: 0, toTake: [], toGive: [] }))
    })),
    exchange: null,
    bad: null
  }

  /**
   * What a side of the exchange does, as `ReplicationExchange` does it
   */
  class Actor {
    readonly state: State
    readonly p: number
    readonly node: Node
    readonly remote: Node
    readonly side: Side
    readonly #wire: Message[]

    constructor (state: State, p: number) {
      if (state.exchange == null) {
        throw new Error('There is no exchange')
      }

      this.state = state
      this.p = p
      this.node = state.nodes[p]
      this.remote = state.nodes[1 - p]
      this.side = state.exchange.sides[p]
      this.#wire = state.exchange.wires[p]
    }

    say (...message: Message): void {
      if (this.side.closed && message[0] !== 'BODY') {
        this.state.bad = `${NAMES[this.p]} sends ${message[0]} after its CLOSE`
      }

      this.#wire.push(message)
    }

    get closing (): boolean { return this.side.closed || this.side.remoteClosed }
    get ends (): boolean { return !this.side.live && (this.side.opener || !rules.openerEnds) }

    get followedUpTo (): number {
      if (this.side.remoteDeaf) {
        return -1
      }

      if (!this.ends) {
        return this.node.log.length
      }

      return rules.putsAreNews ? this.side.promised : -1
    }

    get following (): boolean {
      const { begun, running, listOffers, position } = this.side

      return begun && !running && listOffers && !this.closing && position < this.followedUpTo
    }

    get behind (): boolean {
      return rules.putsAreNews && this.side.listOffers && this.side.position < this.followedUpTo
    }

    onNews (): void {
      this.side.synced = this.side.confirmed = false
    }

    list (since: number): void {
      const { side, node } = this

      side.begun = side.running = true
      side.announced = 0
      side.listOffers = side.offers
      side.position = since
      side.stop = side.offers ? node.log.length : since
    }

    announceNext (): void {
      const { side, node } = this
      const hash = node.log[side.position++]

      if (node.got.includes(hash)) {
        return
      }

      if (!side.remoteDeaf) {
        side.remoteDone = false
        side.announced = side.position
        this.onNews()
      }

      this.say('AVAILABLE', hash, side.position)
    }

    endList (): void {
      const { side } = this

      this.say('AVAILABLE', null, side.listOffers ? side.position : 0)
      side.running = false
      side.ended = true
      this.evaluate()
    }

    ask (): void {
      const { side, node } = this

      if (side.takes !== true || this.closing) {
        return
      }

      if (side.due && rules.oneListDue) {
        side.asksLater = true
        return
      }

      side.due = side.asked = true
      side.listed = false
      this.say('SINCE', node.cursor)
    }

    decide (takes: boolean): void {
      const { side } = this

      side.takes = takes

      if (takes) {
        side.done = false

        if (side.nothing != null) {
          // it has not been sent, so no list ends by it
          side.nothing = null
          side.due = side.due && side.asked
        }

        this.onNews()
        this.ask()
        side.held.splice(0).forEach(announcement => { this.take(...announcement) })
      } else {
        side.held = []

        if (!side.done) {
          this.finishTaking()
        }
      }

      this.evaluate()
    }

    offer (): void {
      const { side, node } = this

      side.promised = node.log.length

      if (!side.offers) {
        side.offers = true

        if (side.begun && !side.remoteDeaf) {
          this.onNews()
          this.list(side.since)
        }
      }

      if (this.behind) {
        this.onNews()
      }
    }

    finishTaking (): void {
      const { side } = this

      if (this.closing) {
        return
      }

      side.done = true
      side.nothing = side.heard

      if (!side.asked) {
        side.due = !side.marked
      }
    }

    take (hash: string | null, sequence: number): void {
      const { side, node } = this

      if (hash == null) {
        side.listed = true
        side.due = false

        if (side.asksLater) {
          side.asksLater = false
          this.ask()
        }
      } else if (!node.log.includes(hash) && !side.wants.some(want => want.hash === hash)) {
        side.wants.push({ hash, requested: false })
      }

      this.moveCursor()
    }

    moveCursor (): void {
      if (this.side.wants.length === 0) {
        this.node.cursor = Math.max(this.node.cursor, this.side.heard)
      }
    }

    onRemoteAsks (): void {
      const { side } = this

      side.remoteAsked = true
      side.remoteDeaf = false

      if (!this.closing) {
        side.remoteDone = false
        this.onNews()
      }
    }

    receive (message: Message): void {
      const { side, node } = this

      switch (message[0]) {
        case 'SINCE': {
          if (!this.closing) {
            side.since = message[1]
            this.onRemoteAsks()
            this.list(side.since)
          }

          break
        }

        case 'REQUEST': {
          const [, hash, sequence] = message

          side.owes.push(hash)

          if (side.closed) {
            this.state.bad = `${NAMES[this.p]} gets a REQUEST after its CLOSE`
          }

          if (hash != null) {
            this.onRemoteAsks()
            break
          }

          if (!rules.saysUpTo || sequence >= side.announced || !side.remoteAsked) {
            side.remoteDone = true
          }

          if (!side.remoteAsked && !side.remoteDeaf) {
            side.remoteDeaf = true

            if (!side.ended) {
              const { offers } = side

              side.offers = false
              this.list(0)
              side.offers = offers
            }
          }

          break
        }

        case 'AVAILABLE': {
          const [, hash, sequence] = message

          if (hash == null) {
            side.marked = true

            if (side.takes !== true) {
              side.due = false
            }
          }

          if (side.takes === false || (side.done && this.ends)) {
            break
          }

          if (hash != null) {
            side.done = false
            this.onNews()
          }

          if (sequence > 0) {
            side.heard = sequence
          }

          if (side.takes === true) {
            this.take(hash, sequence)
          } else {
            side.held.push([hash, sequence])
          }

          break
        }

        case 'HASHES': {
          side.requests.shift()
          break
        }

        case 'BODY': {
          node.log.push(message[1])
          node.got.push(message[1])
          side.wants = side.wants.filter(({ hash }) => hash !== message[1])
          this.moveCursor()
          break
        }

        default: side.remoteClosed = true
      }

      this.evaluate()
    }

    requestNext (): void {
      const want = this.side.wants.find(({ requested }) => !requested)

      if (want != null) {
        want.requested = true
        this.side.requests.push(want.hash)
        this.say('REQUEST', want.hash, 0)
      }
    }

    answer (): void {
      const hash = this.side.owes.shift()

      this.say('HASHES')

      if (hash != null) {
        this.say('BODY', hash)
      }

      this.evaluate()
    }

    close (): void {
      this.say('CLOSE')
      this.side.closed = true
    }

    confirm (): boolean {
      const { side, node } = this
      const listed = side.takes === true ? side.listed : side.marked
      const settled = side.wants.length + side.requests.length + side.owes.length === 0 && side.nothing == null
      const done = side.done && side.remoteDone && side.ended && !side.running && !this.behind && listed && settled

      if (done && !side.synced) {
        side.synced = side.confirmed = true
        node.calls.filter(({ state }) => state === 'rides').forEach(call => { this.onSynced(call) })
      }

      return done
    }

    onSynced (call: Call): void {
      if (!call.live && !this.ends) {
        this.resolve(call)
      }
    }

    resolve (call: Call): void {
      call.state = 'resolved'

      for (const hash of call.toTake) {
        if (!this.node.log.includes(hash)) {
          this.state.bad = `${NAMES[this.p]} resolves without ${hash}`
        }
      }

      for (const hash of call.toGive) {
        if (!this.remote.log.includes(hash)) {
          this.state.bad = `${NAMES[this.p]} resolves before ${NAMES[1 - this.p]} has ${hash}`
        }
      }
    }

    /**
     * A live call is given up
     */
    giveUp (call: Call): void {
      const { side, node } = this

      call.state = 'resolved'

      if (side.opener && !node.calls.some(({ state, live }) => state === 'rides' && live)) {
        side.live = false
        this.evaluate()
      }
    }

    ride (call: Call): void {
      call.state = 'rides'
      call.exchanges++
      this.side.live = this.node.calls.some(({ state, live }) => state === 'rides' && live)
    }

    join (call: Call): void {
      const { side, node } = this
      const remote = this.state.exchange?.sides[1 - this.p]
      const takes = remote?.takes === true && !remote.closed && !remote.remoteClosed

      this.ride(call)
      call.toTake = call.takes && remote?.offers === true ? [...this.remote.log] : []
      call.toGive = call.offers && takes ? [...node.log] : []

      if (call.takes && (side.takes !== true || (side.asked && rules.asksAgain))) {
        this.decide(true)
      }

      if (call.offers) {
        this.offer()
      }

      if (side.synced) {
        this.onSynced(call)
      }
    }

    evaluate (): void {
      const { side } = this

      if (this.closing) {
        if (side.remoteClosed) {
          this.confirm()
        }

        return
      }

      if (side.takes === true && !side.done && side.asked && side.listed && side.wants.length === 0) {
        this.finishTaking()
      }

      if (this.confirm() && this.ends) {
        side.finished = true
        this.close()
      }
    }

    onOver (): void {
      const { side, node } = this

      for (const call of node.calls.filter(({ state }) => state === 'rides')) {
        if ((call.live && side.confirmed) || side.finished) {
          this.resolve(call)
        } else {
          call.state = 'waits'

          if (call.exchanges === MAX_EXCHANGES) {
            this.state.bad = `${NAMES[this.p]} gives up`
          }
        }
      }
    }
  }

  function open (state: State, p: number, call: Call): void {
    const sides: [Side, Side] = [newSide(p === 0, p !== 0 || call.offers), newSide(p === 1, p !== 1 || call.offers)]

    state.exchange = { sides, wires: [[], []] }
    call.toTake = call.takes ? [...state.nodes[1 - p].log] : []
    call.toGive = []

    const actor = new Actor(state, p)
    actor.ride(call)
    actor.decide(call.takes)
  }

  return {
    init,

    steps (state, step) {
      const { nodes, exchange } = state

      for (let p = 0; p < 2; p++) {
        const me = NAMES[p]
        const on = (name: string, change: (actor: Actor) => void): void => {
          step(`${me} ${name}`, state => { change(new Actor(state, p)) })
        }

        if (nodes[p].puts > 0) {
          step(`${me} puts`, ({ nodes }) => { nodes[p].log.push(`p${me}${--nodes[p].puts}`) })
        }

        nodes[p].calls.forEach((call, i) => {
          if (call.state === 'rides' && call.live && call.ends) {
            on(`gives up call ${i}`, actor => { actor.giveUp(actor.node.calls[i]) })
          } else if (call.state === 'waits' && exchange == null) {
            step(`${me} opens for call ${i}`, state => { open(state, p, state.nodes[p].calls[i]) })
          } else if (call.state === 'waits') {
            const actor = new Actor(state, p)

            if (!actor.closing && (!actor.side.done || !actor.ends)) {
              on(`joins for call ${i}`, actor => { actor.join(actor.node.calls[i]) })
            }
          }
        })

        if (exchange == null) {
          continue
        }

        const actor = new Actor(state, p)
        const { side, closing } = actor
        const [next] = exchange.wires[1 - p]

        if (next != null) {
          step(`${me}<-${next.join(' ')}`, state => { new Actor(state, p).receive(state.exchange?.wires[1 - p].shift() as Message) })
        }

        if (side.takes == null) {
          on('decides', actor => { actor.decide(peers[p].accepts === true) })
        }

        if (side.running && !closing) {
          if (side.listOffers && side.position < side.stop) {
            on('lists', actor => { actor.announceNext() })
          } else {
            on('ends its list', actor => { actor.endList() })
          }
        } else if (actor.following) {
          on('announces', actor => {
            actor.announceNext()
            actor.evaluate()
          })
        }

        if (side.wants.some(({ requested }) => !requested) && !closing) {
          on('requests', actor => { actor.requestNext() })
        }

        if (side.nothing != null && !side.requests.includes(null) && !closing) {
          on('wants nothing', actor => {
            actor.say('REQUEST', null, actor.side.nothing ?? 0)
            actor.side.requests.push(null)
            actor.side.nothing = null
          })
        }

        if (side.owes.length > 0 && !side.closed) {
          on('answers', actor => { actor.answer() })
        }

        if (side.remoteClosed && !side.closed && side.owes.length + side.requests.length === 0) {
          on('closes', actor => { actor.close() })
        }
      }

      if (exchange?.sides.every(({ closed, remoteClosed }) => closed && remoteClosed) === true) {
        step('the end', state => {
          new Actor(state, 0).onOver()
          new Actor(state, 1).onOver()
          state.exchange = null
        })
      }
    },

    wrong ({ bad, nodes, exchange }, end) {
      if (bad != null) {
        return bad
      }

      for (let p = 0; p < 2; p++) {
        const passed = nodes[1 - p].log.slice(0, nodes[p].cursor).find(hash => !nodes[p].log.includes(hash))

        if (passed != null) {
          return `the cursor of ${NAMES[p]} is past ${passed}`
        }
      }

      if (!end) {
        return
      }

      for (let p = 0; p < 2; p++) {
        if (nodes[p].calls.some(({ state, live }) => state !== 'resolved' && !(live && state === 'rides'))) {
          return `a call of ${NAMES[p]} waits for ever`
        }
      }

      if (exchange == null) {
        return
      }

      if (!exchange.sides.some(({ live, opener }) => live && opener)) {
        return 'nobody ends the exchange'
      }

      for (let p = 0; p < 2; p++) {
        const lacking = nodes[1 - p].log.find(hash => !nodes[p].log.includes(hash))

        if (lacking != null && exchange.sides[p].takes === true && exchange.sides[1 - p].offers) {
          return `${NAMES[p]} never gets ${lacking}`
        }

        if (!exchange.sides[p].synced) {
          return `${NAMES[p]} is never in sync`
        }
      }
    }
  }
}

function newSide (opener: boolean, offers: boolean): Side {
  return {
    opener,
    takes: null,
    offers,
    live: true,
    finished: false,
    confirmed: false,
    synced: false,
    done: false,
    remoteDone: false,
    remoteAsked: false,
    remoteDeaf: false,
    due: false,
    asksLater: false,
    asked: false,
    listed: false,
    marked: false,
    heard: 0,
    begun: false,
    running: false,
    ended: false,
    listOffers: false,
    position: 0,
    stop: 0,
    since: 0,
    announced: 0,
    promised: 0,
    held: [],
    wants: [],
    requests: [],
    nothing: null,
    owes: [],
    closed: false,
    remoteClosed: false
  }
}
