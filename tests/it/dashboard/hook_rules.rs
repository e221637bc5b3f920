//! A hook's name and rules, and what is wrong with them.

use reqwest::Method;

use super::hooks::{PAGE, link};
use crate::harness::TestServer;
use crate::harness::forms::{Browser, text_of};

const HOSTILE: &str = "\"><img src=x onerror=alert(1)>";

async fn start() -> (TestServer, crate::harness::Hook, Browser) {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;
    let browser = Browser::of(&server, "mira").await;
    (server, hook, browser)
}

#[tokio::test]
async fn rules_are_enforced_from_the_next_call_on() {
    let (server, hook, browser) = start().await;
    let rules = link(&browser, "Rules").await;

    let saved = browser.submit(&rules, &[("branches", "main\r\nrel/*"), ("addresses", "127.0.0.0/8")]).await;
    let answers = [hook.post("").await.status, hook.post("branch=feat/x").await.status];
    browser.submit(&rules, &[("branches", ""), ("addresses", "203.0.113.0/24")]).await;
    let from_elsewhere = hook.post("branch=feat/x").await;

    assert_eq!((saved.status, answers), (303, [202, 403]));
    assert!(browser.get(saved.header("location").unwrap()).await.text().contains("<strong>Saved.</strong>"));
    assert_eq!(from_elsewhere.refusal(), (403, "address_not_allowed".to_owned()));
    let calls = text_of(&browser.get(PAGE).await.text());
    assert!(calls.contains("403 refused") && calls.contains("may not deploy branch feat/x"), "{calls}");
    let change = "operator mira | hook.update | hook api/ci | branches: none → main rel/*; addresses: none → 127.0.0.0/8";
    assert!(server.audit().await.contains(&change.to_owned()), "{:?}", server.audit().await);
    server.run_all().await;
}

#[tokio::test]
async fn everything_that_is_wrong_with_the_rules_is_told_at_once() {
    let (_server, _hook, browser) = start().await;
    let rules = link(&browser, "Rules").await;

    let fields = [
        ("branches", "a b\r\nmain\r\nx~y"),
        ("addresses", "300.0.0.1\r\nnowhere"),
        ("expires", "tomorrow"),
        ("reason", &"r".repeat(600)),
    ];
    let answer = browser.submit(&rules, &fields).await;

    let html = answer.text();
    assert_eq!(answer.status, 400);
    for (field, _) in fields {
        assert!(html.contains(&format!("<li><a href=\"#{field}\">")), "{field}: {html}");
    }
    assert_eq!(html.matches("<li><a href=\"#branches\">").count(), 2, "each pattern that is wrong");
    assert!(html.contains("x~y</textarea>") && html.contains("value=\"tomorrow\""), "{html}");
}

#[tokio::test]
async fn an_expiry_is_set_kept_and_taken_away() {
    let (server, hook, browser) = start().await;
    let rules = link(&browser, "Rules").await;

    browser.submit(&rules, &[("expires", "2026-11-24T15:00")]).await;
    let set = server.admin.get(&hook.path()).await.json();
    browser.submit(&rules, &[("expires", "2026-11-24T15:00"), ("branches", "main")]).await;
    let kept = server.admin.get(&hook.path()).await.json();
    browser.submit(&rules, &[("expires", "")]).await;
    let gone = server.admin.get(&hook.path()).await.json();

    assert_eq!(set["expiresAt"], "2026-11-24T15:00:00.000Z");
    assert_eq!((&kept["expiresAt"], &kept["branches"][0]), (&set["expiresAt"], &serde_json::json!("main")));
    assert!(gone["expiresAt"].is_null());
}

#[tokio::test]
async fn a_paused_hook_says_why_until_it_is_resumed() {
    let (server, hook, browser) = start().await;
    let base = link(&browser, "Rules").await.replace("/edit", "");

    let paused = browser.post(&format!("{base}/pause"), &[("reason", "release freeze")]).await;
    let refused = hook.post("").await;
    let list = text_of(&browser.get(PAGE).await.text());
    let resumed = browser.post(&format!("{base}/resume"), &[]).await;

    assert_eq!((paused.status, refused.status, resumed.status), (303, 423, 303));
    assert!(
        refused.text().contains("release freeze")
            && list.contains("release freeze")
            && list.contains("Resume ci")
    );
    assert_eq!(hook.post("").await.status, 202);
    server.run_all().await;
}

