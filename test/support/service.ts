import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { atEnd, type PinoLine } from './fastify-app.ts'

/** One process of the example service, which prints its log lines. */
export class Service {
  readonly process: ChildProcess
  readonly lines: PinoLine[] = []
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
  url = ''

  constructor(folder: string, env: Readonly<Record<string, string>>) {
    const script = new URL('../../examples/fastify-service/server.ts', import.meta.url).pathname
    this.process = fork(script, [], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      env: {
        ...process.env,
        PORT: '0',
        DATABASE: join(folder, 'service.db'),
        TENURE_STORE: `sqlite:${join(folder, 'tenure.db')}`,
        ...env,
      },
    })
    let rest = ''
    this.process.stdout?.on('data', (chunk) => {
      const parts = (rest + String(chunk)).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) this.#hear(JSON.parse(line) as PinoLine)
    })
    this.exited = once(this.process, 'exit').then(([code, signal]) => signal ?? code)
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  #hear(line: PinoLine): void {
    this.lines.push(line)
    const listening = /^Server listening at (.*)$/.exec(line.msg)?.[1]
    if (listening !== undefined) this.url = listening
  }

  /** Ends the process, whatever its state. */
  async end(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.exited
  }
}

/** Starts the service in this folder, and ends it after the test. */
export function startService(
  t: TestContext,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Service {
  const service = new Service(folder, env)
  atEnd(t, () => service.end())
  return service
}
