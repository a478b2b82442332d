import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Run } from '../../src/schedule/run.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { LedgerBench } from '../support/ledger-bench.ts'
import { SchedulerBench, settle } from '../support/scheduler-bench.ts'

const hourMs = 3_600_000

/** The clock of a process that stands still after each look at it. */
class HinderedClock extends FakeClock {
  hindranceMs = 0

  override monotonicMs(): number {
    const nowMs = super.monotonicMs()
    this.freeze(this.hindranceMs)
    return nowMs
  }

  override wallMs(): number {
    const nowMs = super.wallMs()
    this.freeze(this.hindranceMs)
    return nowMs
  }
}

/** A handler that never ends. */
const forever = (): Promise<never> => new Promise(() => {})

describe('a tick that stands in the ledger', () => {
  test('is claimed before it runs, with the token, and its end is recorded', async () => {
    const ledger = new LedgerBench()
    const gate = Promise.withResolvers<void>()
    const startMs = ledger.clock.wallMs()
    const bench = await ledger.lead((one) => one.schedule('a', { every: '1s' }, () => gate.promise))
    await bench.pass(1_000)
    const [running] = await ledger.runs('a')
    assert.equal(running?.outcome, 'running')
    assert.equal(running.token, bench.term.fencingToken)
    assert.equal(running.tickMs, startMs + 1_000)
    gate.resolve()
    await settle()
    const [ended] = await ledger.runs('a')
    assert.equal(ended?.outcome, 'succeeded')
    assert.equal(ended.runId, bench.runs[0]?.id)
    assert.equal(ended.correlationId, bench.runs[0]?.correlationId)
  })

  test('is started once where the reply to its claim was lost, or the claim itself', async () => {
    for (const next of ['unanswered', 'lost'] as const) {
      const ledger = new LedgerBench()
      let runs = 0
      const bench = await ledger.lead((one) =>
        one.schedule('a', { every: '10s' }, () => void runs++),
      )
      ledger.next.push(next)
      await bench.pass(10_000)
      assert.equal(runs, 0)
      await bench.pass(100)
      assert.equal(runs, 1, next)
      assert.equal(bench.logged('ledger_failed').length, 1)
      assert.deepEqual(await ledger.discrepancies('a', 10_000), [])
    }
  })

  test('of two leaders that both believe to lead is started once, by the one with the higher token', async () => {
    const ledger = new LedgerBench()
    const ran: string[] = []
    const schedule = (name: string) => (bench: SchedulerBench) =>
      bench.schedule('a', { every: '1s' }, () => void ran.push(name))
    const one = await ledger.lead(schedule('lower'))
    await one.pass(1_000)
    const other = await ledger.lead(schedule('higher'))
    await one.pass(3_000)
    assert.equal(one.term.leads, true)
    assert.deepEqual(ran, ['lower', 'higher', 'higher', 'higher'])
    assert.deepEqual(one.skips, ['term-ended', 'term-ended', 'term-ended'])
    assert.deepEqual(other.skips, [])
    assert.deepEqual(await ledger.discrepancies('a', 1_000), [])
  })

  test('that is accounted for already is not run', async () => {
    const ledger = new LedgerBench()
    let runs = 0
    const bench = await ledger.lead((one) => one.schedule('a', { every: '10s' }, () => void runs++))
    await ledger.claim('a', ledger.clock.wallMs() + 10_000, bench.term.fencingToken)
    await bench.pass(10_000)
    assert.equal(runs, 0)
    assert.deepEqual(bench.skips, ['taken'])
    await bench.pass(10_000)
    assert.equal(runs, 1)
    assert.deepEqual(await ledger.discrepancies('a', 10_000), [])
  })

  test('stands at its instant, however long the process is kept from running between two looks', async () => {
    for (const hindranceMs of [1, 700]) {
      const clock = new HinderedClock()
      const ledger = new LedgerBench(clock)
      const schedule = (bench: SchedulerBench): void => {
        bench.schedule('interval', { every: '1s' })
        bench.schedule('expression', { cron: '* * * * * *' })
      }
      const bench = await ledger.lead(schedule)
      clock.hindranceMs = hindranceMs
      await bench.pass(20_000)
      clock.hindranceMs = 0
      await bench.pass(2_000)
      for (const id of ['interval', 'expression']) {
        assert.deepEqual(await ledger.discrepancies(id, 1_000), [], `${id}, ${hindranceMs} ms`)
      }
    }
  })

  test('does not start where the ledger is down; without the ledger it does', async () => {
    const ledger = new LedgerBench()
    const ran: string[] = []
    const bench = await ledger.lead((one) => {
      one.schedule('entered', { every: '1s' }, () => void ran.push('entered'))
      one.schedule('free', { every: '1s' }, () => void ran.push('free'), { ledger: false })
    })
    ledger.down = true
    await bench.pass(3_000)
    assert.deepEqual(ran, ['free', 'free', 'free'])
    ledger.down = false
    await bench.pass(5_000)
    assert.ok(ran.includes('entered'))
    assert.deepEqual(await ledger.discrepancies('entered', 1_000), [])
    assert.equal(await ledger.job('free'), undefined)
  })

  test('of a store without a ledger runs as ever', async () => {
    const absent = async (): Promise<{ kind: 'absent' }> => ({ kind: 'absent' })
    const port = {
      register: absent,
      abandon: absent,
      claim: absent,
      record: absent,
      prune: absent,
    }
    const bench = new SchedulerBench({ ledger: port })
    let runs = 0
    bench.schedule('a', { every: '1s' }, () => void runs++)
    bench.lead()
    await settle()
    bench.schedule('b', { every: '1s' }, () => void runs++)
    await bench.pass(2_000)
    assert.equal(runs, 4)
  })

  test('is the last one, over all terms, where as many were started as may be', async () => {
    const ledger = new LedgerBench()
    let runs = 0
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule('a', { every: '1s' }, () => void runs++, { maxRuns: 3 })
    const one = await ledger.lead(schedule)
    await one.pass(2_000)
    ledger.crash(one)
    const other = await ledger.lead(schedule)
    // A deploy that schedules the same again gives it no more.
    schedule(other)
    assert.equal(other.scheduler.nextTicks('a', 5).atMs.length, 1)
    await other.pass(5_000)
    assert.equal(runs, 3)
    assert.equal((await ledger.job('a'))?.runs, 3)
    assert.equal(other.record('a')?.nextTickAtMs, undefined)
    assert.deepEqual(other.scheduler.nextTicks('a', 5).atMs, [])
    await other.scheduler.runNow('a', undefined)
    assert.equal(runs, 4)
  })

  test('counts among those that may be started from when it is due, and not if it was refused', async () => {
    const ledger = new LedgerBench()
    const ran: number[] = []
    const bench = await ledger.lead((one) =>
      one.schedule('a', { every: '1s' }, (run: Run) => void ran.push(run.scheduledFor.getTime()), {
        maxRuns: 2,
        overlap: { allow: 10 },
      }),
    )
    const startMs = ledger.clock.wallMs()
    await ledger.claim('a', startMs + 1_000, bench.term.fencingToken)
    await bench.pass(1_000)
    assert.deepEqual(bench.skips, ['taken'])
    // No claim is answered for a while: many ticks are due, and two are claimed.
    ledger.down = true
    await bench.pass(5_000)
    ledger.down = false
    await bench.pass(10_000)
    assert.deepEqual(ran, [startMs + 2_000, startMs + 3_000])
  })

  test('whose end is not written yet keeps the term from being released', async () => {
    const ledger = new LedgerBench()
    const gate = Promise.withResolvers<void>()
    const bench = await ledger.lead((one) => one.schedule('a', { every: '1s' }, () => gate.promise))
    await bench.pass(1_000)
    ledger.next.push('lost')
    bench.term.leads = false
    bench.scheduler.end()
    gate.resolve()
    let idle = false
    void bench.term.work.whenIdle().then(() => (idle = true))
    await settle()
    assert.equal(idle, false)
    await bench.pass(100)
    assert.equal(idle, true)
    assert.equal((await ledger.runs('a'))[0]?.outcome, 'succeeded')
  })

  test('is not run where its job was removed, or its term ended, while it was claimed', async () => {
    for (const act of ['remove', 'replace', 'end'] as const) {
      const ledger = new LedgerBench()
      let runs = 0
      const bench = await ledger.lead((one) =>
        one.schedule('a', { every: '1h' }, () => void runs++),
      )
      bench.clock.advance(hourMs)
      if (act === 'remove') bench.scheduler.remove('a')
      else if (act === 'replace') bench.schedule('a', { every: '2h' }, () => void runs++)
      else bench.scheduler.end()
      await settle()
      assert.equal(runs, 0, act)
      assert.ok((await ledger.runs('a')).every(({ outcome }) => outcome === 'aborted'))
      const reasons = { remove: 'removed', replace: 'replaced', end: 'term-ended' }
      assert.deepEqual(bench.skips, [reasons[act]])
    }
  })

  test('by hand does not start where its term ended before its job was entered', async () => {
    const ledger = new LedgerBench()
    ledger.down = true
    let ran = 0
    const bench = await ledger.lead((one) => one.schedule('a', { every: '1h' }, () => ran++))
    const run = assert.rejects(bench.scheduler.runNow('a', undefined), {
      code: 'TENURE_ERR_NOT_LEADER',
    })
    bench.term.leads = false
    bench.scheduler.end()
    await bench.pass(10_000)
    await run
    assert.equal(ran, 0)
  })

  test('started by hand is recorded as such, and is no tick', async () => {
    const ledger = new LedgerBench()
    const bench = await ledger.lead((one) => one.schedule('a', { every: '1h' }))
    assert.equal((await bench.scheduler.runNow('a', undefined)).outcome, 'succeeded')
    await settle()
    assert.equal((await ledger.runs('a'))[0]?.trigger, 'manual')
    assert.deepEqual(await ledger.discrepancies('a', hourMs), [])
  })
})

