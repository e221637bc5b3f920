-- Facts about the file itself: instance id, fingerprint of the server key.
CREATE TABLE facts (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE services (
  sequence         INTEGER PRIMARY KEY AUTOINCREMENT,
  id               TEXT    NOT NULL UNIQUE,
  name             TEXT    NOT NULL,
  repository       TEXT,
  default_branch   TEXT    NOT NULL,
  executor         TEXT    NOT NULL,
  queue_policy     TEXT    NOT NULL,
  timeout_s        INTEGER NOT NULL CHECK (timeout_s > 0),
  settle_s         INTEGER NOT NULL DEFAULT 10,
  url              TEXT,
  fetch            TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(fetch)),
  local            TEXT    NOT NULL CHECK (json_valid(local)),
  allowed_images   TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(allowed_images)),
  frozen           TEXT,
  created_at_ms    INTEGER NOT NULL,
  deleted_at_ms    INTEGER,
  tekton           TEXT    CHECK (tekton IS NULL OR json_valid(tekton)),
  cache_epoch      INTEGER NOT NULL DEFAULT 0,
  look_asked_at_ms INTEGER,
  cache_bytes      INTEGER,
  is_cache_to_go   INTEGER NOT NULL DEFAULT 0 CHECK (is_cache_to_go IN (0, 1)),
  badge_key        TEXT
) STRICT;

CREATE UNIQUE INDEX services_by_name ON services (name) WHERE deleted_at_ms IS NULL;
CREATE UNIQUE INDEX services_by_badge ON services (badge_key) WHERE badge_key IS NOT NULL;

CREATE TABLE hooks (
  sequence          INTEGER PRIMARY KEY AUTOINCREMENT,
  id                TEXT    NOT NULL UNIQUE,
  service_id        TEXT    NOT NULL REFERENCES services (id),
  name              TEXT    NOT NULL,
  hash              BLOB    NOT NULL CHECK (length(hash) = 32),
  generation        INTEGER NOT NULL,
  previous_hash     BLOB    CHECK (previous_hash IS NULL OR length(previous_hash) = 32),
  previous_until_ms INTEGER,
  rotated_at_ms     INTEGER,
  old_used_at_ms    INTEGER,
  branches          TEXT    NOT NULL CHECK (json_valid(branches)),
  addresses         TEXT    NOT NULL CHECK (json_valid(addresses)),
  sources           TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(sources)),
  expires_at_ms     INTEGER,
  paused            TEXT,
  created_at_ms     INTEGER NOT NULL,
  who_way           TEXT    NOT NULL,
  who_name          TEXT    NOT NULL,
  revoked_at_ms     INTEGER
) STRICT;

CREATE UNIQUE INDEX hooks_by_name ON hooks (service_id, name) WHERE revoked_at_ms IS NULL;

-- Services and hooks stay as rows for ever, and are read before a row here names them: a reference would look for both once more.
CREATE TABLE deployments (
  sequence           INTEGER PRIMARY KEY AUTOINCREMENT,
  id                 TEXT    NOT NULL UNIQUE,
  service_id         TEXT    NOT NULL,
  trigger            TEXT    NOT NULL,
  hook_id            TEXT,
  hook_generation    INTEGER,
  origin_id          TEXT,
  who_way            TEXT    NOT NULL,
  who_name           TEXT    NOT NULL,
  branch             TEXT    NOT NULL,
  commit_id          TEXT,
  commit_requested   INTEGER NOT NULL CHECK (commit_requested IN (0, 1)),
  commit_subject     TEXT,
  clear_cache        INTEGER NOT NULL CHECK (clear_cache IN (0, 1)),
  note               TEXT,
  ignored_parameters TEXT    NOT NULL CHECK (json_valid(ignored_parameters)),
  executor           TEXT    NOT NULL,
  status             TEXT    NOT NULL CHECK (status = 'queued' OR status = 'building' OR status = 'deploying' OR status = 'succeeded' OR status = 'failed'),
  reason             TEXT,
  message            TEXT,
  detail             TEXT,
  superseded_by      TEXT,
  cancel_reason      TEXT,
  created_at_ms      INTEGER NOT NULL,
  waits_since_ms     INTEGER NOT NULL,
  started_at_ms      INTEGER,
  stop_at_ms         INTEGER,
  finished_at_ms     INTEGER,
  version            INTEGER NOT NULL DEFAULT 1,
  cache_epoch        INTEGER NOT NULL DEFAULT 0,
  is_settling        INTEGER NOT NULL DEFAULT 0 CHECK (is_settling IN (0, 1)),
  traceparent        TEXT,
  asked_image        TEXT,
  promoted_from      TEXT,
  image_revision     TEXT,
  image              TEXT,
  workloads          TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(workloads)),
  run_uid            TEXT,
  run_state          TEXT    CHECK (run_state = 'open' OR run_state = 'ended' OR run_state = 'deleted'),
  CHECK ((status = 'failed') = (reason IS NOT NULL)),
  CHECK ((status IN ('succeeded', 'failed')) = (finished_at_ms IS NOT NULL))
) STRICT;

