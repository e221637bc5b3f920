//! A new secret with an overlap.

use std::time::Duration;

use serde_json::json;

use crate::harness::TestServer;
use crate::harness::server::BEGINNING;

#[tokio::test]
async fn the_old_secret_works_until_its_grace_ends_and_says_so() {
    let server = TestServer::start().await;
    let old = server.service("api").policy("every").create().await.hook("ci").await;

    let new = old.rotate("1h").await;
    let with_old = old.post("").await;
    let with_new = new.post("").await;
    server.clock.advance(Duration::from_hours(1));

    assert_eq!((with_old.status, with_new.status), (202, 202));
    let deprecation = format!("@{}", BEGINNING.as_seconds());
    assert_eq!(with_old.header("deprecation"), Some(deprecation.as_str()));
    assert_eq!(with_old.header("sunset"), Some("Tue, 24 Nov 2026 15:30:49 GMT"));
    assert_eq!((with_new.header("deprecation"), with_new.header("sunset")), (None, None));
    assert_eq!((old.post("").await.status, new.post("").await.status), (401, 202));
}

#[tokio::test]
async fn without_an_overlap_the_old_secret_ends_at_once() {
    let server = TestServer::start().await;
    let old = server.service("api").create().await.hook("ci").await;

    let new = old.rotate("0").await;

    assert_eq!((old.post("").await.status, new.post("").await.status), (401, 202));
}

#[tokio::test]
async fn no_url_ends_before_the_hour_that_was_promised() {
    let server = TestServer::start().await;
    let first = server.service("api").policy("every").create().await.hook("ci").await;
    let path = format!("{}/rotate", first.path());

    let second = first.rotate("24h").await;
    let refused = server.admin.post(&path, json!({ "overlap": "1h" })).await;
    let statuses = (first.post("").await.status, second.post("").await.status);
    server.clock.advance(Duration::from_hours(24));
    let third = second.rotate("24h").await;

    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("old_url_good")));
    assert!(refused.text().contains("is good until 2026-11-25T14:30:49"), "{}", refused.text());
    assert_eq!(statuses, (202, 202));
    assert_eq!((first.post("").await.status, third.post("").await.status), (401, 202));
}

#[tokio::test]
async fn without_an_overlap_two_rotations_end_the_first_secret() {
    let server = TestServer::start().await;
    let first = server.service("api").policy("every").create().await.hook("ci").await;

    let second = first.rotate("24h").await;
    let third = second.rotate("0").await;

    let statuses = (first.post("").await.status, second.post("").await.status, third.post("").await.status);
    assert_eq!(statuses, (401, 401, 202));
}

#[tokio::test]
async fn calls_with_the_old_url_are_counted_while_it_works() {
    let server = TestServer::start().await;
    let old = server.service("api").policy("every").create().await.hook("ci").await;
    old.post("").await;
    server.clock.advance(Duration::from_secs(1));

    let new = old.rotate("24h").await;
    old.post("").await;
    old.post("").await;
    new.post("").await;
    let shown = server.admin.get(&new.path()).await.json();

    assert_eq!((&shown["callsWithOldUrl"], &shown["callsLast30Days"]), (&2.into(), &4.into()));
    assert_eq!(shown["state"], "rotating");
}

#[tokio::test]
async fn a_key_replayed_with_the_old_secret_says_that_it_is_old() {
    let server = TestServer::start().await;
    let old = server.service("api").create().await.hook("ci").await;
    let first = old.post_with_key("", "job-1").await;

    old.rotate("24h").await;
    let again = old.post_with_key("", "job-1").await;

    assert_eq!(again.body, first.body);
    assert!(again.headers.contains_key("sunset") && again.headers.contains_key("idempotency-replayed"));
}
