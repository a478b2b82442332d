// Each rule finds what it is for: a clean history with one thing changed breaks it.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'

import { check } from './checkers/check.ts'
import type { Call, Fact, What } from './history.ts'
import { quietScenario, shortTimes } from './quiet.ts'
import { simulate, type Recording } from './simulation.ts'

type Of<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>

const resignAtMs = 20_000

/** The first instance leads and resigns; then the second leads. */
let clean: Recording

before(async () => {
  const resign = { kind: 'resign', target: 0, forMs: 30_000, drainMs: 500, cutMs: 0 } as const
  clean = await simulate(quietScenario({}, [{ ...resign, atMs: resignAtMs, inRenewal: false }]))
})

/** Puts a fact in. */
function add(atMs: number, who: string, what: What): (facts: Fact[]) => Fact[] {
  return (facts) => [...facts, { ...what, atMs, who }]
}

/** Changes the last fact of a kind that fits. */
function change<Kind extends Fact['kind']>(
  kind: Kind,
  changes: Partial<Of<Kind>>,
  fits: (fact: Of<Kind>) => boolean = () => true,
): (facts: Fact[]) => Fact[] {
  return (facts) => {
    const index = facts.findLastIndex((fact) => fact.kind === kind && fits(fact as Of<Kind>))
    assert.ok(index >= 0, `there is a ${kind} to be changed`)
    return facts.with(index, { ...facts[index], ...changes } as Fact)
  }
}

const isOf =
  (token: number) =>
  (fact: { token?: number | undefined }): boolean =>
    fact.token === token

const blocked = (fromMs: number, who: string, forMs: number): ((facts: Fact[]) => Fact[]) =>
  add(fromMs, who, { kind: 'hindered', thread: 'main', why: 'blocked', toMs: fromMs + forMs })

const wasRenewed = ({ carriedOut }: Call): boolean =>
  carriedOut.some(({ answer }) => answer === 'renewed')

const tampers: readonly (readonly [string, (facts: Fact[]) => Fact[]])[] = [
  ['at most one leads', add(9_000, 'b1', { kind: 'both', standing: 'leader', others: 'a1' })],
  [
    'at most one term is trusted',
    add(9_000, 'b1', { kind: 'both', standing: 'trusted', others: 'a1' }),
  ],
  [
    'a soft stop and a hard fence are final',
    add(55_000, 'a1', { kind: 'standing', token: 1, standing: 'trusted' }),
  ],
  ['tokens rise with each acquisition', change('granted', { token: 1 }, isOf(2))],
  ['tokens never go back', add(30_000, 'b1', { kind: 'token-went-back', token: 1 })],
  [
    'a renewal is of what its holder holds',
    change(
      'call',
      { carriedOut: [{ answer: 'renewed', found: { holder: 'a1.1', token: 2, remainingMs: 9 } }] },
      (call) => call.heart === 'heart 1' && wasRenewed(call) && call.token === 2,
    ),
  ],
  [
    'a renewal is of what its holder holds',
    change('call', { carriedOut: [{ answer: 'renewed', found: 'nobody' }] }, wasRenewed),
  ],
  [
    'a retry has the holder of what it retries, and nothing else has',
    change('call', { holder: 'b1.1' }, ({ who, verb }) => who === 'b1' && verb === 'acquire'),
  ],
  [
    'no stale write is accepted',
    add(55_000, 'a1', { kind: 'write', token: 1, accepted: true, highest: 2 }),
  ],
  [
    'no two terms have the same token',
    add(55_000, 'a1', { kind: 'led', token: 2, holder: 'a1.9', heart: 'heart 1' }),
  ],
  [
    'nobody leads with a token that is not higher',
    add(55_000, 'a1', { kind: 'led', token: 1, holder: 'a1.9', heart: 'heart 1' }),
  ],
  ['no run starts after the soft stop of its term', change('run-started', { standing: 'trusted' })],
  [
    'no run starts after the soft stop of its term',
    (facts) =>
      facts.map((fact) =>
        fact.kind === 'run-started' ? { ...fact, bootMs: fact.bootMs + 5_000 } : fact,
      ),
  ],
  ['runs of a job do not overlap', (facts) => facts.filter(({ kind }) => kind !== 'run-ended')],
  ['nothing is released before its work has ended', change('released', { working: ['a run'] })],
  [
    'work that obeys ends before the hard fence',
    change('run-ended', { bootMs: 1e9 }, ({ obeys }) => obeys),
  ],
  [
    'work that obeys is never done after work of a later term',
    add(55_000, 'a1', { kind: 'work', run: 'one', token: 1, obeys: true }),
  ],
  ...(['expired', 'store-unreachable', 'stolen', 'stalled', 'crashed'] as const).flatMap(
    (reason) => [
      ['every loss has the right reason', change('ended', { reason }, isOf(1))] as const,
      ['the application hears the right reason', change('lost', { reason }, isOf(1))] as const,
    ],
  ),
  ['every loss has the right reason', (facts) => facts.filter(({ kind }) => kind !== 'resign')],
  [
    'the history of terms has the right reason',
    (facts) =>
      facts.map((fact) =>
        fact.kind === 'read'
          ? {
              ...fact,
              reading: {
                ...fact.reading,
                terms: fact.reading.terms.map((term) => ({ ...term, reason: 'stolen' as const })),
              },
            }
          : fact,
      ),
  ],
  [
    'after the faults somebody leads within 2 T, and goes on',
    add(58_900, 'b1', { kind: 'standing', token: 2, standing: 'none' }),
  ],
  ['a hung instance does not renew', blocked(30_000, 'b1', 30_000)],
  ['a hung instance loses its term', blocked(30_000, 'b1', 30_000)],
  ['a hung instance is no candidate', blocked(1_000, 'b1', 20_000)],
  ['the application is told of each loss', (facts) => facts.filter(({ kind }) => kind !== 'lost')],
  [
    'what does not end in time is not renewed',
    add(30_000, 'b1', { kind: 'ending', token: 2, reason: 'stopped', heart: 'heart 1' }),
  ],
  [
    'a term that ends comes to its end',
    add(30_000, 'b1', { kind: 'ending', token: 2, reason: 'stopped', heart: 'heart 1' }),
  ],
  [
    'nobody calls the store without end',
    (facts) => facts.flatMap((fact) => (fact.kind === 'call' ? Array(9).fill(fact) : [fact])),
  ],
  [
    'nothing fails by itself',
    add(9_000, 'a1', { kind: 'heart-died', heart: 'heart 1', onPurpose: false }),
  ],
  ['nothing fails by itself', add(9_000, 'a1', { kind: 'alarming-line', line: 'run_failed' })],
]