-- A queued row is in the indexes of queued ones and in no other, so that accepting one touches the ends of few trees, and no
-- look at what waits or runs meets what has ended.
CREATE INDEX deployments_queued ON deployments (executor, service_id, sequence) WHERE status = 'queued';
CREATE INDEX deployments_waiting ON deployments (executor, waits_since_ms) WHERE status = 'queued';
CREATE INDEX deployments_running ON deployments (service_id) WHERE status IN ('building', 'deploying');
CREATE INDEX deployments_succeeded ON deployments (service_id, sequence) WHERE status = 'succeeded';
CREATE INDEX deployments_failed ON deployments (service_id, sequence) WHERE status = 'failed';
CREATE INDEX deployments_of_branch ON deployments (service_id, branch, sequence) WHERE status <> 'queued';
CREATE INDEX deployments_of_commit ON deployments (commit_id, sequence) WHERE status <> 'queued' AND commit_id IS NOT NULL;
CREATE INDEX deployments_of_hook ON deployments (hook_id, sequence, created_at_ms, hook_generation)
 WHERE status <> 'queued' AND hook_id IS NOT NULL;
CREATE INDEX deployments_open_runs ON deployments (service_id) WHERE run_state = 'open';
CREATE INDEX deployments_ended_runs ON deployments (service_id, sequence) WHERE run_state = 'ended';

CREATE TABLE steps (
  deployment_id  TEXT    NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  name           TEXT    NOT NULL CHECK (name = 'clone' OR name = 'build' OR name = 'release' OR name = 'deploy'),
  status         TEXT    NOT NULL CHECK (status = 'pending' OR status = 'running' OR status = 'succeeded' OR status = 'failed' OR status = 'skipped'),
  started_at_ms  INTEGER,
  finished_at_ms INTEGER,
  exit_code      INTEGER,
  PRIMARY KEY (deployment_id, name)
) STRICT, WITHOUT ROWID;

