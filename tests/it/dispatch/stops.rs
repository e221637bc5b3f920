//! What ends a deployment before its time: operators, deadlines, a deleted service.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use stackblaze::domain::Step;

use crate::harness::Answer;
use crate::harness::Options;
use crate::harness::Script;
use crate::harness::TestServer;
use crate::harness::scripted::hanging;

/// Grace of a run that does not end when it is told to.
const GRACE: Duration = Duration::from_mins(5);

async fn cancel(server: &TestServer, id: &str) -> Answer {
    server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await
}

/// A service with one deployment that hangs in `build`.
async fn running(server: &TestServer) -> String {
    server.executor.next(hanging());
    let id = server.service("api").timeout("10m").create().await.deploy(json!({})).await;
    server.tick().await;
    server.executor.hangs(1).await;
    id
}

#[tokio::test]
async fn a_cancelled_queued_deployment_ends_at_once_and_never_runs() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;

    let answer = cancel(&server, &id).await;
    server.run_all().await;

    assert_eq!((answer.status, answer.json()["status"].as_str()), (202, Some("failed")));
    assert_eq!(server.end_of(&id).await, "failed/cancelled");
    let steps = server.deployment(&id).await["steps"].as_array().unwrap().clone();
    assert!(steps.len() == 3 && steps.iter().all(|step| step["status"] == "skipped"));
    assert!(server.executor.runs().is_empty());
}

#[tokio::test]
async fn a_cancelled_running_deployment_is_told_to_stop_and_ends() {
    let server = TestServer::start().await;
    let id = running(&server).await;

    let answer = cancel(&server, &id).await;
    server.tick().await;
    server.idle().await;

    assert_eq!((answer.status, answer.json()["status"].as_str()), (202, Some("building")));
    assert_eq!(server.end_of(&id).await, "failed/cancelled");
    let seen = server.admin.get(&format!("/deployments/{id}")).await.json();
    let told = server.deployment(&id).await;
    assert_eq!((&told["message"], &told["detail"]), (&json!("cancelled"), &json!(null)));
    assert!(seen["detail"].as_str().unwrap().starts_with("cancelled by token admin"), "{seen}");
}

#[tokio::test]
async fn a_final_deployment_cannot_be_cancelled_and_stays_as_it_is() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;
    let before = server.deployment(&id).await;

    let answer = cancel(&server, &id).await;
    server.tick().await;

    assert_eq!(answer.refusal(), (409, "already_final".to_owned()));
    assert_eq!(server.deployment(&id).await, before);
}

#[tokio::test]
async fn a_run_that_succeeded_before_it_could_stop_has_succeeded() {
    let server = TestServer::start().await;
    let id = running(&server).await;

    cancel(&server, &id).await;
    server.executor.go_on();
    server.idle().await;

    assert_eq!(server.end_of(&id).await, "succeeded");
}

#[tokio::test]
async fn a_run_past_the_services_timeout_is_stopped() {
    let server = TestServer::start().await;
    let id = running(&server).await;

    server.clock.advance(Duration::from_mins(10) - Duration::from_millis(1));
    server.tick().await;
    assert_eq!(server.end_of(&id).await, "building");
    server.clock.advance(Duration::from_millis(1));
    server.tick().await;
    server.idle().await;

    assert_eq!(server.end_of(&id).await, "failed/timeout");
}

#[tokio::test]
async fn the_timeout_counts_from_the_claim_and_not_from_the_call() {
    let server = TestServer::start().await;
    server.executor.otherwise(hanging());
    let service = server.service("api").timeout("10m").policy("every").create().await;
    let id = service.deploy(json!({})).await;
    server.clock.advance(Duration::from_hours(1));

    server.tick().await;
    server.executor.hangs(1).await;
    server.tick().await;

    assert_eq!(server.end_of(&id).await, "building");
    server.drain().await;
}

#[tokio::test]
async fn a_run_that_ignores_its_stop_is_given_up_after_the_grace() {
    let server = TestServer::start().await;
    server.executor.next(Script::default().step(Step::Clone, b"").begins(Step::Build).ignores_the_stop());
    let service = server.service("api").timeout("10m").policy("every").create().await;
    let (id, next) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    server.tick().await;

    server.clock.advance(Duration::from_mins(10));
    server.tick().await;
    server.clock.advance(GRACE.checked_sub(Duration::from_millis(1)).unwrap());
    server.tick().await;
    assert_ne!(server.deployment(&id).await["status"], "failed");
    server.clock.advance(Duration::from_millis(1));
    server.tick().await;

    assert_eq!(server.end_of(&id).await, "failed/timeout");
    server.run_all().await;
    assert_eq!(server.end_of(&next).await, "succeeded");
}

