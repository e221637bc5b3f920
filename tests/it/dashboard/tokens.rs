//! `/tokens`: made, shown once, listed, revoked.

use std::time::Duration;

use reqwest::Method;

use super::answers::leads_to;
use super::answers::shown_secret;
use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::forms::HOSTILE;
use crate::harness::http::Send as _;

/// The row of a token on the page.
fn row(page: &str, name: &str) -> String {
    let mut rows = page.split("<tr role=\"row\"").map(str::to_owned);
    rows.find(|row| row.contains(&format!(">{name}</strong>"))).unwrap_or_default()
}

#[tokio::test]
async fn a_new_token_is_shown_once_and_works() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    server.service("api").create().await;

    let fields = [("name", "bot"), ("scope", "deploy"), ("service", "api"), ("expires", "90d")];
    let made = mira.post("/tokens", &fields).await;
    let token = shown_secret(&made);
    let page = mira.get("/tokens").await;

    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")));
    assert!(token.starts_with("sbapi_") && !page.text().contains(&token[17..]));
    assert_eq!(server.holder(&token).get("/api/v1/services/api").await.status, 200);
    let row = row(&page.text(), "bot");
    for part in ["Active", "ends 22 Feb", "<code>deploy</code>", "<code>api</code>", "mira", &token[7..11]] {
        assert!(row.contains(part), "{part} in {row}");
    }
    assert!(server.audit().await[0].contains("operator mira | token.create | token bot | scope deploy"));
}

#[tokio::test]
async fn a_token_without_service_and_end_is_for_all_and_for_ever() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;

    let fields = [("name", "bot"), ("scope", "read"), ("service", ""), ("expires", "never")];
    let token = shown_secret(&mira.post("/tokens", &fields).await);

    let row = row(&mira.get("/tokens").await.text(), "bot");
    assert!(row.contains("never used") && row.contains(">all</td>"), "{row}");
    server.clock.advance(Duration::from_hours(24 * 3_000));
    assert_eq!(server.holder(&token).get("/api/v1/services").await.status, 200);
}

#[tokio::test]
async fn a_form_that_will_not_do_comes_back_filled_in() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    server.token("bot", "read", None).await;

    for (fields, says) in [
        ([("name", "bot"), ("scope", "admin"), ("service", "")], "There is a token bot already"),
        ([("name", "a/b"), ("scope", "admin"), ("service", "")], "without a slash"),
        ([("name", "x"), ("scope", "root"), ("service", "")], "Must be read, deploy or admin"),
        ([("name", "x"), ("scope", "admin"), ("service", "nothing")], "There is no service nothing"),
        ([("name", HOSTILE), ("scope", HOSTILE), ("service", HOSTILE)], "No token was created"),
    ] {
        let refused = mira.post("/tokens", &fields).await;

        let text = refused.text();
        assert!(refused.status == 400 && text.contains(says), "{text}");
        assert!(fields[1].1 != "admin" || text.contains("<option value=\"admin\" selected>"), "{text}");
        assert!(!text.contains("<script>"));
    }
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_is_listed_as_such() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    let token = shown_secret(&mira.post("/tokens", &[("name", "bot"), ("scope", "read")]).await);
    let id = &token[7..17];

    let asked = mira.get(&format!("/tokens/{id}/revoke")).await;
    let revoked = mira.post(&format!("/tokens/{id}/revoke"), &[]).await;

    assert!(asked.status == 200 && asked.text().contains("Revoke token"));
    assert_eq!(leads_to(&revoked), (303, Some("/tokens?done=revoked")));
    assert_eq!(server.holder(&token).get("/api/v1/services").await.status, 401);
    let row = row(&mira.get("/tokens?done=revoked").await.text(), "bot");
    assert!(row.contains("Revoked") && row.contains("is-off") && !row.contains("/revoke\""), "{row}");
    assert_eq!(mira.get(&format!("/tokens/{id}/revoke")).await.status, 404);
    assert_eq!(mira.post(&format!("/tokens/{id}/revoke"), &[]).await.status, 404);
}

#[tokio::test]
async fn an_expired_token_is_listed_as_such() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    let made = serde_json::json!({ "name": "bot", "scope": "read", "expiresIn": "1h" });
    server.admin.post("/api/v1/tokens", made).await;

    server.clock.advance(Duration::from_hours(1));

    assert!(row(&mira.get("/tokens").await.text(), "bot").contains("Expired"));
}

#[tokio::test]
async fn a_token_of_a_lesser_scope_sees_and_makes_nothing_here() {
    let server = TestServer::start().await;
    let holder = server.holder(&server.token("ci", "deploy", None).await);

    for (method, path) in [
        (Method::GET, "/tokens"),
        (Method::POST, "/tokens"),
        (Method::GET, "/tokens/x/revoke"),
        (Method::POST, "/tokens/x/revoke"),
        (Method::GET, "/audit"),
        (Method::POST, "/account/operators"),
        (Method::POST, "/account/operators/link"),
        (Method::GET, "/account/operators/remove?name=x"),
        (Method::POST, "/account/operators/remove"),
    ] {
        assert_eq!(holder.request(method.clone(), path).answer().await.status, 403, "{method} {path}");
    }
}
