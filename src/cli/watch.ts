import { createSystemClock, sleep, type Clock } from '../clock.ts'
import { leaseViewOf, type LeaseView } from '../dashboard/page.ts'
import type { Tenure } from '../index.ts'
import { sharedTenureOf } from './connect.ts'
import { flagsWith, type Flags } from './flags.ts'
import { OutputReaders, print } from './output.ts'
import { paintFor } from './paint.ts'
import type { Subcommand } from './subcommand.ts'
import { Voice } from './voice.ts'
import { changesOf } from './watch/changes.ts'
import { screenOf, type Seen } from './watch/screen.ts'
import { Terminal } from './watch/terminal.ts'
import { jsonText, plainTexts, timeOf } from './words.ts'

/** Between two looks at the store, and between two drawings of the screen. */
const lookMs = 1_000

/** `tenure watch`. */
export const watchSubcommand: Subcommand = {
  name: 'watch',
  summary: 'shows the same live, in the terminal',
  synopsis: '[flags]',
  about: `
Shows who leads, the age of the last heartbeat, the time that remains and the history of terms, as
they change. It looks at the store once a second, on one connection, and is no candidate. q or
Ctrl-C ends it. Where stdout is no terminal, or with --json, it prints a line for each change.
Colours are left out where NO_COLOR is set.`,
  flags: flagsWith(),
  exitCodes: [['0', 'ended by q or a signal']],
  examples: [
    ['tenure watch', 'a live screen'],
    ['tenure watch --json >> terms.log', 'a journal of handovers'],
  ],

  async run(flags: Flags): Promise<number> {
    const clock = createSystemClock()
    const json = flags.has('json')
    const tenure = sharedTenureOf(flags, new Voice({ json, clock, level: 'warn' }))
    const end = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => end.abort())
    }
    const watched = process.stdout.isTTY && !json ? watchOnScreen : watchInLines
    try {
      await watched({ tenure, clock, json, end })
    } catch (error) {
      if (!end.signal.aborted) throw error
    } finally {
      await tenure.stop()
    }
    return 0
  },
}

interface WatchDeps {
  readonly tenure: Tenure
  readonly clock: Clock
  readonly json: boolean
  readonly end: AbortController
}

async function watchInLines({ tenure, clock, json, end }: WatchDeps): Promise<void> {
  const readers = new OutputReaders()
  let before: LeaseView | undefined
  while (!readers.areGone) {
    const view = plainTexts(leaseViewOf(await untilEnd(tenure.status(), end.signal)))
    const nowMs = view.atMs
    for (const { event, text, fields } of changesOf(before, view)) {
      const line = json
        ? jsonText({ time: nowMs, msg: event, ...fields })
        : `${timeOf(nowMs, nowMs)}  ${text}`
      print(line)
    }
    // While the store does not answer, what was known before stays known.
    before = view.error === undefined ? view : { ...(before ?? view), error: view.error }
    await sleep(clock, lookMs, end.signal)
  }
}

async function watchOnScreen({ tenure, clock, end }: WatchDeps): Promise<never> {
  const terminal = new Terminal((key) => {
    if (key.includes('q') || key.includes('\u0003')) end.abort()
  })
  const paint = paintFor(process.stdout)
  let seen: Seen = { view: undefined, failure: undefined }
  const draw = (): void => terminal.draw(screenOf(seen, clock.wallMs(), terminal.size, paint))
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    const view = plainTexts(leaseViewOf(await tenure.status()))
    const { error } = view
    seen =
      error === undefined
        ? { view, failure: undefined }
        : {
            view: seen.view,
            failure: { sinceMs: seen.failure?.sinceMs ?? view.atMs, message: error },
          }
    looking = undefined
  }
  terminal.open(draw)
  try {
    for (;;) {
      const drawnMs = clock.monotonicMs()
      // A store that answers is seen at once; one that does not lets the screen go on.
      looking ??= look()
      await Promise.race([untilEnd(looking, end.signal), sleep(clock, lookMs, end.signal)])
      draw()
      await sleep(clock, drawnMs + lookMs - clock.monotonicMs(), end.signal)
    }
  } finally {
    terminal.close()
  }
}

/** Settles as the promise does, or rejects as soon as the signal is aborted. */
function untilEnd<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  const settled = promise.finally(() => signal.removeEventListener('abort', onAbort))
  return Promise.race([settled, aborted.promise])
}
