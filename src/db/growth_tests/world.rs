//! Files with much history.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use std::collections::HashMap;

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{StatementStatus, ToSql};

use crate::db::testing::{Bench, T0};
use crate::domain::{Deployment, DeploymentId, Event, ExecutorKind, Hook, Service, TargetId, Timestamp};

const DAY: i64 = 86_400_000;

/// Deployments that have ended: nearly all of the hot service, spread over ten days.
const ENDED: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    INSERT INTO deployments (id, service_id, trigger, hook_id, hook_generation, who_way, who_name, branch, commit_id,
                             commit_requested, clear_cache, ignored_parameters, executor, status, reason,
                             created_at_ms, waits_since_ms, started_at_ms, finished_at_ms, run_state)
    SELECT printf('dep_%020d', i), iif(i % 20 = 0, :other, :hot), 'hook', :hook, 1, 'hook_url', '192.0.2.0/24',
           iif(i % 7 = 0, 'feat/' || i, 'main'), printf('%040x', i % 500), 0, 0, '[]', 'local',
           iif(i % 3 = 0, 'failed', 'succeeded'), iif(i % 3 = 0, 'build_failed', NULL),
           :now - (:rows - i) * (10 * :day / :rows), 0, 1, 2, iif(i > :rows - 20, 'ended', 'deleted')
      FROM n";
/// Failures after the last success, none of which began to deploy.
const FAILED: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    INSERT INTO deployments (id, service_id, trigger, who_way, who_name, branch, commit_requested, clear_cache,
                             ignored_parameters, executor, status, reason, created_at_ms, waits_since_ms, finished_at_ms)
    SELECT printf('dep_x%019d', i), :hot, 'deploy', 'operator', 'mira', 'main', 0, 0, '[]', 'local', 'failed',
           'build_failed', :now, 0, 2
      FROM n";
const STEPS: &str = "
    INSERT INTO steps (deployment_id, name, status)
    SELECT d.id, s.value, 'skipped' FROM deployments AS d, json_each('[\"clone\",\"build\",\"deploy\"]') AS s";
/// What waits behind the running deployment of a service.
const QUEUED: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :queued)
    INSERT INTO deployments (id, service_id, trigger, who_way, who_name, branch, commit_requested, clear_cache,
                             ignored_parameters, executor, status, created_at_ms, waits_since_ms)
    SELECT printf('dep_%s%019d', substr(:executor, 1, 1), i), :busy, 'deploy', 'operator', 'mira', 'main', 0, 0, '[]',
           :executor, 'queued', :now, :now
      FROM n";
const ACTS: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    INSERT INTO audit (at_ms, who_way, who_name, address, act, noun, service, detail)
    SELECT :now, 'operator', 'mira', 'socket', 'service.update', 'service', 'api', '' FROM n";
/// Who is told everything, and what that one was told and is to be told: of the running deployment three times, of others once.
const TARGET: &str = "
    INSERT INTO targets (id, kind, url, events, branches, with_lines, required_contexts, generation, created_at_ms, who_way,
                         who_name)
    VALUES ('tgt_000000000000', 'webhook', 'https://example.com/', :events, '[]', 0, '[]', 1, :now, 'socket', '')";
const TOLD: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    INSERT INTO notices (id, target_id, event, deployment_id, service_id, reason, at_ms, since_ms, state)
    SELECT printf('ntc_%020d', i), 'tgt_000000000000', 'deployment.failed', printf('dep_%020d', i), :hot, 'build_failed',
           :now - (:rows - i) * (10 * :day / :rows), :now, 'delivered'
      FROM n";
const WAITS: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :queued)
    INSERT INTO notices (id, target_id, event, deployment_id, service_id, at_ms, since_ms, next_at_ms)
    SELECT printf('ntc_w%019d', i), 'tgt_000000000000', 'deployment.queued', printf('dep_l%019d', i), :hot, :now, :now, :now
      FROM n";
const KEYS: &str = "
    INSERT INTO idempotency_keys (hook_id, key, parameters, deployment_id, body, created_at_ms)
    SELECT hook_id, id, '', id, '', :now FROM deployments WHERE hook_id IS NOT NULL";
/// Logs of which the last fifty have text.
const LOGS: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    INSERT INTO logs (deployment_id, bytes, lines, kept_bytes, cut_from, cut_to, is_complete, changed_at_ms)
    SELECT printf('dep_%020d', i), 10, 1, iif(i > :rows - 50, 10, 0), 0, iif(i > :rows - 50, 0, 10), 1,
           :now - (:rows - i) * (10 * :day / :rows)
      FROM n";
const PIECES: &str = "
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :rows - 1)
    INSERT INTO log_pieces (deployment_id, at_byte, at_line, step, at_ms, text)
    SELECT :id, i * 10, i, 'build', :now, '123456789' || char(10) FROM n";

/// The log of the running one: what it was cut to long ago.
const CUT: &str = "
    INSERT INTO logs (deployment_id, bytes, lines, kept_bytes, cut_from, cut_to, is_complete, changed_at_ms)
    VALUES (:id, :rows * 10, :rows, 300, 100, :rows * 10 - 200, 0, :now)";

/// The moment at which the history ends.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(T0.as_millis() + 100 * DAY)
}

fn id_at(row: i64) -> DeploymentId {
    DeploymentId::parse(&format!("dep_{row:020}")).unwrap()
}

