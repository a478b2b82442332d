import { relative } from 'node:path'

import { createSystemClock } from '../clock.ts'
import { tenureOf } from './connect.ts'
import { flagsWith, stallLimitFlag, UsageError, workFlags, type Flags } from './flags.ts'
import { findJobsFile, jobsFileNames, scheduleJobs } from './jobs-file.ts'
import { StatusServer } from './serve/status-server.ts'
import { exitCodeOfSignal } from './run/command-group.ts'
import type { Subcommand } from './subcommand.ts'
import { Voice } from './voice.ts'

/** Where the status page is, if that port is free. */
const portDefault = 4646

/** `tenure serve`. */
export const serveSubcommand: Subcommand = {
  name: 'serve',
  summary: 'a scheduler of its own: jobs from a file, and a status page',
  synopsis: '[jobs-file] [flags]',
  argumentsMax: 1,
  about: `
Runs the jobs of a file on schedule, on the instance that leads. Start it on as many machines as
you like. The file, in TypeScript or JavaScript, exports a function \`jobs(tenure)\`:

  export async function jobs(tenure) {
    await tenure.schedule('purge', { every: '30s' }, (run) => purge(run.signal))
  }

Without a name, the first of ${jobsFileNames.join(', ')} in the working folder is taken.

At http://127.0.0.1:${portDefault}/ there is the status page; /status is the same as JSON, /health answers
200 while the heartbeat works here, /health/leader while this instance leads, and else 503. SIGTERM
and SIGINT stop it: runs may end within --drain, the lease is released, and the exit code is 0.`,
  flags: flagsWith(...workFlags, stallLimitFlag, {
    name: 'port',
    value: 'NUMBER',
    about: 'of the status page; 0 is any that is free',
    fallback: `${portDefault}, or another if that is taken`,
  }),
  exitCodes: [
    ['0', 'stopped by a signal, in good order'],
    ['1', 'the jobs file cannot be used, or the port is taken'],
    ['128 + N', 'a second signal, N, ended it at once'],
  ],
  examples: [
    ['tenure serve', 'the jobs of ./tenure.jobs.ts'],
    ['tenure serve jobs/nightly.js --port 8080', 'another file, another port'],
  ],

  async run(flags: Flags, [given]: readonly string[]): Promise<number> {
    const voice = new Voice({
      json: flags.has('json'),
      clock: createSystemClock(),
      level: 'info',
      withTime: true,
    })
    const port = portOf(flags.text('port'))
    const path = findJobsFile(given)
    const tenure = tenureOf(flags, voice)
    const server = new StatusServer(tenure)
    const ended = firstSignal()
    try {
      await scheduleJobs(path, tenure)
      const jobs = tenure.jobs().map(({ id }) => id)
      const text = `${relative('', path)} has scheduled ${jobs.length}: ${jobs.join(', ')}`
      voice.say('jobs_scheduled', text, { path, jobs })
      await listen(server, port, voice)
      await tenure.start()
      const signal = await ended
      voice.say('stopping', `stopping after ${signal}`, { signal })
      return 0
    } finally {
      await tenure.stop()
      await server.close()
    }
  },
}

/** Resolves with the first signal to end; the second one ends this process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let count = 0
    const onSignal = (signal: NodeJS.Signals): void => {
      if (++count > 1) process.exit(exitCodeOfSignal(signal))
      resolve(signal)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal)
  })
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new UsageError(`Expected --port to be a whole number from 0 to 65535; got ${text}.`)
}

/** Listens at the port that was asked for, or else at the usual one, or another that is free. */
async function listen(
  server: StatusServer,
  given: number | undefined,
  voice: Voice,
): Promise<void> {
  let port: number
  let taken = ''
  try {
    port = await server.listen(given ?? portDefault)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (given !== undefined) {
      throw new Error(`Expected the port ${given} to be free; got one that is taken.`, {
        cause: error,
      })
    }
    port = await server.listen(0)
    taken = ` (${portDefault} is taken)`
  }
  const url = `http://127.0.0.1:${port}/`
  voice.say('listening', `status page at ${url}${taken}`, { url })
}
