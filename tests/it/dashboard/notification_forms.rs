//! The forms that add and change a target: what they take, and what is wrong with them.

use std::time::Duration;

use serde_json::json;

use super::answers::leads_to;
use super::notification_pages::{ALL, OWN, add, start};
use crate::harness::TestServer;
use crate::harness::forms::{Browser, HOSTILE, PASSWORD, hidden};
use crate::harness::receiver::Receiver;

/// The target that was made first, by the management API.
async fn first(server: &TestServer) -> serde_json::Value {
    server.admin.get("/api/v1/targets").await.items()[0].clone()
}

#[tokio::test]
async fn a_forge_and_a_chat_are_added_with_what_their_kind_has() {
    let (server, browser, _) = start().await;
    let github = [
        ("kind", "github"),
        ("url", "https://github.com/you/api"),
        ("secret", "ghp_0123456789"),
        ("event.deployment.failed", "true"),
        ("event.deployment.recovered", "true"),
        ("branches", "main\r\n\r\nrelease/* "),
        ("requiredContexts", "ci/test\r\nlint"),
        ("withLines", "true"),
    ];
    let slack =
        [("kind", "slack"), ("url", "https://hooks.slack.com/services/T0/B0/X"), ("withLines", "true")];

    let made = [browser.post(OWN, &github).await, browser.post(ALL, &slack).await];

    for answer in &made {
        let (status, location) = leads_to(answer);
        assert_eq!(status, 303, "{}", answer.text());
        assert!(browser.page(location.unwrap()).await.contains("<strong>Added.</strong>"));
    }
    let targets = server.admin.get("/api/v1/targets").await.items();
    let [github, slack] = targets.as_slice() else { panic!("{targets:?}") };
    assert_eq!((&github["service"], &slack["service"]), (&json!("api"), &json!(null)));
    assert_eq!(github["events"], json!(["deployment.failed"]), "a forge does not show a recovery");
    assert_eq!((&github["branches"], &slack["branches"]), (&json!(["main", "release/*"]), &json!([])));
    assert_eq!(github["requiredContexts"], json!(["ci/test", "lint"]));
    assert_eq!((&github["withLines"], &slack["withLines"]), (&json!(false), &json!(true)));
    assert_eq!(slack["events"], json!(["deployment.failed", "deployment.recovered"]), "its defaults");
    assert_eq!(server.rows("SELECT count(*) FROM targets WHERE secret = 'ghp_0123456789'").await, 1);
}

#[tokio::test]
async fn an_error_names_its_field_and_keeps_what_was_typed() {
    let (server, browser, _) = start().await;
    let before = server.audit().await;
    let long = "c".repeat(201);

    for (field, kind, value, says) in [
        ("kind", "pigeon", "pigeon", "Must be one of webhook, github"),
        ("url", "webhook", "example.com", "Is no address"),
        ("url", "webhook", "https://me:pass@example.com/", "Must not hold a name or password"),
        ("url", "webhook", "https://10.0.0.1/", "--allow-target 10.0.0.1"),
        ("url", "webhook", "", "Is no address"),
        ("secret", "gitlab", "", "with scope api"),
        ("secret", "gitea", "a b", "without a blank"),
        ("branches", "webhook", "ma$in", "ma$in"),
        ("requiredContexts", "github", long.as_str(), "names of status checks"),
    ] {
        let mut fields = vec![("kind", kind), ("url", "https://example.com/you/api"), ("secret", "token")];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));

        let answer = browser.post(OWN, &fields).await;

        let html = answer.text();
        assert_eq!(answer.status, 400, "{field} {value}: {html}");
        let tag = html.split(&format!("id=\"{field}\"")).nth(1).unwrap().split('>').next().unwrap();
        assert!(
            tag.contains("aria-invalid=\"true\"") && tag.contains(&format!("{field}-e")),
            "{field}: {tag}"
        );
        assert!(
            html.contains(&format!("<a href=\"#{field}\">")) && html.contains(says),
            "{field} {value}: {html}"
        );
        assert!(html.contains(&format!("<p class=\"err\" id=\"{field}-e\">")), "{field}: {html}");
        assert!(field == "kind" || html.contains(value), "{field} {value}");
    }
    assert_eq!(server.audit().await, before);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let (_server, browser, _) = start().await;
    let fields = [("kind", "github"), ("url", "nowhere"), ("branches", "a b\r\nx~y"), ("secret", "")];

    let answer = browser.post(ALL, &fields).await;

    let html = answer.text();
    assert!(answer.status == 400 && html.contains("4 things to fix, then add it."), "{html}");
    for (field, count) in [("url", 1), ("secret", 1), ("branches", 2)] {
        assert_eq!(html.matches(&format!("<li><a href=\"#{field}\">")).count(), count, "{field}: {html}");
    }
    assert!(html.contains("value=\"github\" selected") && html.contains("x~y</textarea>"), "{html}");
}

