//! Hooks: made, shown once, rotated, ended.

use std::time::Duration;

use reqwest::Method;

use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::forms::{Browser, text_of};
use crate::harness::http::Send as _;

pub const PAGE: &str = "/services/api/settings/deploy-hooks";

/// The secret that an answer shows.
fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let html = answer.text();
    let field = html.split("id=\"secret\"").nth(1).unwrap().split("</textarea>").next().unwrap();
    let url = field.split('>').nth(1).unwrap();
    url.strip_prefix("http://hooks.test/deploy-hooks/").unwrap().to_owned()
}

/// Where a link of the list leads, by its label.
pub async fn link(browser: &Browser, label: &str) -> String {
    let html = browser.get(PAGE).await.text();
    let before = html.split(&format!(">{label}<span class=\"sr\">")).next().unwrap();
    assert_ne!(before.len(), html.len(), "no {label}: {html}");
    before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().to_owned()
}

async fn call(server: &TestServer, token: &str) -> Answer {
    server.anyone().request(Method::POST, &format!("/deploy-hooks/{token}")).answer().await
}

async fn start() -> (TestServer, Browser) {
    let server = TestServer::start().await;
    server.service("api").policy("every").create().await;
    let browser = Browser::of(&server, "mira").await;
    (server, browser)
}

