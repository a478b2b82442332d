// Random interleavings of terms and writers, held against what the promise says: a write of a lower
// token never comes after one of a higher.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import fc from 'fast-check'

import { TenureError } from '../../src/index.ts'
import {
  startPostgresResource,
  startSqliteResource,
  termsOfLease,
  type EternalTerm,
  type FencedResource,
  type FencedWriter,
} from '../support/fenced-resource.ts'
import { missing } from '../support/programs.ts'

const writersCount = 4
const tokenMax = 3

/** What one writer does next; what makes no sense in its state is passed over. */
type Step =
  | { readonly do: 'fence'; readonly writer: number; readonly token: number }
  | { readonly do: 'commit' | 'rollback'; readonly writer: number }

const writer = fc.nat(writersCount - 1)
const token = fc.integer({ min: 1, max: tokenMax })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('fence' as const), writer, token }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const), writer }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('rollback' as const), writer }) },
  ),
  { maxLength: 30, size: 'max' },
)

/** A transaction that has asked for the fence: it waits, or it has been let through. */
interface Transaction {
  readonly term: EternalTerm
  readonly writer: FencedWriter
  readonly outcome: Promise<string>
  granted: boolean
}

/** Carries out steps, and knows who holds the fence, as far as the answers have told. */
class Interleaving {
  readonly outcomes: string[] = []
  readonly committed: number[] = []
  readonly #engine: FencedResource['engine']
  readonly #writers: readonly FencedWriter[]
  readonly #lease: string
  readonly #open = new Map<number, Transaction>()
  #tokenMax = 0

