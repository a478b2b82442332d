import { tablesVersion } from '../tables-version.ts'
import { fencingTokenMax } from '../fencing-token.ts'
import { termRecordsMax } from '../lease-store.ts'
import { lockTimeoutSql } from './patience.ts'

/** The schema that the tables are in unless the store URL names another. */
export const schemaDefault = 'tenure'

/** The names of what is called, quoted. They carry the version: see {@link schemaSql}. */
export interface SchemaNames {
  readonly schema: string
  readonly version: string
  readonly token: string
  readonly lease: string
  readonly term: string
  readonly isExpired: string
  readonly kept: string
  readonly begin: string
  readonly lastToken: string
  readonly tryAcquire: string
  readonly tryRenew: string
  readonly tryRelease: string
  readonly tryRequestResign: string
  readonly tryNoteEnd: string
  readonly tryRaiseToken: string
}

/** The names within one schema of the database. */
export function schemaNames(schema: string): SchemaNames {
  const quoted = `"${schema.replaceAll('"', '""')}"`
  const name = (plain: string): string => `${quoted}.${plain}`
  return {
    schema: quoted,
    version: name('tenure_schema'),
    token: name('tenure_token'),
    lease: name('tenure_lease'),
    term: name('tenure_term'),
    isExpired: name(`tenure_is_expired_${tablesVersion}`),
    kept: name(`tenure_kept_${tablesVersion}`),
    begin: name(`tenure_begin_${tablesVersion}`),
    lastToken: name(`tenure_last_token_${tablesVersion}`),
    tryAcquire: name(`tenure_try_acquire_${tablesVersion}`),
    tryRenew: name(`tenure_try_renew_${tablesVersion}`),
    tryRelease: name(`tenure_try_release_${tablesVersion}`),
    tryRequestResign: name(`tenure_try_request_resign_${tablesVersion}`),
    tryNoteEnd: name(`tenure_try_note_end_${tablesVersion}`),
    tryRaiseToken: name(`tenure_try_raise_token_${tablesVersion}`),
  }
}

/**
 * All tables and functions, created where they are missing; to be run in one transaction, by one
 * client at a time.
 *
 * - `tenure_token`: the counters. An acquisition raises them, so that a token rises for ever,
 *   whatever happens to the record; one that was lost or set back is made up for. Its row is also
 *   what acquisitions of a lease queue at.
 * - `tenure_lease`: one row a held lease; `renewed_ms` is a reading of the server's clock.
 * - `tenure_term`: the history, for people.
 *
 * Each verb is one function, and so one statement: a client that is frozen can never be in the
 * middle of a transaction, with a lock that everybody waits for; and a transaction pooler may stand
 * in between. A function reads the clock once it has the lock. The functions carry their
 * version in their names: see `tablesVersion`.
 */
export function schemaSql(schema: string): string {
  const names = schemaNames(schema)
  return [
    `CREATE SCHEMA IF NOT EXISTS ${names.schema};\n`,
    tables(names),
    steps(names),
    lastToken(names),
    tryAcquire(names),
    tryRenew(names),
    endings(names),
    tryRaiseToken(names),
    `INSERT INTO ${names.version} (version)
  SELECT ${tablesVersion} WHERE NOT EXISTS (SELECT FROM ${names.version});
`,
  ].join('\n')
}

function tables({ version, token, lease, term }: SchemaNames): string {
  return `CREATE TABLE IF NOT EXISTS ${version} (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS ${token} (
  lease text PRIMARY KEY,
  token bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS ${lease} (
  lease text PRIMARY KEY,
  holder text NOT NULL,
  token bigint NOT NULL,
  application text NOT NULL,
  label text,
  ttl_ms double precision NOT NULL,
  renewals bigint NOT NULL,
  renewed_ms double precision NOT NULL,
  resign_by text,
  resign_cool_down_ms double precision,
  jobs_hash text,
  renews_within_ms double precision
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS ${term} (
  lease text NOT NULL,
  token bigint NOT NULL,
  holder text NOT NULL,
  application text NOT NULL,
  label text,
  started_at_ms double precision NOT NULL,
  ended_at_ms double precision,
  reason text,
  PRIMARY KEY (lease, token)
);
`
}