#[tokio::test]
async fn a_target_is_changed_and_its_secrets_stay_where_nothing_is_typed() {
    let (server, browser, _) = start().await;
    let url = "https://hooks.slack.com/services/T0/B0/XVERYSECRET";
    let slack = add(&server, json!({ "kind": "slack", "url": url })).await;
    let shown = first(&server).await["url"].as_str().unwrap().to_owned();

    let fields = [("url", shown.as_str()), ("event.deployment.queued", "true"), ("branches", "main")];
    let saved = browser.post(&slack, &fields).await;

    let page = browser.page(saved.header("location").unwrap()).await;
    assert!(saved.status == 303 && page.contains("<strong>Saved.</strong>"), "{page}");
    assert!(page.contains("name=\"event.deployment.queued\" value=\"true\" checked"), "{page}");
    assert!(
        page.contains(&format!("value=\"{shown}\""))
            && !page.contains("<details class=\"section-m measure\" open")
    );
    let changed = first(&server).await;
    assert_eq!((&changed["events"], &changed["branches"]), (&json!(["deployment.queued"]), &json!(["main"])));
    assert_eq!(server.rows(&format!("SELECT count(*) FROM targets WHERE url = '{url}'")).await, 1);
    browser.post(&slack, &[("url", shown.as_str())]).await;
    assert_eq!(first(&server).await["events"], json!(["deployment.failed", "deployment.recovered"]));
}

#[tokio::test]
async fn the_token_of_a_forge_is_set_anew_and_never_shown() {
    let (server, browser, _) = start().await;
    let forge = json!({ "kind": "gitea", "url": "https://git.example.com/you/api", "secret": "first" });
    let page = add(&server, forge).await;
    let url = ("url", "https://git.example.com/you/api");

    browser.post(&page, &[url, ("secret", "")]).await;
    let kept = server.rows("SELECT count(*) FROM targets WHERE secret = 'first'").await;
    browser.post(&page, &[url, ("secret", "second")]).await;

    assert_eq!((kept, server.rows("SELECT count(*) FROM targets WHERE secret = 'second'").await), (1, 1));
    let html = browser.page(&page).await;
    assert!(!html.contains("second") && html.contains("Stored in clear"), "{html}");
    assert!(html.contains("type=\"password\" value=\"\" autocomplete=\"off\""), "{html}");
    assert!(!html.contains("withLines") && !html.contains("requiredContexts"), "{html}");
}

#[tokio::test]
async fn a_change_that_will_not_do_comes_back_open_with_its_errors() {
    let (server, browser, receiver) = start().await;
    let page = add(&server, json!({ "kind": "webhook", "url": receiver.url("/a") })).await;
    add(&server, json!({ "kind": "webhook", "url": receiver.url("/b") })).await;

    let taken = browser.post(&page, &[("url", &receiver.url("/b"))]).await;
    let wrong = browser.post(&page, &[("url", "ftp://x/"), ("branches", "a b")]).await;

    for (answer, status, field) in [(&taken, 409, "url"), (&wrong, 400, "url"), (&wrong, 400, "branches")] {
        let html = answer.text();
        assert!(
            answer.status == status && html.contains("<details class=\"section-m measure\" open>"),
            "{html}"
        );
        assert!(html.contains(&format!("<a href=\"#{field}\">")), "{html}");
        assert!(html.contains(&format!("<p class=\"err\" id=\"{field}-e\">")), "{html}");
    }
    assert!(wrong.text().contains("value=\"ftp://x/\""));
    assert_eq!(first(&server).await["url"], json!(receiver.url("/a")));
}

#[tokio::test]
async fn a_password_asked_for_in_between_empties_no_form() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    server.service("api").create().await;
    let browser = Browser::with_password(&server, "mira").await;
    let target = add(&server, json!({ "kind": "webhook", "url": receiver.url("/a") })).await;
    server.clock.advance(Duration::from_mins(11));
    let url = receiver.url("/b");
    let fields = [("kind", "webhook"), ("url", &*url), ("branches", "main\nrelease/*")];
    let rotate = format!("{target}/rotate");

    let asked = browser.post(OWN, &fields).await;
    let rotated = browser.post(&rotate, &[("overlap", "7d"), ("generation", "1")]).await;

    assert_eq!((asked.status, rotated.status), (403, 403));
    assert!(browser.page(OWN).await.contains(&format!("/confirm?next={OWN}")));
    let kept = hidden(&rotated.text());
    assert_eq!(
        (kept["confirm_to"].as_str(), kept["next"].as_str(), kept["overlap"].as_str()),
        (&*rotate, &*target, "7d")
    );
    let mut all = hidden(&asked.text());
    for (name, value) in fields {
        assert_eq!(all[name], value, "{name}");
    }
    all.insert("password".to_owned(), PASSWORD.to_owned());
    let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let sent_on = browser.post("/confirm", &all).await;
    assert_eq!(leads_to(&sent_on), (307, Some(OWN)));
    assert_eq!(browser.post(OWN, &all).await.status, 200);
    assert!(!browser.page(OWN).await.contains("/confirm?next="));
}

#[tokio::test]
async fn nothing_that_is_typed_or_asked_for_becomes_markup() {
    let (server, browser, receiver) = start().await;
    let path = format!("/{}", HOSTILE.replace(' ', ""));
    let page = add(&server, json!({ "kind": "webhook", "url": receiver.url(&path) })).await;
    let names = ["kind", "url", "secret", "branches", "requiredContexts", "event.deployment.failed"];
    let fields = names.map(|name| (name, HOSTILE));

    let mut pages = vec![browser.post(ALL, &fields).await, browser.post(&page, &fields).await];
    pages.push(browser.post(&format!("{page}/rotate"), &[("overlap", HOSTILE)]).await);
    for path in [ALL, &page, &format!("{page}/rotate"), &format!("{page}/remove")] {
        pages.push(browser.get(&format!("{path}?done=%3Cimg%3E&tried=%3Cimg%3E")).await);
    }

    for answer in pages {
        let html = answer.text();
        assert!([200, 400].contains(&answer.status), "{html}");
        assert!(!html.contains("<img") && html.matches("<script").count() == 1, "{html}");
        assert!(!html.contains(" style="), "{html}");
    }
}
