import { ledgerBatchMax, prunedRowsMax } from '../ledger-store.ts'
import { tablesVersion } from '../tables-version.ts'
import { lockTimeoutSql } from './patience.ts'
import { schemaNames } from './schema.ts'

/** The names of what is called, quoted. They carry the version: see {@link ledgerSql}. */
export interface LedgerNames {
  readonly version: string
  readonly token: string
  readonly lastToken: string
  readonly job: string
  readonly run: string
  readonly skip: string
  readonly schedule: string
  readonly revision: string
  readonly begin: string
  readonly tryRegister: string
  readonly tryClaim: string
  readonly tryRecord: string
  readonly tryAbandon: string
  readonly tryPrune: string
  readonly trySetPaused: string
  readonly tryStoreSchedule: string
  readonly tryRemoveSchedule: string
}

/** The names within one schema of the database. */
export function ledgerNames(schema: string): LedgerNames {
  const { schema: quoted, token, lastToken } = schemaNames(schema)
  const name = (plain: string): string => `${quoted}.${plain}`
  return {
    version: name('tenure_ledger'),
    token,
    lastToken,
    job: name('tenure_job'),
    run: name('tenure_run'),
    skip: name('tenure_skip'),
    schedule: name('tenure_schedule'),
    revision: name('tenure_schedule_revision'),
    begin: name(`tenure_ledger_begin_${tablesVersion}`),
    tryRegister: name(`tenure_try_register_${tablesVersion}`),
    tryClaim: name(`tenure_try_claim_${tablesVersion}`),
    tryRecord: name(`tenure_try_record_${tablesVersion}`),
    tryAbandon: name(`tenure_try_abandon_${tablesVersion}`),
    tryPrune: name(`tenure_try_prune_${tablesVersion}`),
    trySetPaused: name(`tenure_try_set_paused_${tablesVersion}`),
    tryStoreSchedule: name(`tenure_try_store_schedule_${tablesVersion}`),
    tryRemoveSchedule: name(`tenure_try_remove_schedule_${tablesVersion}`),
  }
}

/**
 * The tables and functions of the ledger, created where they are missing, beside those of the
 * leases; to be run in one transaction, by one client at a time.
 *
 * - `tenure_job`: one row a job, with its cursor.
 * - `tenure_run`: one row a run. `slot` is empty for a tick, and the run's id for a run by hand: so
 *   that an attempt at a tick has one row, whoever tries. `outcome` is null while it runs.
 * - `tenure_skip`: one row for ticks that were skipped together.
 * - `tenure_schedule`: one row a job that was stored or paused; without a handler it is not stored,
 *   or not any more.
 * - `tenure_schedule_revision`: the last revision of the stored jobs, which rises for ever. Whoever
 *   writes there locks its row until the commit, so that revisions are committed in their order.
 *
 * Their version is in a table of their own: a later ledger is no reason to refuse the leases.
 *
 * Each verb is one function, and so one statement, as those of the leases are. It locks the row of
 * the lease's counter first: no acquisition comes between the comparison of the token and the
 * commit, and the writers of one ledger queue there, so that they never deadlock.
 */
export function ledgerSql(schema: string): string {
  const names = ledgerNames(schema)
  return [
    tables(names),
    begin(names),
    tryRegister(names),
    tryClaim(names),
    tryRecord(names),
    tryAbandon(names),
    tryPrune(names),
    trySetPaused(names),
    schedules(names),
    `INSERT INTO ${names.version} (version)
  SELECT ${tablesVersion} WHERE NOT EXISTS (SELECT FROM ${names.version});
`,
  ].join('\n')
}

