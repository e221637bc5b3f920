//! What whoever watches the server is told: the text of `/metrics`, and that the dashboard and the alerts ask for what is
//! in it.

mod prometheus;

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stackblaze::db::{self, Copies};
use stackblaze::domain::{Reason, Step};

use crate::harness::http::Send as _;
use crate::harness::{Options, Script, TestServer};

const DASHBOARD: &str = include_str!("../../../deploy/monitoring/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../deploy/monitoring/alerts.yaml");
const DOCS: &str = include_str!("../../../docs/MONITORING.md");

async fn watched() -> TestServer {
    TestServer::with(Options { is_watched: true, ..Options::default() }).await
}

/// The value of a series, spelled as in the text.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

/// Compares series, of each its end behind the prefix and its value.
#[track_caller]
fn assert_values(text: &str, expected: &[(&str, f64)]) {
    for (series, wanted) in expected {
        let found = value(text, &format!("stackblaze_{series}"));
        assert!((found - wanted).abs() < 1e-9, "{series} is {found}, not {wanted}");
    }
}

/// What the loop that makes copies writes down.
async fn store(server: &TestServer, copies: Copies) {
    server.state.db().core().write(move |tx| db::set_copies(tx, Some(&copies))).await.unwrap();
}

fn calls(result: &str) -> String {
    format!("hook_calls_total{{result=\"{result}\"}}")
}

#[tokio::test]
async fn calls_of_hooks_are_counted_by_what_they_were_answered() {
    let server = watched().await;
    let service = server.service("api").create().await;
    let (hook, other) = (service.hook("ci").await, service.hook("frozen").await);

    hook.post("branch=main").await.id();
    hook.post("branch=main").await.id();
    assert_eq!(hook.post("dry_run=true").await.status, 200);
    assert_eq!(hook.post("branch=").await.status, 400);
    let forged = format!("/deploy-hooks/sbhook_{}", "x".repeat(84));
    for method in [Method::POST, Method::GET] {
        server.anyone().request(method, &forged).answer().await;
    }
    service.freeze("a fair").await;
    assert_eq!(other.post("branch=next").await.status, 423);

    let text = server.metrics().await;
    let counts = [
        ("accepted", 1.0),
        ("coalesced", 1.0),
        ("replayed", 0.0),
        ("dry_run", 1.0),
        ("invalid_parameter", 1.0),
        ("unknown_hook", 1.0),
        ("service_frozen", 1.0),
        ("hook_budget", 0.0),
        ("disk_nearly_full", 0.0),
    ];
    for (result, wanted) in counts {
        assert_values(&text, &[(&calls(result), wanted)]);
    }
    assert!(!text.contains("method_not_allowed"), "a look at a hook URL is no call of it");
}

#[tokio::test]
async fn a_replay_is_counted_as_one() {
    let server = watched().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let first = hook.post_with_key("branch=main", "one").await.id();
    let second = hook.post_with_key("branch=main", "one").await.id();

    assert_eq!(first, second);
    let text = server.metrics().await;
    assert_values(&text, &[(&calls("accepted"), 1.0), (&calls("replayed"), 1.0)]);
}

