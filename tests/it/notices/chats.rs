//! What people read: when the state of a service changes, and not the same again and again.

use std::time::Duration;

use serde_json::json;
use stackblaze::domain::{Reason, Step};

use super::{add, deploy, told};
use crate::harness::TestServer;
use crate::harness::receiver::Receiver;
use crate::harness::scripted::Script;

fn failing() -> Script {
    Script::default()
        .step(Step::Clone, b"")
        .begins(Step::Build)
        .ends(Step::Build, 1)
        .fails(Reason::BuildFailed)
}

#[tokio::test]
async fn a_chat_is_told_of_a_failure_once_an_hour_and_of_the_recovery() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = add(&server, json!({ "kind": "slack", "url": receiver.url("/services/T/B/SECRET") })).await;
    server.executor.otherwise(failing());

    for _ in 0..3 {
        deploy(&server, &service, json!({})).await;
        server.deliver().await;
        server.clock.advance(Duration::from_mins(10));
    }
    server.clock.advance(Duration::from_hours(1));
    deploy(&server, &service, json!({})).await;
    server.deliver().await;
    server.executor.otherwise(Script::succeeds());
    deploy(&server, &service, json!({})).await;
    deploy(&server, &service, json!({})).await;
    server.deliver().await;

    assert_eq!(
        told(&server, &target).await,
        [
            "deployment.failed build_failed delivered",
            "deployment.failed build_failed left_out",
            "deployment.failed build_failed left_out",
            "deployment.failed build_failed delivered",
            "deployment.recovered delivered",
        ]
    );
    let requests = receiver.received();
    assert_eq!(requests.len(), 3);
    assert!(!requests[0].body.contains("more like it"), "{}", requests[0].body);
    assert!(requests[1].body.contains("2 more like it"), "{}", requests[1].body);
}

#[tokio::test]
async fn a_recovery_is_the_first_success_after_a_failure_that_nobody_wanted() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").policy("latest").create().await;
    let events = json!(["deployment.recovered"]);
    let target = add(&server, json!({ "kind": "webhook", "url": receiver.url("/"), "events": events })).await;

    deploy(&server, &service, json!({})).await;
    service.deploy(json!({ "branch": "a" })).await;
    deploy(&server, &service, json!({ "branch": "b" })).await;
    let superseded = told(&server, &target).await.len();
    server.executor.next(failing());
    deploy(&server, &service, json!({})).await;
    service.deploy(json!({ "branch": "a" })).await;
    deploy(&server, &service, json!({ "branch": "b" })).await;

    assert_eq!((superseded, told(&server, &target).await.len()), (0, 1));
}

#[tokio::test]
async fn what_breaks_again_after_it_was_well_is_told_also_within_the_hour() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let events = json!(["deployment.failed"]);
    let target =
        add(&server, json!({ "kind": "discord", "url": receiver.url("/x"), "events": events })).await;

    for script in [failing(), failing(), Script::succeeds(), failing(), failing()] {
        server.executor.next(script);
        deploy(&server, &service, json!({})).await;
        server.deliver().await;
        server.clock.advance(Duration::from_mins(5));
    }

    let states: Vec<_> = told(&server, &target).await;
    let ends: Vec<_> = states.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(ends, ["delivered", "left_out", "delivered", "left_out"]);
}

#[tokio::test]
async fn what_piled_up_while_a_chat_was_away_is_told_once() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = add(&server, json!({ "kind": "slack", "url": receiver.url("/x") })).await;
    server.executor.otherwise(failing());
    receiver.answer_always("503 Later");
    for _ in 0..3 {
        deploy(&server, &service, json!({})).await;
        server.deliver().await;
    }

    receiver.answer_always("200 OK");
    server.clock.advance(Duration::from_mins(5));
    server.deliver().await;

    let told = told(&server, &target).await;
    let ends: Vec<_> = told.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(ends, ["delivered", "left_out", "left_out"]);
}
