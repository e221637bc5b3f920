//! What is kept of calls for the hook's page.

use std::time::Duration;

use reqwest::Method;

use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

fn counted(result: &str, count: i64) -> (String, i64) {
    (result.to_owned(), count)
}

#[tokio::test]
async fn refusals_of_a_genuine_hook_are_counted_once_a_result_and_second() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").branches(&["main"]).await;

    for _ in 0..3 {
        hook.post("branch=dev").await;
    }
    hook.change(serde_json::json!({ "paused": "not now" })).await;
    hook.post("").await;
    server.clock.advance(Duration::from_secs(1));
    hook.post("branch=dev").await;

    let calls = hook.calls().await;
    assert_eq!(calls[0], counted("branch_not_allowed", 1));
    assert!(calls[1..].contains(&counted("branch_not_allowed", 3)), "{calls:?}");
    assert!(calls[1..].contains(&counted("hook_paused", 1)), "{calls:?}");
    assert_eq!(server.rows("SELECT count(*) FROM hook_calls").await, 3);
}

#[tokio::test]
async fn replays_joined_and_accepted_calls_are_listed() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    hook.post_with_key("", "job-1").await;
    hook.post_with_key("", "job-1").await;
    hook.post_with_key("branch=dev", "job-1").await;
    hook.post("").await;

    let mut calls = hook.calls().await;
    calls.sort();
    let expected = [
        counted("accepted", 1),
        counted("coalesced", 1),
        counted("idempotency_key_reused", 1),
        counted("replayed", 1),
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_listed_refusal_says_why_and_from_where() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").branches(&["main"]).await;

    hook.call(Method::POST, "branch=dev").header("user-agent", "ci/1.0").answer().await;

    let call = server.admin.get(&format!("{}/calls", hook.path())).await.items().remove(0);
    assert_eq!(call["caller"], "127.0.0.0/24, ci/1.0");
    assert!(call["detail"].as_str().unwrap().contains("dev"), "{call}");
}

#[tokio::test]
async fn the_last_fifty_are_listed() {
    let server = TestServer::with(Options::roomy()).await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;

    for _ in 0..60 {
        hook.post("").await;
    }

    assert_eq!(hook.calls().await.len(), 50);
}

#[tokio::test]
async fn a_401_writes_nothing() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let (revoked, expired) = (service.hook("old").await, service.hook("short").expires_in("1h").await);
    revoked.revoke().await;
    server.clock.advance(Duration::from_hours(1));
    let tables = ["deployments", "hook_calls", "idempotency_keys", "audit"];
    let mut before = Vec::new();
    for table in tables {
        before.push(server.rows(&format!("SELECT count(*) FROM {table}")).await);
    }

    for hook in [&revoked, &expired] {
        assert_eq!((hook.post("").await.status, hook.revoke_by_url().await.status), (401, 401));
    }
    server.anyone().request(Method::POST, "/deploy-hooks/x").answer().await;

    for (table, before) in tables.iter().zip(before) {
        assert_eq!(server.rows(&format!("SELECT count(*) FROM {table}")).await, before, "{table}");
    }
}