describe('a takeover', () => {
  test('goes on with the ticks of the last term, and not from now', async () => {
    const ledger = new LedgerBench()
    const at: number[] = []
    const startMs = ledger.clock.wallMs()
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule('a', { every: '1s' }, (run: Run) => {
        at.push(run.scheduledFor.getTime() - startMs)
      })
    const one = await ledger.lead(schedule)
    await one.pass(2_300)
    ledger.crash(one)
    ledger.clock.advance(400)
    const other = await ledger.lead(schedule)
    await other.pass(2_000)
    assert.deepEqual(at, [1_000, 2_000, 3_000, 4_000])
    assert.deepEqual(await ledger.discrepancies('a', 1_000), [])
  })

  test('a deploy every ten minutes does not starve a job of every twelve hours', async () => {
    const ledger = new LedgerBench()
    const at: number[] = []
    const startMs = ledger.clock.wallMs()
    for (let deploy = 0; deploy < 30 * 6; deploy++) {
      const bench = await ledger.lead((one) =>
        one.schedule('a', { every: '12h' }, () => {
          at.push(Math.floor((ledger.clock.wallMs() - startMs) / hourMs))
        }),
      )
      await bench.pass(599_000)
      ledger.crash(bench)
      ledger.clock.advance(1_000)
    }
    assert.deepEqual(at, [12, 24])
    assert.deepEqual(await ledger.discrepancies('a', 12 * hourMs), [])
  })

  test('of an expression in the gap runs it once, right after', async () => {
    const ledger = new LedgerBench()
    const at: string[] = []
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule('a', { cron: '0 3 * * *' }, (run: Run) => {
        at.push(run.scheduledFor.toISOString())
      })
    ledger.crash(await ledger.lead(schedule))
    ledger.clock.advance(4 * hourMs)
    const other = await ledger.lead(schedule)
    await other.pass(0)
    assert.deepEqual(at, ['2026-01-01T03:00:00.000Z'])
    ledger.crash(other)
    const third = await ledger.lead(schedule)
    await third.pass(0)
    assert.equal(at.length, 1)
  })

  test('by the same instance runs what that was not able to claim in its last term', async () => {
    const ledger = new LedgerBench()
    const at: string[] = []
    const bench = await ledger.lead((one) =>
      one.schedule('a', { cron: '0 3 * * *' }, (run: Run) => {
        at.push(run.scheduledFor.toISOString())
      }),
    )
    ledger.down = true
    await bench.pass(4 * hourMs)
    bench.term.leads = false
    bench.scheduler.end()
    await bench.pass(10_000)
    assert.deepEqual(at, [])
    ledger.down = false
    await ledger.leadAgain(bench)
    await bench.pass(0)
    assert.deepEqual(at, ['2026-01-01T03:00:00.000Z'])
  })

  test('a job at an instant that nobody led at runs once, and never again', async () => {
    const ledger = new LedgerBench()
    let runs = 0
    const at = new Date(ledger.clock.wallMs() + 5_000)
    const schedule = (bench: SchedulerBench): void => bench.schedule('a', { at }, () => void runs++)
    ledger.crash(await ledger.lead(schedule))
    ledger.clock.advance(60_000)
    for (let terms = 0; terms < 3; terms++) {
      const bench = await ledger.lead(schedule)
      await bench.pass(1_000)
      ledger.crash(bench)
    }
    assert.equal(runs, 1)
  })

  test('a wall clock that was set back, or that differs, stands no interval still', async () => {
    const ledger = new LedgerBench()
    let runs = 0
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule('a', { every: '1s' }, () => void runs++)
    const one = await ledger.lead(schedule)
    await one.pass(2_000)
    ledger.clock.setWall(ledger.clock.wallMs() - hourMs)
    await one.pass(2_000)
    assert.equal(runs, 4)
    ledger.crash(one)
    const other = await ledger.lead(schedule)
    await other.pass(2_000)
    assert.equal(runs, 6)
    assert.deepEqual(await ledger.discrepancies('a', 1_000), [])
  })

  test('a job of an interval from startAt on has its first tick there, also where nobody led then', async () => {
    const ledger = new LedgerBench()
    const at: number[] = []
    const startMs = ledger.clock.wallMs()
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule('a', { every: '10s', startAt: new Date(startMs + 5_000) }, (run: Run) => {
        at.push(run.scheduledFor.getTime() - startMs)
      })
    const one = await ledger.lead(schedule)
    ledger.crash(one)
    ledger.clock.advance(7_000)
    const other = await ledger.lead(schedule)
    await other.pass(9_000)
    assert.deepEqual(at, [5_000, 15_000])
  })

  test('a fixed delay goes on from the last tick', async () => {
    const ledger = new LedgerBench()
    const at: number[] = []
    const startMs = ledger.clock.wallMs()
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule('a', { every: '10s', mode: 'after-finish' }, () => {
        at.push(ledger.clock.wallMs() - startMs)
      })
    const one = await ledger.lead(schedule)
    await one.pass(10_000)
    await one.pass(2_000)
    ledger.crash(one)
    const other = await ledger.lead(schedule)
    await other.pass(8_000)
    await other.pass(10_000)
    assert.deepEqual(at, [10_000, 20_000, 30_000])
  })

  test('another schedule begins anew, and so does a job that was removed', async () => {
    const ledger = new LedgerBench()
    let runs = 0
    const handler = (): void => void runs++
    const one = await ledger.lead((bench) => bench.schedule('a', { every: '1s' }, handler))
    await one.pass(1_000)
    one.scheduler.remove('a')
    await one.pass(5_000)
    one.schedule('a', { every: '1s' }, handler)
    await one.pass(500)
    assert.equal(runs, 1)
    ledger.crash(one)
    ledger.clock.advance(5_000)
    const other = await ledger.lead((bench) => bench.schedule('a', { every: '2s' }, handler))
    await other.pass(1_000)
    assert.equal(runs, 1)
    await other.pass(1_000)
    assert.equal(runs, 2)
  })
})

