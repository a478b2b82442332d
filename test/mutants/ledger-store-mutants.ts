import type { Mutant } from './mutant.ts'

const once = 'a tick is claimed once: a second run of it is told whose it is'
const repeated = 'a claim that is repeated after a lost reply is claimed, and counted once'
const asWhole = 'a lower token is refused as a whole, though its lease has not expired'
const twoTerms =
  'two terms that both believe to lead: each tick has one run, the lower one is refused'
const neverGranted = 'a token that was never granted is refused'
const atOnce = '10 clients claim the same ticks at once: each has one run'
const cursor = 'a tick at or before the cursor is taken; further attempts and runs by hand are not'
const lostLeader = 'a lost leader is found out once: its runs are told again to the same term only'
const afterAbandoned = 'the end of a run that was found abandoned is refused, by whomever it comes'
const owed = 'an attempt is owed over takeovers until it is claimed'
const skipped = 'skipped ticks are one record, move the cursor, and are skipped once'
const sameSchedule = 'the same schedule keeps all, another one begins anew, and paused stays paused'
const nextTerm = 'the next term finds the jobs as they stand, also where it registers them anew'
const byCount = 'of each job the newest runs and skips are kept, and whatever is not over'
const byAge = 'nothing is kept for longer than its age but what runs, or was just found abandoned'
const ended = 'an end is recorded once, also when it is repeated, and what stands is told'
const told = 'each change of a stored job is told after the ones before, also its removal'
const since =
  'a stored job keeps since when it is stored, unless it has another schedule or was removed'
const leftAlone =
  'what is stored is left alone where it is not to be replaced; what was removed is not'
const forgotten = 'a removed job is forgotten once it is followed, and no revision is used again'
const inSqlite = 'in SQLite as in memory'
const inPostgres = 'in PostgreSQL as in memory'
const oneLease = 'a stored job is read as it was stored, without any term, and by its lease only'

