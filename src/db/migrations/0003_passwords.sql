-- Passwords of operators, as slow hashes, and what an operator is shown of each session.
ALTER TABLE operators ADD COLUMN password TEXT;

ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
-- When its operator last signed in or gave the password; 0 for sessions from before there were any.
ALTER TABLE sessions ADD COLUMN confirmed_at_ms INTEGER NOT NULL DEFAULT 0;