/** The same with a job in the ledger, whose runs are long and outlive their leader: it is killed. */
let kept: Recording

before(async () => {
  const job = {
    id: 'kept',
    everyMs: 700,
    on: 'monotonic',
    options: { overdue: 'skip' },
    failing: 0.3,
    byHand: 0,
  } as const
  const kill = { kind: 'kill', target: 0, forMs: 0, atMs: 21_800, inRenewal: false } as const
  kept = await simulate(quietScenario({ ledger: [job] }, [kill]))
})

/** Changes what stands in the ledger at the end. */
const standing =
  (changes: (ledger: Of<'ledger'>) => Partial<Of<'ledger'>>): ((facts: Fact[]) => Fact[]) =>
  (facts) =>
    facts.map((fact) => (fact.kind === 'ledger' ? { ...fact, ...changes(fact) } : fact))

const accounts = 'every tick is accounted for exactly once'
const abandonedOnce = 'a run is abandoned exactly once'
const whileTrusted = 'no run is abandoned while its term may be trusted'
const isInLedger = ({ claim }: Of<'run-started'>): boolean => claim !== undefined

/** A fact of a kind again, somewhat later. */
const again =
  (kind: Fact['kind'], changes: object, fits = (_: Fact) => true): ((facts: Fact[]) => Fact[]) =>
  (facts) => {
    const fact = facts.find((one) => one.kind === kind && fits(one)) ?? assert.fail(kind)
    return [...facts, { ...fact, atMs: 50_000, ...changes }]
  }

const ledgerTampers: readonly (readonly [string, (facts: Fact[]) => Fact[]])[] = [
  [accounts, standing(({ runs }) => ({ runs: runs.slice(5) }))],
  [accounts, standing(({ runs }) => ({ runs: runs.concat(runs.slice(0, 1)) }))],
  [accounts, standing(({ skips }) => ({ skips: skips.slice(1) }))],
  [accounts, standing(({ skips }) => ({ skips: skips.concat(skips.slice(0, 1)) }))],
  [accounts, standing(() => ({ jobs: [] }))],
  ['no run begins without a claim of its own term', change('claimed', { token: 9 })],
  [
    'no run begins without a claim of its own term',
    (facts) => facts.filter(({ kind }) => kind !== 'claimed'),
  ],
  [
    'no attempt begins twice',
    again('run-started', { who: 'b1' }, (fact) => isInLedger(fact as Of<'run-started'>)),
  ],
  [
    'what the ledger says of a run is true',
    standing(({ runs }) => ({ runs: runs.map((run) => ({ ...run, error: 'It did not begin' })) })),
  ],
  [
    'what the ledger says of a run is true',
    (facts) => facts.filter(({ kind }) => kind !== 'run-ended'),
  ],
  ['only the last term writes', again('claimed', { token: 1 })],
  ['only the last term writes', again('skipped', { token: 1 })],
  [whileTrusted, change('abandoned', { token: 2, by: 3 })],
  [whileTrusted, change('abandoned', { by: 1 })],
  [whileTrusted, add(21_000, 'c1', { kind: 'standing', token: 1, standing: 'trusted' })],
  [abandonedOnce, again('abandoned', {})],
  [abandonedOnce, again('told-abandoned', {})],
  [
    abandonedOnce,
    standing(({ runs }) => ({ runs: runs.map((run) => ({ ...run, outcome: 'lost' })) })),
  ],
  [
    'a run whose leader was lost is found out',
    standing(({ runs }) => ({ runs: runs.map((run) => ({ ...run, outcome: 'running' })) })),
  ],
  [
    'after the faults the jobs in the ledger go on',
    (facts) => facts.filter(({ kind }) => kind !== 'claimed' && kind !== 'skipped'),
  ],
]