function tables({ version, job, run, skip, schedule, revision }: LedgerNames): string {
  return `CREATE TABLE IF NOT EXISTS ${version} (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS ${job} (
  lease text NOT NULL,
  job_id text COLLATE "C" NOT NULL,
  schedule text NOT NULL,
  anchor_ms double precision NOT NULL,
  cursor_ms double precision NOT NULL,
  runs bigint NOT NULL,
  paused boolean NOT NULL,
  token bigint NOT NULL,
  PRIMARY KEY (lease, job_id)
) WITH (fillfactor = 70);
CREATE TABLE IF NOT EXISTS ${run} (
  lease text NOT NULL,
  job_id text COLLATE "C" NOT NULL,
  tick_ms double precision NOT NULL,
  attempt bigint NOT NULL,
  slot text COLLATE "C" NOT NULL,
  run_id text NOT NULL,
  trigger text NOT NULL,
  token bigint NOT NULL,
  correlation_id text NOT NULL,
  rerun boolean NOT NULL,
  started_at_ms double precision NOT NULL,
  outcome text,
  finished_at_ms double precision,
  error text,
  abandoned_by bigint,
  retry_at_ms double precision,
  PRIMARY KEY (lease, job_id, tick_ms, attempt, slot)
);
-- The lease comes last: nothing that is looked up by its key shall be looked for along these.
CREATE INDEX IF NOT EXISTS tenure_run_started_at ON ${run} (started_at_ms, lease);
CREATE INDEX IF NOT EXISTS tenure_run_running ON ${run} (lease) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS tenure_run_abandoned ON ${run} (lease, abandoned_by)
  WHERE abandoned_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS tenure_run_owed ON ${run} (lease) WHERE retry_at_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS ${skip} (
  lease text NOT NULL,
  job_id text COLLATE "C" NOT NULL,
  tick_ms double precision NOT NULL,
  until_tick_ms double precision NOT NULL,
  count bigint NOT NULL,
  reason text NOT NULL,
  token bigint NOT NULL,
  PRIMARY KEY (lease, job_id, tick_ms)
);
CREATE INDEX IF NOT EXISTS tenure_skip_until_tick ON ${skip} (until_tick_ms, lease);
CREATE TABLE IF NOT EXISTS ${schedule} (
  lease text NOT NULL,
  job_id text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  handler text,
  words text NOT NULL,
  text text NOT NULL,
  stored_at_ms double precision NOT NULL,
  PRIMARY KEY (lease, job_id)
);
CREATE INDEX IF NOT EXISTS tenure_schedule_changed ON ${schedule} (lease, revision);
CREATE TABLE IF NOT EXISTS ${revision} (
  lease text PRIMARY KEY,
  revision bigint NOT NULL
);
`
}

/** What is acknowledged must survive a crash of the server, whatever the role's setting is. */
const settings = `  ${lockTimeoutSql}
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
`

/** Locks the counter of the lease, and tells the last token that was granted. */
function begin({ begin: name, token, lastToken }: LedgerNames): string {
  return `CREATE OR REPLACE FUNCTION ${name}(p_lease text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_granted bigint;
BEGIN
${settings}  PERFORM FROM ${token} WHERE lease = p_lease FOR UPDATE;
  IF NOT FOUND AND ${lastToken}(p_lease) > 0 THEN
    INSERT INTO ${token} (lease, token) VALUES (p_lease, 0) ON CONFLICT DO NOTHING;
    PERFORM FROM ${token} WHERE lease = p_lease FOR UPDATE;
  END IF;
  v_granted := ${lastToken}(p_lease);
  -- If the counter was lost, the record's token is kept, whatever happens to the record.
  UPDATE ${token} SET token = v_granted WHERE lease = p_lease AND token < v_granted;
  RETURN v_granted;
END
$$;
`
}

/**
 * Lists are given as JSON. Without statistics, as in the first minutes of a table, the server would
 * rather go through a whole table for each entry than look that up by its key. So each entry is
 * looked up by a query of its own: `OFFSET 0` keeps it from being planned with the rest.
 */
function lookUp(columns: string, table: string, name: string, which: string): string {
  return `LATERAL (SELECT ${columns} FROM ${table} ${name} WHERE ${which} OFFSET 0) ${name} ON true`
}

/** For what is then found by its place, and for tables of which the server knows nothing. */
const planning = 'SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off'

/** A verb that only the last term may use; `declarations` and `body` are PL/pgSQL. */
function verb(
  name: string,
  beginName: string,
  parameters: string,
  declarations: string,
  body: string,
): string {
  return `CREATE OR REPLACE FUNCTION ${name}(
  p_lease text, p_token bigint, ${parameters}
) RETURNS jsonb LANGUAGE plpgsql ${planning} AS $$
DECLARE
  v_granted bigint := ${beginName}(p_lease);
${declarations}BEGIN
  IF v_granted <> p_token THEN
    RETURN jsonb_build_object('kind', 'superseded', 'token', v_granted);
  END IF;
${body}END
$$;
`
}

