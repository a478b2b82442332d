// Each rule is broken by a history made by hand, and kept by one that is as close as can be.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { patienceMs, times } from './arena.ts'
import { checkers, type Checker } from './checkers/check.ts'
import { checkHealth } from './checkers/health.ts'
import { checkLeads } from './checkers/progress.ts'
import { checkReasons } from './checkers/reasons.ts'
import { checkTokens } from './checkers/tokens.ts'
import { checkOwners, checkStaleTrust, checkTrust } from './checkers/trust.ts'
import { checkFencing, checkOverlaps, checkStarts } from './checkers/work.ts'
import type { Fact, Standing, What } from './history.ts'
import { describeViolation } from './report.ts'

const fact = (atMs: number, who: string, what: What): Fact => ({ atMs, who, ...what })

function look(
  who: string,
  [atMs, toMs]: [number, number],
  token: number,
  standing: Standing,
): Fact {
  return fact(atMs, who, { kind: 'look', toMs, token, standing })
}

function run(who: string, fromMs: number, toMs: number, token: number, obeys = true): Fact[] {
  const id = `${who} ${fromMs}`
  const started = { job: 'job', token, obeys, standing: 'leader' } as const
  return [
    fact(fromMs, who, { kind: 'run-started', run: id, ...started }),
    fact(toMs, who, { kind: 'run-ended', run: id, token }),
  ]
}

function write(sequence: number, who: string, token: number, accepted: boolean): Fact {
  return fact(sequence, who, { kind: 'write', sequence, token, accepted })
}

function blocked(who: string, atMs: number, toMs: number): Fact {
  return fact(atMs, who, { kind: 'hindered', thread: 'main', why: 'frozen', toMs })
}

function led(who: string, atMs: number, token: number, holder = who): Fact {
  return fact(atMs, who, { kind: 'led', token, holder })
}

function line(who: string, event: string): Fact {
  return fact(0, who, { kind: 'line', event, level: 'error', message: '', fault: undefined })
}

const freeze: readonly Fact[] = [
  fact(0, 'h', { kind: 'fault', id: 1, fault: 'process frozen', how: 'SIGSTOP', ms: 9, on: 'a1' }),
  fact(9, 'h', { kind: 'fault-over', id: 1, missed: false }),
]
const killed: readonly Fact[] = [
  fact(0, 'h', { kind: 'fault', id: 1, fault: 'heart killed', how: 'it throws', ms: 9, on: 'a1' }),
  fact(9, 'h', { kind: 'fault-over', id: 1, missed: false }),
]
const expired = fact(20, 'a1', { kind: 'lost', token: 1, reason: 'expired' })

interface Case {
  readonly rule: string
  readonly checker: Checker
  readonly broken: readonly Fact[]
  readonly kept: readonly Fact[]
}