/**
 * The steps that several verbs share.
 *
 * Expired is what the server's clock says, unless that has outrun the caller's own: the caller
 * tells an earlier reading, and how much time has passed for itself since. The tolerance is the
 * smallest safety margin that a holder can have with this ttl.
 *
 * A renewal is for no less than is left of what was acknowledged before; where the clock was set
 * back meanwhile, that is all of it.
 */
function steps({ isExpired, kept, begin }: SchemaNames): string {
  return `CREATE OR REPLACE FUNCTION ${isExpired}(
  ttl_ms double precision, renewed_ms double precision, now_ms double precision,
  seen_ms double precision, since_ms double precision
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT now_ms - renewed_ms >= ttl_ms
    AND (seen_ms IS NULL OR now_ms - seen_ms <= since_ms * 1.01 + ttl_ms * 0.01 + 500)
$$;
CREATE OR REPLACE FUNCTION ${kept}(
  asked_ms double precision, ttl_ms double precision, renewed_ms double precision,
  now_ms double precision
) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
  -- What is no number, or has no end, was never acknowledged to anybody.
  SELECT greatest(asked_ms, CASE WHEN ttl_ms < 'Infinity' THEN ttl_ms - greatest(0, now_ms - renewed_ms) END)
$$;
CREATE OR REPLACE FUNCTION ${begin}() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  ${lockTimeoutSql}
  -- What is acknowledged must survive a crash of the server, whatever the role's setting is.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
END
$$;
`
}

/**
 * The last token that was granted: by the counter, the record or the history, whichever is higher,
 * because a counter may have been lost or set back. Of one that is above all that are granted, and may
 * be too large to count on, only that is told. Whoever relies on it has locked the counter.
 */
function lastToken({ lastToken: name, token, lease, term }: SchemaNames): string {
  return `CREATE OR REPLACE FUNCTION ${name}(p_lease text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT least(${fencingTokenMax}, greatest(
    (SELECT token FROM ${token} WHERE lease = p_lease),
    (SELECT token FROM ${lease} WHERE lease = p_lease),
    (SELECT max(token) FROM ${term} WHERE lease = p_lease),
    0))
$$;
`
}

function tryAcquire(names: SchemaNames): string {
  const { tryAcquire: name, begin, isExpired, kept, lease, token } = names
  return `CREATE OR REPLACE FUNCTION ${name}(
  p_lease text, p_holder text, p_application text, p_label text, p_jobs_hash text,
  p_ttl_ms double precision, p_observed_token bigint, p_observed_renewals bigint,
  p_known_token bigint, p_renews_within_ms double precision, p_grant_by_ms double precision,
  p_channel text, p_seen_ms double precision, p_since_ms double precision
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_row ${lease}%ROWTYPE;
  v_now_ms double precision;
  v_token bigint;
BEGIN
  PERFORM ${begin}();
  -- The first look takes no lock: most candidates are refused, and never wait for one another.
  FOR v_look IN 1..2 LOOP
    IF v_look = 1 THEN
      SELECT * INTO v_row FROM ${lease} WHERE lease = p_lease;
    ELSE
      INSERT INTO ${token} (lease, token) VALUES (p_lease, 0) ON CONFLICT DO NOTHING;
      PERFORM FROM ${token} WHERE lease = p_lease FOR UPDATE;
      SELECT * INTO v_row FROM ${lease} WHERE lease = p_lease FOR UPDATE;
    END IF;
    v_now_ms := extract(epoch FROM clock_timestamp()) * 1000;
    IF v_row.holder <> p_holder
      AND (v_row.token, v_row.renewals) IS DISTINCT FROM (p_observed_token, p_observed_renewals)
      AND NOT ${isExpired}(v_row.ttl_ms, v_row.renewed_ms, v_now_ms, p_seen_ms, p_since_ms)
    THEN
      RETURN jsonb_build_object('kind', 'held', 'now_ms', v_now_ms, 'record', to_jsonb(v_row));
    END IF;
  END LOOP;

  -- Whoever has sent it waits no longer.
  IF v_now_ms > p_grant_by_ms THEN
    RETURN jsonb_build_object('kind', 'over', 'now_ms', v_now_ms);
  END IF;
  -- The reply to this very acquisition was lost.
  IF v_row.holder = p_holder THEN
    UPDATE ${lease} SET renewals = renewals + 1, renewed_ms = v_now_ms, jobs_hash = p_jobs_hash,
        renews_within_ms = p_renews_within_ms,
        ttl_ms = ${kept}(p_ttl_ms, ttl_ms, renewed_ms, v_now_ms)
      WHERE lease = p_lease;
    RETURN jsonb_build_object('kind', 'acquired', 'now_ms', v_now_ms, 'token', v_row.token);
  END IF;

${newTerm(names)}  RETURN jsonb_build_object('kind', 'acquired', 'now_ms', v_now_ms, 'token', v_token);
END
$$;
`
}

