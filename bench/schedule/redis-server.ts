import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freePort } from '../../test/support/postgres-server.ts'
import { pathOf } from '../../test/support/programs.ts'
import { until } from '../../test/support/until.ts'

/** A Redis server of our own, empty, on a free port of the loopback, in a temporary folder. */
export class RedisServer {
  readonly url: string
  readonly #folder: string
  readonly #process: ChildProcess

  private constructor(folder: string, port: number) {
    this.url = `redis://127.0.0.1:${port}`
    this.#folder = folder
    // As people run a queue: each write is in a log that is flushed once a second.
    const log = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '']
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...log]
    this.#process = spawn(pathOf('redis-server'), args, { stdio: 'ignore' })
  }

  static async start(): Promise<RedisServer> {
    const port = await freePort()
    const server = new RedisServer(mkdtempSync(join(tmpdir(), 'tenure-redis-')), port)
    try {
      await until('the Redis server answers', () => {
        if (server.#hasEnded) throw new Error('the Redis server has ended')
        return answers(port)
      })
    } catch (error) {
      await server.end()
      throw error
    }
    return server
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Ends the server and removes what it has written. */
  async end(): Promise<void> {
    if (!this.#hasEnded) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20 })
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => socket.end('PING\r\n'))
    socket.once('data', (reply) => resolve(String(reply).startsWith('+PONG')))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
