import { createSystemClock, nextTurn } from '../clock.ts'
import { createTenure, type JobRecord, type NextTicks } from '../index.ts'
import { flagsWith, tenureOptionsOf, UsageError, type Flags } from './flags.ts'
import { findJobsFile, jobsFileNames, scheduleJobs } from './jobs-file.ts'
import { print } from './output.ts'
import { paintFor, type Paint } from './paint.ts'
import type { Subcommand } from './subcommand.ts'
import { Voice } from './voice.ts'
import { jsonText, plainText } from './words.ts'

const nextDefault = 5
const nextMax = 1_000

/** `tenure jobs`. */
export const jobsSubcommand: Subcommand = {
  name: 'jobs',
  summary: 'shows the jobs of a file, and when they are due next',
  synopsis: '[jobs-file] [flags]',
  argumentsMax: 1,
  about: `
Shows each job of a jobs file with its schedule and its next ticks, in its own time zone and in UTC.
The file is the one of tenure serve; without a name, the first of ${jobsFileNames.join(', ')} in the
working folder is taken.

It loads the file, and runs nothing: no store is opened, nobody leads, no job starts. A job with an
interval counts from when it is scheduled, so its ticks are shown as if that were now.`,
  flags: flagsWith({
    name: 'next',
    value: 'NUMBER',
    about: `how many ticks of each job, up to ${nextMax}`,
    fallback: String(nextDefault),
  }),
  exitCodes: [
    ['0', 'done'],
    ['1', 'the jobs file cannot be used'],
  ],
  examples: [
    ['tenure jobs', 'the jobs of ./tenure.jobs.ts'],
    ['tenure jobs jobs/nightly.js --next 10', 'another file, more ticks'],
  ],

  async run(flags: Flags, [given]: readonly string[]): Promise<number> {
    const json = flags.has('json')
    const count = countOf(flags.text('next'))
    const path = findJobsFile(given)
    const voice = new Voice({ json, clock: createSystemClock(), level: 'warn' })
    const options = { ...tenureOptionsOf(flags), store: 'memory:', logger: voice.logger }
    const tenure = createTenure(options)
    try {
      await scheduleJobs(path, tenure)
      const jobs = tenure.jobs().filter(({ system }) => !system)
      if (jobs.length === 0 && !json) print(`${path} schedules no jobs.`)
      for (const job of jobs) {
        const ticks = tenure.nextTicks(job.id, count)
        print(json ? jsonOf(job, ticks) : textOf(job, ticks, paintFor(process.stdout)))
      }
      return 0
    } finally {
      await tenure.stop()
      // What the file has opened, such as connections to a database, is not to keep this waiting.
      void nextTurn().then(() => process.stdout.write('', () => process.exit()))
    }
  },
}

function countOf(text: string | undefined): number {
  if (text === undefined) return nextDefault
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= nextMax) return count
  throw new UsageError(`Expected --next to be a whole number from 1 to ${nextMax}; got ${text}.`)
}

function jsonOf({ id, schedule, paused }: JobRecord, { timeZone, atMs }: NextTicks): string {
  const localOf = clockOf(timeZone)
  const ticks = atMs.map((ms) => ({
    local: localOf(ms),
    utc: new Date(ms).toISOString(),
  }))
  return jsonText({ id, schedule, timeZone, paused, ticks })
}

function textOf(job: JobRecord, { timeZone, atMs }: NextTicks, paint: Paint): string {
  const title = `${paint('bold', plainText(job.id))}  ${plainText(job.schedule)}`
  const localOf = clockOf(timeZone)
  const lines = atMs.map((ms) => {
    const utc = new Date(ms).toISOString().replace('.000', '')
    return timeZone === 'UTC' ? `  ${utc}` : `  ${localOf(ms)}  ${paint('dim', utc)}`
  })
  const none = atMs.length === 0 ? ['  never due again'] : []
  return [`${title}${job.paused ? '  paused' : ''}`, ...lines, ...none].join('\n')
}

/** How a clock in a time zone shows an instant: `Mon 2026-03-30 03:00:00 GMT+02:00`. */
function clockOf(timeZone: string): (atMs: number) => string {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'longOffset',
  })
  return (atMs) => {
    const part = Object.fromEntries(
      format.formatToParts(atMs).map(({ type, value }) => [type, value]),
    )
    const day = `${part['weekday']} ${part['year']}-${part['month']}-${part['day']}`
    return `${day} ${part['hour']}:${part['minute']}:${part['second']} ${part['timeZoneName']}`
  }
}
