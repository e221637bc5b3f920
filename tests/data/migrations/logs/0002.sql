-- A log of a run in a cluster, as a server of schema 2 wrote it.
INSERT INTO logs (deployment_id, bytes, lines, kept_bytes, cut_from, cut_to, is_complete, changed_at_ms, mark)
VALUES ('dep_loz4ae00eeeeeeeeeeee', 0, 0, 0, 0, 0, 0, 1700000000000, 'a mark');