#[tokio::test]
async fn a_deployment_queued_for_too_long_ends() {
    let server =
        TestServer::with(Options { queue_timeout: Duration::from_hours(2), ..Options::default() }).await;
    server.executor.next(hanging());
    let service = server.service("api").policy("every").timeout("24h").create().await;
    let (one, two) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    server.tick().await;
    server.executor.hangs(1).await;

    server.clock.advance(Duration::from_hours(2));
    server.tick().await;
    assert_eq!(server.end_of(&two).await, "queued");
    server.clock.advance(Duration::from_millis(1));
    server.tick().await;

    assert_eq!(
        (server.end_of(&one).await, server.end_of(&two).await),
        ("building".into(), "failed/timeout".into())
    );
    server.executor.go_on();
    server.run_all().await;
    assert_eq!(server.executor.ids(), [one]);
}

#[tokio::test]
async fn a_deployment_for_an_executor_that_is_gone_ends() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;

    let server = server.restart_with(Options { has_executor: false, ..Options::default() }).await;
    server.tick().await;

    assert_eq!(server.end_of(&id).await, "failed/executor_unavailable");
}

#[tokio::test]
async fn deleting_a_service_ends_what_is_queued_and_stops_what_runs() {
    let server = TestServer::start().await;
    server.executor.next(hanging());
    let service = server.service("api").policy("every").create().await;
    let (one, two) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    server.tick().await;
    server.executor.hangs(1).await;

    service.delete().await;

    assert_eq!(server.end_of(&two).await, "failed/service_deleted");
    server.tick().await;
    server.idle().await;
    assert_eq!(server.end_of(&one).await, "failed/service_deleted");
    assert_eq!(server.executor.ids(), [one]);
}

#[tokio::test]
async fn a_cancelled_run_frees_its_place_for_the_next() {
    let server = TestServer::start().await;
    server.executor.next(hanging());
    let service = server.service("api").policy("every").create().await;
    let (one, two) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    server.tick().await;
    server.executor.hangs(1).await;

    cancel(&server, &one).await;
    server.tick().await;
    server.run_all().await;

    assert_eq!(
        (server.end_of(&one).await, server.end_of(&two).await),
        ("failed/cancelled".into(), "succeeded".into())
    );
}

#[tokio::test]
async fn cancelling_twice_keeps_the_first_reason() {
    let server = TestServer::start().await;
    let id = running(&server).await;

    cancel(&server, &id).await;
    let again = cancel(&server, &id).await;
    server.admin.delete("/api/v1/services/api").await;
    server.tick().await;
    server.idle().await;

    assert_eq!((again.status, server.end_of(&id).await), (202, "failed/cancelled".to_owned()));
}

#[tokio::test]
async fn redeploy_runs_the_same_commit_again() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let first = service.deploy(json!({ "branch": "dev" })).await;
    server.run_all().await;

    let again = server.admin.post(&format!("/deployments/{first}/redeploy?clear_cache"), Value::Null).await;
    server.run_all().await;

    assert_eq!(again.json().as_object().unwrap().len(), 5);
    let run = server.executor.runs().remove(1);
    assert_eq!((run.deployment.to_string(), run.branch.as_str()), (again.id(), "dev"));
    assert_eq!(run.commit.unwrap().as_str(), crate::harness::scripted::HEAD);
    assert!(run.clear_cache);
}

#[tokio::test]
async fn rollback_needs_a_deployment_that_served_and_works_while_frozen() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let good = service.deploy(json!({})).await;
    server.run_all().await;
    server.executor.next(Script::default().breaks("once"));
    let bad = service.deploy(json!({})).await;
    server.run_all().await;
    service.freeze("incident").await;

    let rollback = |id: &str| {
        let (admin, path) = (server.admin.clone(), format!("/deployments/{id}/rollback"));
        async move { admin.post(&path, json!({})).await }
    };
    let redeploy = server.admin.post(&format!("/deployments/{good}/redeploy"), json!({})).await;

    assert_eq!(rollback(&bad).await.refusal(), (409, "nothing_to_roll_back_to".to_owned()));
    assert_eq!(rollback(&good).await.status, 202);
    assert_eq!(redeploy.refusal(), (423, "service_frozen".to_owned()));
    server.run_all().await;
}

/// Somebody sets the clock of the machine, two days forward and three hours back, while one runs and one waits.
#[tokio::test]
async fn setting_the_clock_ends_nothing_and_extends_nothing() {
    let server =
        TestServer::with(Options { queue_timeout: Duration::from_hours(2), ..Options::default() }).await;
    server.executor.next(hanging());
    let service = server.service("api").policy("every").timeout("1h").create().await;
    let (running, queued) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    server.tick().await;
    server.executor.hangs(1).await;

    for hours in [48, -3, -48] {
        server.clock.set_by(hours * 3_600_000);
        server.tick().await;
        assert_eq!(
            (server.end_of(&running).await.as_str(), server.end_of(&queued).await.as_str()),
            ("building", "queued")
        );
    }
    server.clock.advance(Duration::from_mins(59));
    server.tick().await;
    assert_eq!(server.end_of(&running).await, "building");
    server.clock.advance(Duration::from_mins(2));
    server.tick().await;
    server.idle().await;

    assert_eq!(server.end_of(&running).await, "failed/timeout");
}
