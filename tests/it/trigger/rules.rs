//! What an operator set for a hook or its service.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

#[tokio::test]
async fn a_branch_outside_the_hooks_rule_is_refused() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").branches(&["main", "rel/*"]).await;

    for (query, status) in
        [("branch=main", 202), ("branch=rel/1", 202), ("branch=rel/1/x", 403), ("branch=dev", 403)]
    {
        let answer = hook.post(query).await;

        assert_eq!(answer.status, status, "{query}");
        if status == 403 {
            assert_eq!(answer.code(), "branch_not_allowed");
        }
    }
}

#[tokio::test]
async fn the_default_branch_has_to_meet_the_rule_too() {
    let server = TestServer::start().await;
    let hook = server.service("api").branch("trunk").create().await.hook("ci").branches(&["main"]).await;

    assert_eq!(hook.post("").await.refusal(), (403, "branch_not_allowed".to_owned()));
}

#[tokio::test]
async fn a_caller_outside_the_hooks_addresses_is_refused() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let (near, far) = (
        service.hook("near").addresses(&["127.0.0.0/8"]).await,
        service.hook("far").addresses(&["203.0.113.0/24"]).await,
    );

    assert_eq!(near.post("").await.status, 202);
    assert_eq!(far.post("").await.refusal(), (403, "address_not_allowed".to_owned()));
}

#[tokio::test]
async fn an_untrusted_peer_cannot_claim_another_address() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("far").addresses(&["203.0.113.0/24"]).await;

    let answer = hook.call(Method::POST, "").header("x-forwarded-for", "203.0.113.7").answer().await;

    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn a_trusted_proxy_says_where_the_caller_is() {
    let server =
        TestServer::with(Options { trusted_proxies: vec!["127.0.0.1/32"], ..Options::default() }).await;
    let hook = server.service("api").create().await.hook("far").addresses(&["203.0.113.0/24"]).await;

    let inside = hook.call(Method::POST, "").header("x-forwarded-for", "203.0.113.7").answer().await;
    let outside = hook.call(Method::POST, "").header("x-forwarded-for", "203.0.114.7").answer().await;

    assert_eq!((inside.status, outside.status), (202, 403));
}

#[tokio::test]
async fn a_paused_hook_says_why_and_works_again_afterwards() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").paused("contractor left").await;

    let refused = hook.post("").await;
    hook.change(json!({ "paused": null })).await;

    assert_eq!(refused.refusal(), (423, "hook_paused".to_owned()));
    assert!(refused.text().contains("contractor left"));
    assert_eq!(hook.post("").await.status, 202);
}

#[tokio::test]
async fn a_frozen_service_says_why_to_all_its_hooks() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let (hook, other) = (service.hook("ci").await, service.hook("other").await);
    service.freeze("database migration").await;

    for refused in [hook.post("").await, other.post("").await] {
        assert_eq!(refused.refusal(), (423, "service_frozen".to_owned()));
        assert!(refused.text().contains("database migration"));
    }
    server.admin.delete("/api/v1/services/api/freeze").await;
    assert_eq!(hook.post("").await.status, 202);
}

#[tokio::test]
async fn what_was_queued_before_a_freeze_still_runs() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let id = service.hook("ci").await.post("").await.id();

    service.freeze("database migration").await;
    server.run_all().await;

    assert_eq!(server.end_of(&id).await, "succeeded");
}

#[tokio::test]
async fn a_hook_is_unknown_from_the_moment_it_expires() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").expires_in("90d").await;

    server.clock.advance(Duration::from_hours(90 * 24) - Duration::from_millis(1));
    let last = hook.post("").await;
    server.clock.advance(Duration::from_millis(1));

    assert_eq!(last.status, 202);
    assert_eq!(hook.post("").await.refusal(), (401, "unknown_hook".to_owned()));
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_new_work_and_still_answers_about_old() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let id = hook.post("").await.id();

    let server = server.restart_with(Options { min_free_bytes: u64::MAX / 4, ..Options::default() }).await;
    let path = format!("/deploy-hooks/{}", hook.token);
    let answer = server.anyone().request(Method::POST, &path).answer().await;

    assert_eq!(answer.refusal(), (503, "disk_nearly_full".to_owned()));
    assert_eq!(server.anyone().get("/readyz").await.status, 503);
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(server.deployment(&id).await["status"], "queued");
}

#[tokio::test]
async fn a_service_whose_executor_is_gone_refuses_calls() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let server = server.restart_with(Options { has_executor: false, ..Options::default() }).await;
    let path = format!("/deploy-hooks/{}", hook.token);
    let answer = server.anyone().request(Method::POST, &path).answer().await;

    assert_eq!(answer.refusal(), (503, "executor_unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(server.rows("SELECT count(*) FROM deployments").await, 0);
}
