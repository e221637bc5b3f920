//! A loop that knows only `succeeded` and `failed` always ends.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;

use crate::harness::Script;
use crate::harness::Service;
use crate::harness::TestServer;
use crate::harness::http::Send as _;
use crate::harness::scripted::hanging;

/// The loop of the documentation, a tick in place of its pause. It never looks at anything but the word.
async fn poll(server: &TestServer, id: &str) -> String {
    for _ in 0..100 {
        let request = server.anyone().request(Method::GET, &format!("/deployments/{id}"));
        let word = request.header("accept", "text/plain").answer().await.text();
        match word.trim() {
            end @ ("succeeded" | "failed") => return end.to_owned(),
            _ => server.tick().await,
        }
        tokio::task::yield_now().await;
    }
    panic!("{id} does not end");
}

async fn hangs(server: &TestServer) -> (Service, String) {
    server.executor.next(hanging());
    let service = server.service("api").policy("latest").create().await;
    let id = service.deploy(json!({})).await;
    server.tick().await;
    server.executor.hangs(1).await;
    (service, id)
}

#[tokio::test]
async fn it_ends_for_a_success() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.tick().await;
    server.idle().await;

    assert_eq!(poll(&server, &id).await, "succeeded");
}

#[tokio::test]
async fn it_ends_for_a_cancelled_run() {
    let server = TestServer::start().await;
    let (_, id) = hangs(&server).await;

    server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await;
    server.tick().await;
    server.idle().await;

    assert_eq!(poll(&server, &id).await, "failed");
}

#[tokio::test]
async fn it_ends_for_a_superseded_deployment() {
    let server = TestServer::start().await;
    let (service, _) = hangs(&server).await;
    let id = service.deploy(json!({ "branch": "a" })).await;

    service.deploy(json!({ "branch": "b" })).await;

    assert_eq!(poll(&server, &id).await, "failed");
    server.drain().await;
}

#[tokio::test]
async fn it_ends_for_a_timeout() {
    let server = TestServer::start().await;
    let (_, id) = hangs(&server).await;

    server.clock.advance(Duration::from_hours(1));
    server.tick().await;
    server.idle().await;

    assert_eq!(poll(&server, &id).await, "failed");
}

#[tokio::test]
async fn it_ends_for_a_missing_branch_and_a_missing_commit() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;

    for reason in [Reason::BranchNotFound, Reason::CommitNotFound] {
        server.executor.next(Script::default().begins(Step::Clone).ends(Step::Clone, 1).fails(reason));
        let id = service.deploy(json!({})).await;
        server.run_all().await;

        assert_eq!(poll(&server, &id).await, "failed");
        assert_eq!(server.end_of(&id).await, format!("failed/{}", reason.as_str()));
    }
}

#[tokio::test]
async fn it_ends_for_a_deleted_service_queued_or_running() {
    let server = TestServer::start().await;
    let (service, running) = hangs(&server).await;
    let queued = service.deploy(json!({ "branch": "a" })).await;

    service.delete().await;
    server.tick().await;
    server.idle().await;

    assert_eq!(
        (poll(&server, &running).await, poll(&server, &queued).await),
        ("failed".into(), "failed".into())
    );
}

#[tokio::test]
async fn it_ends_for_a_server_that_was_restarted() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.claim_without_run().await;

    let server = server.restart().await;

    assert_eq!(poll(&server, &id).await, "failed");
}

/// A job's log ends with one line, and for who holds a credential with the words of the step that failed.
#[tokio::test]
async fn a_gate_that_is_read_by_people_tells_the_end_in_lines() {
    let server = TestServer::start().await;
    let (good, failed) = (server.service("good").create().await, server.service("bad").create().await);
    let good = good.deploy(json!({})).await;
    server.run_all().await;
    let script = Script::default().begins(Step::Build).says(Step::Build, b"the cause\n").ends(Step::Build, 2);
    server.executor.next(script.fails(Reason::BuildFailed));
    let id = failed.deploy(json!({})).await;
    server.run_all().await;
    let read = async |api: &crate::harness::http::Api, id: &str| {
        let path = format!("/deployments/{id}/wait");
        api.request(Method::GET, &path).header("accept", "text/plain").answer().await
    };

    let told = read(&server.anyone(), &good).await;
    assert_eq!((told.status, told.text().as_str()), (200, "succeeded\n"));
    assert_eq!(told.header("content-type"), Some("text/plain; charset=utf-8"));
    let told = read(&server.anyone(), &id).await;
    assert_eq!(told.status, 424);
    assert!(
        told.text().starts_with("failed build_failed: ") && told.text().lines().count() == 1,
        "{}",
        told.text()
    );
    let told = read(&server.admin, &id).await;
    assert!(
        told.text().starts_with("failed build_failed: ") && told.text().ends_with("the cause\n"),
        "{}",
        told.text()
    );
}
