import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'node:net'

import { until } from './until.ts'
import { asServerUser, freePort, type PostgresServer } from './postgres-server.ts'
import { pathOf } from './programs.ts'

/** A PgBouncer in transaction mode before a server of ours. */
export class PgBouncer {
  readonly port: number
  readonly #process: ChildProcess

  private constructor(port: number, process: ChildProcess) {
    this.port = port
    this.#process = process
  }

  static async start(server: PostgresServer): Promise<PgBouncer> {
    const port = await freePort()
    const users = join(server.folder, 'users.txt')
    const settings = join(server.folder, 'pgbouncer.ini')
    writeFileSync(users, `"${server.user}" "${server.password}"\n`)
    writeFileSync(
      settings,
      [
        '[databases]',
        `* = host=127.0.0.1 port=${server.port}`,
        '[pgbouncer]',
        'listen_addr = 127.0.0.1',
        `listen_port = ${port}`,
        'unix_socket_dir =',
        'auth_type = scram-sha-256',
        `auth_file = ${users}`,
        'pool_mode = transaction',
        'default_pool_size = 5',
      ].join('\n'),
    )
    const process = spawn(...asServerUser(pathOf('pgbouncer'), ['-q', settings]), {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let log = ''
    process.stderr?.on('data', (chunk) => (log += String(chunk)))
    await until('PgBouncer answers', () => {
      if (process.exitCode !== null) throw new Error(`PgBouncer has ended:\n${log}`)
      return accepts(port)
    })
    return new PgBouncer(port, process)
  }

  async end(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}

/** Whether somebody accepts connections there. */
async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
