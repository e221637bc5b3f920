//! `/notifications` and a service's own: who is told, tried out, rotated, switched off, removed; and what a deployment's
//! page says of it.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::answers::{leads_to, shown_secret};
use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::forms::{Browser, text_of};
use crate::harness::http::Send as _;
use crate::harness::receiver::Receiver;

pub const ALL: &str = "/notifications";
pub const OWN: &str = "/services/api/settings/notifications";

pub async fn start() -> (TestServer, Browser, Receiver) {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;
    (server, browser, Receiver::start())
}

/// A new target, by the management API; the path of its page.
pub async fn add(server: &TestServer, body: serde_json::Value) -> String {
    let made = server.admin.post("/api/v1/targets", body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    format!("{ALL}/{}", made.json()["id"].as_str().unwrap())
}

async fn webhook(server: &TestServer, receiver: &Receiver) -> String {
    add(server, json!({ "kind": "webhook", "url": receiver.url("/hook"), "service": "api" })).await
}

/// Does something that waits until a notice was tried, and delivers meanwhile.
async fn delivering<T>(server: &TestServer, what: impl Future<Output = T>) -> T {
    let mut changed = server.state.db().notices_changed();
    let deliver = async {
        server.deliver().await;
        while changed.changed().await.is_ok() {
            server.deliver().await;
        }
    };
    tokio::select! {
        done = what => done,
        () = deliver => unreachable!("the server is there"),
    }
}

/// Sends a form that tries a notice; the page that its answer leads to, as a reader sees it.
async fn tried(server: &TestServer, browser: &Browser, path: &str) -> String {
    let answer = delivering(server, browser.post(path, &[])).await;
    let (status, location) = leads_to(&answer);
    assert_eq!(status, 303, "{}", answer.text());
    text_of(&browser.page(location.unwrap()).await)
}

/// The ids of notices that can be delivered once more.
fn redeliverable(html: &str) -> Vec<String> {
    let ids = html.split("/notices/").skip(1).map(|rest| rest.split('/').next().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn targets_are_listed_where_they_belong_and_a_service_names_those_above_it() {
    let (server, browser, receiver) = start().await;
    let empty = browser.page(OWN).await;
    let own = webhook(&server, &receiver).await;
    let slack = "https://hooks.slack.com/services/T0/B0/XVERYSECRET";
    let above = add(&server, json!({ "kind": "slack", "url": slack, "branches": ["main"] })).await;

    let (of_all, of_api) = (browser.page(ALL).await, browser.page(OWN).await);

    assert!(empty.contains("No targets yet") && empty.contains("aria-current=\"page\">Notifications"));
    assert!(of_all.contains(&format!("href=\"{above}\"")) && !of_all.contains(&own), "{of_all}");
    assert!(of_all.contains("<a href=\"/notifications\" aria-current=\"page\">Notifications</a>"));
    let (list, told_too) = of_api.split_once("Told of every service").unwrap();
    assert!(list.contains(&format!("href=\"{own}\"")) && !list.contains(&above), "{list}");
    assert!(told_too.contains(&above) && told_too.contains("Told of failed, recovered."), "{told_too}");
    for part in ["nothing delivered yet", "everything", "any", "Never", "Test", &receiver.url("/hook")] {
        assert!(list.contains(part), "{part} in {list}");
    }
    assert!(of_all.contains("title=\"main\"") && of_all.contains("hooks.slack.com/••"));
    assert!(!of_all.contains("XVERYSECRET") && !browser.page(&above).await.contains("XVERYSECRET"));
}

#[tokio::test]
async fn the_secret_of_a_webhook_is_shown_once_and_at_no_address() {
    let (server, browser, receiver) = start().await;
    let fields = [("kind", "webhook"), ("url", &*receiver.url("/hook"))];

    let made = browser.post(OWN, &fields).await;
    let again = browser.post(OWN, &fields).await;

    let secret = shown_secret(&made);
    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")));
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert!(again.status == 409 && again.text().contains("<a href=\"#url\">"), "{}", again.text());
    let page =
        made.text().split("href=\"/notifications/tgt_").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = format!("/notifications/tgt_{page}");
    for path in [ALL, OWN, &page, &format!("{page}/rotate"), &format!("{page}/remove"), "/audit"] {
        assert!(!browser.page(path).await.contains("whsec_"), "{path}");
    }
    assert!(server.audit().await[0].contains("operator mira | target.create"), "{:?}", server.audit().await);
}

#[tokio::test]
async fn a_test_shows_what_was_answered() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;

    let arrived = tried(&server, &browser, &format!("{page}/test")).await;
    receiver.answer_next(&["500 Oops"]);
    let refused = tried(&server, &browser, &format!("{page}/test")).await;

    assert!(arrived.contains("It arrived. Answer: 200 in ") && arrived.contains(", thanks."), "{arrived}");
    assert!(
        refused.contains("It did not arrive. Answer: 500 in ") && refused.contains("Given up"),
        "{refused}"
    );
    assert!(refused.contains("asked for by operator mira"), "{refused}");
    assert!(browser.page(OWN).await.contains("nothing delivered yet"), "a test is no notice");
    assert_eq!(receiver.received()[0].json()["type"], json!("test"));
}

#[tokio::test]
async fn what_was_given_up_is_delivered_once_more_under_its_id() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;
    receiver.answer_always("404 Not Found");
    let id = server.admin.post("/api/v1/services/api/deployments", json!({})).await.id();
    server.run_all().await;
    server.deliver().await;
    let failing = browser.page(&page).await;
    receiver.answer_always("200 OK");
    let notice = redeliverable(&failing)[0].clone();

    let told = tried(&server, &browser, &format!("{page}/notices/{notice}/redeliver")).await;

    assert_eq!(redeliverable(&failing).len(), 3);
    let reads = text_of(&failing);
    for part in ["Failing", "since ", "Given up", "404 in ", "Succeeded", "Queued", &id[..12]] {
        assert!(reads.contains(part), "{part} in {reads}");
    }
    assert!(told.contains("It arrived."), "{told}");
    assert_eq!(receiver.received().last().unwrap().header("webhook-id"), notice);
    assert!(server.audit().await[0].contains("target.redeliver"), "{:?}", server.audit().await);
}

#[tokio::test]
async fn one_that_is_tried_again_by_itself_says_when() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;
    receiver.answer_always("503 Not Now");
    server.admin.post("/api/v1/services/api/deployments", json!({})).await;
    server.deliver().await;

    let waiting = browser.page(&page).await;

    let reads = text_of(&waiting);
    assert!(reads.contains("Trying again") && reads.contains("next try 14:30:54 UTC"), "{reads}");
    assert_eq!(redeliverable(&waiting), Vec::<String>::new());
    server.run_all().await;
}

