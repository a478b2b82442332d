import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * What the way between an instance and the server does with bytes:
 *
 * - `delay`: they arrive later, in their order;
 * - `cut`: connections are ended, and new ones are refused;
 * - `swallow ...`: they never arrive, and nobody is told; `to` the server, `from` it, or both.
 */
export type ProxyMode = 'pass' | 'delay' | 'cut' | 'swallow to' | 'swallow from' | 'swallow both'

type Direction = 'to' | 'from'

/** The way of one instance to the server: a TCP proxy on a port of its own, which can be broken. */
export class Proxy {
  readonly #server: Server
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  /** Those from which nothing arrives any more. */
  readonly #mute = new WeakSet<Socket>()
  #accepted = 0
  #mode: ProxyMode = 'pass'
  #delayMs = 0
  /** What a connection has to send to hear nothing from then on, once. */
  #muting: string | undefined

  private constructor(server: Server, target: number) {
    this.#server = server
    this.#target = target
    server.on('connection', (client) => {
      this.#accepted++
      this.#join(client)
    })
  }

  /** Listens on a free port of the loopback, and leads to another one. */
  static async start(target: number): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true })
    const proxy = new Proxy(server, target)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** How many connections there have been. */
  get accepted(): number {
    return this.#accepted
  }

  /** Leaves the connections that there are half open: nothing comes through. New ones work. */
  mute(): void {
    for (const socket of this.#sockets) this.#mute.add(socket)
  }

  /** What is swallowed or delayed meanwhile stays so: a gap in a stream of bytes ends it. */
  set(mode: ProxyMode, delayMs = 0): void {
    const gaps = this.#mode.startsWith('swallow')
    this.#mode = mode
    this.#delayMs = delayMs
    if (mode === 'cut' || (gaps && mode === 'pass')) this.#cut()
  }

  /**
   * The next connection that sends a text, such as the name of a function, hears nothing from then
   * on, neither the reply nor an end; all others go on.
   */
  swallowReplyTo(text: string): void {
    this.#muting = text
  }

  async end(): Promise<void> {
    this.#cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket): void {
    if (this.#mode === 'cut') return void client.resetAndDestroy()
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true })
    const muted = new Set<Socket>()
    client.on('data', (chunk) => {
      if (this.#muting === undefined || !chunk.includes(this.#muting)) return
      this.#muting = undefined
      muted.add(server)
    })
    this.#forward(client, server, 'to', muted)
    this.#forward(server, client, 'from', muted)
  }

  /** Hands on bytes in one direction; the end of one side is the end of both. */
  #forward(from: Socket, to: Socket, direction: Direction, muted: ReadonlySet<Socket>): void {
    this.#sockets.add(from)
    // What is on its way keeps its order, also when the delay becomes shorter.
    let way = Promise.resolve()
    const after = (deliver: () => void): void => {
      const dueMs = performance.now() + this.#delayMs
      way = way.then(async () => {
        const ms = dueMs - performance.now()
        if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
        deliver()
      })
    }
    from.on('data', (chunk) => {
      if (this.#swallows(direction) || muted.has(from) || this.#mute.has(from)) return
      after(() => void (to.destroyed || to.writableEnded || to.write(chunk)))
    })
    from.on('end', () => {
      if (!this.#swallows(direction) && !muted.has(from)) after(() => void to.end())
    })
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      if (this.#mode === 'cut' || !this.#swallows(direction)) after(() => void to.destroy())
    })
  }

  #swallows(direction: Direction): boolean {
    return this.#mode === 'swallow both' || this.#mode === `swallow ${direction}`
  }
}