/// How many rows there are.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// Of each kind of history.
    pub(super) rows: i64,
    /// That wait for each executor.
    pub(super) queued: i64,
}

/// A core file and a log file.
pub(super) struct World {
    pub(super) core: Bench,
    pub(super) logs: Bench,
    /// The service that has nearly all of the history, and its hook.
    pub(super) hot: Service,
    pub(super) hook: Hook,
    /// Of the hot service: one in the middle of the history, and the last one that succeeded, after which all failed.
    pub(super) middle: Deployment,
    pub(super) success: Deployment,
    /// Of the hot service, and of one that has no other.
    pub(super) running: Deployment,
    pub(super) queued: Deployment,
    /// Who is told everything.
    pub(super) target: TargetId,
    steps: Arc<AtomicI64>,
}

impl World {
    pub(super) fn new(size: Size) -> Self {
        let (mut core, mut logs) = (Bench::core(), Bench::logs());
        let [hot, other, idle] = ["hot", "other", "idle"].map(|name| core.service(name));
        let (hook, _) = core.hook(&hot, "ci");
        let busy = ExecutorKind::ALL.map(|kind| (kind, core.service(&format!("busy-{}", kind.as_str()))));
        fill(
            &core,
            ENDED,
            size,
            &[(":hot", &hot.id.as_str()), (":other", &other.id.as_str()), (":hook", &hook.id.as_str())],
        );
        fill(&core, KEYS, size, &[]);
        fill(&core, FAILED, size, &[(":hot", &hot.id.as_str())]);
        fill(&core, STEPS, size, &[]);
        fill(&core, ACTS, size, &[]);
        let events = format!("{:?}", Event::ALL.map(Event::as_str));
        fill(&core, TARGET, size, &[(":events", &events)]);
        fill(&core, TOLD, size, &[(":hot", &hot.id.as_str())]);
        for (kind, service) in &busy {
            begin(&core, &core.queued(service, "main", now()));
            fill(&core, QUEUED, size, &[(":busy", &service.id.as_str()), (":executor", &kind.as_str())]);
        }
        fill(&core, WAITS, size, &[(":hot", &hot.id.as_str())]);
        let running = core.queued(&hot, "main", now());
        begin(&core, &running);
        let queued = core.queued(&idle, "main", now());
        fill(&logs, LOGS, size, &[]);
        for sql in [PIECES, CUT] {
            fill(&logs, sql, size, &[(":id", &running.as_str())]);
        }
        let is_success_of_hot = |row: &i64| row % 20 != 0 && row % 3 != 0;
        let middle = (size.rows / 2..size.rows).find(is_success_of_hot).unwrap();
        let success = (1..=size.rows).rev().find(is_success_of_hot).unwrap();
        let [middle, success] = [middle, success].map(|row| core.find(&id_at(row)));
        let (running, queued) = (core.find(&running), core.find(&queued));
        let steps = Arc::new(AtomicI64::new(0));
        for bench in [&mut core, &mut logs] {
            count(bench, &steps);
        }
        let target = TargetId::parse("tgt_000000000000").unwrap();
        Self { core, logs, hot, hook, middle, success, running, queued, target, steps }
    }

    /// The steps of SQLite's machine that something takes; what it changes is taken back.
    pub(super) fn steps_of(&self, act: impl Fn(&Self)) -> i64 {
        for bench in [&self.core, &self.logs] {
            bench.conn.execute_batch("SAVEPOINT act").unwrap();
        }
        self.steps.store(0, Ordering::SeqCst);
        act(self);
        let steps = self.steps.load(Ordering::SeqCst);
        for bench in [&self.core, &self.logs] {
            bench.conn.execute_batch("ROLLBACK TO act; RELEASE act").unwrap();
        }
        steps
    }
}

/// Runs a statement with what all of them may name.
fn fill(bench: &Bench, sql: &str, size: Size, own: &[(&str, &dyn ToSql)]) {
    let now = now().as_millis();
    let all: [(&str, &dyn ToSql); 4] =
        [(":rows", &size.rows), (":queued", &size.queued), (":now", &now), (":day", &DAY)];
    let used: Vec<_> =
        all.into_iter().filter(|(name, _)| sql.contains(name)).chain(own.iter().copied()).collect();
    bench.conn.execute(sql, used.as_slice()).unwrap();
}

fn begin(bench: &Bench, id: &DeploymentId) {
    let sql = "UPDATE deployments SET status = 'building', started_at_ms = 1 WHERE id = ?1";
    bench.conn.execute(sql, [id.as_str()]).unwrap();
}

/// Adds up what each statement took. A statement that is kept counts on, so its number before is taken off.
fn count(bench: &mut Bench, steps: &Arc<AtomicI64>) {
    bench.conn.set_prepared_statement_cache_capacity(1_000);
    let (steps, before) = (Arc::clone(steps), Mutex::new(HashMap::<String, i64>::new()));
    let add = move |event: TraceEvent<'_>| {
        let TraceEvent::Profile(statement, _) = event else { return };
        let (sql, all) =
            (statement.sql().into_owned(), i64::from(statement.get_status(StatementStatus::VmStep)));
        let known = before.lock().unwrap().insert(sql, all).filter(|&known| known <= all).unwrap_or(0);
        steps.fetch_add(all - known, Ordering::SeqCst);
    };
    bench.conn.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(add)).unwrap();
}
