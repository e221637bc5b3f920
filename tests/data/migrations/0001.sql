-- One row and more in each table of schema 1, as a server of that time wrote them.
INSERT INTO facts (name, value) VALUES ('instance_id', 'k3v9x2m4q7rz'), ('key_fingerprint', '0123456789abcdef');

INSERT INTO services (id, name, repository, default_branch, executor, queue_policy, timeout_s, url, local,
                      frozen, created_at_ms, deleted_at_ms)
VALUES ('svcaaaaaaaaa', 'api', 'https://example.com/api.git', 'main', 'local', 'coalesce', 3600,
        'https://api.example.com',
        '{"build_command":"make","deploy_command":"make deploy","env":{"KEY":"a value"},"git_token_file":"/etc/token","git_ssh_key_file":null}',
        'release week', 1700000000000, NULL),
       ('svcbbbbbbbbb', 'old', 'git@example.com:old.git', 'trunk', 'tekton', 'latest', 60, NULL, '{}', NULL, 1700000000000, 1700000001000);

INSERT INTO hooks (id, service_id, name, hash, generation, previous_hash, previous_until_ms, rotated_at_ms, branches,
                   addresses, expires_at_ms, paused, created_at_ms, who_way, who_name, revoked_at_ms)
VALUES ('HOOKaaaaa1', 'svcaaaaaaaaa', 'ci', x'abababababababababababababababababababababababababababababababab', 2, x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', 1700000500000, 1700000400000, '["main","feat/*"]',
        '["203.0.113.0/24"]', 1800000000000, 'holidays', 1700000000000, 'operator', 'mira', NULL),
       ('HOOKbbbbb2', 'svcbbbbbbbbb', 'ci', x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', 1, NULL, NULL, NULL, '[]', '[]', NULL, NULL, 1700000000000,
        'operator', 'mira', 1700000001000);

INSERT INTO deployments (id, service_id, trigger, hook_id, hook_generation, origin_id, who_way, who_name, branch, commit_id,
                         commit_requested, commit_subject, clear_cache, ignored_parameters, executor, status, reason,
                         message, superseded_by, cancel_reason, created_at_ms, waits_since_ms, started_at_ms, stop_at_ms,
                         finished_at_ms, version)
VALUES ('dep_loz4ae00aaaaaaaaaaaa', 'svcaaaaaaaaa', 'hook', 'HOOKaaaaa1', 1, NULL, 'hook_url', '203.0.113.0/24, curl', 'main',
        '0123456789012345678901234567890123456789', 0, 'A subject', 0, '["brach"]', 'local', 'succeeded', NULL, NULL,
        NULL, NULL, 1700000000001, 1700000000001, 1700000000002, 1700003600002, 1700000000003, 7),
       ('dep_loz4ae00bbbbbbbbbbbb', 'svcaaaaaaaaa', 'deploy', NULL, NULL, NULL, 'operator', 'mira', 'feat/new-ui', NULL,
        0, NULL, 1, '[]', 'local', 'failed', 'superseded', 'a message', 'dep_loz4ae00cccccccccccc', NULL,
        1700000000004, 1700000000004, NULL, NULL, 1700000000005, 2),
       ('dep_loz4ae00cccccccccccc', 'svcaaaaaaaaa', 'redeploy', NULL, NULL, 'dep_loz4ae00aaaaaaaaaaaa', 'token', 'ci',
        'main', '0123456789012345678901234567890123456789', 1, NULL, 0, '[]', 'local', 'building', NULL, 'a message',
        NULL, 'cancelled', 1700000000006, 1700000000006, 1700000000007, 1700003600007, NULL, 3),
       ('dep_loz4ae00dddddddddddd', 'svcaaaaaaaaa', 'rollback', NULL, NULL, 'dep_loz4ae00aaaaaaaaaaaa', 'token', 'ci',
        'main', NULL, 0, NULL, 0, '[]', 'local', 'queued', NULL, NULL, NULL, NULL, 1700000000008, 1700000000008, NULL, NULL, NULL, 1);

INSERT INTO steps (deployment_id, name, status, started_at_ms, finished_at_ms, exit_code)
VALUES ('dep_loz4ae00aaaaaaaaaaaa', 'clone', 'succeeded', 1700000000002, 1700000000002, 0),
       ('dep_loz4ae00aaaaaaaaaaaa', 'build', 'succeeded', 1700000000002, 1700000000002, 0),
       ('dep_loz4ae00aaaaaaaaaaaa', 'deploy', 'succeeded', 1700000000002, 1700000000003, 0),
       ('dep_loz4ae00cccccccccccc', 'clone', 'failed', 1700000000007, 1700000000008, 128),
       ('dep_loz4ae00cccccccccccc', 'build', 'running', 1700000000007, NULL, NULL),
       ('dep_loz4ae00cccccccccccc', 'deploy', 'pending', NULL, NULL, NULL);

