-- Runs in a cluster: how a service is built there, and what is known of a deployment's run and image.
ALTER TABLE services ADD COLUMN tekton TEXT CHECK (json_valid(tekton));
ALTER TABLE services ADD COLUMN cache_epoch INTEGER NOT NULL DEFAULT 0;

ALTER TABLE deployments ADD COLUMN cache_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN image TEXT;
ALTER TABLE deployments ADD COLUMN run_uid TEXT;
ALTER TABLE deployments ADD COLUMN run_state TEXT CHECK (run_state IN ('open', 'ended', 'deleted'));

-- Runs of which the cluster has not said that they ended, and ended ones that are still in the cluster.
CREATE INDEX deployments_open_runs ON deployments (service_id) WHERE run_state = 'open';
CREATE INDEX deployments_ended_runs ON deployments (service_id, sequence) WHERE run_state = 'ended';

-- What the dispatcher found when it last looked at what a service needs; replaced as a whole.
CREATE TABLE checks (
  service_id    TEXT    NOT NULL REFERENCES services (id),
  place         INTEGER NOT NULL,
  verdict       TEXT    NOT NULL CHECK (verdict IN ('good', 'advice', 'bad')),
  detail        TEXT    NOT NULL,
  fix           TEXT,
  checked_at_ms INTEGER NOT NULL,
  PRIMARY KEY (service_id, place)
) STRICT, WITHOUT ROWID;