#[tokio::test]
async fn a_rotated_secret_is_shown_once_and_a_reload_rotates_nothing() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;
    let rotate = format!("{page}/rotate");
    let first = [("generation", "1"), ("overlap", "1h")];

    let rotated = browser.post(&rotate, &first).await;
    let reloaded = browser.post(&rotate, &first).await;
    let refused = browser.submit(&rotate, &[("overlap", "24h")]).await;
    let odd = browser.submit(&rotate, &[("overlap", "2h")]).await;
    let at_once = browser.submit(&rotate, &[("overlap", "0")]).await;

    assert_eq!((rotated.status, rotated.header("cache-control")), (200, Some("no-store")));
    assert!(text_of(&rotated.text()).contains("Until 15:30:49 UTC each notice carries two signatures"));
    let told = format!("{page}?done=rotated");
    assert_eq!(leads_to(&reloaded), (303, Some(told.as_str())));
    assert!(browser.page(&told).await.contains("Rotated already."));
    for (answer, status, says) in [(refused, 409, "with overlap 0."), (odd, 400, "Must be 0, 1h, 24h or 7d.")]
    {
        let html = answer.text();
        assert!(
            answer.status == status && html.contains("<a href=\"#overlap\">") && html.contains(says),
            "{html}"
        );
    }
    assert!(shown_secret(&at_once).starts_with("whsec_") && shown_secret(&at_once) != shown_secret(&rotated));
    let slack = add(&server, json!({ "kind": "slack", "url": "https://hooks.slack.com/services/a" })).await;
    assert_eq!(browser.get(&format!("{slack}/rotate")).await.status, 404);
    assert!(!browser.page(&slack).await.contains("/rotate\""));
}

#[tokio::test]
async fn a_target_is_switched_off_and_on_again() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;

    let off = browser.post(&format!("{page}/off"), &[]).await;
    let shown = browser.page(off.header("location").unwrap()).await;
    let refused = browser.post(&format!("{page}/test"), &[]).await;
    let listed = text_of(&browser.page(OWN).await);
    let on = browser.post(&format!("{page}/on"), &[]).await;

    assert_eq!((off.status, refused.status, on.status), (303, 409, 303));
    let reads = text_of(&shown);
    assert!(reads.contains("Switched off.") && reads.contains("An operator switched it off."), "{reads}");
    assert!(!shown.contains(&format!("{page}/test")) && shown.contains(&format!("{page}/on")), "{shown}");
    assert!(listed.contains("because an operator switched it off"), "{listed}");
    let shown = text_of(&browser.page(on.header("location").unwrap()).await);
    assert!(shown.contains("Switched on.") && shown.contains("nothing delivered yet"), "{shown}");
}

#[tokio::test]
async fn a_target_that_wants_nothing_any_more_says_so_in_red() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;
    receiver.answer_always("410 Gone");
    server.admin.post("/api/v1/services/api/deployments", json!({})).await;
    server.run_all().await;
    server.deliver().await;

    let html = browser.page(&page).await;

    assert!(html.contains("st st-failed st-big") && html.contains("note-bad"), "{html}");
    assert!(html.contains("It answered 410 Gone, so it wants nothing any more."), "{html}");
}