-- First answers, kept 24 hours; written in the transaction of the deployment.
CREATE TABLE idempotency_keys (
  hook_id       TEXT    NOT NULL REFERENCES hooks (id),
  key           TEXT    NOT NULL,
  parameters    TEXT    NOT NULL,
  deployment_id TEXT    NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  body          TEXT    NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (hook_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_ms);
CREATE INDEX idempotency_keys_of_deployment ON idempotency_keys (deployment_id);

-- Refusals and replays of genuine hooks: at most one row per hook, result and second. Accepted calls are deployments.
CREATE TABLE hook_calls (
  hook_id TEXT    NOT NULL REFERENCES hooks (id),
  second  INTEGER NOT NULL,
  result  TEXT    NOT NULL,
  detail  TEXT    NOT NULL,
  caller  TEXT    NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (hook_id, second, result)
) STRICT, WITHOUT ROWID;

CREATE TABLE operators (
  id            INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL UNIQUE,
  created_at_ms INTEGER NOT NULL,
  password      TEXT
) STRICT;

CREATE TABLE sessions (
  hash            BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
  operator_id     INTEGER NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
  created_at_ms   INTEGER NOT NULL,
  last_used_at_ms INTEGER NOT NULL,
  expires_at_ms   INTEGER NOT NULL,
  address         TEXT    NOT NULL DEFAULT '',
  user_agent      TEXT    NOT NULL DEFAULT '',
  confirmed_at_ms INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- One-time links; without an operator it is the setup link, which makes the first one.
CREATE TABLE login_links (
  hash          BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
  operator_id   INTEGER REFERENCES operators (id) ON DELETE CASCADE,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  sequence        INTEGER PRIMARY KEY AUTOINCREMENT,
  id              TEXT    NOT NULL UNIQUE,
  name            TEXT    NOT NULL,
  hash            BLOB    NOT NULL CHECK (length(hash) = 32),
  scope           TEXT    NOT NULL CHECK (scope = 'read' OR scope = 'deploy' OR scope = 'admin'),
  service_id      TEXT    REFERENCES services (id),
  created_at_ms   INTEGER NOT NULL,
  who_way         TEXT    NOT NULL,
  who_name        TEXT    NOT NULL,
  last_used_at_ms INTEGER,
  expires_at_ms   INTEGER,
  revoked_at_ms   INTEGER
) STRICT;

CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_at_ms IS NULL;

-- What operators, tokens and DELETE on a hook URL did.
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms    INTEGER NOT NULL,
  who_way  TEXT    NOT NULL,
  who_name TEXT    NOT NULL,
  address  TEXT    NOT NULL,
  act      TEXT    NOT NULL,
  noun     TEXT    NOT NULL,
  service  TEXT,
  name     TEXT,
  began_id TEXT,
  detail   TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_of_act ON audit (act, sequence);

-- What the dispatcher found when it last looked at what a service needs; replaced as a whole.
CREATE TABLE checks (
  service_id    TEXT    NOT NULL REFERENCES services (id),
  place         INTEGER NOT NULL,
  verdict       TEXT    NOT NULL CHECK (verdict = 'good' OR verdict = 'advice' OR verdict = 'bad'),
  detail        TEXT    NOT NULL,
  fix           TEXT,
  checked_at_ms INTEGER NOT NULL,
  PRIMARY KEY (service_id, place)
) STRICT, WITHOUT ROWID;

-- Who is told of what. A row of a service stays when that is deleted: the end of what ran is told too.
CREATE TABLE targets (
  sequence          INTEGER PRIMARY KEY AUTOINCREMENT,
  id                TEXT    NOT NULL UNIQUE,
  kind              TEXT    NOT NULL,
  url               TEXT    NOT NULL,
  service_id        TEXT    REFERENCES services (id),
  events            TEXT    NOT NULL CHECK (json_valid(events)),
  branches          TEXT    NOT NULL CHECK (json_valid(branches)),
  secret            TEXT,
  with_lines        INTEGER NOT NULL CHECK (with_lines IN (0, 1)),
  required_contexts TEXT    NOT NULL CHECK (json_valid(required_contexts)),
  generation        INTEGER NOT NULL,
  previous_until_ms INTEGER,
  off_at_ms         INTEGER,
  off_because       TEXT,
  failing_since_ms  INTEGER,
  delivered_at_ms   INTEGER,
  created_at_ms     INTEGER NOT NULL,
  who_way           TEXT    NOT NULL,
  who_name          TEXT    NOT NULL,
  CHECK ((off_at_ms IS NULL) = (off_because IS NULL))
) STRICT;

CREATE INDEX targets_of_service ON targets (service_id, sequence);

-- One thing that one target is told. Written in the transaction of what it tells.
CREATE TABLE notices (
  sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT    NOT NULL UNIQUE,
  target_id     TEXT    NOT NULL,
  event         TEXT    NOT NULL,
  deployment_id TEXT,
  service_id    TEXT,
  reason        TEXT,
  text          TEXT,
  at_ms         INTEGER NOT NULL,
  state         TEXT    NOT NULL DEFAULT 'waiting' CHECK (state = 'waiting' OR state = 'delivered' OR state = 'given_up' OR state = 'left_out' OR state = 'needless'),
  since_ms      INTEGER NOT NULL,
  tries         INTEGER NOT NULL DEFAULT 0,
  next_at_ms    INTEGER,
  tried_at_ms   INTEGER,
  took_ms       INTEGER,
  status        INTEGER,
  answer        TEXT,
  remote        TEXT,
  CHECK (state = 'waiting' OR next_at_ms IS NULL)
) STRICT;

-- What waits behind another of its deployment has no time of its own, so that each target's due ones are the first of a tree.
CREATE INDEX notices_due ON notices (target_id, next_at_ms) WHERE next_at_ms IS NOT NULL;
CREATE INDEX notices_waiting ON notices (target_id, sequence) WHERE state = 'waiting';
CREATE INDEX notices_of_target ON notices (target_id, sequence);
CREATE INDEX notices_of_deployment ON notices (deployment_id, target_id, sequence) WHERE deployment_id IS NOT NULL;
CREATE INDEX notices_given_up ON notices (target_id) WHERE state = 'given_up';