/** Broken ledgers, of which the kit catches each by the cases that it names. */
export const ledgerStoreMutants: readonly Mutant[] = [
  {
    what: 'a ledger tells of no stored job that was replaced',
    file: 'src/store/ledger/rules.ts',
    from: "const revision = (draft.get('revision', {})?.revision ?? 0) + 1",
    to: "const last = (draft.get('revision', {})?.revision ?? 0) + 1\n  const revision = draft.get('schedule', { jobId })?.revision ?? last",
    suite: 'stores/memory',
    test: told,
  },
  {
    what: 'a ledger forgets a stored job as soon as it is removed',
    file: 'src/store/ledger/calls.ts',
    from: 'return yield* decide(keys, (draft) => rules.removeSchedule(draft, request))',
    to: 'const reply = yield* decide(keys, (draft) => rules.removeSchedule(draft, request))\n  yield* remove({ schedule: [request] })\n  return reply',
    suite: 'stores/memory',
    test: [told, forgotten],
  },
  {
    what: 'a ledger never forgets a stored job that was removed',
    file: 'src/store/ledger/calls.ts',
    from: "revision: ['<=', followedRevision],",
    to: "revision: ['<', 0],",
    suite: 'stores/memory',
    test: forgotten,
  },
  {
    what: 'a ledger takes each storing for the first one',
    file: 'src/store/ledger/rules.ts',
    from: 'const isSame = wasStored && before?.words === words',
    to: 'const isSame = false',
    suite: 'stores/memory',
    test: since,
  },
  {
    what: 'a ledger replaces a stored job that is to be left alone',
    file: 'src/store/ledger/rules.ts',
    from: "  if (wasStored && onConflict !== 'replace') return { kind: 'exists' }\n",
    to: '',
    suite: 'stores/memory',
    test: leftAlone,
  },
  {
    what: 'a ledger keeps the stored jobs of all leases together',
    file: 'src/store/memory/ledger-books.ts',
    from: 'this.#books.get(lease) ?? new Book(() => this.#tokenOf(lease))\n    this.#books.set(lease, book)',
    to: "this.#books.get('') ?? new Book(() => this.#tokenOf(lease))\n    this.#books.set('', book)",
    suite: 'stores/memory',
    test: oneLease,
  },
  {
    what: 'a ledger does not look at the token',
    file: 'src/store/ledger/engine.ts',
    from: 'return granted === token ? undefined',
    to: 'return granted >= 0 ? undefined',
    suite: 'stores/memory',
    test: [asWhole, twoTerms, neverGranted],
  },
  {
    what: 'a ledger believes a token that is higher than any',
    file: 'src/store/ledger/engine.ts',
    from: 'return granted === token ? undefined',
    to: 'return granted <= token ? undefined',
    suite: 'stores/memory',
    test: neverGranted,
  },
  {
    what: 'a ledger refuses the claims of a lower token, but records what it says',
    file: 'src/store/ledger/ledger.ts',
    from: "'token' in request ? request.token",
    to: "'token' in request && name !== 'tryRecord' ? request.token",
    suite: 'stores/memory',
    test: [asWhole, afterAbandoned],
  },
  {
    what: 'a ledger starts a tick once more for another run',
    file: 'src/store/ledger/calls.ts',
    from: 'rules.claim(draft, token, one))',
    to: "rules.claim(draft, token, { ...one, trigger: 'manual' }))",
    suite: 'stores/memory',
    test: [once, atOnce, twoTerms],
  },
  {
    what: 'a ledger takes the retry of a claim for another one',
    file: 'src/store/ledger/rules.ts',
    from: 'const isOurs = known.runId === runId && known.token === token',
    to: 'const isOurs = false',
    suite: 'stores/memory',
    test: repeated,
  },
  {
    what: 'a ledger starts what is pruned or skipped',
    file: 'src/store/ledger/rules.ts',
    from: "if (tickMs <= job.cursorMs) return { kind: 'taken', by: undefined }",
    to: "if (tickMs <= job.cursorMs) return { kind: 'claimed' }",
    suite: 'stores/memory',
    test: [cursor, skipped, byCount],
  },
  {
    what: 'a ledger moves the cursor by runs by hand',
    file: 'src/store/ledger/rules.ts',
    from: "  if (trigger === 'tick' && attempt === 1) {\n",
    to: "  if (trigger === 'manual') draft.put('job', job, { cursorMs: Math.max(job.cursorMs, tickMs) })\n  if (trigger === 'tick' && attempt === 1) {\n",
    suite: 'stores/memory',
    test: cursor,
  },
  {
    what: 'a ledger claims half of a large batch',
    file: 'src/store/ledger/calls.ts',
    from: 'claims.map((one) =>',
    to: 'claims.slice(0, 250).map((one) =>',
    suite: 'stores/memory',
    test: 'a batch of the largest size is answered in order, and a larger one is refused',
  },
  {
    what: 'a ledger tells of abandoned runs once, and not again after a lost reply',
    file: 'src/store/ledger/calls.ts',
    from: "const isOurs = { abandonedBy: ['=', token] }",
    to: "const isOurs = { abandonedBy: ['=', token], finishedAtMs: ['=', request.atMs] }",
    suite: 'stores/memory',
    test: lostLeader,
  },
  {
    what: 'a ledger has each term find the same runs abandoned',
    file: 'src/store/ledger/calls.ts',
    from: "const isOurs = { abandonedBy: ['=', token] }",
    to: "const isOurs = { abandonedBy: ['<>', undefined] }",
    suite: 'stores/memory',
    test: lostLeader,
  },
  {
    what: 'a ledger takes the runs of its own term for abandoned',
    file: 'src/store/ledger/calls.ts',
    from: ", token: ['<>', token] }",
    to: ' }',
    suite: 'stores/memory',
    test: lostLeader,
  },
  {
    what: 'a ledger records the end of an abandoned run',
    file: 'src/store/ledger/rules.ts',
    from: '  if (run.outcome !== undefined) {\n',
    to: "  if (run.outcome !== undefined && run.outcome !== 'abandoned') {\n",
    suite: 'stores/memory',
    test: afterAbandoned,
  },
  {
    what: 'a ledger refuses the end that it has recorded, when it comes again',
    file: 'src/store/ledger/rules.ts',
    from: "return isSame ? { kind: 'recorded' } : {",
    to: 'return {',
    suite: 'stores/memory',
    test: ended,
  },
  {
    what: 'a ledger forgets what an earlier term owed',
    file: 'src/store/ledger/calls.ts',
    from: "const isOwed = { retryAtMs: ['<>', undefined] }",
    to: "const isOwed = { retryAtMs: ['<>', undefined], abandonedBy: ['=', token] }",
    suite: 'stores/memory',
    test: owed,
  },
  {
    what: 'a ledger skips what was claimed',
    file: 'src/store/ledger/rules.ts',
    from: "tickMs <= job.cursorMs) return { kind: 'taken' }",
    to: "tickMs <= job.cursorMs) return { kind: 'recorded' }",
    suite: 'stores/memory',
    test: skipped,
  },
  {
    what: 'a ledger begins anew at each registration',
    file: 'src/store/ledger/rules.ts',
    from: 'const isSame = before?.schedule === job.schedule',
    to: 'const isSame = false',
    suite: 'stores/memory',
    test: [sameSchedule, nextTerm],
  },
  {
    what: 'a ledger keeps the cursor of another schedule',
    file: 'src/store/ledger/rules.ts',
    from: 'const row = { ...(isSame ? before : begun), token }',
    to: 'const row = { ...(before ?? begun), schedule, token }',
    suite: 'stores/memory',
    test: sameSchedule,
  },
  {
    what: 'a ledger prunes what runs, and what was just found abandoned',
    file: 'src/store/ledger/rules.ts',
    from: "return { outcome: ['<>', undefined], abandonedBy: ['<>', token] }",
    to: 'return {}',
    suite: 'stores/memory',
    test: [byCount, byAge],
  },
  {
    what: 'the shared rules owe an attempt that was claimed',
    file: 'src/store/ledger/rules.ts',
    from: "draft.put('run', followed, { retryAtMs: undefined })",
    to: "draft.put('run', followed, {})",
    suite: 'stores/ledger-histories',
    test: inPostgres,
  },
  {
    what: 'the shared rules forget a job that is in progress',
    file: 'src/store/ledger/calls.ts',
    from: 'if (rules.isForgotten(job, request) && !(yield* isRunning(job.jobId))) {',
    to: 'if (rules.isForgotten(job, request)) {',
    suite: 'stores/ledger-histories',
    test: inPostgres,
  },
  {
    what: 'SQLite orders the history by its ticks only',
    file: 'src/store/sqlite/ledger-rows.ts',
    from: 'order.map((field) => `',
    to: 'order.toReversed().map((field) => `',
    suite: 'stores/ledger-histories',
    test: inSqlite,
  },
  {
    what: 'SQLite keeps the first value of what is changed to nothing',
    file: 'src/store/sqlite/ledger-rows.ts',
    from: 'const names = Object.keys(changed)',
    to: "const names = Object.keys(changed).filter((name) => name !== 'retryAtMs')",
    suite: 'stores/ledger-histories',
    test: inSqlite,
  },
  {
    what: 'PostgreSQL keeps what a follower has claimed as owed',
    file: 'src/store/postgres/ledger-schema.ts',
    from: 'UPDATE ${run} SET retry_at_ms = NULL WHERE ctid',
    to: 'UPDATE ${run} SET retry_at_ms = retry_at_ms WHERE ctid',
    suite: 'stores/ledger-histories',
    test: inPostgres,
  },
  {
    what: 'PostgreSQL moves a cursor to the first of the ticks that are skipped together',
    file: 'src/store/postgres/ledger-schema.ts',
    from: 'max(until_tick_ms) AS until_tick_ms FROM skipped',
    to: 'min(until_tick_ms) AS until_tick_ms FROM skipped',
    suite: 'stores/ledger-histories',
    test: inPostgres,
  },
  {
    what: 'tables of the next version are refused',
    file: 'src/store/tables-version.ts',
    from: 'tablesVersionMax: number = tablesVersion + 1',
    to: 'tablesVersionMax: number = tablesVersion',
    suite: 'stores/versions',
    test: 'on SQLite',
  },
  {
    what: 'tables of any version are used',
    file: 'src/store/tables-version.ts',
    from: 'tablesVersionMax: number = tablesVersion + 1',
    to: 'tablesVersionMax: number = Infinity',
    suite: 'stores/versions',
    test: 'but not on those of the version after the next',
  },
]
