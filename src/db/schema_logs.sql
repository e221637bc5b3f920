-- The log file after all migrations. A test compares; it is not run.

-- One row a deployment: how much was produced, and where the kept bytes have their gap.
CREATE TABLE logs (
  deployment_id TEXT    NOT NULL PRIMARY KEY,
  bytes         INTEGER NOT NULL,
  lines         INTEGER NOT NULL,
  kept_bytes    INTEGER NOT NULL,
  cut_from      INTEGER NOT NULL,
  cut_to        INTEGER NOT NULL,
  is_complete   INTEGER NOT NULL CHECK (is_complete IN (0, 1)),
  changed_at_ms INTEGER NOT NULL,
  mark          TEXT,
  causes        TEXT    CHECK (causes IS NULL OR json_valid(causes)),
  causes_step   TEXT
) STRICT, WITHOUT ROWID;

-- Those that may be deleted.
CREATE INDEX logs_by_age ON logs (changed_at_ms) WHERE is_complete AND kept_bytes > 0;

-- One row: the bytes that all logs together keep.
CREATE TABLE log_totals (
  kept_bytes INTEGER NOT NULL
) STRICT;

-- Pieces of redacted text, in order; `at_byte` counts the log as produced.
CREATE TABLE log_pieces (
  deployment_id TEXT    NOT NULL,
  at_byte       INTEGER NOT NULL,
  at_line       INTEGER NOT NULL,
  step          TEXT    NOT NULL CHECK (step = 'clone' OR step = 'build' OR step = 'release' OR step = 'deploy'),
  at_ms         INTEGER NOT NULL,
  text          TEXT    NOT NULL,
  PRIMARY KEY (deployment_id, at_byte)
) STRICT, WITHOUT ROWID;