#[tokio::test]
async fn a_service_without_hooks_says_what_one_is_for() {
    let (_server, browser) = start().await;

    let page = browser.get(PAGE).await;

    let html = page.text();
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    for part in [
        "Hook URLs begin with http, so that whoever",
        "Generate Hook URL",
        "No hooks yet",
        "$STACKBLAZE_DEPLOY_HOOK",
        "aria-current=\"page\">Deploy Hooks",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<table"));
}

#[tokio::test]
async fn a_new_url_is_shown_once_and_deploys() {
    let (server, browser) = start().await;

    let made = browser.post(PAGE, &[("name", "ci"), ("branches", "main, rel/*"), ("expires", "90d")]).await;
    let token = token(&made);
    let called = call(&server, &token).await;

    assert_eq!((made.header("cache-control"), called.status), (Some("no-store"), 202));
    assert_eq!(made.text().matches(&token).count(), 1, "the field alone holds it");
    for path in [
        PAGE.to_owned(),
        link(&browser, "Revoke").await,
        link(&browser, "Rules").await,
        "/api/v1/audit".into(),
    ] {
        assert!(!browser.get(&path).await.text().contains(&token[22..]), "{path}");
    }
    let list = text_of(&browser.get(PAGE).await.text());
    assert!(
        list.contains("main, rel/*") && list.contains("202 accepted") && list.contains("until 22 Feb 2027"),
        "{list}"
    );
    assert_eq!(
        server
            .audit()
            .await
            .iter()
            .filter(|line| line.contains("operator mira | hook.create | hook api/ci"))
            .count(),
        1
    );
    server.run_all().await;
}

#[tokio::test]
async fn a_form_sent_twice_makes_one_hook_and_shows_the_list() {
    let (server, browser) = start().await;
    let first = token(&browser.post(PAGE, &[("name", "ci")]).await);

    let again = browser.post(PAGE, &[("name", "ci")]).await;

    let html = again.text();
    assert_eq!(again.status, 409);
    assert!(html.contains("<a href=\"#name\">There is a hook ci of service api already.</a>"), "{html}");
    assert!(html.contains("id=\"hooks\"") && !html.contains("id=\"secret\""));
    assert_eq!(server.rows("SELECT count(*) FROM hooks").await, 1);
    assert_eq!(call(&server, &first).await.status, 202);
    server.run_all().await;
}

#[tokio::test]
async fn a_rotated_hook_takes_both_urls_and_shows_which_is_called() {
    let (server, browser) = start().await;
    let old = token(&browser.post(PAGE, &[("name", "ci")]).await);
    let form = link(&browser, "Rotate").await;

    let rotated = browser.submit(&form, &[("overlap", "1h")]).await;
    let new = token(&rotated);

    assert!(
        rotated.header("cache-control") == Some("no-store")
            && rotated.text().contains("The old URL goes on working for 1 h.")
    );
    assert_eq!((call(&server, &new).await.status, call(&server, &old).await.status), (202, 202));
    let list = text_of(&browser.get(PAGE).await.text());
    assert!(list.contains("Rotating") && list.contains("old URL ends in 1 h"), "{list}");
    assert!(list.contains("with the old URL; new one used 1 time"), "{list}");
    server.clock.advance(Duration::from_hours(1));
    assert_eq!((call(&server, &new).await.status, call(&server, &old).await.status), (202, 401));
    server.run_all().await;
}

#[tokio::test]
async fn a_rotation_sent_twice_rotates_once() {
    let (server, browser) = start().await;
    let old = token(&browser.post(PAGE, &[("name", "ci")]).await);
    let form = link(&browser, "Rotate").await;
    let fields = [("generation", "1"), ("overlap", "24h")];

    let first = browser.post(&form, &fields).await;
    let second = browser.post(&form, &fields).await;

    assert_eq!(second.status, 303);
    let list = browser.get(second.header("location").unwrap()).await.text();
    assert!(list.contains("Rotated already.") && !list.contains("id=\"secret\""));
    assert_eq!((call(&server, &old).await.status, call(&server, &token(&first)).await.status), (202, 202));
    server.run_all().await;
}

#[tokio::test]
async fn the_old_url_can_be_ended_before_its_time() {
    let (server, browser) = start().await;
    let old = token(&browser.post(PAGE, &[("name", "ci")]).await);
    let new = token(&browser.submit(&link(&browser, "Rotate").await, &[("overlap", "7d")]).await);
    let form = link(&browser, "End old URL").await;

    assert!(browser.get(&form).await.text().contains("0 since the rotation"));
    let ended = browser.post(&form, &[]).await;

    assert_eq!(ended.status, 303);
    assert!(browser.get(ended.header("location").unwrap()).await.text().contains("<strong>Ended.</strong>"));
    assert_eq!((call(&server, &old).await.status, call(&server, &new).await.status), (401, 202));
    assert!(
        server
            .audit()
            .await
            .iter()
            .any(|line| line.contains("operator mira | hook.end_old_url | hook api/ci"))
    );
    server.run_all().await;
}

#[tokio::test]
async fn revoking_asks_first_and_says_what_breaks() {
    let (server, browser) = start().await;
    let token = token(&browser.post(PAGE, &[("name", "ci")]).await);
    call(&server, &token).await;
    let form = link(&browser, "Revoke").await;

    let asked = text_of(&browser.get(&form).await.text());
    let still = call(&server, &token).await.status;
    let revoked = browser.post(&form, &[]).await;

    assert!(
        asked.contains("Revoke hook ci?")
            && asked.contains("This hook is in use.")
            && asked.contains("goes on to its end"),
        "{asked}"
    );
    assert_eq!((still, revoked.status, call(&server, &token).await.status), (202, 303, 401));
    let list = text_of(&browser.get(revoked.header("location").unwrap()).await.text());
    assert!(
        list.contains("get 401 from now on") && list.contains("History of ci") && !list.contains("Rotate ci")
    );
    assert_eq!(browser.post(&form, &[]).await.status, 409);
    server.run_all().await;
}

#[tokio::test]
async fn a_test_shows_what_a_call_would_come_to_and_writes_nothing() {
    let (server, browser) = start().await;
    browser.post(PAGE, &[("name", "ci"), ("branches", "main")]).await;
    let test = link(&browser, "Test").await;
    let rows = "SELECT (SELECT count(*) FROM deployments) + (SELECT count(*) FROM hook_calls) + (SELECT count(*) FROM audit)";
    let before = server.rows(rows).await;

    let good = text_of(&browser.get(&test).await.text());
    let other = text_of(&browser.get(&format!("{test}?branch=feat%2Fx")).await.text());
    let wrong = browser.get(&format!("{test}?branch=a+b%24")).await;

    assert!(good.contains("Dry run: it would deploy main") && good.contains("Hook is active"), "{good}");
    assert!(
        other.contains("it would not deploy feat/x") && other.contains("Branch feat/x is not allowed"),
        "{other}"
    );
    assert!(wrong.status == 400 && wrong.text().contains("<a href=\"#branch\">"));
    assert_eq!(server.rows(rows).await, before);
    assert!(browser.get(PAGE).await.text().contains("never used"));
}

#[tokio::test]
async fn states_are_told_by_word_and_shape() {
    let (server, browser) = start().await;
    for (name, expires) in [("short", "90d"), ("long", ""), ("gone", "")] {
        browser.post(PAGE, &[("name", name), ("expires", expires)]).await;
    }
    server.clock.advance(Duration::from_hours(91 * 24));
    let browser = {
        drop(browser);
        Browser::of(&server, "theo").await
    };
    browser.post(PAGE, &[("name", "fresh")]).await;

    let html = browser.get(PAGE).await.text();

    let list = text_of(&html);
    for part in ["unused for 91 days", "on 22 Feb", "never used"] {
        assert!(list.contains(part), "{part} in {list}");
    }
    for icon in ["#hk-stale", "#clock", "#hk-unused"] {
        assert!(html.contains(icon), "{icon}");
    }
    let place = |name: &str| html.find(&format!("main-link\">{name}<")).unwrap();
    assert!(place("long") < place("fresh") && place("fresh") < place("short"), "what ended comes last");
}

#[tokio::test]
async fn two_hundred_hooks_are_all_shown() {
    let (server, browser) = start().await;
    let service = server.service("many").create().await;
    for number in 0..200 {
        service.hook(&format!("hook-{number:03}")).await;
    }

    let page = browser.get("/services/many/settings/deploy-hooks").await;

    assert_eq!((page.status, page.text().matches("<strong class=\"main-link\">").count()), (200, 200));
}

#[tokio::test]
async fn what_ended_long_ago_makes_room() {
    let (server, browser) = start().await;
    let service = server.service("many").create().await;
    service.hook("living").await;
    for number in 0..52 {
        service.hook(&format!("hook-{number:03}")).await.revoke().await;
    }

    let html = browser.get("/services/many/settings/deploy-hooks").await.text();

    assert_eq!(html.matches("<strong class=\"main-link\">").count(), 51);
    assert!(
        html.contains("2 more ended before these.")
            && html.contains(">living<")
            && !html.contains(">hook-001<")
    );
}

#[tokio::test]
async fn nobody_without_a_session_sees_or_does_anything() {
    let (server, browser) = start().await;
    let token = token(&browser.post(PAGE, &[("name", "ci")]).await);
    let mut pages = vec![PAGE.to_owned()];
    for label in ["Test", "Rename", "Rules", "Rotate", "Revoke"] {
        pages.push(link(&browser, label).await);
    }
    let anyone = server.anyone();
    let before = server.audit().await;

    for page in &pages {
        let shown = anyone.get(page).await;
        assert_eq!(shown.status, 401, "{page}");
        assert!(shown.text().contains("Sign in") && !shown.text().contains("main-link"), "{page}");
    }
    for action in ["rotate", "revoke", "rename", "edit", "pause", "resume", "end-old-url"] {
        let page = pages[1].replace("/test", &format!("/{action}"));
        let sent = anyone.request(Method::POST, &page).body("name=x&reason=x&overlap=0").answer().await;
        assert_eq!(sent.status, 401, "{action}");
    }
    assert_eq!(anyone.request(Method::POST, PAGE).body("name=x").answer().await.status, 401);
    assert_eq!((server.audit().await, call(&server, &token).await.status), (before, 202));
    server.run_all().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_page_and_not_another_services_hook() {
    let (server, browser) = start().await;
    browser.post(PAGE, &[("name", "ci")]).await;
    server.service("other").create().await;
    let rotate = link(&browser, "Rotate").await;

    for path in [
        rotate.replace("/api/", "/other/"),
        "/services/nothing/settings/deploy-hooks".into(),
        format!("{PAGE}/nothing/edit"),
    ] {
        let answer = browser.get(&path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, Some("text/html; charset=utf-8")),
            "{path}"
        );
    }
    assert_eq!(browser.post(&rotate.replace("/api/", "/other/"), &[("overlap", "0")]).await.status, 404);
}

#[tokio::test]
async fn a_form_on_another_site_does_nothing() {
    let (server, browser) = start().await;
    browser.post(PAGE, &[("name", "ci")]).await;
    let revoke = link(&browser, "Revoke").await;
    let before = server.audit().await;

    for (path, fields) in [(PAGE, vec![("name", "x")]), (revoke.as_str(), vec![])] {
        assert_eq!(
            browser.post_from(("origin", "https://evil.test"), path, &fields).await.status,
            403,
            "{path}"
        );
    }

    assert_eq!(server.audit().await, before);
}

#[tokio::test]
async fn a_hook_whose_calls_join_others_is_in_use() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;
    let first = token(&browser.post(PAGE, &[("name", "first")]).await);
    let second = token(&browser.post(PAGE, &[("name", "second")]).await);

    assert_eq!((call(&server, &first).await.status, call(&server, &second).await.status), (202, 202));

    let list = text_of(&browser.get(PAGE).await.text());
    let hook =
        server.admin.get("/api/v1/services/api/hooks/second").await.json()["id"].as_str().unwrap().to_owned();
    let asked = text_of(&browser.get(&format!("{PAGE}/{hook}/revoke")).await.text());
    assert!(asked.contains("This hook is in use."), "{asked}");
    assert!(list.contains("joined an earlier call") && !list.contains("never used"), "{list}");
    server.run_all().await;
}
