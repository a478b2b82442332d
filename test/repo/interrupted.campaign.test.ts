// A run of the tests that is ended in its middle, in whatever way, leaves nothing behind.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { processesOf } from '../runner/leftovers.ts'
import { until } from '../support/until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const roundsEach = 10
/** Long enough for servers, instances and witnesses to be there, and for some to be frozen. */
const afterMsMax = 8_000

/** Files of either command that start servers, freeze instances, and kill witnesses. */
const files = ['processes/frozen', 'processes/postgres.', 'processes/witness-', 'cli/run.']
const campaigns = ['processes/witness', 'processes/stall', 'processes/busy']

/** How a run is ended: Ctrl-C reaches the whole group; others the command, or npm before it, alone. */
const ways = {
  'SIGINT to its group': (pid: number) => process.kill(-pid, 'SIGINT'),
  'SIGTERM to it': (pid: number) => process.kill(pid, 'SIGTERM'),
  'SIGKILL to it': (pid: number) => process.kill(pid, 'SIGKILL'),
}

describe('a run of the tests leaves nothing when it is ended by', () => {
  for (const [way, end] of Object.entries(ways)) {
    test(`${way}, ${roundsEach} times at random`, async (t) => {
      for (let round = 0; round < roundsEach; round++) {
        const afterMs = Math.floor(Math.random() * afterMsMax)
        t.diagnostic(`${way} after ${afterMs} ms`)
        await interrupt(end, afterMs, round % 2 === 0)
      }
    })
  }
})

/** Starts a run, directly or by npm, ends it at that time after it has begun, and sees it go. */
async function interrupt(
  end: (pid: number) => void,
  afterMs: number,
  byNpm: boolean,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-interrupted-'))
  const [command, ...rest] = byNpm
    ? ['npm', 'test', '--', '--no-checks', ...files]
    : [process.execPath, 'test/run.ts', '--campaigns', '--no-checks', ...campaigns]
  const { NODE_COMPILE_CACHE: _, NODE_V8_COVERAGE: __, ...env } = process.env
  const child = spawn(command ?? '', rest, {
    cwd: root,
    stdio: 'ignore',
    detached: true,
    env: { ...env, TMPDIR: folder, npm_config_update_notifier: 'false' },
  })
  const pid = child.pid ?? 0
  const ended = new Promise((resolve) => child.once('exit', resolve))
  try {
    await until('a file of it has begun', () =>
      readdirSync(folder).some((name) => processesOf(join(folder, name)).length > 0),
    )
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    end(pid)
    await ended
    await until('no process is left', () => processesOf(folder).length === 0)
    const names = (): string[] => readdirSync(folder).filter((name) => !name.startsWith('node-'))
    await until('no folder is left', () => names().length === 0)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
}
