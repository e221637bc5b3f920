//! What a stop and a start leave of deployments.

use serde_json::json;
use stackblaze::domain::Step;

use crate::harness::Script;
use crate::harness::TestServer;
use crate::harness::scripted::hanging;

#[tokio::test]
async fn queued_deployments_survive_a_restart_and_run_once() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let ids = [service.deploy(json!({})).await, service.deploy(json!({})).await];

    let server = server.restart().await;
    assert_eq!(server.count("queued").await, 2);
    server.run_all().await;

    assert_eq!(server.executor.ids(), ids);
    assert_eq!(server.count("succeeded").await, 2);
}

#[tokio::test]
async fn what_was_building_when_the_process_died_ends_interrupted_and_is_not_run_again() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let (one, two) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    server.claim_without_run().await;
    assert_eq!(server.end_of(&one).await, "building");

    let server = server.restart().await;
    assert_eq!(server.end_of(&one).await, "failed/interrupted");
    server.run_all().await;

    assert_eq!((server.end_of(&two).await, server.executor.ids()), ("succeeded".to_owned(), vec![two]));
}

#[tokio::test]
async fn a_cancel_that_the_process_did_not_live_to_see_is_kept() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.claim_without_run().await;
    server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await;

    let server = server.restart().await;

    assert_eq!(server.end_of(&id).await, "failed/cancelled");
}

#[tokio::test]
async fn a_server_that_goes_down_ends_its_runs_as_interrupted() {
    let server = TestServer::start().await;
    server.executor.next(hanging());
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.tick().await;
    server.executor.hangs(1).await;

    server.drain().await;

    assert_eq!(server.end_of(&id).await, "failed/interrupted");
    assert_eq!(server.executor.running(), 0);
}

#[tokio::test]
async fn a_server_that_goes_down_claims_nothing_more() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;

    server.drain().await;
    server.tick().await;

    assert_eq!(server.end_of(&id).await, "queued");
    assert!(server.executor.runs().is_empty());
}

#[tokio::test]
async fn final_deployments_and_their_logs_are_the_same_after_a_restart() {
    let server = TestServer::start().await;
    server.executor.next(
        Script::default()
            .step(Step::Clone, b"cloned\n")
            .step(Step::Build, b"built\n")
            .step(Step::Deploy, b"up\n"),
    );
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;
    let path = format!("/deployments/{id}/logs");
    let (before, log) = (server.deployment(&id).await, server.admin.get(&path).await.text());

    let server = server.restart().await;

    assert_eq!(server.deployment(&id).await, before);
    assert_eq!((server.admin.get(&path).await.text(), log.as_str()), (log.clone(), "cloned\nbuilt\nup\n"));
}

#[tokio::test]
async fn hooks_and_keys_work_on_after_a_restart() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let first = hook.post_with_key("", "job-1").await;

    let server = server.restart().await;
    let path = format!("/deploy-hooks/{}", hook.token);
    let request = server.anyone().request(reqwest::Method::POST, &path).header("idempotency-key", "job-1");
    let again = crate::harness::http::Send::answer(request).await;

    assert_eq!(again.body, first.body);
}