/** What an acquisition does that is not refused: the next term begins, and its history. */
function newTerm({ lastToken: last, lease, token, term }: SchemaNames): string {
  return `  -- A late copy of an acquisition whose term has ended.
  PERFORM FROM ${term} WHERE lease = p_lease AND holder = p_holder AND ended_at_ms IS NOT NULL;
  IF FOUND THEN
    RETURN jsonb_build_object('kind', 'over', 'now_ms', v_now_ms);
  END IF;
  v_token := greatest(${last}(p_lease), p_known_token) + 1;
  IF v_token > ${fencingTokenMax} THEN
    RETURN jsonb_build_object('kind', 'limit', 'now_ms', v_now_ms, 'token', v_token - 1);
  END IF;
  UPDATE ${token} SET token = v_token WHERE lease = p_lease;
  DELETE FROM ${lease} WHERE lease = p_lease;
  INSERT INTO ${lease}
    (lease, holder, token, application, label, ttl_ms, renewals, renewed_ms, jobs_hash,
      renews_within_ms)
    VALUES (p_lease, p_holder, v_token, p_application, p_label, p_ttl_ms, 0, v_now_ms, p_jobs_hash,
      p_renews_within_ms);
  UPDATE ${term} SET ended_at_ms = v_now_ms, reason = 'crashed'
    WHERE lease = p_lease AND ended_at_ms IS NULL;
  INSERT INTO ${term} (lease, token, holder, application, label, started_at_ms)
    VALUES (p_lease, v_token, p_holder, p_application, p_label, v_now_ms);
  -- By their number, and not by their tokens, which may have left some out.
  DELETE FROM ${term} WHERE lease = p_lease AND token <= (
    SELECT token FROM ${term} WHERE lease = p_lease
      ORDER BY token DESC LIMIT 1 OFFSET ${termRecordsMax});
  -- Candidates that know the record of another term look once.
  PERFORM pg_notify(p_channel, jsonb_build_object('token', v_token,
    'renewals', 0, 'ttl_ms', p_ttl_ms, 'now_ms', v_now_ms)::text);
`
}