describe('a checker of the ledger', () => {
  test('finds nothing where nothing is wrong: there are runs, skips and an abandoned one', () => {
    assert.deepEqual(check(kept), [])
    const ledger = kept.facts.findLast((fact) => fact.kind === 'ledger') ?? assert.fail()
    assert.ok(ledger.runs.length > 20 && ledger.skips.length > 0)
    assert.ok(ledger.runs.some(({ outcome }) => outcome === 'failed'))
    assert.ok(kept.facts.some(({ kind }) => kind === 'told-abandoned'))
  })

  for (const [index, [rule, tamper]] of ledgerTampers.entries()) {
    test(`finds that it was broken, ${index}: ${rule}`, () => {
      const facts = tamper([...kept.facts]).toSorted((one, other) => one.atMs - other.atMs)
      const rules = check({ ...kept, facts }).map((violation) => violation.rule)
      assert.ok(rules.includes(rule), `found: ${[...new Set(rules)].join(', ')}`)
    })
  }

  test('holds a store that forgets to this only: that each run has a claim', () => {
    const beyond = { ...kept, scenario: { ...kept.scenario, beyondPromise: true } }
    const facts = standing(() => ({ runs: [], skips: [] }))([...kept.facts])
    assert.deepEqual(check({ ...beyond, facts }), [])
    const unclaimed = kept.facts.filter(({ kind }) => kind !== 'claimed')
    const [violation] = check({ ...beyond, facts: unclaimed })
    assert.equal(violation?.rule, 'no run begins without a claim of its own term')
  })
})

describe('a checker', () => {
  test('finds nothing in a history in which nothing is wrong', () => {
    assert.deepEqual(check(clean), [])
  })

  for (const [index, [rule, tamper]] of tampers.entries()) {
    test(`finds that it was broken, ${index}: ${rule}`, () => {
      const facts = tamper([...clean.facts]).toSorted((one, other) => one.atMs - other.atMs)
      const rules = check({ ...clean, facts }).map((violation) => violation.rule)
      assert.ok(rules.includes(rule), `found: ${[...new Set(rules)].join(', ')}`)
    })
  }

  test('finds that the simulation itself has failed', () => {
    const [violation] = check({ ...clean, thrown: new Error('no more') })
    assert.equal(violation?.rule, 'nothing fails by itself')
  })

  test('excuses a stall that is told early after a stop of the process, by ticks of longer times', () => {
    const rule = 'every loss has the right reason'
    const { atMs, who } = clean.facts.find((fact) => fact.kind === 'ended') ?? assert.fail()
    const sinceMs = atMs - 10_400
    const heart = { kind: 'hindered', thread: 'heart 1', why: 'paused', toMs: sinceMs } as const
    const facts = [
      change('ended', { reason: 'stalled' }, isOf(1)),
      add(sinceMs - 1_000, who, heart),
      blocked(sinceMs - 1_000, who, 11_400),
    ].reduce((all, tamper) => tamper(all), [...clean.facts])
    const rulesWith = (times: Recording['scenario']['times']): string[] =>
      check({ ...clean, scenario: { ...clean.scenario, times }, facts }).map((one) => one.rule)
    assert.ok(rulesWith([shortTimes]).includes(rule))
    assert.ok(!rulesWith([shortTimes, { ...shortTimes, stallLimit: 60_000 }]).includes(rule))
  })

  test('excuses trust that comes back as a wall clock is set, and then only', () => {
    const rule = 'a soft stop and a hard fence are final'
    const rulesWith = (who: string, atMs: number): string[] => {
      const facts = [
        add(50_000, 'b1', { kind: 'standing', token: 2, standing: 'trusted' }),
        add(atMs, who, { kind: 'wall-set' }),
        add(51_000, 'b1', { kind: 'standing', token: 2, standing: 'leader' }),
      ].reduce((all, tamper) => tamper(all), [...clean.facts])
      return check({ ...clean, facts }).map((one) => one.rule)
    }
    assert.ok(!rulesWith('b1', 51_000).includes(rule))
    assert.ok(rulesWith('b1', 50_500).includes(rule))
    assert.ok(rulesWith('a1', 51_000).includes(rule))
  })

  test('holds a store that forgets to fencing only', () => {
    const beyond = { ...clean, scenario: { ...clean.scenario, beyondPromise: true } }
    const facts = add(9_000, 'b1', { kind: 'both', standing: 'leader', others: 'a1' })([
      ...clean.facts,
    ])
    assert.deepEqual(check({ ...beyond, facts }), [])
    const write = { kind: 'write', token: 1, accepted: true, highest: 2 } as const
    const [violation] = check({ ...beyond, facts: add(55_000, 'a1', write)([...clean.facts]) })
    assert.equal(violation?.rule, 'no stale write is accepted')
  })
})