const cases: readonly Case[] = [
  {
    rule: 'a lower token trusted wholly after a higher one',
    checker: checkTrust,
    broken: [look('b1', [10, 11], 2, 'leader'), look('a1', [12, 13], 1, 'trusted')],
    // It was frozen between the two readings, and trusted at one instant of them only.
    kept: [look('a1', [5, 99], 1, 'trusted'), look('b1', [10, 11], 2, 'leader')],
  },
  {
    rule: 'a term trusted a ttl after a newer token',
    checker: checkStaleTrust,
    broken: [
      fact(0, 'operator', { kind: 'granted', token: 2, holder: 'operator' }),
      look('a1', [times.ttl + 1, times.ttl + 2], 1, 'leader'),
    ],
    kept: [
      fact(0, 'operator', { kind: 'granted', token: 2, holder: 'operator' }),
      look('a1', [times.ttl - 1, times.ttl], 1, 'leader'),
    ],
  },
  {
    rule: 'two instances trusted by one token',
    checker: checkOwners,
    broken: [look('a1', [0, 1], 1, 'leader'), look('b1', [2, 3], 1, 'trusted')],
    kept: [look('a1', [0, 1], 1, 'leader'), look('b1', [2, 3], 0, 'none')],
  },
  {
    rule: 'a token handed out twice',
    checker: checkTokens,
    broken: [led('a1', 0, 1), led('b1', 1, 1)],
    kept: [led('a1', 0, 1), led('b1', 1, 2)],
  },
  {
    rule: 'a token that goes back',
    checker: checkTokens,
    broken: [led('a1', 0, 2, 'x'), led('a1', 1, 1, 'y')],
    kept: [led('a1', 0, 1, 'x'), led('a1', 1, 2, 'y')],
  },
  {
    rule: 'runs of two terms at once',
    checker: checkOverlaps,
    broken: [...run('a1', 0, 20, 1), ...run('b1', 10, 30, 2)],
    kept: [...run('a1', 0, 20, 1), ...run('b1', 10, 30, 2), blocked('a1', 9, 21)],
  },
  {
    rule: 'a run that goes on after its process was frozen',
    checker: checkOverlaps,
    broken: [...run('a1', 0, 40, 1), ...run('b1', 10, 50, 2), blocked('a1', 9, 21)],
    // A job that ignores its signal is a matter of fencing.
    kept: [...run('a1', 0, 40, 1, false), ...run('b1', 10, 50, 2)],
  },
  {
    rule: 'a run whose process looks until it ends',
    checker: checkOverlaps,
    broken: [
      look('a1', [1, 2], 1, 'leader'),
      ...run('a1', 0, 400, 1),
      ...run('b1', 200, 500, 2),
      look('a1', [390, 391], 0, 'none'),
    ].toSorted((one, other) => one.atMs - other.atMs),
    // It was frozen, and its end is the first thing that it did after that.
    kept: [
      ...run('a1', 0, 400, 1),
      ...run('b1', 200, 500, 2),
      look('a1', [1, 2], 1, 'leader'),
    ].toSorted((one, other) => one.atMs - other.atMs),
  },
  {
    rule: 'a run that goes on after the end of a gap, which is noted twice',
    checker: checkOverlaps,
    broken: [
      ...run('a1', 0, 40, 1),
      ...run('b1', 10, 50, 2),
      blocked('a1', 9, Number.MAX_SAFE_INTEGER),
      blocked('a1', 9, 21),
    ],
    kept: [
      ...run('a1', 0, 40, 1),
      ...run('b1', 10, 50, 2),
      blocked('a1', 9, Number.MAX_SAFE_INTEGER),
    ],
  },
  {
    rule: 'a run that was cut off beside a newer one, until its process looked last',
    checker: checkOverlaps,
    broken: [
      run('a1', 0, 0, 1)[0],
      look('a1', [14, 15], 1, 'leader'),
      ...run('b1', 10, 30, 2),
    ].filter((some) => some !== undefined),
    kept: [run('a1', 0, 0, 1)[0], look('a1', [8, 9], 1, 'leader'), ...run('b1', 10, 30, 2)].filter(
      (some) => some !== undefined,
    ),
  },
  {
    rule: 'a run that starts after the soft stop',
    checker: checkStarts,
    broken: [
      look('a1', [0, 1], 1, 'leader'),
      look('a1', [2, 3], 1, 'trusted'),
      ...run('a1', 4, 5, 1),
    ],
    kept: [
      look('a1', [0, 1], 1, 'leader'),
      ...run('a1', 2, 5, 1),
      look('a1', [3, 4], 1, 'trusted'),
    ],
  },
  {
    rule: 'a lower token accepted after a higher one',
    checker: checkFencing,
    broken: [write(1, 'b1', 2, true), write(2, 'a1', 1, true)],
    kept: [write(1, 'b1', 2, true), write(2, 'a1', 1, false)],
  },
  {
    rule: 'one token written with by two instances',
    checker: checkFencing,
    broken: [write(1, 'a1', 1, true), write(2, 'b1', 1, true)],
    kept: [write(1, 'a1', 1, true), write(2, 'a1', 1, true)],
  },
  {
    rule: 'nobody who leads after the calm',
    checker: checkLeads,
    broken: [
      fact(0, 'harness', { kind: 'calm' }),
      look('a1', [patienceMs + 1, patienceMs + 2], 1, 'leader'),
    ],
    kept: [fact(0, 'harness', { kind: 'calm' }), look('a1', [9, 10], 1, 'leader')],
  },
  {
    rule: 'a loss that nothing explains',
    checker: checkReasons,
    broken: [led('a1', 10, 1), expired],
    kept: [...freeze, led('a1', 10, 1), expired],
  },
  {
    rule: 'a loss whose reason its fault does not explain',
    checker: checkReasons,
    broken: [...freeze, fact(20, 'a1', { kind: 'lost', token: 1, reason: 'resigned' })],
    kept: [...freeze, expired],
  },
  {
    rule: 'a loss by a fault of another instance',
    checker: checkReasons,
    broken: [...freeze, fact(20, 'b1', { kind: 'lost', token: 1, reason: 'expired' })],
    kept: [...freeze, expired],
  },
  {
    rule: 'a process that ends by itself',
    checker: checkHealth,
    broken: [fact(0, 'a1', { kind: 'process', what: 'is gone', how: '1', asked: '0' })],
    kept: [fact(0, 'a1', { kind: 'process', what: 'is gone', how: '0', asked: '0' })],
  },
  {
    rule: 'an unexpected text on stderr',
    checker: checkHealth,
    broken: [fact(0, 'a1', { kind: 'stderr', text: 'MaxListenersExceededWarning' })],
    kept: [fact(0, 'a1', { kind: 'stderr', text: 'Error: thrown by the application' })],
  },
  {
    rule: 'a line that tells of something wrong',
    checker: checkHealth,
    broken: [line('a1', 'lease_token_went_back')],
    kept: [line('a1', 'lease_lost')],
  },
  {
    rule: 'a heart that dies by itself',
    checker: checkHealth,
    broken: [line('a1', 'heart_died')],
    kept: [...killed, line('a1', 'heart_died')],
  },
  {
    rule: 'something that is stuck',
    checker: checkHealth,
    broken: [fact(0, 'a1', { kind: 'wrong', what: 'it did not stop' })],
    kept: [],
  },
]

describe('a rule of chaos', () => {
  for (const { rule, checker, broken, kept } of cases) {
    test(`finds ${rule}, and no more`, () => {
      const [violation] = checker(broken)
      assert.ok(violation, 'nothing was found')
      assert.match(describeViolation(violation, broken), /^BROKEN: /)
      assert.deepEqual(checker(kept), [])
    })
  }

  test('has a history that breaks it: all of them', () => {
    assert.deepEqual(new Set(cases.map(({ checker }) => checker)), new Set(checkers))
  })
})
