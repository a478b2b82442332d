// The checks of the campaign can fail: each is given a history in which one thing is wrong.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { LedgerRun, LedgerSkip } from '../../src/store/ledger-store.ts'
import { figuresOf, violationsOf, type History, type Start } from './checks.ts'
import { drawJobs, tickAfter, ticksOf, type CampaignJob } from './jobs.ts'

const plain = { options: {}, lastsMs: 0, obeys: true, failures: 0 } as const
const every: CampaignJob = { id: 'every', schedule: { every: 1_000 }, ...plain }
const cron: CampaignJob = {
  id: 'cron',
  schedule: { cron: '*/5 * * * * *', timeZone: 'Europe/Berlin' },
  ...plain,
}

function run(jobId: string, tickMs: number, more: Partial<LedgerRun> = {}): LedgerRun {
  const attempt = more.attempt ?? 1
  return {
    jobId,
    tickMs,
    attempt,
    runId: `${jobId} ${tickMs} ${attempt}`,
    trigger: 'tick',
    token: 1,
    correlationId: 'c',
    startedAtMs: tickMs,
    outcome: 'succeeded',
    finishedAtMs: tickMs,
    error: undefined,
    abandonedBy: undefined,
    retryAtMs: undefined,
    ...more,
  }
}

function startOf({ runId, jobId, tickMs, attempt, token }: LedgerRun): Start {
  return { runId, jobId, tickMs, attempt, token, who: 'a1' }
}

const overdue = { jobId: 'every', reason: 'overdue', token: 2 } as const
const abandoned = { outcome: 'abandoned', abandonedBy: 2 } as const

/** Ticks of `every` at 1,500 to 7,500, and of `cron` at 5,000 and 10,000: all is well. */
function good(): History & { runs: LedgerRun[]; skips: LedgerSkip[]; starts: Start[] } {
  const runs = [
    run('every', 1_500),
    run('every', 2_500, abandoned),
    run('every', 2_500, { attempt: 2, token: 2, outcome: 'failed' }),
    run('every', 2_500, { attempt: 3, token: 2 }),
    run('every', 6_500, { token: 2, outcome: 'aborted', error: 'It did not begin: removed.' }),
    run('every', 7_500, { token: 2 }),
    run('cron', 5_000, abandoned),
    run('cron', 10_000, { token: 2 }),
  ]
  const entry = { schedule: '', runs: 0, paused: false }
  const entries = new Map([
    ['every', { ...entry, jobId: 'every', anchorMs: 500, cursorMs: 7_500 }],
    ['cron', { ...entry, jobId: 'cron', anchorMs: 700, cursorMs: 10_000 }],
  ])
  return {
    jobs: [every, cron],
    entries,
    runs,
    skips: [{ ...overdue, tickMs: 3_500, untilTickMs: 5_500, count: 3 }],
    starts: runs.filter(({ error }) => error === undefined).map(startOf),
    lastToken: 2,
  }
}

type Tampered = ReturnType<typeof good>