function tryRegister({ tryRegister: name, begin: beginName, job }: LedgerNames): string {
  const kept = (column: string, otherwise: string): string =>
    `${column} = CASE WHEN j.schedule = excluded.schedule THEN j.${column} ELSE ${otherwise} END`
  return verb(
    name,
    beginName,
    'p_jobs jsonb',
    '',
    `  INSERT INTO ${job} AS j
    (lease, job_id, schedule, anchor_ms, cursor_ms, runs, paused, token)
    SELECT p_lease, r."jobId", r.schedule, r."anchorMs", r."cursorMs", 0, false, p_token
      FROM jsonb_to_recordset(p_jobs) AS r(
        "jobId" text, schedule text, "anchorMs" double precision, "cursorMs" double precision)
    ON CONFLICT (lease, job_id) DO UPDATE SET
      schedule = excluded.schedule,
      ${kept('anchor_ms', 'excluded.anchor_ms')},
      ${kept('cursor_ms', 'excluded.cursor_ms')},
      ${kept('runs', '0')},
      token = excluded.token;
  RETURN jsonb_build_object('kind', 'answered', 'jobs', (
    SELECT coalesce(jsonb_agg(to_jsonb(j) ORDER BY r.place), '[]')
      FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS r(job, place)
      JOIN ${lookUp('j.*', job, 'j', "j.lease = p_lease AND j.job_id = r.job->>'jobId'")}));
`,
  )
}

/** The claims as rows. */
const claimRows = `ROWS FROM (jsonb_to_recordset(p_claims) AS (
      "jobId" text, "tickMs" double precision, attempt bigint, "runId" text, trigger text,
      "correlationId" text, "startedAtMs" double precision, rerun boolean, follows text
    )) WITH ORDINALITY`

/** That a row of `tenure_run` is the one that a claim or an end is about. */
function isRunOf(row: string, asked: string): string {
  return `${row}.lease = p_lease AND ${row}.job_id = ${asked}."jobId"
      AND ${row}.tick_ms = ${asked}."tickMs" AND ${row}.attempt = ${asked}.attempt
      AND ${row}.slot = ${slotOf(asked)}`
}

/** What tells a run by hand from others of the same instant; an attempt at a tick has one row. */
function slotOf(asked: string): string {
  return `CASE ${asked}.trigger WHEN 'tick' THEN '' ELSE ${asked}."runId" END`
}

/** That a row of `tenure_job` is the one of this id. */
function isJobOf(row: string, jobId: string): string {
  return `${row}.lease = p_lease AND ${row}.job_id = ${jobId}`
}

/** That a row of `tenure_run` may be the one that a claim follows. */
const followed = `r.lease = p_lease AND r.job_id = c."jobId" AND r.tick_ms = c."tickMs"
      AND r.attempt = c.attempt - 1 AND c.follows IS NOT NULL`

function tryClaim({ tryClaim: name, begin: beginName, job, run }: LedgerNames): string {
  return verb(
    name,
    beginName,
    'p_claims jsonb',
    '',
    `  WITH claimed AS (
    INSERT INTO ${run} (lease, job_id, tick_ms, attempt, slot, run_id, trigger, token,
        correlation_id, rerun, started_at_ms)
      SELECT p_lease, c."jobId", c."tickMs", c.attempt,
          ${slotOf('c')}, c."runId", c.trigger, p_token,
          c."correlationId", c.rerun, c."startedAtMs"
        FROM ${claimRows} AS c
        JOIN ${lookUp('j.cursor_ms', job, 'j', isJobOf('j', 'c."jobId"'))}
        WHERE c.trigger <> 'tick' OR c.attempt > 1 OR c."tickMs" > j.cursor_ms
      ON CONFLICT DO NOTHING
      RETURNING job_id, tick_ms, attempt, slot, run_id, trigger
  ), moved AS (
    UPDATE ${job} j SET cursor_ms = greatest(j.cursor_ms, n.tick_ms), runs = j.runs + n.ticks
      FROM (SELECT job_id, max(tick_ms) AS tick_ms, count(*) AS ticks FROM claimed
        WHERE trigger = 'tick' AND attempt = 1 GROUP BY job_id) n
      JOIN ${lookUp('k.ctid AS place', job, 'k', isJobOf('k', 'n.job_id'))}
      WHERE j.ctid = k.place
  )
  UPDATE ${run} SET retry_at_ms = NULL WHERE ctid = ANY (ARRAY(
    SELECT r.place FROM ${claimRows} AS c
      JOIN claimed n ON n.job_id = c."jobId" AND n.tick_ms = c."tickMs" AND n.attempt = c.attempt
        AND n.slot = ${slotOf('c')} AND n.run_id = c."runId"
      JOIN ${lookUp('r.ctid AS place, r.run_id', run, 'r', followed)}
      WHERE c.follows IS NOT NULL AND r.run_id = c.follows));
  RETURN jsonb_build_object('kind', 'answered', 'outcomes', (
    SELECT coalesce(jsonb_agg(CASE
        WHEN r.run_id = c."runId" AND r.token = p_token THEN jsonb_build_object('kind', 'claimed')
        WHEN r.run_id IS NULL AND j.job_id IS NULL
          THEN jsonb_build_object('kind', 'unregistered')
        ELSE jsonb_build_object('kind', 'taken', 'by', r.run_id)
      END ORDER BY c.ordinality), '[]')
    FROM ${claimRows} AS c
    LEFT JOIN ${lookUp('r.run_id, r.token', run, 'r', isRunOf('r', 'c'))}
    LEFT JOIN ${lookUp('j.job_id', job, 'j', isJobOf('j', 'c."jobId"'))}));
`,
  )
}