describe('a run whose leader is lost', () => {
  test('is told as abandoned once, by the next leader, and not run again', async () => {
    const ledger = new LedgerBench()
    const one = await ledger.lead((bench) => bench.schedule('a', { every: '1h' }, forever))
    await one.pass(hourMs)
    ledger.crash(one)
    const other = await ledger.lead((bench) => bench.schedule('a', { every: '1h' }))
    await other.pass(60_000)
    assert.equal(other.abandoned.length, 1)
    const [told] = other.abandoned
    assert.equal(told?.outcome, 'abandoned')
    assert.equal(told?.fencingToken, one.term.fencingToken)
    assert.equal(other.scheduler.recentRuns[0]?.outcome, 'abandoned')
    assert.equal(other.record('a')?.lastRun?.outcome, 'abandoned')
    assert.equal(other.logged('run_abandoned').length, 1)
    assert.equal(other.runs.length, 0)
    ledger.crash(other)
    const third = await ledger.lead((bench) => bench.schedule('a', { every: '1h' }))
    assert.equal(third.abandoned.length, 0)
    assert.equal((await ledger.runs('a'))[0]?.outcome, 'abandoned')
  })

  test("is run again at once, as the next attempt, with `onCrash: 'rerun'`; three times in all", async () => {
    const ledger = new LedgerBench()
    const attempts: number[] = []
    const rerun = { onCrash: 'rerun' } as const
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule(
        'a',
        { every: '1h' },
        (run: Run) => {
          attempts.push(run.attempt)
          return forever()
        },
        rerun,
      )
    let bench = await ledger.lead(schedule)
    await bench.pass(hourMs)
    for (let crash = 0; crash < 5; crash++) {
      ledger.crash(bench)
      bench = await ledger.lead(schedule)
      await bench.pass(1_000)
    }
    assert.deepEqual(attempts, [1, 2, 3])
    assert.deepEqual(await ledger.discrepancies('a', hourMs), [])
    assert.ok((await ledger.runs('a')).every(({ outcome }) => outcome === 'abandoned'))
  })

  test('is run again at once also where the wall clock of the last leader was far ahead', async () => {
    const ledger = new LedgerBench()
    const rerun = { onCrash: 'rerun' }
    const one = await ledger.lead((bench) => bench.schedule('a', { every: '1h' }, forever, rerun))
    await one.pass(hourMs)
    ledger.crash(one)
    const ahead = await ledger.lead()
    ahead.schedule('b', { every: '1h' }, forever)
    await settle()
    ledger.crash(ahead)
    ledger.clock.setWall(ledger.clock.wallMs() - 2 * hourMs)
    const third = await ledger.lead((bench) =>
      bench.schedule('a', { every: '1h' }, () => {}, rerun),
    )
    await third.pass(0)
    assert.deepEqual(
      third.runs.map(({ attempt }) => attempt),
      [2],
    )
  })

  test('that has ended, though its term was over, is not', async () => {
    const ledger = new LedgerBench()
    const gate = Promise.withResolvers<void>()
    const one = await ledger.lead((bench) =>
      bench.schedule('a', { every: '1h' }, () => gate.promise),
    )
    await one.pass(hourMs)
    one.term.leads = false
    one.scheduler.end()
    gate.resolve()
    await settle()
    const other = await ledger.lead((bench) => bench.schedule('a', { every: '1h' }))
    assert.deepEqual(other.abandoned, [])
    assert.equal((await ledger.runs('a'))[0]?.outcome, 'succeeded')
  })
})

