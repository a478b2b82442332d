// What is left of a Tenure when its process has died: see witness.ts, which starts it. Its words
// come on stdin; `wait` says that the process still lives, and that its config comes on 3.
import { readSync } from 'node:fs'

import { createSystemClock } from '../clock.ts'
import { codeOf } from '../errors.ts'
import type { ResolvedStore } from '../options.ts'
import { openStore } from '../store/open-store.ts'
import { hasEnded, releaseHeld } from './release.ts'
import { decodeConfig, Testimony } from './witness-pipe.ts'

/** Signals that are meant for others: for the process, its group, or all of a service. */
const ignored = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const

/** A store that does not answer its first look is looked at when it counts. */
const warmUpMsMax = 1_000

/** The lines that come from a pipe, until its end; the thread waits for each. */
function* linesOf(fd: number): Generator<string, void> {
  const chunk = Buffer.alloc(65_536)
  let rest = ''
  for (;;) {
    const length = readSync(fd, chunk)
    if (length === 0) return
    const lines = (rest + chunk.toString('latin1', 0, length)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

async function bearWitness(): Promise<void> {
  for (const signal of ignored) process.on(signal, () => {})
  const isWarm = process.argv[2] === 'wait'
  const lines = linesOf(0)
  const config = (isWarm ? linesOf(3) : lines).next().value
  if (config === undefined) return
  const { pid, lease, store: location, environment } = decodeConfig(config)
  Object.assign(process.env, environment)
  const store = await openStore(location)
  if (isWarm) await warmUp(location, lease)
  const testimony = new Testimony()
  for (const line of lines) {
    testimony.hear(line)
    if (testimony.isOver) return
  }

  const { group, held } = testimony
  // Beside a group that was being started, and may go on unseen, nobody else may lead yet.
  if (group === 'starting') return
  if (group !== undefined && !hasGroupEnded(group)) return
  if (held === undefined) return
  const clock = createSystemClock()
  // A store of somebody's own may ignore its signal, and never answer.
  clock.setTimer(held.ttlMs, () => process.exit(), { keepAlive: true })
  await releaseHeld(held, { store, lease, clock, hasEnded: () => hasEnded(pid) })
  await store.close()
}

/**
 * Looks once, so that all that a look needs is loaded and compiled when it counts; keeps no
 * connection. Nobody is held up by it: what comes meanwhile waits in the pipe.
 */
async function warmUp(location: ResolvedStore, lease: string): Promise<void> {
  const store = await openStore(location)
  await store.read(lease, AbortSignal.timeout(warmUpMsMax)).catch(() => {})
  await store.close()
}

/** Ends a process group; `false` if it may not, as of one that runs as another user. */
function hasGroupEnded(group: number): boolean {
  try {
    process.kill(-group, 'SIGKILL')
    return true
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
}

const end = (): void => process.exit()
void bearWitness().then(end, end)
