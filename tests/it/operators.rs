//! Operators, their one-time links and their sessions.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

const ALL: &str = "/api/v1/operators";

/// The secret of the link in an answer.
fn once(answer: &Answer) -> String {
    let url = answer.json()["signInUrl"].as_str().unwrap().to_owned();
    url.strip_prefix("http://dashboard.test/login?once=").unwrap().to_owned()
}

async fn sign_in(server: &TestServer, once: &str) -> Answer {
    let request = server.anyone().request(Method::POST, "/login");
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("once={once}"))
        .answer()
        .await
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

async fn get_as(server: &TestServer, cookie: &str, path: &str) -> u16 {
    server.anyone().request(Method::GET, path).header("cookie", cookie).answer().await.status
}

#[tokio::test]
async fn a_link_signs_in_once_and_begins_a_session() {
    let server = TestServer::start().await;
    let made = server.admin.post(ALL, json!({ "name": "mira" })).await;

    let first = sign_in(&server, &once(&made)).await;
    let second = sign_in(&server, &once(&made)).await;

    assert_eq!((made.status, first.status, second.status), (201, 303, 404));
    assert_eq!(get_as(&server, &cookie(&first), "/api/v1/services").await, 200);
    let line = first.header("set-cookie").unwrap();
    assert!(line.contains("HttpOnly") && line.contains("SameSite=Lax") && line.contains("Path=/"), "{line}");
}

#[tokio::test]
async fn a_preview_of_a_link_does_not_use_it_up() {
    let server = TestServer::start().await;
    let link = once(&server.admin.post(ALL, json!({ "name": "mira" })).await);

    for _ in 0..3 {
        assert_eq!(server.anyone().get(&format!("/login?once={link}")).await.status, 200);
    }

    assert_eq!(sign_in(&server, &link).await.status, 303);
}

#[tokio::test]
async fn a_link_ends_after_fifteen_minutes() {
    let server = TestServer::start().await;
    let link = once(&server.admin.post(ALL, json!({ "name": "mira" })).await);

    server.clock.advance(Duration::from_mins(15));

    assert_eq!(sign_in(&server, &link).await.status, 404);
}

#[tokio::test]
async fn a_session_ends_unused_after_twelve_hours_and_always_after_seven_days() {
    let server = TestServer::start().await;
    let session =
        cookie(&sign_in(&server, &once(&server.admin.post(ALL, json!({ "name": "mira" })).await)).await);

    for _ in 0..15 {
        server.clock.advance(Duration::from_hours(11));
        assert_eq!(get_as(&server, &session, "/api/v1/services").await, 200);
    }
    server.clock.advance(Duration::from_hours(3));
    assert_eq!(get_as(&server, &session, "/api/v1/services").await, 401);
    let link = once(&server.admin.post(&format!("{ALL}/mira/login-link"), json!({})).await);
    let session = cookie(&sign_in(&server, &link).await);
    server.clock.advance(Duration::from_hours(12));
    assert_eq!(get_as(&server, &session, "/api/v1/services").await, 401);
}

#[tokio::test]
async fn a_reset_ends_all_sessions_and_links() {
    let server = TestServer::start().await;
    let session =
        cookie(&sign_in(&server, &once(&server.admin.post(ALL, json!({ "name": "mira" })).await)).await);
    let old = once(&server.admin.post(&format!("{ALL}/mira/login-link"), json!({})).await);

    let new = once(&server.admin.post(&format!("{ALL}/mira/reset"), json!({})).await);

    assert_eq!(get_as(&server, &session, "/api/v1/services").await, 401);
    assert_eq!((sign_in(&server, &old).await.status, sign_in(&server, &new).await.status), (404, 303));
}

#[tokio::test]
async fn an_operators_name_is_taken_once() {
    let server = TestServer::start().await;
    server.admin.post(ALL, json!({ "name": "mira" })).await;

    assert_eq!(
        server.admin.post(ALL, json!({ "name": "mira" })).await.refusal(),
        (409, "name_taken".to_owned())
    );
    for wrong in [json!({}), json!({ "name": "" }), json!({ "name": "a/b" })] {
        assert_eq!(server.admin.post(ALL, wrong).await.parameter(), "name");
    }
    assert_eq!(server.admin.get(ALL).await.items(), [json!({ "name": "mira" })]);
    assert_eq!(server.admin.post(&format!("{ALL}/nobody/reset"), json!({})).await.status, 404);
}

#[tokio::test]
async fn a_session_acts_only_for_its_own_pages() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let session =
        cookie(&sign_in(&server, &once(&server.admin.post(ALL, json!({ "name": "mira" })).await)).await);

    for (name, value, status) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 202),
        ("sec-fetch-site", "none", 202),
        ("origin", "https://evil.test", 403),
        ("origin", "null", 403),
        ("origin", "http://dashboard.test", 202),
        ("x-nothing", "x", 202),
    ] {
        let request = server.anyone().request(Method::POST, "/api/v1/services/api/deployments");
        let request = request.header("cookie", &session).header(name, value).json(&json!({}));

        assert_eq!(request.answer().await.status, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_part_of_our_origin_is_not_our_origin() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let session =
        cookie(&sign_in(&server, &once(&server.admin.post(ALL, json!({ "name": "mira" })).await)).await);

    for origin in ["h", "http://", "http://dash", "http://dashboard", "http://dashboard.tes"] {
        let request = server.anyone().request(Method::POST, "/api/v1/services/api/deployments");
        let request = request.header("cookie", &session).header("origin", origin).json(&json!({}));

        assert_eq!(request.answer().await.status, 403, "{origin}");
    }
}

#[tokio::test]
async fn making_links_and_signing_in_is_in_the_audit_without_a_secret() {
    let server = TestServer::start().await;
    let link = once(&server.admin.post(ALL, json!({ "name": "mira" })).await);
    let session = cookie(&sign_in(&server, &link).await);
    server.admin.post(&format!("{ALL}/mira/login-link"), json!({})).await;
    server.admin.post(&format!("{ALL}/mira/reset"), json!({})).await;

    let audit = server.audit().await;

    let acts: Vec<_> = audit.iter().rev().map(|line| line.split(" | ").nth(1).unwrap()).collect();
    assert_eq!(acts, ["operator.create", "session.create", "operator.login-link", "operator.reset"]);
    let secret = session.split('=').nth(1).unwrap();
    assert!(!audit.join("\n").contains(&link) && !audit.join("\n").contains(secret));
}
