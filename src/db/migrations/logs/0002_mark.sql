-- Where the log of a run in a cluster stands, so that the next server goes on at the same line.
ALTER TABLE logs ADD COLUMN mark TEXT;
