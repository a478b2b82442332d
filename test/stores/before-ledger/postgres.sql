-- The tables as Tenure made them before it had a ledger: docs/stores/postgres.sql of then.
-- The tables of Tenure, for a role that may not create any. To be run by a role that may:
--
--   psql --set=ON_ERROR_STOP=1 --set=role=billing --single-transaction --file=postgres.sql DATABASE
--
-- where `billing` is the role in the store URL. It may be run again, and by several at once. For
-- another schema than tenure, replace "tenure" everywhere, and name it in the store URL: ?schema=NAME

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
  resign_cool_down_ms double precision
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
  SELECT greatest(asked_ms, ttl_ms - greatest(0, now_ms - renewed_ms))
$$;
CREATE OR REPLACE FUNCTION "tenure".tenure_begin_1() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('lock_timeout', '5000', true);
  -- What is acknowledged must survive a crash of the server, whatever the role's setting is.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_acquire_1(
  p_lease text, p_holder text, p_application text, p_label text, p_ttl_ms double precision,
  p_observed_token bigint, p_observed_renewals bigint, p_channel text,
  p_seen_ms double precision, p_since_ms double precision
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

  -- The reply to this very acquisition was lost.
  IF v_row.holder = p_holder THEN
    UPDATE "tenure".tenure_lease SET renewals = renewals + 1, renewed_ms = v_now_ms,
        ttl_ms = "tenure".tenure_kept_1(p_ttl_ms, ttl_ms, renewed_ms, v_now_ms)
      WHERE lease = p_lease;
    RETURN jsonb_build_object('kind', 'acquired', 'now_ms', v_now_ms, 'token', v_row.token);
  END IF;

  UPDATE "tenure".tenure_token SET token = token + 1 WHERE lease = p_lease RETURNING token INTO v_token;
  DELETE FROM "tenure".tenure_lease WHERE lease = p_lease;
  INSERT INTO "tenure".tenure_lease
    (lease, holder, token, application, label, ttl_ms, renewals, renewed_ms)
    VALUES (p_lease, p_holder, v_token, p_application, p_label, p_ttl_ms, 0, v_now_ms);
  UPDATE "tenure".tenure_term SET ended_at_ms = v_now_ms, reason = 'crashed'
    WHERE lease = p_lease AND ended_at_ms IS NULL;
  INSERT INTO "tenure".tenure_term (lease, token, holder, application, label, started_at_ms)
    VALUES (p_lease, v_token, p_holder, p_application, p_label, v_now_ms);
  DELETE FROM "tenure".tenure_term WHERE lease = p_lease AND token <= v_token - 100;
  -- Candidates that a release has woken, and that have not looked yet, need not do so any more.
  PERFORM pg_notify(p_channel, jsonb_build_object('token', v_token,
    'renewals', 0, 'ttl_ms', p_ttl_ms, 'now_ms', v_now_ms)::text);
  RETURN jsonb_build_object('kind', 'acquired', 'now_ms', v_now_ms, 'token', v_token);
END
$$;

CREATE OR REPLACE FUNCTION "tenure".tenure_try_renew_1(
  p_lease text, p_holder text, p_token bigint, p_ttl_ms double precision, p_channel text,
  p_seen_ms double precision, p_since_ms double precision
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
  UPDATE "tenure".tenure_lease SET ttl_ms = v_ttl_ms, renewals = renewals + 1, renewed_ms = v_now_ms
    WHERE lease = p_lease;
  PERFORM pg_notify(p_channel, jsonb_build_object('token', p_token,
    'renewals', v_row.renewals + 1, 'ttl_ms', v_ttl_ms, 'now_ms', v_now_ms)::text);
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

INSERT INTO "tenure".tenure_schema (version)
  SELECT 1 WHERE NOT EXISTS (SELECT FROM "tenure".tenure_schema);

GRANT USAGE ON SCHEMA "tenure" TO :"role";
GRANT SELECT ON "tenure".tenure_schema TO :"role";
GRANT SELECT, INSERT, UPDATE ON "tenure".tenure_token TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON "tenure".tenure_lease, "tenure".tenure_term TO :"role";