function tryRenew({ tryRenew: name, begin, isExpired, kept, lease }: SchemaNames): string {
  return `CREATE OR REPLACE FUNCTION ${name}(
  p_lease text, p_holder text, p_token bigint, p_ttl_ms double precision, p_jobs_hash text,
  p_renews_within_ms double precision, p_channel text, p_seen_ms double precision, p_since_ms double precision
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_row ${lease}%ROWTYPE;
  v_now_ms double precision;
  v_ttl_ms double precision;
BEGIN
  PERFORM ${begin}();
  SELECT * INTO v_row FROM ${lease} WHERE lease = p_lease FOR UPDATE;
  v_now_ms := extract(epoch FROM clock_timestamp()) * 1000;
  IF v_row.lease IS NULL THEN
    RETURN jsonb_build_object('kind', 'refused', 'cause', 'missing', 'now_ms', v_now_ms);
  ELSIF v_row.holder <> p_holder OR v_row.token <> p_token THEN
    RETURN jsonb_build_object(
      'kind', 'refused', 'cause', 'taken', 'now_ms', v_now_ms, 'record', to_jsonb(v_row));
  ELSIF ${isExpired}(v_row.ttl_ms, v_row.renewed_ms, v_now_ms, p_seen_ms, p_since_ms) THEN
    RETURN jsonb_build_object('kind', 'refused', 'cause', 'expired', 'now_ms', v_now_ms);
  END IF;
  v_ttl_ms := ${kept}(p_ttl_ms, v_row.ttl_ms, v_row.renewed_ms, v_now_ms);
  UPDATE ${lease} SET ttl_ms = v_ttl_ms, renewals = renewals + 1, renewed_ms = v_now_ms,
      jobs_hash = p_jobs_hash, renews_within_ms = p_renews_within_ms
    WHERE lease = p_lease;
  -- Candidates that hear of each renewal do not look at the record: a change of its jobs they shall.
  PERFORM pg_notify(p_channel, CASE WHEN v_row.jobs_hash IS DISTINCT FROM p_jobs_hash THEN ''
    ELSE jsonb_build_object('token', p_token, 'renewals', v_row.renewals + 1,
      'ttl_ms', v_ttl_ms, 'now_ms', v_now_ms)::text END);
  RETURN jsonb_build_object('kind', 'renewed', 'now_ms', v_now_ms, 'record', to_jsonb(v_row));
END
$$;
`
}

function endings(names: SchemaNames): string {
  const { begin, lease, term } = names
  return `CREATE OR REPLACE FUNCTION ${names.tryNoteEnd}(
  p_lease text, p_holder text, p_token bigint, p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ${begin}();
  UPDATE ${term} SET reason = p_reason,
      ended_at_ms = coalesce(ended_at_ms, extract(epoch FROM clock_timestamp()) * 1000)
    WHERE lease = p_lease AND token = p_token AND holder = p_holder
      AND coalesce(reason, 'crashed') = 'crashed';
  RETURN jsonb_build_object('kind', CASE WHEN FOUND THEN 'noted' ELSE 'not-noted' END);
END
$$;
CREATE OR REPLACE FUNCTION ${names.tryRelease}(
  p_lease text, p_holder text, p_token bigint, p_reason text, p_channel text
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ${begin}();
  DELETE FROM ${lease} WHERE lease = p_lease AND holder = p_holder AND token = p_token;
  IF NOT FOUND THEN
    RETURN jsonb_build_object('kind', 'not-held');
  END IF;
  PERFORM ${names.tryNoteEnd}(p_lease, p_holder, p_token, p_reason);
  PERFORM pg_notify(p_channel, '');
  RETURN jsonb_build_object('kind', 'released');
END
$$;
CREATE OR REPLACE FUNCTION ${names.tryRequestResign}(
  p_lease text, p_token bigint, p_by text, p_cool_down_ms double precision, p_channel text
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ${begin}();
  UPDATE ${lease} SET resign_by = p_by, resign_cool_down_ms = p_cool_down_ms
    WHERE lease = p_lease AND token = p_token;
  IF NOT FOUND THEN
    RETURN jsonb_build_object('kind', 'not-held');
  END IF;
  PERFORM pg_notify(p_channel, '');
  RETURN jsonb_build_object('kind', 'requested');
END
$$;
`
}

function tryRaiseToken({
  tryRaiseToken: name,
  begin,
  lastToken: last,
  token,
}: SchemaNames): string {
  return `CREATE OR REPLACE FUNCTION ${name}(
  p_lease text, p_token bigint, p_channel text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_last bigint;
BEGIN
  PERFORM ${begin}();
  INSERT INTO ${token} (lease, token) VALUES (p_lease, 0) ON CONFLICT DO NOTHING;
  PERFORM FROM ${token} WHERE lease = p_lease FOR UPDATE;
  v_last := ${last}(p_lease);
  IF v_last >= p_token THEN
    RETURN jsonb_build_object('kind', 'high-enough', 'token', v_last);
  END IF;
  UPDATE ${token} SET token = p_token WHERE lease = p_lease;
  PERFORM pg_notify(p_channel, '');
  RETURN jsonb_build_object('kind', 'raised', 'token', p_token);
END
$$;
`
}
