//! What a call does to the queue of its service.

use serde_json::Value;
use serde_json::json;

use crate::harness::TestServer;

#[tokio::test]
async fn coalesce_joins_the_last_queued_one_that_is_equal() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let first = hook.post("branch=dev").await;

    let second = hook.post("branch=dev").await;

    assert_eq!(second.body, first.body);
    assert_eq!(
        (first.header("deployment-coalesced"), second.header("deployment-coalesced")),
        (None, Some("true"))
    );
    assert_eq!(server.count("queued").await, 1);
}

#[tokio::test]
async fn coalesce_joins_only_what_equals_in_branch_commit_and_cache() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let commit = "a".repeat(40);
    hook.post("branch=dev").await;

    for query in ["branch=main", "branch=main&clear_cache", &format!("branch=main&commit={commit}")] {
        assert_eq!(hook.post(query).await.header("deployment-coalesced"), None, "{query}");
    }
    assert_eq!(server.count("queued").await, 4);
}

#[tokio::test]
async fn coalesce_looks_at_the_last_queued_one_alone() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let first = hook.post("branch=a").await.id();
    hook.post("branch=b").await;

    let third = hook.post("branch=a").await;

    assert_ne!(third.id(), first);
    assert_eq!(server.deployment(&third.id()).await["queuePosition"], 3);
}

#[tokio::test]
async fn coalesce_does_not_join_a_running_one() {
    let server = TestServer::start().await;
    server.executor.otherwise(crate::harness::scripted::hanging());
    let hook = server.service("api").create().await.hook("ci").await;
    let first = hook.post("").await.id();
    server.tick().await;

    let second = hook.post("").await;

    assert_ne!(second.id(), first);
    assert_eq!(second.header("deployment-coalesced"), None);
    server.drain().await;
}

#[tokio::test]
async fn calls_of_two_services_never_meet() {
    let server = TestServer::start().await;
    let api = server.service("api").create().await.hook("ci").await;
    let web = server.service("web").create().await.hook("ci").await;

    assert_ne!(api.post("").await.id(), web.post("").await.id());
}

#[tokio::test]
async fn latest_ends_what_was_queued_and_names_the_winner() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("latest").create().await.hook("ci").await;
    let (first, second) = (hook.post("branch=a").await.id(), hook.post("branch=b").await.id());

    let third = hook.post("branch=c").await.id();

    for (loser, winner) in [(&first, &second), (&second, &third)] {
        let shown = server.deployment(loser).await;
        assert_eq!((&shown["status"], &shown["reason"]), (&json!("failed"), &json!("superseded")));
        assert_eq!(shown["supersededBy"], json!(winner));
    }
    assert_eq!(server.deployment(&third).await["supersededBy"], Value::Null);
    assert_eq!(server.count("queued").await, 1);
}

#[tokio::test]
async fn latest_joins_an_equal_one_and_ends_nothing() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("latest").create().await.hook("ci").await;
    let first = hook.post("").await.id();

    let second = hook.post("").await;

    assert_eq!((second.id(), second.header("deployment-coalesced")), (first, Some("true")));
    assert_eq!(server.count("failed").await, 0);
}

#[tokio::test]
async fn latest_leaves_the_running_one_alone() {
    let server = TestServer::start().await;
    server.executor.next(crate::harness::scripted::hanging());
    let hook = server.service("api").policy("latest").create().await.hook("ci").await;
    let first = hook.post("branch=a").await.id();
    server.tick().await;
    server.executor.hangs(1).await;

    hook.post("branch=b").await;
    server.executor.go_on();
    server.run_all().await;

    assert_eq!(server.end_of(&first).await, "succeeded");
}

#[tokio::test]
async fn every_runs_each_call() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;

    let ids = [hook.post("").await.id(), hook.post("").await.id(), hook.post("").await.id()];
    server.run_all().await;

    assert_eq!(server.executor.ids(), ids);
}