#[tokio::test]
async fn a_renamed_hook_keeps_its_url() {
    let (server, hook, browser) = start().await;
    let rename = link(&browser, "Rename").await;

    let renamed = browser.post(&rename, &[("name", "deploys")]).await;

    assert_eq!((renamed.status, hook.post("").await.status), (303, 202));
    assert!(browser.get(PAGE).await.text().contains("main-link\">deploys<"));
    assert!(server.audit().await.iter().any(|line| line.contains("name: ci → deploys")));
    server.run_all().await;
}

#[tokio::test]
async fn an_error_names_its_field_and_keeps_what_was_typed() {
    let (server, _, browser) = start().await;
    let base = link(&browser, "Rules").await.replace("/edit", "");
    let before = server.audit().await;

    for (action, field, value) in [
        ("", "name", "a/b"),
        ("", "name", ""),
        ("", "branches", "ma$in"),
        ("", "expires", "1 year"),
        ("/edit", "branches", "a b"),
        ("/edit", "addresses", "10.0.0.0/33"),
        ("/edit", "expires", "tomorrow"),
        ("/edit", "reason", &"x".repeat(501)),
        ("/rename", "name", "a/b"),
        ("/pause", "reason", ""),
        ("/rotate", "overlap", "2h"),
    ] {
        let path = if action.is_empty() { PAGE.to_owned() } else { format!("{base}{action}") };
        let fields =
            if field == "name" { vec![(field, value)] } else { vec![("name", "new"), (field, value)] };
        let answer = browser.post(&path, &fields).await;

        let html = answer.text();
        assert_eq!(answer.status, 400, "{action} {field} {value}");
        let tag = html.split(&format!("id=\"{field}\"")).nth(1).unwrap().split('>').next().unwrap();
        assert!(
            tag.contains("aria-invalid=\"true\"") && tag.contains(&format!("{field}-e")),
            "{action} {field}: {tag}"
        );
        assert!(html.contains(&format!("<a href=\"#{field}\">")), "{action} {field}");
        assert!(html.contains(&format!("<p class=\"err\" id=\"{field}-e\">")), "{action} {field}");
        assert!(["expires", "overlap"].contains(&field) || html.contains(value), "{action} {field} {value}");
    }
    assert_eq!(server.audit().await, before);
}

#[tokio::test]
async fn nothing_that_is_typed_or_sent_becomes_markup() {
    let (server, hook, browser) = start().await;
    let base = link(&browser, "Rules").await.replace("/edit", "");
    let name = "\"><img src=x onerror=alert(1)>\u{202e}";
    let call = hook.call(Method::POST, "branch=feat/x").header("user-agent", HOSTILE);
    let call = crate::harness::http::Send::answer(call).await;

    browser.post(&format!("{base}/rename"), &[("name", name)]).await;
    browser.post(&format!("{base}/pause"), &[("reason", HOSTILE)]).await;
    let mut pages = vec![browser.get(PAGE).await];
    for page in ["edit", "rename", "rotate", "revoke", "end-old-url", "pause", "test"] {
        pages.push(browser.get(&format!("{base}/{page}")).await);
    }
    pages.push(browser.post(PAGE, &[("name", HOSTILE), ("branches", HOSTILE)]).await);
    pages.push(
        browser
            .post(
                &format!("{base}/edit"),
                &[("branches", HOSTILE), ("addresses", HOSTILE), ("expires", HOSTILE)],
            )
            .await,
    );
    pages.push(browser.get(&format!("{base}/test?branch=%22%3E%3Cimg%3E")).await);
    pages.push(browser.get(&format!("{PAGE}?done=%3Cimg%3E&hook=%3Cimg%3E")).await);
    pages.push(browser.post(&format!("{base}/rotate"), &[("overlap", "0")]).await);

    assert_eq!(call.status, 202);
    for page in pages {
        let html = page.text();
        assert!([200, 400].contains(&page.status), "{html}");
        assert!(!html.contains("<img") && html.matches("<script").count() == 1, "{html}");
        assert!(!html.contains(" style="));
    }
    server.run_all().await;
}