#[tokio::test]
async fn what_waits_runs_and_ends_is_told() {
    let server = TestServer::with(Options { is_watched: true, ..Options::with_cluster() }).await;
    let service = server.service("api").with("executor", json!("local")).create().await;
    let script = Script::default().step(Step::Clone, b"").begins(Step::Build).hangs();
    server.executor.next(script.ends(Step::Build, 1).fails(Reason::BuildFailed));
    let id = service.deploy(json!({ "branch": "one" })).await;
    server.tick().await;
    server.executor.hangs(1).await;
    server.until(&id, |found| found["steps"][1]["status"] == "running").await;
    service.deploy(json!({ "branch": "two" })).await;
    server.clock.advance(Duration::from_secs(40));

    let during = server.metrics().await;
    server.executor.go_on();
    server.run_all().await;
    let after = server.metrics().await;

    let active = |state: &str| format!("cicd_pipeline_run_active{{cicd_pipeline_run_state=\"{state}\"}}");
    assert_values(
        &during,
        &[
            (&active("pending"), 1.0),
            (&active("executing"), 1.0),
            (&active("finalizing"), 0.0),
            ("queue_oldest_age_seconds", 40.0),
            ("ready", 1.0),
            ("executor_ready{executor=\"local\"}", 1.0),
            ("executor_ready{executor=\"tekton\"}", 1.0),
            ("notices_waiting", 0.0),
        ],
    );
    assert_values(
        &after,
        &[
            (&active("pending"), 0.0),
            (&active("executing"), 0.0),
            ("queue_oldest_age_seconds", 0.0),
            ("deployments_ended_total{status=\"failed\",reason=\"build_failed\"}", 1.0),
            ("deployments_ended_total{status=\"failed\",reason=\"timeout\"}", 0.0),
            ("deployments_ended_total{status=\"succeeded\",reason=\"\"}", 1.0),
            ("cicd_pipeline_run_duration_seconds_sum{cicd_pipeline_result=\"failure\"}", 40.0),
            ("cicd_pipeline_run_duration_seconds_count{cicd_pipeline_result=\"failure\"}", 1.0),
            ("cicd_pipeline_run_duration_seconds_bucket{le=\"30.0\",cicd_pipeline_result=\"failure\"}", 0.0),
            ("cicd_pipeline_run_duration_seconds_bucket{le=\"60.0\",cicd_pipeline_result=\"failure\"}", 1.0),
            ("cicd_pipeline_run_duration_seconds_bucket{le=\"+Inf\",cicd_pipeline_result=\"failure\"}", 1.0),
            ("cicd_pipeline_run_duration_seconds_count{cicd_pipeline_result=\"success\"}", 1.0),
            ("step_duration_seconds_sum{step=\"build\",result=\"failure\"}", 40.0),
            ("step_duration_seconds_count{step=\"clone\",result=\"success\"}", 2.0),
            ("step_duration_seconds_count{step=\"release\",result=\"success\"}", 0.0),
        ],
    );
    assert!(value(&after, "stackblaze_writer_batch_duration_seconds_count{file=\"core\"}") > 5.0);
    assert!(value(&after, "stackblaze_disk_free_bytes") > 0.0);
    assert!(
        after.contains(&format!("stackblaze_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_and_a_disk_that_is_full_are_told() {
    let options = Options { is_watched: true, min_free_bytes: u64::MAX, ..Options::with_cluster() };
    let server = TestServer::with(options).await;
    server.cluster.cluster().problem = Some("connection refused".to_owned());
    server.probe().await;

    let text = server.metrics().await;

    assert_values(&text, &[("executor_ready{executor=\"tekton\"}", 0.0), ("ready", 0.0)]);
    assert!(!text.contains("connection refused"));
    server.begin_to_drain();
    assert_values(&server.metrics().await, &[("ready", 0.0)]);
}

#[tokio::test]
async fn nothing_but_get_of_metrics_is_answered() {
    let server = watched().await;
    let watcher = server.watcher();

    let good = watcher.get("/metrics").await;
    let (root, healthz) = (watcher.get("/").await, watcher.get("/healthz").await);
    let posted = watcher.request(Method::POST, "/metrics").answer().await;
    let inside = server.anyone().get("/metrics").await;

    assert_eq!(
        good.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(good.text().ends_with("# EOF\n"));
    assert_eq!((root.status, healthz.status, inside.status), (404, 404, 404));
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn no_series_names_a_service_a_branch_a_hook_or_a_deployment() {
    let server = watched().await;
    let service = server.service("canary").with("executor", json!("local")).create().await;
    let before = server.metrics().await.lines().count();
    let id = service.hook("magpie").await.post("branch=feat/jay").await.id();
    server.run_all().await;

    let text = server.metrics().await;

    for name in ["canary", "magpie", "jay", id.as_str()] {
        assert!(!text.contains(name), "{name} is in {text}");
    }
    assert_eq!(text.lines().count(), before, "series come and go with what happens");
}

/// What a text asks of Prometheus: every name of ours in it.
fn asked(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("stackblaze_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn dashboard_and_alerts_ask_for_series_that_there_are() {
    let server = watched().await;
    let copies = Copies { newest: Some(server.clock.now()), problem: None };
    store(&server, copies).await;
    let text = server.metrics().await;
    let series = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
    let there: BTreeSet<String> = text.lines().filter(|line| !line.starts_with('#')).map(series).collect();
    let board: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();

    let wanted: BTreeSet<String> = asked(&expressions.join("\n")).into_iter().chain(asked(ALERTS)).collect();

    assert!(wanted.len() > 12, "{wanted:?}");
    let missing: Vec<_> = wanted.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Whatever there is stands in the documentation, by its name without what Prometheus adds.
    let family =
        |line: &str| line.strip_prefix("# TYPE ").map(|rest| rest.split(' ').next().unwrap().to_owned());
    let undocumented: Vec<_> =
        text.lines().filter_map(family).filter(|name| !DOCS.contains(&format!("`{name}"))).collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

#[tokio::test]
async fn the_state_of_the_copies_is_told_where_copies_are_made() {
    let server = watched().await;
    let none = server.metrics().await;
    let made = Copies { newest: Some(server.clock.now()), problem: None };
    store(&server, made.clone()).await;
    server.clock.advance(Duration::from_secs(90));
    let good = server.metrics().await;
    let problem = Some("no space left on /mnt/safe".to_owned());
    store(&server, Copies { problem, ..made }).await;
    let bad = server.metrics().await;

    assert!(!none.contains("stackblaze_backup_"));
    assert_values(&good, &[("backup_age_seconds", 90.0), ("backup_failing", 0.0)]);
    assert_values(&bad, &[("backup_failing", 1.0)]);
    let (anyone, admin) = (server.anyone(), &server.admin);
    let (told, whole) =
        (anyone.get("/readyz?verbose").await.json(), admin.get("/readyz?verbose").await.json());
    assert_eq!(whole["backup"]["problem"], "no space left on /mnt/safe");
    assert_eq!(whole["backup"]["newest"], "2026-11-24T14:30:49.120Z");
    assert!(!told.to_string().contains("/mnt/safe") && told["backup"]["problem"].is_string(), "{told}");
    assert_eq!(told["ready"], true);
}
