//! How many streams may be open, and that one ends with its credential.

use reqwest::Method;
use reqwest::Response;
use serde_json::json;

use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::forms::PASSWORD;
use crate::harness::http::Api;
use crate::harness::soon;

/// Streams of one credential, and of all.
const PER_CREDENTIAL: usize = 10;
const IN_ALL: usize = 200;

async fn queued(server: &TestServer) -> String {
    server.service("api").create().await.deploy(json!({})).await
}

async fn open(api: &Api, path: &str) -> Response {
    soon(api.request(Method::GET, path).send()).await.unwrap()
}

async fn open_in(browser: &Browser, path: &str) -> Response {
    soon(browser.request(Method::GET, path).send()).await.unwrap()
}

#[tokio::test]
async fn a_credential_has_ten_streams_and_reading_to_the_present_end_is_none() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let holder = server.holder(&server.token("one", "read", None).await);
    let path = format!("/deployments/{id}/logs?follow");
    let mut streams = Vec::new();
    for _ in 0..PER_CREDENTIAL {
        streams.push(open(&holder, &path).await);
    }

    let refused = holder.get(&path).await;

    assert!(streams.iter().all(|stream| stream.status() == 200));
    assert_eq!(refused.refusal(), (429, "too_many_streams".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert_eq!(holder.get(&format!("/deployments/{id}/logs")).await.status, 200);
    let other = open(&server.admin, &path).await;
    assert_eq!(other.status(), 200);
    // The connection is closed with the stream, which the server hears of a little later.
    drop(streams.pop());
    soon(async {
        while open(&holder, &path).await.status() != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn all_together_have_two_hundred() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let path = format!("/deployments/{id}/logs?follow");
    let mut streams = Vec::new();
    for number in 0..IN_ALL / PER_CREDENTIAL {
        let holder = server.holder(&server.token(&format!("t{number}"), "read", None).await);
        for _ in 0..PER_CREDENTIAL {
            streams.push(open(&holder, &path).await);
        }
    }

    let refused = server.admin.get(&path).await;

    assert!(streams.iter().all(|stream| stream.status() == 200));
    assert_eq!(refused.refusal(), (503, "no_stream_left".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("30"));
}

#[tokio::test]
async fn a_revoked_tokens_stream_ends_and_others_go_on() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let holder = server.holder(&server.token("one", "read", None).await);
    let path = format!("/deployments/{id}/logs?follow");
    server.executor.next(super::wordy());
    let (revoked, other) = (open(&holder, &path).await, open(&server.admin, &path).await);

    server.admin.delete("/api/v1/tokens/one").await;

    assert_eq!(soon(revoked.text()).await.unwrap(), "");
    server.run_all().await;
    assert!(soon(other.text()).await.unwrap().ends_with("no end of line"));
}

#[tokio::test]
async fn a_hooks_stream_ends_with_what_it_may() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;
    for end in ["revoke-by-api", "revoke-on-page", "revoke-by-url", "pause-by-api", "pause-on-page"] {
        let hook = service.hook(end).await;
        // Two of one branch would be one deployment.
        let id = hook.post(&format!("branch={end}")).await.id();
        let stream = open(&server.holder(&hook.token), &format!("/deployments/{id}/logs?follow")).await;
        assert_eq!(stream.status(), 200, "{end}");
        let page = format!("/services/api/settings/deploy-hooks/{end}");

        let done = match end {
            "revoke-by-api" => server.admin.delete(&hook.path()).await,
            "revoke-on-page" => browser.post(&format!("{page}/revoke"), &[]).await,
            "revoke-by-url" => hook.revoke_by_url().await,
            "pause-by-api" => server.admin.patch(&hook.path(), json!({ "paused": "x" })).await,
            _ => browser.post(&format!("{page}/pause"), &[("reason", "x")]).await,
        };

        assert!(done.status < 400, "{end}: {}", done.text());
        assert_eq!(soon(stream.text()).await.unwrap(), "", "{end}");
    }
}

#[tokio::test]
async fn streams_of_a_page_end_with_their_session() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let path = format!("/deploys/{id}/events");

    for (name, end) in [("mira", "/logout"), ("theo", "/account/sign-out"), ("noor", "/account/password")] {
        let here = Browser::of(&server, name).await;
        let link = server.admin.post(&format!("/api/v1/operators/{name}/login-link"), json!({})).await;
        let there = Browser::by_link(&server, link.json()["signInUrl"].as_str().unwrap()).await;
        let ends = open_in(if end == "/account/password" { &there } else { &here }, &path).await;
        assert_eq!(ends.status(), 200);

        let fields = [("password", PASSWORD), ("again", PASSWORD)];
        assert_eq!(here.post(end, &fields).await.status, 303, "{end}");

        let told = soon(ends.text()).await.unwrap();
        assert!(!told.contains("event: end"), "{end}: {told}");
    }
}

#[tokio::test]
async fn a_look_at_the_credentials_ends_the_stream_of_an_expired_session_too() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let mira = Browser::of(&server, "mira").await;
    let stream = open_in(&mira, &format!("/deploys/{id}/events")).await;
    server.token("one", "read", None).await;

    server.clock.advance(std::time::Duration::from_hours(12));
    server.admin.delete("/api/v1/tokens/one").await;

    assert!(!soon(stream.text()).await.unwrap().contains("event: end"));
}