const endRows = `ROWS FROM (jsonb_to_recordset(p_ends) AS (
      "jobId" text, "tickMs" double precision, attempt bigint, "runId" text, trigger text,
      outcome text, "finishedAtMs" double precision, error text, "retryAtMs" double precision
    )) WITH ORDINALITY`

const skipRows = `ROWS FROM (jsonb_to_recordset(p_skips) AS (
      "jobId" text, "tickMs" double precision, "untilTickMs" double precision, count bigint,
      reason text
    )) WITH ORDINALITY`

function tryRecord({ tryRecord: name, begin: beginName, job, run, skip }: LedgerNames): string {
  return verb(
    name,
    beginName,
    'p_ends jsonb, p_skips jsonb',
    '',
    `  UPDATE ${run} r SET outcome = e.outcome, finished_at_ms = e."finishedAtMs",
      error = e.error, retry_at_ms = e."retryAtMs"
    FROM ${endRows} AS e
    JOIN ${lookUp('f.ctid AS place, f.run_id, f.outcome', run, 'f', isRunOf('f', 'e'))}
    WHERE r.ctid = f.place AND f.run_id = e."runId" AND f.outcome IS NULL;
  WITH skipped AS (
    INSERT INTO ${skip} (lease, job_id, tick_ms, until_tick_ms, count, reason, token)
      SELECT p_lease, s."jobId", s."tickMs", s."untilTickMs", s.count, s.reason, p_token
        FROM ${skipRows} AS s
        JOIN ${lookUp('j.cursor_ms', job, 'j', isJobOf('j', 's."jobId"'))}
        WHERE s."tickMs" > j.cursor_ms
      ON CONFLICT DO NOTHING
      RETURNING job_id, until_tick_ms
  )
  UPDATE ${job} j SET cursor_ms = greatest(j.cursor_ms, n.until_tick_ms)
    FROM (SELECT job_id, max(until_tick_ms) AS until_tick_ms FROM skipped GROUP BY job_id) n
    JOIN ${lookUp('k.ctid AS place', job, 'k', isJobOf('k', 'n.job_id'))}
    WHERE j.ctid = k.place;
  RETURN jsonb_build_object('kind', 'answered', 'ends', (
    SELECT coalesce(jsonb_agg(CASE
        WHEN r.run_id IS NULL THEN jsonb_build_object('kind', 'unknown')
        WHEN r.outcome = e.outcome AND r.finished_at_ms = e."finishedAtMs"
          THEN jsonb_build_object('kind', 'recorded')
        ELSE jsonb_build_object('kind', 'stands', 'outcome', r.outcome)
      END ORDER BY e.ordinality), '[]')
    FROM ${endRows} AS e
    LEFT JOIN ${lookUp('r.*', run, 'r', `${isRunOf('r', 'e')} AND r.run_id = e."runId"`)}
  ), 'skips', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', CASE
        WHEN (k.until_tick_ms, k.count, k.reason, k.token)
          = (s."untilTickMs", s.count, s.reason, p_token) THEN 'recorded'
        WHEN j.job_id IS NULL THEN 'unregistered'
        ELSE 'taken'
      END) ORDER BY s.ordinality), '[]')
    FROM ${skipRows} AS s
    LEFT JOIN ${lookUp('k.*', skip, 'k', `${isJobOf('k', 's."jobId"')} AND k.tick_ms = s."tickMs"`)}
    LEFT JOIN ${lookUp('j.job_id', job, 'j', isJobOf('j', 's."jobId"'))}));
`,
  )
}

