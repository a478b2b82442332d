-- The tables as Tenure made them before it had a ledger.
CREATE TABLE IF NOT EXISTS tenure_schema (version INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tenure_token (
  lease TEXT NOT NULL PRIMARY KEY,
  token INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenure_lease (
  lease TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  token INTEGER NOT NULL,
  application TEXT NOT NULL,
  label TEXT,
  ttl_ms REAL NOT NULL,
  renewals INTEGER NOT NULL,
  clock TEXT NOT NULL,
  renewed_ms REAL NOT NULL,
  resign_by TEXT,
  resign_cool_down_ms REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenure_term (
  lease TEXT NOT NULL,
  token INTEGER NOT NULL,
  holder TEXT NOT NULL,
  application TEXT NOT NULL,
  label TEXT,
  started_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  reason TEXT,
  PRIMARY KEY (lease, token)
) STRICT, WITHOUT ROWID;
INSERT INTO tenure_schema (version)
  SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tenure_schema);
