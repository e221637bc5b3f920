-- What schema 3 added, as a server of that time wrote it.
INSERT INTO operators (id, name, created_at_ms, password)
VALUES (2, 'theo', 1700000000000,
        '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$uL5fGGMmsyOHZOkjVGG7+S8qnM7MAcRBVv0Qz3t4sZQ');

INSERT INTO sessions (hash, operator_id, created_at_ms, last_used_at_ms, expires_at_ms, address, user_agent,
                      confirmed_at_ms)
VALUES (x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', 2, 1700000000000, 1700000000000, 1700600000000, '203.0.113.7', 'Mozilla/5.0', 1700000000000);
