-- The tables of Tenure, for a role that may not create any. To be run by a role that may:
--
--   psql --set=ON_ERROR_STOP=1 --set=role=billing --single-transaction --file=postgres.sql DATABASE
--
-- where `billing` is the role in the store URL. It may be run again, and by several at once. For
-- another schema than tenure, replace "tenure" everywhere, and name it in the store URL: ?tenure_schema=NAME

SELECT pg_advisory_xact_lock(hashtext('tenure:tenure'));

CREATE SCHEMA IF NOT EXISTS "tenure";

CREATE TABLE IF NOT EXISTS "tenure".tenure_schema (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS "tenure".tenure_token (
  lease text PRIMARY KEY,
  token bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS "tenure".tenure_lease (
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
CREATE TABLE IF NOT EXISTS "tenure".tenure_term (
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

CREATE OR REPLACE FUNCTION "tenure".tenure_is_expired_1(
  ttl_ms double precision, renewed_ms double precision, now_ms double precision,
  seen_ms double precision, since_ms double precision
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT now_ms - renewed_ms >= ttl_ms
    AND (seen_ms IS NULL OR now_ms - seen_ms <= since_ms * 1.01 + ttl_ms * 0.01 + 500)
$$;
CREATE OR REPLACE FUNCTION "tenure".tenure_kept_1(
  asked_ms double precision, ttl_ms double precision, renewed_ms double precision,
  now_ms double precision
) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
  -- What is no number, or has no end, was never acknowledged to anybody.
  SELECT greatest(asked_ms, CASE WHEN ttl_ms < 'Infinity' THEN ttl_ms - greatest(0, now_ms - renewed_ms) END)
$$;
CREATE OR REPLACE FUNCTION "tenure".tenure_begin_1() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('lock_timeout',
    coalesce(nullif(current_setting('tenure.lock_timeout', true), ''), '5000'), true);
  -- What is acknowledged must survive a crash of the server, whatever the role's setting is.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_last_token_1(p_lease text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT least(4503599627370496, greatest(
    (SELECT token FROM "tenure".tenure_token WHERE lease = p_lease),
    (SELECT token FROM "tenure".tenure_lease WHERE lease = p_lease),
    (SELECT max(token) FROM "tenure".tenure_term WHERE lease = p_lease),
    0))
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_acquire_1(
  p_lease text, p_holder text, p_application text, p_label text, p_jobs_hash text,
  p_ttl_ms double precision, p_observed_token bigint, p_observed_renewals bigint,
  p_known_token bigint, p_renews_within_ms double precision, p_grant_by_ms double precision,
  p_channel text, p_seen_ms double precision, p_since_ms double precision
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_row "tenure".tenure_lease%ROWTYPE;
  v_now_ms double precision;
  v_token bigint;
BEGIN
  PERFORM "tenure".tenure_begin_1();
  -- The first look takes no lock: most candidates are refused, and never wait for one another.
  FOR v_look IN 1..2 LOOP
    IF v_look = 1 THEN
      SELECT * INTO v_row FROM "tenure".tenure_lease WHERE lease = p_lease;
    ELSE
      INSERT INTO "tenure".tenure_token (lease, token) VALUES (p_lease, 0) ON CONFLICT DO NOTHING;
      PERFORM FROM "tenure".tenure_token WHERE lease = p_lease FOR UPDATE;
      SELECT * INTO v_row FROM "tenure".tenure_lease WHERE lease = p_lease FOR UPDATE;
    END IF;
    v_now_ms := extract(epoch FROM clock_timestamp()) * 1000;
    IF v_row.holder <> p_holder
      AND (v_row.token, v_row.renewals) IS DISTINCT FROM (p_observed_token, p_observed_renewals)
      AND NOT "tenure".tenure_is_expired_1(v_row.ttl_ms, v_row.renewed_ms, v_now_ms, p_seen_ms, p_since_ms)
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
    UPDATE "tenure".tenure_lease SET renewals = renewals + 1, renewed_ms = v_now_ms, jobs_hash = p_jobs_hash,
        renews_within_ms = p_renews_within_ms,
        ttl_ms = "tenure".tenure_kept_1(p_ttl_ms, ttl_ms, renewed_ms, v_now_ms)
      WHERE lease = p_lease;
    RETURN jsonb_build_object('kind', 'acquired', 'now_ms', v_now_ms, 'token', v_row.token);
  END IF;

  -- A late copy of an acquisition whose term has ended.
  PERFORM FROM "tenure".tenure_term WHERE lease = p_lease AND holder = p_holder AND ended_at_ms IS NOT NULL;
  IF FOUND THEN
    RETURN jsonb_build_object('kind', 'over', 'now_ms', v_now_ms);
  END IF;
  v_token := greatest("tenure".tenure_last_token_1(p_lease), p_known_token) + 1;
  IF v_token > 4503599627370496 THEN
    RETURN jsonb_build_object('kind', 'limit', 'now_ms', v_now_ms, 'token', v_token - 1);
  END IF;
  UPDATE "tenure".tenure_token SET token = v_token WHERE lease = p_lease;
  DELETE FROM "tenure".tenure_lease WHERE lease = p_lease;
  INSERT INTO "tenure".tenure_lease
    (lease, holder, token, application, label, ttl_ms, renewals, renewed_ms, jobs_hash,
      renews_within_ms)
    VALUES (p_lease, p_holder, v_token, p_application, p_label, p_ttl_ms, 0, v_now_ms, p_jobs_hash,
      p_renews_within_ms);
  UPDATE "tenure".tenure_term SET ended_at_ms = v_now_ms, reason = 'crashed'
    WHERE lease = p_lease AND ended_at_ms IS NULL;
  INSERT INTO "tenure".tenure_term (lease, token, holder, application, label, started_at_ms)
    VALUES (p_lease, v_token, p_holder, p_application, p_label, v_now_ms);
  -- By their number, and not by their tokens, which may have left some out.
  DELETE FROM "tenure".tenure_term WHERE lease = p_lease AND token <= (
    SELECT token FROM "tenure".tenure_term WHERE lease = p_lease
      ORDER BY token DESC LIMIT 1 OFFSET 100);
  -- Candidates that know the record of another term look once.
  PERFORM pg_notify(p_channel, jsonb_build_object('token', v_token,
    'renewals', 0, 'ttl_ms', p_ttl_ms, 'now_ms', v_now_ms)::text);
  RETURN jsonb_build_object('kind', 'acquired', 'now_ms', v_now_ms, 'token', v_token);
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_renew_1(
  p_lease text, p_holder text, p_token bigint, p_ttl_ms double precision, p_jobs_hash text,
  p_renews_within_ms double precision, p_channel text, p_seen_ms double precision, p_since_ms double precision
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_row "tenure".tenure_lease%ROWTYPE;
  v_now_ms double precision;
  v_ttl_ms double precision;
BEGIN
  PERFORM "tenure".tenure_begin_1();
  SELECT * INTO v_row FROM "tenure".tenure_lease WHERE lease = p_lease FOR UPDATE;
  v_now_ms := extract(epoch FROM clock_timestamp()) * 1000;
  IF v_row.lease IS NULL THEN
    RETURN jsonb_build_object('kind', 'refused', 'cause', 'missing', 'now_ms', v_now_ms);
  ELSIF v_row.holder <> p_holder OR v_row.token <> p_token THEN
    RETURN jsonb_build_object(
      'kind', 'refused', 'cause', 'taken', 'now_ms', v_now_ms, 'record', to_jsonb(v_row));
  ELSIF "tenure".tenure_is_expired_1(v_row.ttl_ms, v_row.renewed_ms, v_now_ms, p_seen_ms, p_since_ms) THEN
    RETURN jsonb_build_object('kind', 'refused', 'cause', 'expired', 'now_ms', v_now_ms);
  END IF;
  v_ttl_ms := "tenure".tenure_kept_1(p_ttl_ms, v_row.ttl_ms, v_row.renewed_ms, v_now_ms);
  UPDATE "tenure".tenure_lease SET ttl_ms = v_ttl_ms, renewals = renewals + 1, renewed_ms = v_now_ms,
      jobs_hash = p_jobs_hash, renews_within_ms = p_renews_within_ms
    WHERE lease = p_lease;
  -- Candidates that hear of each renewal do not look at the record: a change of its jobs they shall.
  PERFORM pg_notify(p_channel, CASE WHEN v_row.jobs_hash IS DISTINCT FROM p_jobs_hash THEN ''
    ELSE jsonb_build_object('token', p_token, 'renewals', v_row.renewals + 1,
      'ttl_ms', v_ttl_ms, 'now_ms', v_now_ms)::text END);
  RETURN jsonb_build_object('kind', 'renewed', 'now_ms', v_now_ms, 'record', to_jsonb(v_row));
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_note_end_1(
  p_lease text, p_holder text, p_token bigint, p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "tenure".tenure_begin_1();
  UPDATE "tenure".tenure_term SET reason = p_reason,
      ended_at_ms = coalesce(ended_at_ms, extract(epoch FROM clock_timestamp()) * 1000)
    WHERE lease = p_lease AND token = p_token AND holder = p_holder
      AND coalesce(reason, 'crashed') = 'crashed';
  RETURN jsonb_build_object('kind', CASE WHEN FOUND THEN 'noted' ELSE 'not-noted' END);
END
$$;
CREATE OR REPLACE FUNCTION "tenure".tenure_try_release_1(
  p_lease text, p_holder text, p_token bigint, p_reason text, p_channel text
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "tenure".tenure_begin_1();
  DELETE FROM "tenure".tenure_lease WHERE lease = p_lease AND holder = p_holder AND token = p_token;
  IF NOT FOUND THEN
    RETURN jsonb_build_object('kind', 'not-held');
  END IF;
  PERFORM "tenure".tenure_try_note_end_1(p_lease, p_holder, p_token, p_reason);
  PERFORM pg_notify(p_channel, '');
  RETURN jsonb_build_object('kind', 'released');
END
$$;
CREATE OR REPLACE FUNCTION "tenure".tenure_try_request_resign_1(
  p_lease text, p_token bigint, p_by text, p_cool_down_ms double precision, p_channel text
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "tenure".tenure_begin_1();
  UPDATE "tenure".tenure_lease SET resign_by = p_by, resign_cool_down_ms = p_cool_down_ms
    WHERE lease = p_lease AND token = p_token;
  IF NOT FOUND THEN
    RETURN jsonb_build_object('kind', 'not-held');
  END IF;
  PERFORM pg_notify(p_channel, '');
  RETURN jsonb_build_object('kind', 'requested');
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_raise_token_1(
  p_lease text, p_token bigint, p_channel text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_last bigint;
BEGIN
  PERFORM "tenure".tenure_begin_1();
  INSERT INTO "tenure".tenure_token (lease, token) VALUES (p_lease, 0) ON CONFLICT DO NOTHING;
  PERFORM FROM "tenure".tenure_token WHERE lease = p_lease FOR UPDATE;
  v_last := "tenure".tenure_last_token_1(p_lease);
  IF v_last >= p_token THEN
    RETURN jsonb_build_object('kind', 'high-enough', 'token', v_last);
  END IF;
  UPDATE "tenure".tenure_token SET token = p_token WHERE lease = p_lease;
  PERFORM pg_notify(p_channel, '');
  RETURN jsonb_build_object('kind', 'raised', 'token', p_token);
END
$$;

INSERT INTO "tenure".tenure_schema (version)
  SELECT 1 WHERE NOT EXISTS (SELECT FROM "tenure".tenure_schema);

CREATE TABLE IF NOT EXISTS "tenure".tenure_ledger (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS "tenure".tenure_job (
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
CREATE TABLE IF NOT EXISTS "tenure".tenure_run (
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
CREATE INDEX IF NOT EXISTS tenure_run_started_at ON "tenure".tenure_run (started_at_ms, lease);
CREATE INDEX IF NOT EXISTS tenure_run_running ON "tenure".tenure_run (lease) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS tenure_run_abandoned ON "tenure".tenure_run (lease, abandoned_by)
  WHERE abandoned_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS tenure_run_owed ON "tenure".tenure_run (lease) WHERE retry_at_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS "tenure".tenure_skip (
  lease text NOT NULL,
  job_id text COLLATE "C" NOT NULL,
  tick_ms double precision NOT NULL,
  until_tick_ms double precision NOT NULL,
  count bigint NOT NULL,
  reason text NOT NULL,
  token bigint NOT NULL,
  PRIMARY KEY (lease, job_id, tick_ms)
);
CREATE INDEX IF NOT EXISTS tenure_skip_until_tick ON "tenure".tenure_skip (until_tick_ms, lease);
CREATE TABLE IF NOT EXISTS "tenure".tenure_schedule (
  lease text NOT NULL,
  job_id text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  handler text,
  words text NOT NULL,
  text text NOT NULL,
  stored_at_ms double precision NOT NULL,
  PRIMARY KEY (lease, job_id)
);
CREATE INDEX IF NOT EXISTS tenure_schedule_changed ON "tenure".tenure_schedule (lease, revision);
CREATE TABLE IF NOT EXISTS "tenure".tenure_schedule_revision (
  lease text PRIMARY KEY,
  revision bigint NOT NULL
);

CREATE OR REPLACE FUNCTION "tenure".tenure_ledger_begin_1(p_lease text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_granted bigint;
BEGIN
  PERFORM set_config('lock_timeout',
    coalesce(nullif(current_setting('tenure.lock_timeout', true), ''), '5000'), true);
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
  PERFORM FROM "tenure".tenure_token WHERE lease = p_lease FOR UPDATE;
  IF NOT FOUND AND "tenure".tenure_last_token_1(p_lease) > 0 THEN
    INSERT INTO "tenure".tenure_token (lease, token) VALUES (p_lease, 0) ON CONFLICT DO NOTHING;
    PERFORM FROM "tenure".tenure_token WHERE lease = p_lease FOR UPDATE;
  END IF;
  v_granted := "tenure".tenure_last_token_1(p_lease);
  -- If the counter was lost, the record's token is kept, whatever happens to the record.
  UPDATE "tenure".tenure_token SET token = v_granted WHERE lease = p_lease AND token < v_granted;
  RETURN v_granted;
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_register_1(
  p_lease text, p_token bigint, p_jobs jsonb
) RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_granted bigint := "tenure".tenure_ledger_begin_1(p_lease);
BEGIN
  IF v_granted <> p_token THEN
    RETURN jsonb_build_object('kind', 'superseded', 'token', v_granted);
  END IF;
  INSERT INTO "tenure".tenure_job AS j
    (lease, job_id, schedule, anchor_ms, cursor_ms, runs, paused, token)
    SELECT p_lease, r."jobId", r.schedule, r."anchorMs", r."cursorMs", 0, false, p_token
      FROM jsonb_to_recordset(p_jobs) AS r(
        "jobId" text, schedule text, "anchorMs" double precision, "cursorMs" double precision)
    ON CONFLICT (lease, job_id) DO UPDATE SET
      schedule = excluded.schedule,
      anchor_ms = CASE WHEN j.schedule = excluded.schedule THEN j.anchor_ms ELSE excluded.anchor_ms END,
      cursor_ms = CASE WHEN j.schedule = excluded.schedule THEN j.cursor_ms ELSE excluded.cursor_ms END,
      runs = CASE WHEN j.schedule = excluded.schedule THEN j.runs ELSE 0 END,
      token = excluded.token;
  RETURN jsonb_build_object('kind', 'answered', 'jobs', (
    SELECT coalesce(jsonb_agg(to_jsonb(j) ORDER BY r.place), '[]')
      FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS r(job, place)
      JOIN LATERAL (SELECT j.* FROM "tenure".tenure_job j WHERE j.lease = p_lease AND j.job_id = r.job->>'jobId' OFFSET 0) j ON true));
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_claim_1(
  p_lease text, p_token bigint, p_claims jsonb
) RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_granted bigint := "tenure".tenure_ledger_begin_1(p_lease);
BEGIN
  IF v_granted <> p_token THEN
    RETURN jsonb_build_object('kind', 'superseded', 'token', v_granted);
  END IF;
  WITH claimed AS (
    INSERT INTO "tenure".tenure_run (lease, job_id, tick_ms, attempt, slot, run_id, trigger, token,
        correlation_id, rerun, started_at_ms)
      SELECT p_lease, c."jobId", c."tickMs", c.attempt,
          CASE c.trigger WHEN 'tick' THEN '' ELSE c."runId" END, c."runId", c.trigger, p_token,
          c."correlationId", c.rerun, c."startedAtMs"
        FROM ROWS FROM (jsonb_to_recordset(p_claims) AS (
      "jobId" text, "tickMs" double precision, attempt bigint, "runId" text, trigger text,
      "correlationId" text, "startedAtMs" double precision, rerun boolean, follows text
    )) WITH ORDINALITY AS c
        JOIN LATERAL (SELECT j.cursor_ms FROM "tenure".tenure_job j WHERE j.lease = p_lease AND j.job_id = c."jobId" OFFSET 0) j ON true
        WHERE c.trigger <> 'tick' OR c.attempt > 1 OR c."tickMs" > j.cursor_ms
      ON CONFLICT DO NOTHING
      RETURNING job_id, tick_ms, attempt, slot, run_id, trigger
  ), moved AS (
    UPDATE "tenure".tenure_job j SET cursor_ms = greatest(j.cursor_ms, n.tick_ms), runs = j.runs + n.ticks
      FROM (SELECT job_id, max(tick_ms) AS tick_ms, count(*) AS ticks FROM claimed
        WHERE trigger = 'tick' AND attempt = 1 GROUP BY job_id) n
      JOIN LATERAL (SELECT k.ctid AS place FROM "tenure".tenure_job k WHERE k.lease = p_lease AND k.job_id = n.job_id OFFSET 0) k ON true
      WHERE j.ctid = k.place
  )
  UPDATE "tenure".tenure_run SET retry_at_ms = NULL WHERE ctid = ANY (ARRAY(
    SELECT r.place FROM ROWS FROM (jsonb_to_recordset(p_claims) AS (
      "jobId" text, "tickMs" double precision, attempt bigint, "runId" text, trigger text,
      "correlationId" text, "startedAtMs" double precision, rerun boolean, follows text
    )) WITH ORDINALITY AS c
      JOIN claimed n ON n.job_id = c."jobId" AND n.tick_ms = c."tickMs" AND n.attempt = c.attempt
        AND n.slot = CASE c.trigger WHEN 'tick' THEN '' ELSE c."runId" END AND n.run_id = c."runId"
      JOIN LATERAL (SELECT r.ctid AS place, r.run_id FROM "tenure".tenure_run r WHERE r.lease = p_lease AND r.job_id = c."jobId" AND r.tick_ms = c."tickMs"
      AND r.attempt = c.attempt - 1 AND c.follows IS NOT NULL OFFSET 0) r ON true
      WHERE c.follows IS NOT NULL AND r.run_id = c.follows));
  RETURN jsonb_build_object('kind', 'answered', 'outcomes', (
    SELECT coalesce(jsonb_agg(CASE
        WHEN r.run_id = c."runId" AND r.token = p_token THEN jsonb_build_object('kind', 'claimed')
        WHEN r.run_id IS NULL AND j.job_id IS NULL
          THEN jsonb_build_object('kind', 'unregistered')
        ELSE jsonb_build_object('kind', 'taken', 'by', r.run_id)
      END ORDER BY c.ordinality), '[]')
    FROM ROWS FROM (jsonb_to_recordset(p_claims) AS (
      "jobId" text, "tickMs" double precision, attempt bigint, "runId" text, trigger text,
      "correlationId" text, "startedAtMs" double precision, rerun boolean, follows text
    )) WITH ORDINALITY AS c
    LEFT JOIN LATERAL (SELECT r.run_id, r.token FROM "tenure".tenure_run r WHERE r.lease = p_lease AND r.job_id = c."jobId"
      AND r.tick_ms = c."tickMs" AND r.attempt = c.attempt
      AND r.slot = CASE c.trigger WHEN 'tick' THEN '' ELSE c."runId" END OFFSET 0) r ON true
    LEFT JOIN LATERAL (SELECT j.job_id FROM "tenure".tenure_job j WHERE j.lease = p_lease AND j.job_id = c."jobId" OFFSET 0) j ON true));
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_record_1(
  p_lease text, p_token bigint, p_ends jsonb, p_skips jsonb
) RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_granted bigint := "tenure".tenure_ledger_begin_1(p_lease);
BEGIN
  IF v_granted <> p_token THEN
    RETURN jsonb_build_object('kind', 'superseded', 'token', v_granted);
  END IF;
  UPDATE "tenure".tenure_run r SET outcome = e.outcome, finished_at_ms = e."finishedAtMs",
      error = e.error, retry_at_ms = e."retryAtMs"
    FROM ROWS FROM (jsonb_to_recordset(p_ends) AS (
      "jobId" text, "tickMs" double precision, attempt bigint, "runId" text, trigger text,
      outcome text, "finishedAtMs" double precision, error text, "retryAtMs" double precision
    )) WITH ORDINALITY AS e
    JOIN LATERAL (SELECT f.ctid AS place, f.run_id, f.outcome FROM "tenure".tenure_run f WHERE f.lease = p_lease AND f.job_id = e."jobId"
      AND f.tick_ms = e."tickMs" AND f.attempt = e.attempt
      AND f.slot = CASE e.trigger WHEN 'tick' THEN '' ELSE e."runId" END OFFSET 0) f ON true
    WHERE r.ctid = f.place AND f.run_id = e."runId" AND f.outcome IS NULL;
  WITH skipped AS (
    INSERT INTO "tenure".tenure_skip (lease, job_id, tick_ms, until_tick_ms, count, reason, token)
      SELECT p_lease, s."jobId", s."tickMs", s."untilTickMs", s.count, s.reason, p_token
        FROM ROWS FROM (jsonb_to_recordset(p_skips) AS (
      "jobId" text, "tickMs" double precision, "untilTickMs" double precision, count bigint,
      reason text
    )) WITH ORDINALITY AS s
        JOIN LATERAL (SELECT j.cursor_ms FROM "tenure".tenure_job j WHERE j.lease = p_lease AND j.job_id = s."jobId" OFFSET 0) j ON true
        WHERE s."tickMs" > j.cursor_ms
      ON CONFLICT DO NOTHING
      RETURNING job_id, until_tick_ms
  )
  UPDATE "tenure".tenure_job j SET cursor_ms = greatest(j.cursor_ms, n.until_tick_ms)
    FROM (SELECT job_id, max(until_tick_ms) AS until_tick_ms FROM skipped GROUP BY job_id) n
    JOIN LATERAL (SELECT k.ctid AS place FROM "tenure".tenure_job k WHERE k.lease = p_lease AND k.job_id = n.job_id OFFSET 0) k ON true
    WHERE j.ctid = k.place;
  RETURN jsonb_build_object('kind', 'answered', 'ends', (
    SELECT coalesce(jsonb_agg(CASE
        WHEN r.run_id IS NULL THEN jsonb_build_object('kind', 'unknown')
        WHEN r.outcome = e.outcome AND r.finished_at_ms = e."finishedAtMs"
          THEN jsonb_build_object('kind', 'recorded')
        ELSE jsonb_build_object('kind', 'stands', 'outcome', r.outcome)
      END ORDER BY e.ordinality), '[]')
    FROM ROWS FROM (jsonb_to_recordset(p_ends) AS (
      "jobId" text, "tickMs" double precision, attempt bigint, "runId" text, trigger text,
      outcome text, "finishedAtMs" double precision, error text, "retryAtMs" double precision
    )) WITH ORDINALITY AS e
    LEFT JOIN LATERAL (SELECT r.* FROM "tenure".tenure_run r WHERE r.lease = p_lease AND r.job_id = e."jobId"
      AND r.tick_ms = e."tickMs" AND r.attempt = e.attempt
      AND r.slot = CASE e.trigger WHEN 'tick' THEN '' ELSE e."runId" END AND r.run_id = e."runId" OFFSET 0) r ON true
  ), 'skips', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', CASE
        WHEN (k.until_tick_ms, k.count, k.reason, k.token)
          = (s."untilTickMs", s.count, s.reason, p_token) THEN 'recorded'
        WHEN j.job_id IS NULL THEN 'unregistered'
        ELSE 'taken'
      END) ORDER BY s.ordinality), '[]')
    FROM ROWS FROM (jsonb_to_recordset(p_skips) AS (
      "jobId" text, "tickMs" double precision, "untilTickMs" double precision, count bigint,
      reason text
    )) WITH ORDINALITY AS s
    LEFT JOIN LATERAL (SELECT k.* FROM "tenure".tenure_skip k WHERE k.lease = p_lease AND k.job_id = s."jobId" AND k.tick_ms = s."tickMs" OFFSET 0) k ON true
    LEFT JOIN LATERAL (SELECT j.job_id FROM "tenure".tenure_job j WHERE j.lease = p_lease AND j.job_id = s."jobId" OFFSET 0) j ON true));
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_abandon_1(
  p_lease text, p_token bigint, p_at_ms double precision
) RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_granted bigint := "tenure".tenure_ledger_begin_1(p_lease);
BEGIN
  IF v_granted <> p_token THEN
    RETURN jsonb_build_object('kind', 'superseded', 'token', v_granted);
  END IF;
  UPDATE "tenure".tenure_run SET outcome = 'abandoned', finished_at_ms = p_at_ms, abandoned_by = p_token,
      retry_at_ms = CASE WHEN rerun THEN p_at_ms END
    WHERE lease = p_lease AND outcome IS NULL AND token <> p_token;
  RETURN jsonb_build_object('kind', 'answered',
    'abandoned', (
    SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY started_at_ms, tick_ms, attempt, job_id, slot), '[]')
      FROM "tenure".tenure_run r WHERE lease = p_lease AND abandoned_by = p_token),
    'owed', (
    SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY started_at_ms, tick_ms, attempt, job_id, slot), '[]')
      FROM "tenure".tenure_run r WHERE lease = p_lease AND retry_at_ms IS NOT NULL));
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_prune_1(
  p_lease text, p_token bigint, p_keep_runs bigint, p_keep_from_ms double precision,
  p_forget_before_ms double precision, p_followed_revision bigint, p_after_job_id text
) RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_granted bigint := "tenure".tenure_ledger_begin_1(p_lease);
  v_removed bigint := 0;
  v_rows bigint;
  v_jobs bigint := 0;
  v_last text := p_after_job_id;
  v_job_id text;
BEGIN
  IF v_granted <> p_token THEN
    RETURN jsonb_build_object('kind', 'superseded', 'token', v_granted);
  END IF;
  DELETE FROM "tenure".tenure_schedule
    WHERE lease = p_lease AND revision <= p_followed_revision AND handler IS NULL;
  DELETE FROM "tenure".tenure_run WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM "tenure".tenure_run
    WHERE lease = p_lease AND started_at_ms < p_keep_from_ms AND outcome IS NOT NULL AND abandoned_by IS DISTINCT FROM p_token LIMIT 2000 - v_removed));
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  v_removed := v_removed + v_rows;
  DELETE FROM "tenure".tenure_skip WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM "tenure".tenure_skip WHERE lease = p_lease AND until_tick_ms < p_keep_from_ms LIMIT 2000 - v_removed));
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  v_removed := v_removed + v_rows;

  FOR v_job_id IN SELECT job_id FROM "tenure".tenure_job
    WHERE lease = p_lease AND job_id > coalesce(p_after_job_id, '')
    ORDER BY job_id LIMIT 500
  LOOP
    DELETE FROM "tenure".tenure_run WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM (SELECT *, ctid FROM "tenure".tenure_run
        WHERE lease = p_lease AND job_id = v_job_id
        ORDER BY tick_ms DESC, attempt DESC, slot DESC OFFSET p_keep_runs) old
      WHERE outcome IS NOT NULL AND abandoned_by IS DISTINCT FROM p_token AND retry_at_ms IS NULL LIMIT 2000 - v_removed));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_removed := v_removed + v_rows;
    DELETE FROM "tenure".tenure_skip WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM (SELECT ctid FROM "tenure".tenure_skip
        WHERE lease = p_lease AND job_id = v_job_id
        ORDER BY tick_ms DESC OFFSET p_keep_runs) old LIMIT 2000 - v_removed));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_removed := v_removed + v_rows;
    EXIT WHEN v_removed >= 2000;
    DELETE FROM "tenure".tenure_job j WHERE lease = p_lease AND job_id = v_job_id AND token <> p_token
      AND cursor_ms < p_forget_before_ms AND NOT EXISTS (SELECT FROM "tenure".tenure_run r
        WHERE r.lease = j.lease AND r.job_id = j.job_id AND outcome IS NULL);
    v_jobs := v_jobs + 1;
    v_last := v_job_id;
  END LOOP;
  RETURN jsonb_build_object('kind', 'answered', 'removed', v_removed,
    'more', v_removed >= 2000 OR v_jobs >= 500, 'last', v_last);
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_set_paused_1(
  p_lease text, p_job_ids jsonb, p_paused boolean, p_registers boolean, p_now_ms double precision
) RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_known jsonb;
  v_count bigint;
  v_last bigint;