function tryAbandon({ tryAbandon: name, begin: beginName, run }: LedgerNames): string {
  const order = 'started_at_ms, tick_ms, attempt, job_id, slot'
  const runs = (which: string): string => `(
    SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY ${order}), '[]')
      FROM ${run} r WHERE lease = p_lease AND ${which})`
  return verb(
    name,
    beginName,
    'p_at_ms double precision',
    '',
    `  UPDATE ${run} SET outcome = 'abandoned', finished_at_ms = p_at_ms, abandoned_by = p_token,
      retry_at_ms = CASE WHEN rerun THEN p_at_ms END
    WHERE lease = p_lease AND outcome IS NULL AND token <> p_token;
  RETURN jsonb_build_object('kind', 'answered',
    'abandoned', ${runs('abandoned_by = p_token')},
    'owed', ${runs('retry_at_ms IS NOT NULL')});
`,
  )
}

function tryPrune(names: LedgerNames): string {
  const { tryPrune: name, begin: beginName, job, run, skip, schedule } = names
  /** Removes rows, as many as are still to be removed with this call, and counts them. */
  const remove = (table: string, which: string, indent: string): string =>
    [
      `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(`,
      `  SELECT ctid FROM ${which} LIMIT ${prunedRowsMax} - v_removed));`,
      'GET DIAGNOSTICS v_rows = ROW_COUNT;',
      'v_removed := v_removed + v_rows;',
    ]
      .map((line) => `${indent}${line}\n`)
      .join('')
  const isPrunable = 'outcome IS NOT NULL AND abandoned_by IS DISTINCT FROM p_token'
  return verb(
    name,
    beginName,
    `p_keep_runs bigint, p_keep_from_ms double precision,
  p_forget_before_ms double precision, p_followed_revision bigint, p_after_job_id text`,
    `  v_removed bigint := 0;
  v_rows bigint;
  v_jobs bigint := 0;
  v_last text := p_after_job_id;
  v_job_id text;
`,
    `  DELETE FROM ${schedule}
    WHERE lease = p_lease AND revision <= p_followed_revision AND handler IS NULL;
${remove(
  run,
  `${run}
    WHERE lease = p_lease AND started_at_ms < p_keep_from_ms AND ${isPrunable}`,
  '  ',
)}${remove(skip, `${skip} WHERE lease = p_lease AND until_tick_ms < p_keep_from_ms`, '  ')}
  FOR v_job_id IN SELECT job_id FROM ${job}
    WHERE lease = p_lease AND job_id > coalesce(p_after_job_id, '')
    ORDER BY job_id LIMIT ${ledgerBatchMax}
  LOOP
${remove(
  run,
  `(SELECT *, ctid FROM ${run}
        WHERE lease = p_lease AND job_id = v_job_id
        ORDER BY tick_ms DESC, attempt DESC, slot DESC OFFSET p_keep_runs) old
      WHERE ${isPrunable} AND retry_at_ms IS NULL`,
  '    ',
)}${remove(
      skip,
      `(SELECT ctid FROM ${skip}
        WHERE lease = p_lease AND job_id = v_job_id
        ORDER BY tick_ms DESC OFFSET p_keep_runs) old`,
      '    ',
    )}    EXIT WHEN v_removed >= ${prunedRowsMax};
    DELETE FROM ${job} j WHERE lease = p_lease AND job_id = v_job_id AND token <> p_token
      AND cursor_ms < p_forget_before_ms AND NOT EXISTS (SELECT FROM ${run} r
        WHERE r.lease = j.lease AND r.job_id = j.job_id AND outcome IS NULL);
    v_jobs := v_jobs + 1;
    v_last := v_job_id;
  END LOOP;
  RETURN jsonb_build_object('kind', 'answered', 'removed', v_removed,
    'more', v_removed >= ${prunedRowsMax} OR v_jobs >= ${ledgerBatchMax}, 'last', v_last);
`,
  )
}

