//! What serves and is only watched: it takes no place, is not cancelled, and holds the next of its service back.

use std::time::Duration;

use serde_json::json;
use stackblaze::domain::{Reason, Step};
use stackblaze::executor::{Event, Wait};

use super::cluster::service;
use crate::harness::{Options, Script, TestServer};

fn settling() -> Script {
    let told = Event::Waiting(Some(Wait::of("watched")));
    Script::default().step(Step::Deploy, b"").tells(Event::Settling).tells(told).hangs()
}

/// Runs until it is watched, and that is stored.
async fn settles(server: &TestServer, id: &str) {
    server.tick().await;
    server.cluster.hangs(1).await;
    server.until(id, |shown| shown["message"] == "watched").await;
}

#[tokio::test]
async fn what_settles_takes_no_place_but_keeps_its_services_own() {
    let server = TestServer::with(Options { concurrency: 1, ..Options::with_cluster() }).await;
    let (one, two) =
        (service(&server, "one").await.hook("ci").await, service(&server, "two").await.hook("ci").await);
    server.cluster.next(settling());
    let first = one.post("").await.id();
    settles(&server, &first).await;

    let (behind, other) = (one.post("branch=next").await.id(), two.post("").await.id());
    server.tick().await;
    server.until(&other, |shown| shown["status"] == "succeeded").await;

    assert_eq!(server.end_of(&behind).await, "queued");
    let refused = server.admin.post(&format!("/deployments/{first}/cancel"), json!({})).await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("settling")));
    server.cluster.go_on();
    server.until(&first, |shown| shown["status"] == "succeeded").await;
    server.reconcile().await;
    server.run_all().await;
    assert_eq!(server.end_of(&behind).await, "succeeded");
}

#[tokio::test]
async fn the_services_timeout_counts_no_more_once_it_serves() {
    let server = TestServer::with(Options::with_cluster()).await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.next(settling());
    assert_eq!(server.admin.patch("/api/v1/services/api", json!({ "timeout": "1m" })).await.status, 200);
    let id = hook.post("").await.id();
    settles(&server, &id).await;

    // Past the service's minute; the quarter of an hour for being watched began when it served.
    server.clock.advance(Duration::from_mins(14));
    server.tick().await;
    assert_eq!(server.end_of(&id).await, "deploying");

    server.cluster.go_on();
    server.until(&id, |shown| shown["status"] == "succeeded").await;
}

#[tokio::test]
async fn one_that_was_put_back_has_failed_as_reverted() {
    let server = TestServer::with(Options::with_cluster()).await;
    let hook = service(&server, "api").await.hook("ci").await;
    server
        .cluster
        .next(Script::default().step(Step::Deploy, b"").tells(Event::Settling).fails(Reason::Reverted));

    let id = hook.post("").await.id();
    server.run_all().await;

    let shown = server.deployment(&id).await;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("failed"), &json!("reverted")));
}