INSERT INTO idempotency_keys (hook_id, key, parameters, deployment_id, body, created_at_ms)
VALUES ('HOOKaaaaa1', 'run-1', 'branch=main', 'dep_loz4ae00aaaaaaaaaaaa', '{"deploymentId":"…"}', 1700000000001);

INSERT INTO hook_calls (hook_id, second, result, detail, caller, count)
VALUES ('HOOKaaaaa1', 1700000000, 'branch_not_allowed', 'no', '203.0.113.0/24', 3);

INSERT INTO operators (id, name, created_at_ms) VALUES (1, 'mira', 1700000000000);

INSERT INTO sessions (hash, operator_id, created_at_ms, last_used_at_ms, expires_at_ms)
VALUES (x'abababababababababababababababababababababababababababababababab', 1, 1700000000000, 1700000000000, 1700600000000);

INSERT INTO login_links (hash, operator_id, created_at_ms, expires_at_ms)
VALUES (x'abababababababababababababababababababababababababababababababab', 1, 1700000000000, 1700600000000), (x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', NULL, 1700000000000, 1700600000000);

INSERT INTO tokens (id, name, hash, scope, service_id, created_at_ms, who_way, who_name, last_used_at_ms, expires_at_ms,
                    revoked_at_ms)
VALUES ('TOKENaaaa1', 'ci', x'abababababababababababababababababababababababababababababababab', 'deploy', 'svcaaaaaaaaa', 1700000000000, 'operator', 'mira', 1700000000001,
        1800000000000, NULL),
       ('TOKENbbbb2', 'all', x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', 'admin', NULL, 1700000000000, 'operator', 'mira', NULL, NULL, NULL);

INSERT INTO audit (at_ms, who_way, who_name, address, act, noun, service, name, began_id, detail)
VALUES (1700000000000, 'operator', 'mira', 'socket', 'service.create', 'service', 'api', NULL, NULL, '');
INSERT INTO services (id, name, repository, default_branch, executor, queue_policy, timeout_s, local,
                      created_at_ms, tekton, cache_epoch)
VALUES ('svcccccccccc', 'shop', 'https://example.com/shop.git', 'main', 'tekton', 'coalesce', 3600, '{}',
        1700000000000,
        '{"image":"registry.example.com/shop","cache_repository":"","dockerfile":"Dockerfile","context":".",' ||
        '"build_args":{},"git_secret":null,"registry_secret":"registry","workloads":["apps/shop"],"rollback":true}', 3);

INSERT INTO deployments (id, service_id, trigger, who_way, who_name, branch, commit_id, commit_requested, clear_cache,
                         ignored_parameters, executor, status, created_at_ms, waits_since_ms, started_at_ms, finished_at_ms,
                         cache_epoch, image, run_uid, run_state)
VALUES ('dep_loz4ae00eeeeeeeeeeee', 'svcccccccccc', 'deploy', 'operator', 'mira', 'main',
        '0123456789012345678901234567890123456789', 0, 1, '[]', 'tekton', 'succeeded', 1700000000010, 1700000000010, 1700000000011,
        1700000000012, 3,
        'registry.example.com/shop:dep-loz4ae00eeeeeeeeeeee@sha256:' ||
        '0123456789012345678901234567890123456789012345678901234567890123',
        'a-uid', 'ended');

INSERT INTO checks (service_id, place, verdict, detail, fix, checked_at_ms)
VALUES ('svcccccccccc', 0, 'advice', 'a detail', 'a fix', 1700000000013);
INSERT INTO operators (id, name, created_at_ms, password)
VALUES (2, 'theo', 1700000000000,
        '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$uL5fGGMmsyOHZOkjVGG7+S8qnM7MAcRBVv0Qz3t4sZQ');

INSERT INTO sessions (hash, operator_id, created_at_ms, last_used_at_ms, expires_at_ms, address, user_agent,
                      confirmed_at_ms)
VALUES (x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', 2, 1700000000000, 1700000000000, 1700600000000, '203.0.113.7', 'Mozilla/5.0', 1700000000000);

INSERT INTO targets (id, kind, url, events, branches, with_lines, required_contexts, generation, created_at_ms, who_way,
                     who_name)
VALUES ('tgt_aaaaaaaaaaaa', 'webhook', 'https://example.com/hook', '["deployment.failed"]', '["main"]', 1, '[]', 1,
        1700000000000, 'operator', 'mira');

INSERT INTO notices (id, target_id, event, deployment_id, service_id, reason, at_ms, state, since_ms, tries, tried_at_ms,
                     took_ms, status, answer, remote)
VALUES ('ntc_aaaaaaaaaaaaaaaaaaaa', 'tgt_aaaaaaaaaaaa', 'deployment.failed', 'dep_loz4ae00bbbbbbbbbbbb', 'svcccccccccc',
        'cancelled', 1700000000000, 'delivered', 1700000000000, 1, 1700000000001, 12, 200, 'thanks', 'remote');