describe('a tick that failed and is to be tried again', () => {
  test('is tried again by the next leader, when it is due', async () => {
    const ledger = new LedgerBench()
    const attempts: number[] = []
    const schedule = (bench: SchedulerBench): void =>
      bench.schedule(
        'a',
        { every: '1h' },
        (run: Run) => {
          attempts.push(run.attempt)
          throw new Error('no')
        },
        { retry: { attempts: 3, backoff: '10s' } },
      )
    const one = await ledger.lead(schedule)
    await one.pass(hourMs)
    ledger.crash(one)
    const other = await ledger.lead(schedule)
    await other.pass(5_000)
    assert.deepEqual(attempts, [1])
    await other.pass(5_000)
    assert.deepEqual(attempts, [1, 2])
    await other.pass(20_000)
    assert.deepEqual(attempts, [1, 2, 3])
    ledger.crash(other)
    const third = await ledger.lead(schedule)
    await third.pass(60_000)
    assert.deepEqual(attempts, [1, 2, 3])
    assert.deepEqual(await ledger.discrepancies('a', hourMs), [])
  })
})

describe('ticks that are skipped', () => {
  test('stand in the ledger with the reason that is told: by overlap, what waited in vain, a limit', async () => {
    for (const [overlap, reason, count] of [
      ['skip', 'overlap', 4],
      ['queue', 'queue', 3],
      [{ allow: 1 }, 'overlap', 4],
      [{ allow: 3 }, 'limit', 2],
    ] as const) {
      const ledger = new LedgerBench()
      const bench = await ledger.lead((one) =>
        one.schedule('a', { every: '1s' }, forever, { overlap }),
      )
      await bench.pass(5_000)
      const { skips } = await ledger.reading('a')
      const reasons = Array.from({ length: count }, () => reason)
      assert.deepEqual(
        skips.map((skip) => skip.reason),
        reasons,
      )
      assert.deepEqual(bench.skips, reasons)
      assert.deepEqual(
        bench.scheduler.recentSkips.map((skip) => skip.reason),
        reasons,
      )
      assert.deepEqual(await ledger.discrepancies('a', 1_000), [])
    }
  })

  test('of a retry that another leader has left and has no place are told, with the same reasons', async () => {
    for (const [overlap, reason] of [
      ['queue', 'overlap'],
      [{ allow: 2 }, 'limit'],
    ] as const) {
      const ledger = new LedgerBench()
      const retry = { attempts: 2, backoff: '1h', backoffMax: '2h' }
      const fail = (): Promise<never> => Promise.reject(new Error('failed'))
      const first = await ledger.lead((one) =>
        one.schedule('a', { every: '1s' }, fail, { overlap: { allow: 3 }, retry }),
      )
      // One more than the next leader has places for.
      await first.pass(overlap === 'queue' ? 2_000 : 3_000)
      ledger.crash(first)
      const second = await ledger.lead((one) =>
        one.schedule('a', { every: '1s' }, fail, { overlap, retry }),
      )
      assert.deepEqual(second.skips, [reason])
    }
  })

  test('after one that waits are written after it', async () => {
    const ledger = new LedgerBench()
    const gate = Promise.withResolvers<void>()
    const options = { overlap: 'queue', grace: '300ms' }
    const bench = await ledger.lead((one) =>
      one.schedule('a', { every: '1s' }, () => gate.promise, options),
    )
    await bench.pass(2_000)
    // The second tick waits; of the third to the fifth none may be run any more.
    bench.clock.freeze(3_500)
    await bench.pass(0)
    assert.deepEqual((await ledger.reading('a')).skips, [])
    gate.resolve()
    await settle()
    const { skips } = await ledger.reading('a')
    assert.deepEqual(
      skips.map(({ count, reason }) => [count, reason]),
      [[3, 'overdue']],
    )
    assert.deepEqual(await ledger.discrepancies('a', 1_000), [])
  })
})