/** What is wrong with each history, how it came to be, and what is said of it. */
const tampered: readonly {
  readonly what: string
  readonly tamper: (history: Tampered) => unknown
  readonly told: RegExp
}[] = [
  {
    what: 'a tick that ran twice',
    tamper: ({ runs }) =>
      runs.push(run('every', 1_500, { runId: 'again', outcome: 'running', token: 2 })),
    told: /ran 2 times, skipped 0 times/,
  },
  {
    what: 'a tick that ran and was skipped',
    tamper: ({ skips }) => skips.push({ ...overdue, tickMs: 1_500, untilTickMs: 1_500, count: 1 }),
    told: /ran 1 times, skipped 1 times/,
  },
  {
    what: 'a tick that was skipped twice',
    tamper: ({ skips }) =>
      skips.push({ ...overdue, tickMs: 4_500, untilTickMs: 5_500, count: 2, reason: 'overlap' }),
    told: /ran 0 times, skipped 2 times/,
  },
  {
    what: 'a forgotten tick of an interval',
    tamper: (history) => history.skips.splice(0, 1),
    told: /ran 0 times, skipped 0 times/,
  },
  {
    what: 'a forgotten tick of an expression',
    tamper: ({ runs, starts }) => {
      runs.splice(6, 1)
      starts.pop()
      starts.pop()
      starts.push(startOf(run('cron', 10_000, { token: 2 })))
    },
    told: /^tick 1970-01-01T00:00:05.000Z .* ran 0 times, skipped 0 times/,
  },
  {
    what: 'a run at an instant that is no tick',
    tamper: ({ runs }) => runs.push(run('every', 1_600, abandoned)),
    told: /was run, and is no tick/,
  },
  {
    what: 'a skip that says the wrong count',
    tamper: (history) =>
      history.skips.splice(0, 1, { ...overdue, tickMs: 3_500, untilTickMs: 5_500, count: 2 }),
    told: /skips 3 ticks, and says 2/,
  },
  {
    what: 'a cursor that is at no tick',
    tamper: (history) => {
      const entry = history.entries.get('every')
      assert.ok(entry)
      Object.assign(entry, { cursorMs: 7_800 })
    },
    told: /its cursor is at no tick/,
  },
  {
    what: 'a job that the ledger has lost',
    tamper: (history) => (history.entries as Map<string, unknown>).delete('cron'),
    told: /it is not in the ledger/,
  },
  {
    what: 'an attempt without the one before it',
    tamper: ({ runs }) => runs.splice(2, 1),
    told: /attempt 3 follows none/,
  },
  {
    what: 'a tick that was tried again after it had succeeded',
    tamper: ({ runs }) => runs.splice(2, 1, run('every', 2_500, { attempt: 2, token: 2 })),
    told: /tries a tick again whose run is succeeded/,
  },
  {
    what: 'a run that nobody has abandoned',
    tamper: ({ runs }) => runs.splice(6, 1, run('cron', 5_000, { outcome: 'running' })),
    told: /of term 1 goes on in term 2/,
  },
  {
    what: 'a run that was abandoned by its own term',
    tamper: ({ runs }) => runs.splice(6, 1, run('cron', 5_000, { ...abandoned, abandonedBy: 1 })),
    told: /is abandoned, by term 1/,
  },
  {
    what: 'a run by two processes',
    tamper: ({ starts, runs }) => runs[0] && starts.push({ ...startOf(runs[0]), who: 'b1' }),
    told: /was started by a1 and by b1/,
  },
  {
    what: 'an attempt that two processes have started',
    tamper: ({ starts, runs }) =>
      runs[0] && starts.push({ ...startOf(runs[0]), runId: 'other', who: 'b1' }),
    told: /starts an attempt that was started before/,
  },
  {
    what: 'a run that was started and not claimed',
    tamper: ({ starts }) => starts.push({ ...startOf(run('every', 8_500)), who: 'b1' }),
    told: /was started by b1, and not claimed/,
  },
  {
    what: 'a run that was claimed with another token',
    tamper: ({ starts, runs }) => runs[0] && starts.splice(0, 1, { ...startOf(runs[0]), token: 2 }),
    told: /was started by a1, and not claimed/,
  },
  {
    what: 'a run that has ended, and never was started',
    tamper: ({ starts }) => starts.splice(0, 1),
    told: /is succeeded, and nobody has started it/,
  },
]

describe('of the campaign, the checks', () => {
  test('find nothing where all is well', () => {
    assert.deepEqual(violationsOf(good()), [])
  })

  for (const { what, tamper, told } of tampered) {
    test(`find ${what}`, () => {
      const history = good()
      tamper(history)
      const found = violationsOf(history)
      assert.ok(
        found.some((violation) => told.test(violation.what)),
        `found ${JSON.stringify(found)}`,
      )
    })
  }

  test('count each tick once, by its last attempt', () => {
    const { ticks, ran, abandoned: left, notBegun, running, ...rest } = figuresOf(good())
    assert.deepEqual(
      { ticks, ran, left, notBegun, running },
      { ticks: 9, ran: 4, left: 1, notBegun: 1, running: 0 },
    )
    assert.deepEqual(rest, { skipped: { overdue: 3 }, runs: 8, abandonedRuns: 2 })
  })
})

describe('of the campaign, the jobs', () => {
  test('are the same with the same seed, of all kinds, and others with another one', () => {
    const options = { jobs: 200, everyMsMax: 60_000 }
    const jobs = drawJobs({ ...options, seed: 3 })
    assert.deepEqual(drawJobs({ ...options, seed: 3 }), jobs)
    assert.notDeepEqual(drawJobs({ ...options, seed: 4 }), jobs)
    assert.deepEqual(
      new Set(jobs.map((job) => job.options.overdue)),
      new Set(['run-once', 'run-all', 'skip']),
    )
    assert.ok(jobs.some(({ schedule }) => 'cron' in schedule))
    assert.ok(jobs.some(({ options: { retry }, failures }) => retry && failures > 0))
    assert.ok(jobs.some(({ options: { overlap } }) => overlap === 'queue'))
    assert.ok(jobs.some(({ options: { overlap } }) => typeof overlap === 'object'))
    assert.ok(jobs.some(({ options: { onCrash } }) => onCrash === 'rerun'))
  })

  test('have their ticks after the anchor and up to the cursor', () => {
    const entries = good().entries
    const [interval, expression] = [entries.get('every'), entries.get('cron')]
    assert.ok(interval && expression)
    assert.deepEqual(ticksOf(every, interval), [1_500, 2_500, 3_500, 4_500, 5_500, 6_500, 7_500])
    assert.deepEqual(ticksOf(cron, expression), [5_000, 10_000])
    assert.equal(tickAfter(every, interval, 7_500), 8_500)
  })
})
