import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Overdue } from '../../src/schedule/job-options.ts'
import type { Run } from '../../src/schedule/run.ts'
import { LedgerBench } from '../support/ledger-bench.ts'
import type { SchedulerBench } from '../support/scheduler-bench.ts'

const everyMs = 1_000

/** What hinders a leader for a while: it returns the instance that leads after it. */
type Gap = (
  ledger: LedgerBench,
  leader: SchedulerBench,
  ms: number,
  schedule: (bench: SchedulerBench) => void,
) => Promise<SchedulerBench>

const gaps: Readonly<Record<string, Gap>> = {
  async 'a takeover'(ledger, leader, ms, schedule) {
    ledger.crash(leader)
    ledger.clock.advance(ms)
    return ledger.lead(schedule)
  },
  async 'a start, where nobody led'(ledger, leader, ms, schedule) {
    ledger.crash(leader)
    ledger.clock.freeze(ms)
    ledger.clock.advance(0)
    return ledger.lead(schedule)
  },
  async 'a resume'(_ledger, leader, ms) {
    leader.scheduler.setPaused('a', true)
    await leader.pass(ms)
    leader.scheduler.setPaused('a', false)
    return leader
  },
  async 'a stall'(ledger, leader, ms) {
    ledger.clock.freeze(ms)
    return leader
  },
}

/** The gap is of 5.4 s, after the first tick: the ticks 2 to 6 are overdue, the last by 0.4 s. */
const gapMs = 5_400

const cases: readonly {
  readonly overdue: Overdue
  readonly grace: string | undefined
  /** The ticks that are made up for, in order. */
  readonly runs: readonly number[]
}[] = [
  { overdue: 'run-once', grace: undefined, runs: [6] },
  { overdue: 'run-once', grace: '1s', runs: [6] },
  { overdue: 'run-once', grace: '300ms', runs: [] },
  { overdue: 'run-all', grace: undefined, runs: [2, 3, 4, 5, 6] },
  { overdue: 'run-all', grace: '2500ms', runs: [4, 5, 6] },
  { overdue: 'run-all', grace: '300ms', runs: [] },
  { overdue: 'skip', grace: undefined, runs: [6] },
  { overdue: 'skip', grace: '300ms', runs: [] },
]

describe('of the ticks that are overdue after', () => {
  for (const [name, gap] of Object.entries(gaps)) {
    for (const { overdue, grace, runs } of cases) {
      const bound = grace === undefined ? '' : ` and a grace of ${grace}`
      const made = runs.length === 0 ? 'none is' : `${runs.join(', ')} of 2 to 6 are`
      test(`${name}, by ${overdue}${bound}, ${made} run, and each is accounted for`, async () => {
        const ledger = new LedgerBench()
        const startMs = ledger.clock.wallMs()
        const ran: number[] = []
        const schedule = (bench: SchedulerBench): void =>
          bench.schedule(
            'a',
            { every: everyMs },
            (run: Run) => void ran.push((run.scheduledFor.getTime() - startMs) / everyMs),
            { overdue, grace },
          )
        const first = await ledger.lead(schedule)
        await first.pass(everyMs)
        const leader = await gap(ledger, first, gapMs, schedule)
        for (let turns = 0; turns < 10; turns++) await leader.pass(0)
        assert.deepEqual(ran, [1, ...runs])
        const { skips } = await ledger.reading('a')
        assert.ok(skips.every(({ reason }) => reason === 'overdue'))
        assert.deepEqual(await ledger.discrepancies('a', everyMs), [])
        await leader.pass(600)
        assert.deepEqual(ran, [1, ...runs, 7])
      })
    }
  }

  test('a wall clock that is set ahead, of an expression, the latest is run', async () => {
    const ledger = new LedgerBench()
    const at: string[] = []
    const bench = await ledger.lead((one) => {
      for (const [id, overdue] of [
        ['once', 'run-once'],
        ['none', 'skip'],
      ]) {
        one.schedule(
          id ?? '',
          { cron: '0 * * * *' },
          (run: Run) => void at.push(`${run.jobId} ${run.scheduledFor.toISOString()}`),
          { overdue },
        )
      }
    })
    ledger.clock.setWall(Date.parse('2026-01-01T05:30:00Z'))
    await bench.pass(10_000)
    assert.deepEqual(at, ['once 2026-01-01T05:00:00.000Z'])
    const { skips } = await ledger.reading('none')
    assert.deepEqual(
      skips.map(({ count }) => count),
      [5],
    )
  })

  test('a stall of 5 s of a job of 200 ms, each is accounted for by its policy', async () => {
    for (const [overdue, runs] of [
      ['run-once', 1],
      ['run-all', 25],
      ['skip', 1],
    ] as const) {
      const ledger = new LedgerBench()
      let ran = 0
      const bench = await ledger.lead((one) =>
        one.schedule('a', { every: 200 }, () => void ran++, { overdue }),
      )
      ledger.clock.freeze(5_000)
      for (let turns = 0; turns < 30; turns++) await bench.pass(0)
      assert.equal(ran, runs, overdue)
      assert.deepEqual(await ledger.discrepancies('a', 200), [])
    }
  })

  test('a gap are run one after the other by run-all, also those that come meanwhile', async () => {
    const ledger = new LedgerBench()
    const ran: number[] = []
    const startMs = ledger.clock.wallMs()
    let going = 0
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule(
        'a',
        { every: everyMs },
        async (run: Run) => {
          assert.equal(++going, 1)
          ran.push((run.scheduledFor.getTime() - startMs) / everyMs)
          await new Promise<void>((resolve) => void ledger.clock.setTimer(100, resolve))
          going--
        },
        { overdue: 'run-all' },
      )
    ledger.crash(await ledger.lead(schedule))
    ledger.clock.advance(3_500)
    const bench = await ledger.lead(schedule)
    for (let passes = 0; passes < 3; passes++) await bench.pass(10_000)
    assert.deepEqual(
      ran,
      ran.map((_, index) => index + 1),
    )
    assert.ok(ran.length >= 33, `${ran.length}`)
    assert.deepEqual(await ledger.discrepancies('a', everyMs), [])
  })
})

describe('what is wrong with the options for what was missed', () => {
  test('is named, and nothing is scheduled', async () => {
    const bench = await new LedgerBench().lead()
    const wrong: [options: object, says: RegExp][] = [
      [{ overdue: 'all' }, /`overdue` to be one of .*run-once.*; got "all"/],
      [{ grace: 'long' }, /`grace` to be a duration/],
      [{ onCrash: true }, /`onCrash` to be one of .*rerun.*; got true/],
      [{ ledger: 'no' }, /`ledger` to be true or false; got "no"/],
      [{ ledger: false, onCrash: 'rerun' }, /`ledger: true` beside `onCrash: 'rerun'`/],
      [{ overlap: 'queue', overdue: 'run-all' }, /`overlap` to be left out.*run-all/],
    ]
    for (const [options, says] of wrong) {
      assert.throws(() => bench.schedule('a', { every: '1s' }, () => {}, options), says)
    }
    assert.deepEqual(bench.scheduler.records(), [])
  })
})
