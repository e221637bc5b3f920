//! Where two things are wrong, the earlier of the contract's order is said.

use reqwest::Method;
use serde_json::json;

use crate::harness::Answer;
use crate::harness::Hook;
use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

const LARGE: usize = 1024 * 1024 + 1;

async fn post_large(hook: &Hook, query: &str) -> Answer {
    hook.call(Method::POST, query).body(vec![b'x'; LARGE]).answer().await
}

#[tokio::test]
async fn the_method_comes_before_the_token() {
    let server = TestServer::start().await;

    let answer = server.anyone().get("/deploy-hooks/wrong").await;

    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn the_shape_of_the_token_comes_before_body_and_parameters() {
    let server = TestServer::start().await;

    let request = server.anyone().request(Method::POST, "/deploy-hooks/wrong?branch=&branch=");
    let answer = request.body(vec![b'x'; LARGE]).answer().await;

    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn the_body_comes_before_parameters() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    assert_eq!(post_large(&hook, "branch=").await.status, 413);
}

#[tokio::test]
async fn parameters_come_before_the_budget_and_do_not_spend_it() {
    let server = TestServer::with(Options { hook_rate: 1, hook_burst: 1, ..Options::default() }).await;
    let hook = server.service("api").create().await.hook("ci").await;

    assert_eq!(hook.post("branch=").await.status, 400);
    assert_eq!(hook.post("").await.status, 202);
    assert_eq!(hook.post("branch=").await.status, 400);
}

#[tokio::test]
async fn parameters_come_before_a_revoked_hook() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    hook.revoke().await;

    assert_eq!((hook.post("branch=").await.status, hook.post("").await.status), (400, 401));
}

#[tokio::test]
async fn a_revoked_hook_is_unknown_whatever_is_left_of_its_budget() {
    let server = TestServer::with(Options { hook_rate: 1, hook_burst: 1, ..Options::default() }).await;
    let hook = server.service("api").create().await.hook("ci").await;
    hook.revoke().await;

    assert_eq!((hook.post("").await.status, hook.post("").await.status), (401, 401));
}

#[tokio::test]
async fn a_replay_comes_before_every_rule_and_a_reused_key_too() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").await;
    hook.post_with_key("", "job-1").await;
    hook.change(json!({ "branches": ["none"], "paused": "not now" })).await;
    service.freeze("migration").await;

    assert_eq!(hook.post_with_key("", "job-1").await.status, 202);
    assert_eq!(hook.post_with_key("branch=dev", "job-1").await.status, 422);
    assert_eq!(hook.post_with_key("", "job-2").await.status, 403);
}

#[tokio::test]
async fn rules_come_before_freeze_and_pause_before_a_full_queue() {
    let server = TestServer::with(Options { queue_limit: 1, ..Options::default() }).await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").branches(&["a", "b"]).await;
    hook.post("branch=a").await;

    assert_eq!(hook.post("branch=b").await.code(), "queue_full");
    hook.change(json!({ "paused": "not now" })).await;
    assert_eq!(hook.post("branch=b").await.code(), "hook_paused");
    service.freeze("migration").await;
    assert_eq!(hook.post("branch=b").await.code(), "service_frozen");
    hook.change(json!({ "addresses": ["203.0.113.0/24"] })).await;
    assert_eq!(hook.post("branch=b").await.code(), "address_not_allowed");
    assert_eq!(hook.post("branch=c").await.code(), "branch_not_allowed");
}

#[tokio::test]
async fn a_full_queue_comes_before_the_disk_and_the_disk_before_the_executor() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    hook.post("branch=a").await;
    let nothing =
        Options { has_executor: false, min_free_bytes: u64::MAX / 4, queue_limit: 1, ..Options::default() };

    let server = server.restart_with(nothing).await;
    let post = |branch: &str| {
        let path = format!("/deploy-hooks/{}?branch={branch}", hook.token);
        server.anyone().request(Method::POST, &path).answer()
    };

    assert_eq!(post("b").await.code(), "queue_full");
    assert_eq!(post("a").await.code(), "disk_nearly_full");
}