function trySetPaused(names: LedgerNames): string {
  const { trySetPaused: name, begin: beginName, job, schedule, revision } = names
  return `CREATE OR REPLACE FUNCTION ${name}(
  p_lease text, p_job_ids jsonb, p_paused boolean, p_registers boolean, p_now_ms double precision
) RETURNS jsonb LANGUAGE plpgsql ${planning} AS $$
DECLARE
  v_known jsonb;
  v_count bigint;
  v_last bigint;
BEGIN
  PERFORM ${beginName}(p_lease);
  WITH known AS (
    INSERT INTO ${job} (lease, job_id, schedule, anchor_ms, cursor_ms, runs, paused, token)
      SELECT p_lease, a.id, '', p_now_ms, p_now_ms, 0, p_paused, 0
        FROM jsonb_array_elements_text(p_job_ids) AS a(id)
        WHERE p_registers
          OR EXISTS (SELECT FROM ${job} j WHERE j.lease = p_lease AND j.job_id = a.id)
          OR EXISTS (SELECT FROM ${schedule} s
            WHERE s.lease = p_lease AND s.job_id = a.id AND s.handler IS NOT NULL)
      ON CONFLICT (lease, job_id) DO UPDATE SET paused = excluded.paused
      RETURNING job_id
  )
  SELECT coalesce(jsonb_agg(job_id), '[]'), count(*) INTO v_known, v_count FROM known;
  INSERT INTO ${revision} AS r (lease, revision) VALUES (p_lease, v_count)
    ON CONFLICT (lease) DO UPDATE SET revision = r.revision + v_count RETURNING revision INTO v_last;
  INSERT INTO ${schedule} (lease, job_id, revision, words, text, stored_at_ms)
    SELECT p_lease, k.id, v_last - v_count + k.place, '', '', 0
      FROM jsonb_array_elements_text(v_known) WITH ORDINALITY AS k(id, place)
    ON CONFLICT (lease, job_id) DO UPDATE SET revision = excluded.revision;
  RETURN v_known;
END
$$;
`
}

/** The verbs of stored jobs, which are anybody's: they hold neither the leader up nor one another. */
function schedules(names: LedgerNames): string {
  const { tryStoreSchedule, tryRemoveSchedule, schedule, revision } = names
  const begin = `${settings}  INSERT INTO ${revision} AS r (lease, revision) VALUES (p_lease, 1)
    ON CONFLICT (lease) DO UPDATE SET revision = r.revision + 1 RETURNING revision INTO v_revision;
`
  return `CREATE OR REPLACE FUNCTION ${tryStoreSchedule}(
  p_lease text, p_job_id text, p_handler text, p_words text, p_text text,
  p_stored_at_ms double precision, p_replaces boolean
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_revision bigint;
BEGIN
${begin}  INSERT INTO ${schedule} AS s
    (lease, job_id, revision, handler, words, text, stored_at_ms)
    VALUES (p_lease, p_job_id, v_revision, p_handler, p_words, p_text, p_stored_at_ms)
    ON CONFLICT (lease, job_id) DO UPDATE SET
      revision = excluded.revision,
      stored_at_ms = CASE WHEN s.handler IS NOT NULL AND s.words = excluded.words
        THEN s.stored_at_ms ELSE excluded.stored_at_ms END,
      handler = excluded.handler,
      words = excluded.words,
      text = excluded.text
    WHERE p_replaces OR s.handler IS NULL;
  RETURN jsonb_build_object('kind', CASE WHEN FOUND THEN 'stored' ELSE 'exists' END);
END
$$;
CREATE OR REPLACE FUNCTION ${tryRemoveSchedule}(
  p_lease text, p_job_id text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_revision bigint;
BEGIN
${begin}  UPDATE ${schedule} SET revision = v_revision, handler = NULL, words = '', text = ''
    WHERE lease = p_lease AND job_id = p_job_id AND handler IS NOT NULL;
  RETURN jsonb_build_object('kind', CASE WHEN FOUND THEN 'removed' ELSE 'unknown' END);
END
$$;
`
}
