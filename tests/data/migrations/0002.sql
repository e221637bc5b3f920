-- What schema 2 added, as a server of that time wrote it.
INSERT INTO services (id, name, repository, default_branch, executor, queue_policy, timeout_s, build_command,
                      deploy_command, env, created_at_ms, tekton, cache_epoch)
VALUES ('svcccccccccc', 'shop', 'https://example.com/shop.git', 'main', 'tekton', 'coalesce', 3600, '', '', '{}',
        1700000000000,
        '{"image":"registry.example.com/shop","cache_repository":"","dockerfile":"Dockerfile","context":".",' ||
        '"build_args":{},"git_secret":null,"registry_secret":"registry","workload":"apps/shop","rollback":true}', 3);

INSERT INTO deployments (id, service_id, trigger, caller, branch, commit_id, commit_requested, clear_cache,
                         ignored_parameters, executor, status, created_at_ms, started_at_ms, finished_at_ms,
                         cache_epoch, image, run_uid, run_state)
VALUES ('dep_loz4ae00eeeeeeeeeeee', 'svcccccccccc', 'deploy', 'operator mira', 'main',
        '0123456789012345678901234567890123456789', 0, 1, '[]', 'tekton', 'succeeded', 1700000000010, 1700000000011,
        1700000000012, 3,
        'registry.example.com/shop:dep-loz4ae00eeeeeeeeeeee@sha256:' ||
        '0123456789012345678901234567890123456789012345678901234567890123',
        'a-uid', 'ended');

INSERT INTO checks (service_id, place, verdict, detail, fix, checked_at_ms)
VALUES ('svcccccccccc', 0, 'advice', 'a detail', 'a fix', 1700000000013);