BEGIN
  PERFORM "tenure".tenure_ledger_begin_1(p_lease);
  WITH known AS (
    INSERT INTO "tenure".tenure_job (lease, job_id, schedule, anchor_ms, cursor_ms, runs, paused, token)
      SELECT p_lease, a.id, '', p_now_ms, p_now_ms, 0, p_paused, 0
        FROM jsonb_array_elements_text(p_job_ids) AS a(id)
        WHERE p_registers
          OR EXISTS (SELECT FROM "tenure".tenure_job j WHERE j.lease = p_lease AND j.job_id = a.id)
          OR EXISTS (SELECT FROM "tenure".tenure_schedule s
            WHERE s.lease = p_lease AND s.job_id = a.id AND s.handler IS NOT NULL)
      ON CONFLICT (lease, job_id) DO UPDATE SET paused = excluded.paused
      RETURNING job_id
  )
  SELECT coalesce(jsonb_agg(job_id), '[]'), count(*) INTO v_known, v_count FROM known;
  INSERT INTO "tenure".tenure_schedule_revision AS r (lease, revision) VALUES (p_lease, v_count)
    ON CONFLICT (lease) DO UPDATE SET revision = r.revision + v_count RETURNING revision INTO v_last;
  INSERT INTO "tenure".tenure_schedule (lease, job_id, revision, words, text, stored_at_ms)
    SELECT p_lease, k.id, v_last - v_count + k.place, '', '', 0
      FROM jsonb_array_elements_text(v_known) WITH ORDINALITY AS k(id, place)
    ON CONFLICT (lease, job_id) DO UPDATE SET revision = excluded.revision;
  RETURN v_known;
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_store_schedule_1(
  p_lease text, p_job_id text, p_handler text, p_words text, p_text text,
  p_stored_at_ms double precision, p_replaces boolean
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_revision bigint;
BEGIN
  PERFORM set_config('lock_timeout',
    coalesce(nullif(current_setting('tenure.lock_timeout', true), ''), '5000'), true);
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
  INSERT INTO "tenure".tenure_schedule_revision AS r (lease, revision) VALUES (p_lease, 1)
    ON CONFLICT (lease) DO UPDATE SET revision = r.revision + 1 RETURNING revision INTO v_revision;
  INSERT INTO "tenure".tenure_schedule AS s
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
CREATE OR REPLACE FUNCTION "tenure".tenure_try_remove_schedule_1(
  p_lease text, p_job_id text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_revision bigint;
BEGIN
  PERFORM set_config('lock_timeout',
    coalesce(nullif(current_setting('tenure.lock_timeout', true), ''), '5000'), true);
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
  INSERT INTO "tenure".tenure_schedule_revision AS r (lease, revision) VALUES (p_lease, 1)
    ON CONFLICT (lease) DO UPDATE SET revision = r.revision + 1 RETURNING revision INTO v_revision;
  UPDATE "tenure".tenure_schedule SET revision = v_revision, handler = NULL, words = '', text = ''
    WHERE lease = p_lease AND job_id = p_job_id AND handler IS NOT NULL;
  RETURN jsonb_build_object('kind', CASE WHEN FOUND THEN 'removed' ELSE 'unknown' END);
END
$$;

INSERT INTO "tenure".tenure_ledger (version)
  SELECT 1 WHERE NOT EXISTS (SELECT FROM "tenure".tenure_ledger);

GRANT USAGE ON SCHEMA "tenure" TO :"role";
GRANT SELECT ON "tenure".tenure_schema, "tenure".tenure_ledger TO :"role";
GRANT SELECT, INSERT, UPDATE ON "tenure".tenure_token TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON "tenure".tenure_lease, "tenure".tenure_term TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON "tenure".tenure_job, "tenure".tenure_run, "tenure".tenure_skip,
  "tenure".tenure_schedule, "tenure".tenure_schedule_revision TO :"role";
