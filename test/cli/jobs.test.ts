import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import { parseCron } from '../../src/schedule/cron.ts'
import { callCli } from '../support/cli.ts'
import { ownFolder } from '../support/fastify-app.ts'

/** Jobs of each kind, in a file that keeps its process alive, as an open connection would. */
const jobsFile = `
setInterval(() => {}, 1_000)
export async function jobs(tenure) {
  const run = () => { throw new Error('a job was run') }
  await tenure.schedule('nightly', { cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, run)
  await tenure.schedule('noon', { cron: '0 12 * * *' }, run)
  await tenure.schedule('poll', { every: '90s' }, run)
  await tenure.schedule('once', { at: '2999-01-01T00:00:00Z' }, run)
  await tenure.schedule('past', { at: '2020-01-01T00:00:00Z' }, run)
  await tenure.pause('noon')
}
`

interface JobLine {
  readonly id: string
  readonly schedule: string
  readonly timeZone: string
  readonly paused: boolean
  readonly ticks: readonly { readonly local: string; readonly utc: string }[]
}

function folderWith(t: TestContext, name: string, text: string): string {
  const folder = ownFolder(t)
  writeFileSync(join(folder, name), text)
  return folder
}

describe('tenure jobs', { concurrency: 2 }, () => {
  test('prints each job with its schedule and its next ticks, as JSON one a line', async (t) => {
    const cwd = folderWith(t, 'tenure.jobs.mjs', jobsFile)
    const beforeMs = Date.now()
    const { code, stdout, stderr } = await callCli(t, ['jobs', '--next', '10', '--json'], { cwd })
    assert.equal(stderr, '')
    assert.equal(code, 0)
    const jobs = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as JobLine)
    assert.deepEqual(
      jobs.map(({ id, schedule, timeZone, paused, ticks }) => {
        return [id, schedule, timeZone, paused, ticks.length]
      }),
      [
        ['nightly', 'cron 30 2 * * * (Europe/Berlin)', 'Europe/Berlin', false, 10],
        ['noon', 'cron 0 12 * * * (UTC)', 'UTC', true, 10],
        ['poll', 'every 1.5m', 'UTC', false, 10],
        ['once', 'at 2999-01-01T00:00:00.000Z', 'UTC', false, 1],
        ['past', 'at 2020-01-01T00:00:00.000Z', 'UTC', false, 0],
      ],
    )
    const [nightly, , poll, once] = jobs
    const times = parseCron('30 2 * * *', 'Europe/Berlin')
    let tickMs = Date.parse(nightly?.ticks[0]?.utc ?? '')
    assert.ok(tickMs > beforeMs)
    for (const { utc, local } of nightly?.ticks ?? []) {
      assert.equal(Date.parse(utc), tickMs)
      // The local time with its offset is the same instant.
      const [, day, time, offset] = /^\w{3} (\S+) (\S+) GMT(\S+)$/.exec(local) ?? []
      assert.equal(Date.parse(`${day}T${time}${offset}`), tickMs, local)
      tickMs = times.nextMs(tickMs) ?? 0
    }
    const polls = (poll?.ticks ?? []).map(({ utc }) => Date.parse(utc))
    for (const [i, ms] of polls.slice(1).entries()) assert.equal(ms - (polls[i] ?? 0), 90_000)
    assert.equal(once?.ticks[0]?.utc, '2999-01-01T00:00:00.000Z')
    assert.deepEqual(readdirSync(cwd), ['tenure.jobs.mjs'], 'no store was made')
  })

  test('prints them to people, five ticks each, in the time zone of the job and in UTC', async (t) => {
    const cwd = folderWith(t, 'mine.mjs', jobsFile)
    // A store that cannot be reached is no obstacle: none is looked for.
    const env = { TENURE_STORE: 'postgres://nobody@127.0.0.1:1/nothing' }
    const { code, stdout, stderr } = await callCli(t, ['jobs', 'mine.mjs'], { cwd, env })
    assert.equal(code, 0)
    assert.equal(stderr, '')
    const lines = stdout.trimEnd().split('\n')
    assert.equal(lines[0], 'nightly  cron 30 2 * * * (Europe/Berlin)')
    const inZone =
      /^ {2}\w{3} \d{4}-\d\d-\d\d \d\d:\d\d:00 GMT\+0[12]:00 {2}\d{4}-\d\d-\d\dT\d\d:\d\d:00Z$/
    for (const line of lines.slice(1, 6)) assert.match(line, inZone)
    assert.equal(lines[6], 'noon  cron 0 12 * * * (UTC)  paused')
    for (const line of lines.slice(7, 12)) assert.match(line, /^ {2}\d{4}-\d\d-\d\dT12:00:00Z$/)
    assert.deepEqual(lines.slice(-2), ['past  at 2020-01-01T00:00:00.000Z', '  never due again'])
  })

  test('of a file without jobs says so', async (t) => {
    const cwd = folderWith(t, 'tenure.jobs.mjs', 'export const jobs = () => {}')
    const { code, stdout } = await callCli(t, ['jobs'], { cwd })
    assert.equal(code, 0)
    assert.match(stdout, /tenure\.jobs\.mjs schedules no jobs/)
    assert.equal((await callCli(t, ['jobs', '--json'], { cwd })).stdout, '')
  })

  const wrong: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    [
      'has a cron expression that is none',
      "setInterval(() => {}, 1_000)\nexport const jobs = (t) => t.schedule('a', { cron: '0 25 * * *' }, () => {})",
      /to schedule the jobs; got: TenureError: Expected `cron` to be a cron expression; got "0 25/,
    ],
    [
      'names a time zone that is none',
      "export const jobs = (t) => t.schedule('a', { cron: '0 3 * * *', timeZone: 'CET/Mars' }, () => {})",
      /Expected `timeZone` to be a time zone of the IANA database.*got "CET\/Mars"/,
    ],
    [
      'does not export jobs',
      'export const job = 1',
      /to export a function `jobs\(tenure\)`.*\[job\]/,
    ],
  ]
  for (const [what, text, says] of wrong) {
    test(`of a file that ${what} gives 1, and says what is wrong with it`, async (t) => {
      const cwd = folderWith(t, 'tenure.jobs.mjs', text)
      const { code, stdout, stderr } = await callCli(t, ['jobs'], { cwd })
      assert.match(stderr, says)
      assert.equal(code, 1)
      assert.equal(stdout, '')
    })
  }
})
