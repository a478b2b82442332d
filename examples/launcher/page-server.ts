import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

import { pageFiles, pageHeaders } from '../../src/dashboard/page.ts'
import type { Demo } from './demo.ts'

const bodyBytesMax = 1_000

/** Serves the page of a demonstration, its data, and its buttons. */
export class PageServer {
  readonly #demo: Demo
  readonly #server: Server
  readonly #files = new Map(pageFiles().map((file) => [`/${file.name}`, file]))

  constructor(demo: Demo) {
    this.#demo = demo
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) sendJson(response, 500, { message: String(error) })
      })
    })
  }

  /** Listens at the port, or at another free one if that is taken; returns which. */
  async listen(port: number): Promise<number> {
    try {
      return await this.#listen(port)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      return await this.#listen(0)
    }
  }

  async end(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #listen(port: number): Promise<number> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return this.#port
  }

  get #port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#isOurs(request)) return sendJson(response, 403, { message: 'not from this page' })
    const path = request.url ?? '/'
    if (request.method === 'POST' && path === '/control') {
      const { action, instance } = await readJson(request)
      const { done, message } = await this.#demo.control(action, instance)
      return sendJson(response, done ? 200 : 409, { message })
    }
    if (path === '/data.json') return sendJson(response, 200, this.#demo.pageData())
    const file = this.#files.get(path)
    if (file === undefined) return sendJson(response, 404, { message: 'no such page' })
    response.writeHead(200, { ...pageHeaders, 'content-type': file.contentType }).end(file.body)
  }

  /** The buttons kill processes: no other page that a browser shows may press them. */
  #isOurs({ headers }: IncomingMessage): boolean {
    const names = [`127.0.0.1:${this.#port}`, `localhost:${this.#port}`]
    const { host, origin } = headers
    if (host === undefined || !names.includes(host)) return false
    return origin === undefined || names.some((name) => origin === `http://${name}`)
  }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > bodyBytesMax) return {}
  }
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function sendJson(response: ServerResponse, code: number, value: object): void {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  response.writeHead(code, headers).end(JSON.stringify(value))
}
