import { formatDuration } from '../duration.ts'
import { TenureError } from '../errors.ts'
import type { FencedTerm, PostgresFenceClient } from './fence-client.ts'
import { codeOf, fencedError, fenceFailedError, isState } from './fence-errors.ts'

/** How long a transaction waits for another one that holds the fence. */
const lockTimeoutMs = 5_000

/** States of our own: the classes of SQLSTATE that begin with a T belong to nobody. */
const state = { fenced: 'TN001', noTransaction: 'TN002', savepoint: 'TN003' } as const

/**
 * `CREATE TABLE IF NOT EXISTS` fails where two clients run it at once, and also where the table is
 * there, but the role may create none.
 */
export const postgresTableSql: string = `DO $tenure$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tenure_fence'));
  IF to_regclass('tenure_fence') IS NULL THEN
    CREATE TABLE tenure_fence (lease text NOT NULL PRIMARY KEY, token bigint NOT NULL);
  END IF;
END
$tenure$`

/**
 * The check, in a single statement. Each step of it sees what was committed before that step.
 *
 * - The token is raised first, which takes the row for this transaction alone, and only where that
 *   fails it is shared. Two runs that shared a row with a lower token, and then both wanted to
 *   raise it, would wait for each other.
 * - Each step may find that the row has changed since the step before; as rows are never deleted
 *   and tokens only rise, the second turn finds what it looks for.
 * - Outside of a transaction, `now()` is when this very statement has arrived. The locks would
 *   be gone with it.
 * - Whatever is raised aborts the transaction: nothing of it can be committed. Within a savepoint
 *   that is not so: rolling back to it takes the error back, and what the fence holds as well. So a
 *   savepoint is refused. It shows by an id of its own, which it has from the first lock or write in
 *   it, and which the connection holds locked until it is released or rolled back.
 *
 * The lease's name is written as bytes, so that nothing in it can end the text around it.
 */
function fenceSql({ lease, fencingToken }: FencedTerm): string {
  return `DO $tenure$
DECLARE
  of_lease CONSTANT text := convert_from(decode('${Buffer.from(lease).toString('hex')}', 'hex'), 'UTF8');
  mine CONSTANT bigint := ${fencingToken};
  own_timeout CONSTANT text := current_setting('lock_timeout');
  seen bigint;
BEGIN
  IF now() = statement_timestamp() THEN
    RAISE EXCEPTION 'no transaction is open' USING ERRCODE = '${state.noTransaction}';
  END IF;
  IF own_timeout::interval = '0' OR own_timeout::interval > '${lockTimeoutMs} ms' THEN
    PERFORM set_config('lock_timeout', '${lockTimeoutMs}', true);
  END IF;
  FOR turn IN 1..3 LOOP
    UPDATE tenure_fence SET token = mine WHERE lease = of_lease AND token < mine
      RETURNING token INTO seen;
    EXIT WHEN FOUND;
    SELECT token INTO seen FROM tenure_fence WHERE lease = of_lease AND token >= mine FOR SHARE;
    EXIT WHEN FOUND;
    INSERT INTO tenure_fence (lease, token) VALUES (of_lease, mine) ON CONFLICT DO NOTHING
      RETURNING token INTO seen;
    EXIT WHEN FOUND;
  END LOOP;
  IF seen IS DISTINCT FROM mine THEN
    RAISE EXCEPTION 'fenced' USING ERRCODE = '${state.fenced}', DETAIL = coalesce(seen::text, '?');
  END IF;
  IF EXISTS (SELECT FROM pg_locks
      WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND pid = pg_backend_pid()
        AND transactionid::text <> (txid_current() % 4294967296)::text) THEN
    RAISE EXCEPTION 'within a savepoint' USING ERRCODE = '${state.savepoint}';
  END IF;
  PERFORM set_config('lock_timeout', own_timeout, true);
END
$tenure$`
}

/** Fences the transaction that is open on a connection to PostgreSQL. */
export async function fenceOnPostgres(
  client: PostgresFenceClient,
  term: FencedTerm,
): Promise<void> {
  term.assertTrusted()
  try {
    await client.query(fenceSql(term))
  } catch (error) {
    throw describeFault(error, term)
  }
}

/** A fault in the words of Tenure, by its SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html). */
function describeFault(error: unknown, term: FencedTerm): TenureError {
  const { code, error: own } = codeOf(error, isState) ?? {}
  switch (code) {
    case state.fenced:
      return fencedError(term, own?.['detail'] ?? '?', { cause: error })
    case state.noTransaction:
      return new TenureError(
        'TENURE_ERR_FENCE_TRANSACTION',
        'Expected an open transaction on this connection, which holds the fence up to its end; ' +
          "none is open. Send 'BEGIN' before.",
        { cause: error },
      )
    case state.savepoint:
      return new TenureError(
        'TENURE_ERR_FENCE_TRANSACTION',
        'Expected a transaction that is in no savepoint: what the fence holds would end with one ' +
          'that is rolled back, and the rest of the transaction could be committed. Call `fence` ' +
          "after 'BEGIN', before any SAVEPOINT (and before any nested transaction of a library).",
        { cause: error },
      )
    case '25P02':
      return new TenureError(
        'TENURE_ERR_FENCE_TRANSACTION',
        'Expected a transaction that can go on; an error before has aborted this one. Roll it back.',
        { cause: error },
      )
    case '55P03':
      return new TenureError(
        'TENURE_ERR_FENCE_TIMEOUT',
        `Expected the fence of the lease ${JSON.stringify(term.lease)} to be free within the lock ` +
          `timeout, ${formatDuration(lockTimeoutMs)} at most; it was not. A transaction of another ` +
          'term, or the first one of this term, holds it: it is long, or its process is frozen.',
        { cause: error },
      )
    default:
      return fenceFailedError(term, error, hints[code ?? ''] ?? '')
  }
}

const hints: Readonly<Record<string, string>> = {
  '42P01':
    ' The table is not there, or not on the search path of this connection. Create it once: ' +
    '`fenceTableSql.postgres`.',
  '42501': ' The role needs SELECT, INSERT and UPDATE on the table tenure_fence.',
  '40001':
    ' Somebody else has fenced since this transaction began. Run it again from its beginning.',
}