#[tokio::test]
async fn removing_asks_first_and_leaves_nothing() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;

    let asked = browser.page(&format!("{page}/remove")).await;
    let there = browser.get(&page).await.status;
    let removed = browser.post(&format!("{page}/remove"), &[]).await;

    assert!(asked.contains("Remove Webhook") && asked.contains(&receiver.url("/hook")), "{asked}");
    let told = format!("{OWN}?done=removed");
    assert_eq!((there, leads_to(&removed)), (200, (303, Some(told.as_str()))));
    let list = browser.page(&told).await;
    assert!(list.contains("<strong>Removed.</strong>") && list.contains("No targets yet"), "{list}");
    assert_eq!(browser.get(&page).await.status, 404);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_a_lesser_scope_sees_nothing() {
    let (server, browser, receiver) = start().await;
    let (page, other) = (webhook(&server, &receiver).await, "/notifications/tgt_aaaaaaaaaaaa");
    let notice = "/notices/ntc_aaaaaaaaaaaaaaaaaaaa/redeliver";
    let holder = server.holder(&server.token("ci", "deploy", None).await);

    for (method, rest) in [
        (Method::GET, ""),
        (Method::POST, ""),
        (Method::POST, "/test"),
        (Method::POST, "/off"),
        (Method::POST, "/on"),
        (Method::GET, "/rotate"),
        (Method::POST, "/rotate"),
        (Method::GET, "/remove"),
        (Method::POST, "/remove"),
        (Method::POST, notice),
    ] {
        let ask = async |path: &str| match method {
            Method::POST => browser.post(&format!("{path}{rest}"), &[]).await.status,
            _ => browser.get(&format!("{path}{rest}")).await.status,
        };
        assert_eq!((ask(other).await, ask("/notifications/x").await), (404, 404), "{method} {rest}");
        let path = format!("{page}{rest}");
        assert_eq!(holder.request(method.clone(), &path).answer().await.status, 403, "{method} {rest}");
    }
    let own = browser.post(&format!("{page}{notice}"), &[]).await;
    let service = "/services/nothing/settings/notifications";
    let new = [("kind", "webhook"), ("url", "https://example.com/")];
    let missing = [own, browser.get(service).await, browser.post(service, &new).await];
    assert_eq!(missing.map(|answer| answer.status), [404; 3]);
    for path in [ALL, OWN] {
        assert_eq!(holder.get(path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_target_of_a_service_that_is_gone_leads_nowhere_that_is_gone() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;

    assert_eq!(server.admin.delete("/api/v1/services/api").await.status, 204);

    let html = browser.page(&page).await;
    assert!(html.contains("<code>api</code>") && !html.contains("/services/api"), "{html}");
    assert_eq!(
        leads_to(&browser.post(&format!("{page}/remove"), &[]).await).1,
        Some("/notifications?done=removed")
    );
}

#[tokio::test]
async fn a_deployment_tells_an_operator_who_was_told_of_it_and_a_stranger_nothing() {
    let (server, browser, receiver) = start().await;
    let quiet = server.admin.post("/api/v1/services/api/deployments", json!({})).await.id();
    server.run_all().await;
    let page = webhook(&server, &receiver).await;
    let gone = add(&server, json!({ "kind": "webhook", "url": receiver.url("/gone") })).await;
    let id = server.admin.post("/api/v1/services/api/deployments", json!({})).await.id();
    server.run_all().await;
    server.deliver().await;
    browser.post(&format!("{gone}/remove"), &[]).await;

    let told = browser.page(&format!("/deploys/{id}")).await;
    let nobody = browser.page(&format!("/deploys/{quiet}")).await;
    let stranger: Answer = server.anyone().get(&format!("/deploys/{id}")).await;

    let (_, section) = told.split_once("<div data-part=\"told\">").unwrap();
    assert_eq!(section.matches(&format!("href=\"{page}\"")).count(), 3, "{section}");
    for part in ["Who was told", "Delivered", "Queued", "Started", "Succeeded", &receiver.url("/hook")] {
        assert!(section.contains(part), "{part} in {section}");
    }
    assert!(!section.contains(&receiver.url("/gone")), "{section}");
    assert!(nobody.contains("data-part=\"told\"") && !nobody.contains("Who was told"), "{nobody}");
    let stranger = stranger.text();
    assert!(!stranger.contains("told") && !stranger.contains("/hook"), "{stranger}");
}

#[tokio::test]
async fn pages_that_are_open_are_told_what_has_changed() {
    let (server, browser, receiver) = start().await;
    let page = webhook(&server, &receiver).await;

    for path in [ALL, OWN, &page] {
        let ask = |tag: String| {
            let request = browser.request(Method::GET, path).header("x-follows", "1");
            request.header("if-none-match", tag).answer()
        };
        let tag = ask(String::new()).await.header("etag").unwrap().to_owned();
        assert_eq!(ask(tag.clone()).await.status, 304, "{path}");

        server.clock.advance(Duration::from_secs(1));
        delivering(&server, browser.post(&format!("{page}/test"), &[])).await;

        let changed = ask(tag).await;
        assert!(changed.status == 200 && changed.text().contains("data-part="), "{path}");
    }
}