  constructor(engine: FencedResource['engine'], writers: readonly FencedWriter[], lease: string) {
    this.#engine = engine
    this.#writers = writers
    this.#lease = lease
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'fence') return this.#fence(step.writer, step.token)
    const transaction = this.#open.get(step.writer)
    if (transaction?.granted) await this.#end(step.writer, transaction, step.do)
  }

  /** Ends all transactions that are left, one after the other: all that wait have to be answered. */
  async finish(): Promise<void> {
    while (this.#open.size > 0) {
      const holder = [...this.#open].find(([, { granted }]) => granted)
      if (holder === undefined) await this.#awaitAny()
      else await this.#end(...holder, 'commit')
    }
  }

  /** Leaves no transaction behind, also where something was wrong. */
  async abandon(): Promise<void> {
    const open = [...this.#open.values()]
    for (const { granted, writer } of open) if (granted) await writer.rollback()
    const waiting = open.filter(({ granted }) => !granted)
    await Promise.all(waiting.map(({ outcome, writer }) => outcome.then(() => writer.rollback())))
  }

  get #holders(): Transaction[] {
    return [...this.#open.values()].filter(({ granted }) => granted)
  }

  async #fence(index: number, token: number): Promise<void> {
    const writer = this.#writers[index]
    if (writer === undefined || this.#open.has(index)) return
    const waits = this.#mayWait(token)
    await writer.begin()
    const term = { lease: this.#lease, token }
    const outcome = writer.fence(term).then(() => 'granted', codeOf)
    const transaction: Transaction = { term, writer, outcome, granted: false }
    this.#open.set(index, transaction)
    if (waits) return
    await this.#settled(index, transaction)
    const code = this.outcomes.at(-1)
    if (this.#engine === 'PostgreSQL') assert.notEqual(code, 'TENURE_ERR_FENCE_TIMEOUT')
  }

  /**
   * Nobody waits on SQLite: busy is an answer. On PostgreSQL whoever wants to raise the token waits
   * for those who hold it, and all wait for one who has raised it. Who wins among several that wait
   * is not foretold.
   */
  #mayWait(token: number): boolean {
    if (this.#engine === 'SQLite' || this.#open.size === 0) return false
    const someWait = this.#holders.length < this.#open.size
    const raised = this.#holders.some(({ term }) => term.token > this.#tokenMax)
    return someWait || raised || token > this.#tokenMax
  }

  async #settled(index: number, { term, writer, outcome }: Transaction): Promise<void> {
    const code = await outcome
    const { token } = term
    this.outcomes.push(code)
    if (code === 'granted') {
      for (const holder of this.#holders) assert.equal(holder.term.token, token, 'one at a time')
      this.#open.set(index, { term, writer, outcome, granted: true })
      assert.ok(token >= this.#tokenMax, `${token} was let through after ${this.#tokenMax}`)
      return writer.write(term)
    }
    this.#open.delete(index)
    await writer.rollback()
    if (code === 'TENURE_ERR_FENCED') {
      assert.ok(token < this.#tokenMax, `${token} was refused after ${this.#tokenMax}`)
    } else {
      assert.equal(code, 'TENURE_ERR_FENCE_TIMEOUT')
      if (this.#engine === 'SQLite') assert.ok(this.#holders.length > 0, 'nobody was waited for')
    }
  }

  async #end(index: number, transaction: Transaction, how: 'commit' | 'rollback'): Promise<void> {
    const { term, writer } = transaction
    this.#open.delete(index)
    await writer[how]()
    if (how === 'rollback') return
    this.#tokenMax = Math.max(this.#tokenMax, term.token)
    this.committed.push(term.token)
  }

  async #awaitAny(): Promise<void> {
    const answered = [...this.#open].map(async ([index, transaction]) => {
      await transaction.outcome
      return [index, transaction] as const
    })
    await this.#settled(...(await Promise.race(answered)))
  }
}

function codeOf(error: unknown): string {
  return error instanceof TenureError ? error.code : String(error)
}

/** Throws if a write of a lower token comes after one of a higher; says what was answered. */
async function interleave(
  resource: FencedResource,
  writers: readonly FencedWriter[],
  steps: readonly Step[],
): Promise<string[]> {
  const { lease } = termsOfLease()(1)
  const interleaving = new Interleaving(resource.engine, writers, lease)
  try {
    for (const step of steps) await interleaving.take(step)
    await interleaving.finish()
  } finally {
    await interleaving.abandon()
  }
  const tokens = await resource.tokens(lease)
  assert.deepEqual(
    tokens,
    tokens.toSorted((a, b) => a - b),
  )
  assert.deepEqual(tokens, interleaving.committed)
  return interleaving.outcomes
}

const engines = [
  {
    name: 'PostgreSQL',
    start: startPostgresResource,
    skip: missing('postgres'),
    broken: [
      { what: 'nobody holds the row', from: ' FOR SHARE', to: '' },
      { what: 'runs of one term exclude each other', from: 'FOR SHARE', to: 'FOR UPDATE' },
      {
        what: 'the row is shared before it is raised',
        from: 'UPDATE tenure_fence SET',
        to: 'PERFORM FROM tenure_fence WHERE lease = of_lease FOR SHARE; UPDATE tenure_fence SET',
      },
      {
        what: 'a higher token is not looked at',
        from: 'IF seen IS DISTINCT FROM mine',
        to: 'IF false',
      },
      { what: 'a higher token is overwritten', from: ' AND token < mine', to: '' },
      {
        what: 'the token is not raised',
        from: /SET token = mine (.*\s*)RETURNING token/,
        to: 'SET token = token $1RETURNING mine',
      },
    ],
  },
  {
    name: 'SQLite',
    start: startSqliteResource,
    skip: false,
    broken: [
      {
        what: 'a higher token is overwritten',
        from: 'WHERE excluded.token > tenure_fence.token',
        to: '',
      },
      {
        what: 'the token is not raised',
        from: 'SET token = excluded.token',
        to: 'SET token = token',
      },
    ],
  },
]

for (const { name, start, skip, broken } of engines) {
  describe(`terms and writers on ${name}, interleaved at random`, { skip }, () => {
    let resource: FencedResource

    before(async () => {
      resource = await start()
    })
    after(() => resource.end())

    /** So many writers on one database. */
    async function openWriters(distort?: (sql: string) => string): Promise<FencedWriter[]> {
      const writers: FencedWriter[] = []
      for (let i = 0; i < writersCount; i++) writers.push(await resource.writer(distort))
      return writers
    }

    test('a write of a lower token is never committed after one of a higher', async () => {
      const writers = await openWriters()
      const seen = new Set<string>()
      const property = fc.asyncProperty(steps, async (steps) => {
        for (const outcome of await interleave(resource, writers, steps)) seen.add(outcome)
      })
      await fc.assert(property, { numRuns: 100 })
      assert.ok(seen.has('granted') && seen.has('TENURE_ERR_FENCED'), 'nothing was shown')
    })

    for (const { what, from, to } of broken) {
      test(`a fence that is broken is caught: ${what}`, async () => {
        const changed = new Set<boolean>()
        const writers = await openWriters((sql) => {
          const distorted = sql.replace(from, to)
          changed.add(distorted !== sql)
          return distorted
        })
        const property = fc.asyncProperty(steps, async (steps) => {
          await interleave(resource, writers, steps)
        })
        const { failed } = await fc.check(property, { numRuns: 2_000, endOnFailure: true })
        assert.ok(failed && changed.has(true))
      })
    }
  })
}
