//! The own password and sessions, other operators, and the password before a secret is made.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::answers::leads_to;
use super::answers::shown_secret;
use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::forms::HOSTILE;
use crate::harness::forms::PASSWORD;
use crate::harness::http::Send as _;

const OTHER: &str = "another harbour at dawn";
/// So long a sign-in is fresh; a millisecond less.
const FRESH: Duration = Duration::from_millis(10 * 60_000 - 1);

/// The ids in the forms that end sessions.
fn session_ids(page: &str) -> Vec<String> {
    let parts = page.split("/account/sessions/").skip(1);
    parts.map(|rest| rest.split('/').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_and_links() {
    let server = TestServer::start().await;
    let here = Browser::with_password(&server, "mira").await;
    let there = Browser::from(&server, &Browser::sign_in(&server, "mira", PASSWORD).await);
    let theo = Browser::of(&server, "theo").await;
    let link = server.admin.post("/api/v1/operators/mira/login-link", json!({})).await.json();
    let link = link["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();

    let fields = [("present", PASSWORD), ("password", OTHER), ("again", OTHER)];
    let changed = here.post("/account/password", &fields).await;

    assert_eq!(leads_to(&changed), (303, Some("/account?done=password")));
    assert!(here.get("/account?done=password").await.text().contains("Your password is set"));
    assert!(here.is_signed_in().await && !there.is_signed_in().await && theo.is_signed_in().await);
    assert_eq!(server.anyone().get(&format!("/login?once={link}")).await.status, 404);
    assert_eq!(Browser::sign_in(&server, "mira", PASSWORD).await.status, 403);
    assert_eq!(Browser::sign_in(&server, "mira", OTHER).await.status, 303);
}

#[tokio::test]
async fn the_present_password_is_asked_for_where_there_is_one() {
    let server = TestServer::start().await;
    let browser = Browser::with_password(&server, "mira").await;

    for present in ["", "not the password"] {
        let fields = [("present", present), ("password", OTHER), ("again", OTHER)];
        let refused = browser.post("/account/password", &fields).await;

        assert!(
            refused.status == 403 && refused.text().contains("The present password is wrong"),
            "{present}"
        );
    }
    for (password, again, says) in [
        ("short", "short", "12 characters"),
        (OTHER, "another", "not the same"),
        ("mira mira mira", "x", "first"),
    ] {
        let fields = [("present", PASSWORD), ("password", password), ("again", again)];
        let refused = browser.post("/account/password", &fields).await;

        assert!(refused.status == 400 && refused.text().contains(says), "{}", refused.text());
    }
    assert_eq!(Browser::sign_in(&server, "mira", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn tries_of_the_present_password_count_as_sign_ins_do() {
    let server = TestServer::start().await;
    let browser = Browser::with_password(&server, "mira").await;
    let fields = [("present", "not the password"), ("password", OTHER), ("again", OTHER)];

    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(browser.post("/account/password", &fields).await.status);
        statuses.push(browser.post("/confirm", &[("password", "not the password")]).await.status);
    }
    let sign_in = Browser::sign_in(&server, "mira", PASSWORD).await;

    assert_eq!((statuses, sign_in.status), (vec![403, 403, 403, 403, 403, 429], 429));
}

#[tokio::test]
async fn own_sessions_are_listed_and_ended_and_nobody_elses() {
    let server = TestServer::start().await;
    let here = Browser::with_password(&server, "mira").await;
    let there = Browser::from(&server, &Browser::sign_in(&server, "mira", PASSWORD).await);
    let theo = Browser::of(&server, "theo").await;
    let mira_ids = session_ids(&here.get("/account").await.text());
    let theo_ids = session_ids(&theo.get("/account").await.text());
    let page = there.get("/account").await.text();
    let row = page.split("<tr").find(|row| row.contains("This one")).unwrap();
    let there_id = session_ids(row).remove(0);

    let foreign = here.post(&format!("/account/sessions/{}/revoke", theo_ids[0]), &[]).await;
    let own = here.post(&format!("/account/sessions/{there_id}/revoke"), &[]).await;

    assert_eq!((mira_ids.len(), theo_ids.len()), (2, 1));
    assert!(page.contains("127.0.0.1"));
    assert_eq!((foreign.status, leads_to(&own)), (404, (303, Some("/account?done=session"))));
    assert!(here.is_signed_in().await && !there.is_signed_in().await && theo.is_signed_in().await);
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_own_sessions() {
    let server = TestServer::start().await;
    let here = Browser::with_password(&server, "mira").await;
    let there = Browser::from(&server, &Browser::sign_in(&server, "mira", PASSWORD).await);
    let theo = Browser::of(&server, "theo").await;

    let answer = there.post("/account/sign-out", &[]).await;

    assert_eq!(leads_to(&answer), (303, Some("/login")));
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!here.is_signed_in().await && !there.is_signed_in().await && theo.is_signed_in().await);
}

#[tokio::test]
async fn an_added_operator_signs_in_by_a_link_that_is_shown_once() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;

    let added = mira.post("/account/operators", &[("name", " theo ")]).await;
    let link = shown_secret(&added);
    let again = mira.post("/account/operators/link", &[("name", "theo")]).await;

    assert_eq!((added.status, added.header("cache-control")), (200, Some("no-store")));
    assert_eq!((again.status, again.header("cache-control")), (200, Some("no-store")));
    assert!(link.starts_with("http://dashboard.test/login?once=") && link != shown_secret(&again));
    let page = mira.get("/account").await.text();
    assert!(page.contains("theo") && !page.contains(link.split_once("once=").unwrap().1));
    assert!(Browser::by_link(&server, &link).await.is_signed_in().await);
    let audit = server.audit().await.join("\n");
    assert!(audit.contains("operator mira | operator.create | operator theo"), "{audit}");
    assert!(!audit.contains(link.split_once("once=").unwrap().1));
}

#[tokio::test]
async fn a_name_that_will_not_do_comes_back_with_its_reason() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;

    for (name, says) in [
        ("mira", "There is an operator mira already"),
        ("", "1 to 58"),
        (&"\"><script>/".repeat(9), "1 to 58"),
    ] {
        let refused = mira.post("/account/operators", &[("name", name)]).await;

        assert!(refused.status == 400 && refused.text().contains(says), "{}", refused.text());
        assert!(!refused.text().contains("<script>"));
    }
}

#[tokio::test]
async fn a_removed_operator_is_out_at_once_and_the_last_one_stays() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    let theo = Browser::with_password(&server, "theo").await;

    let asked = mira.get("/account/operators/remove?name=theo").await;
    let removed = mira.post("/account/operators/remove", &[("name", "theo")]).await;
    let last = mira.post("/account/operators/remove", &[("name", "mira")]).await;

    assert!(asked.status == 200 && asked.text().contains("Remove operator theo?"));
    assert_eq!(leads_to(&removed), (303, Some("/account?done=operator")));
    assert!(!theo.is_signed_in().await && mira.is_signed_in().await);
    assert_eq!(Browser::sign_in(&server, "theo", PASSWORD).await.status, 403);
    assert!(last.status == 409 && last.text().contains("the last operator"), "{}", last.text());
    assert_eq!(mira.post("/account/operators/remove", &[("name", "theo")]).await.status, 404);
}

#[tokio::test]
async fn hostile_names_and_browsers_stay_text() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, HOSTILE.trim_end_matches('<')).await;
    let agent = mira.get("/account").await;
    let signed_in = server.admin.post("/api/v1/operators", json!({ "name": HOSTILE })).await.json();
    let once = signed_in["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();
    let request = crate::harness::forms::form(&server.anyone(), "/login", &[("once", &once)]);
    let theo = Browser::from(&server, &request.header("user-agent", HOSTILE).answer().await);

    let remove =
        format!("/account/operators/remove?{}", crate::harness::forms::encoded(&[("name", HOSTILE)]));
    for answer in [
        agent,
        theo.get("/account").await,
        theo.get("/confirm?next=/%22%3E%3Cscript%3E").await,
        theo.get(&remove).await,
        theo.get("/audit").await,
        theo.get("/tokens").await,
        theo.get(&format!("/account?done={}", crate::harness::forms::encoded(&[("x", HOSTILE)]))).await,
    ] {
        assert!(answer.status == 200 && !answer.text().contains("<script>"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_secret_needs_a_password_that_was_given_within_ten_minutes() {
    let server = TestServer::start().await;
    let browser = Browser::with_password(&server, "mira").await;
    server.service("api").create().await.hook("ci").await;
    let pages: [(_, _, &[_]); 3] = [
        ("/tokens", "/tokens", &[("name", "a"), ("scope", "read")]),
        ("/account/operators", "/account", &[("name", "theo")]),
        ("/account/operators/link", "/account", &[("name", "mira")]),
    ];

    server.clock.advance(FRESH);
    assert_eq!(browser.post("/account/operators/link", &[("name", "mira")]).await.status, 200);
    server.clock.advance(Duration::from_millis(1));
    for (path, back, fields) in pages {
        let answer = browser.post(path, fields).await;
        assert_eq!(answer.status, 403, "{path}");
        let html = answer.text();
        assert!(html.contains("action=\"/confirm\"") && html.contains("What you typed is kept."), "{html}");
        let back = format!("<input type=\"hidden\" name=\"next\" value=\"{back}\">");
        let to = format!("<input type=\"hidden\" name=\"confirm_to\" value=\"{path}\">");
        assert!(html.contains(&back) && html.contains(&to), "{html}");
        for (name, value) in fields {
            let typed = format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
            assert!(html.contains(&typed), "{html}");
        }
    }
    for (path, body) in [
        ("/api/v1/tokens", json!({ "name": "n", "scope": "read" })),
        ("/api/v1/operators", json!({ "name": "n" })),
        ("/api/v1/operators/mira/login-link", json!({})),
        ("/api/v1/operators/mira/reset", json!({})),
        ("/api/v1/services/api/hooks", json!({ "name": "n" })),
        ("/api/v1/services/api/hooks/ci/rotate", json!({})),
    ] {
        let request = browser.request(Method::POST, path).header("sec-fetch-site", "same-origin");
        let answer = request.json(&body).answer().await;
        assert_eq!(answer.refusal(), (403, "unconfirmed".to_owned()), "{path}");
    }

    let asked = browser.get("/confirm?next=%2Ftokens").await;
    let wrong = browser.post("/confirm", &[("next", "/tokens"), ("password", "not the password")]).await;
    let right = browser.post("/confirm", &[("next", "/tokens"), ("password", PASSWORD)]).await;

    assert!(asked.status == 200 && wrong.status == 403 && wrong.text().contains("value=\"/tokens\""));
    assert_eq!(leads_to(&right), (303, Some("/tokens")));
    for (path, _, fields) in pages {
        assert_eq!(browser.post(path, fields).await.status, 200, "{path}");
    }
}

/// A password asked for in between empties no form: whatever was typed arrives, through a wrong password too.
#[tokio::test]
async fn a_password_asked_for_in_between_empties_no_form() {
    let server = TestServer::start().await;
    let browser = Browser::with_password(&server, "mira").await;
    server.service("api").create().await;
    server.clock.advance(FRESH * 2);
    let hooks = "/services/api/settings/deploy-hooks";
    let typed = [("name", "ci \"x\""), ("branches", "main, rel/*"), ("expires", "90d")];
    let hidden = crate::harness::forms::hidden;

    let asked = browser.post(hooks, &typed).await;
    let mut fields = hidden(&asked.text());
    fields.insert("password".into(), "not the password".into());
    let send = async |fields: &std::collections::HashMap<String, String>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post("/confirm", &fields).await
    };
    let wrong = send(&fields).await;
    let mut again = hidden(&wrong.text());
    again.insert("password".into(), PASSWORD.into());
    let right = send(&again).await;

    assert_eq!((asked.status, wrong.status), (403, 403));
    // The browser sends the same body on.
    assert_eq!(leads_to(&right), (307, Some(hooks)));
    let all: Vec<_> = again.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let made = browser.post(hooks, &all).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let shown = &server.admin.get("/api/v1/services/api/hooks").await.items()[0];
    assert_eq!((&shown["name"], &shown["branches"]), (&json!("ci \"x\""), &json!(["main", "rel/*"])));
    assert!(shown["expiresAt"].is_string());
    let elsewhere = [("confirm_to", "//evil.example"), ("password", PASSWORD), ("next", "/tokens")];
    assert_eq!(leads_to(&browser.post("/confirm", &elsewhere).await), (303, Some("/tokens")));
}

#[tokio::test]
async fn an_operator_without_a_password_and_a_token_make_secrets_at_any_time() {
    let server = TestServer::start().await;
    let browser = Browser::of(&server, "mira").await;

    server.clock.advance(FRESH * 2);

    assert_eq!(browser.post("/tokens", &[("name", "a"), ("scope", "read")]).await.status, 200);
    server.token("b", "read", None).await;
}

#[tokio::test]
async fn confirming_leads_nowhere_else() {
    let server = TestServer::start().await;
    let browser = Browser::with_password(&server, "mira").await;

    for next in ["https://evil.test/", "//evil.test", ""] {
        let answer = browser.post("/confirm", &[("next", next), ("password", PASSWORD)]).await;
        assert_eq!(leads_to(&answer), (303, Some("/")), "{next}");
    }
}

#[tokio::test]
async fn an_api_token_has_no_account() {
    let server = TestServer::start().await;

    for (method, path) in [
        (Method::GET, "/account"),
        (Method::GET, "/confirm"),
        (Method::POST, "/account/password"),
        (Method::POST, "/account/sign-out"),
        (Method::POST, "/account/sessions/x/revoke"),
    ] {
        assert_eq!(server.admin.request(method, path).answer().await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_command_for_a_name_with_a_blank_has_it_as_one_word() {
    let server = TestServer::start().await;
    let browser = Browser::with_password(&server, "Mira Kowalska").await;

    let page = browser.page("/account").await;

    assert!(page.contains("stackblaze admin reset &#39;Mira Kowalska&#39;"), "{page}");
}
