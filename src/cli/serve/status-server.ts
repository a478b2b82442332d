import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

import { pageDataOf, pageFiles, pageHeaders } from '../../dashboard/page.ts'
import { healthOf, type Tenure } from '../../index.ts'

const address = '127.0.0.1'

/** What a path is answered with. */
interface Answer {
  readonly code: number
  readonly body: object
}

/** Serves the status page, the status, and the answers to probes, to this machine only. */
export class StatusServer {
  readonly #tenure: Tenure
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  readonly #files = new Map(pageFiles().map((file) => [`/${file.name}`, file]))

  constructor(tenure: Tenure) {
    this.#tenure = tenure
  }

  /** Listens; returns the port. @throws Error with the code `EADDRINUSE` if it is taken */
  async listen(port: number): Promise<number> {
    this.#server.listen(port, address)
    await once(this.#server, 'listening')
    return this.#port
  }

  /** Ends at once, with whatever requests are under way. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  get #port(): number {
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : 0
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/'] = (request.url ?? '/').split('?')
    const file = this.#files.get(path)
    if (!this.#isForUs(request)) sendJson(response, { code: 403, body: { message: 'wrong host' } })
    else if (request.method !== 'GET' && request.method !== 'HEAD') {
      sendJson(response, { code: 405, body: { message: 'only GET' } })
    } else if (file !== undefined) {
      response.writeHead(200, { ...pageHeaders, 'content-type': file.contentType }).end(file.body)
    } else sendJson(response, await this.#data(path))
  }

  async #data(path: string): Promise<Answer> {
    const tenure = this.#tenure
    switch (path) {
      case '/data.json':
        return { code: 200, body: pageDataOf(await tenure.status()) }
      case '/status':
        return { code: 200, body: await tenure.status() }
      case '/health': {
        const health = healthOf(tenure)
        return { code: health.status === 'ok' ? 200 : 503, body: health }
      }
      case '/health/leader': {
        if (!tenure.isLeader) return { code: 503, body: { leader: false } }
        return { code: 200, body: { leader: true, fencingToken: tenure.term?.fencingToken } }
      }
      default:
        return { code: 404, body: { message: 'no such page' } }
    }
  }

  /** A page of a stranger, shown by a browser on this machine, must not read the status. */
  #isForUs({ headers }: IncomingMessage): boolean {
    const { host } = headers
    return host === `${address}:${this.#port}` || host === `localhost:${this.#port}`
  }
}

function sendJson(response: ServerResponse, { code, body }: Answer): void {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  response.writeHead(code, headers).end(JSON.stringify(body))
}
