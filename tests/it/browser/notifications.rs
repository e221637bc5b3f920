//! Targets of notices: made, tried out, looked at; with a receiver on this machine.

use serde_json::json;

use super::Desk;
use super::log::run;
use super::looks::{look, look_at, look_in};
use crate::harness::browser::Theme;
use crate::harness::receiver::Receiver;

const OWN: &str = "/services/api/settings/notifications";

async fn desk(scripts: bool) -> Desk {
    Desk::with(scripts, &["--allow-target", "127.0.0.1"]).await
}

/// A new target; the path of its page.
async fn add(desk: &Desk, body: serde_json::Value) -> String {
    let made = desk.server.api("POST", "/api/v1/targets", Some(body)).await;
    format!("/notifications/{}", made["id"].as_str().unwrap())
}

/// Waits until a page that is loaded again and again shows this.
async fn comes(desk: &Desk, path: &str, words: &str) {
    loop {
        desk.open(path).await;
        if desk.browser.text().await.contains(words) {
            return;
        }
    }
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn every_page_of_a_target_fits_and_passes_the_rules_in_both_themes() {
    let (desk, receiver) = (desk(true).await, Receiver::start());
    let hook = desk.service("api", "echo fine").await;
    let mut wrong = look_at(&desk, OWN, "service-notifications-empty").await;
    desk.browser.fill("#url", &receiver.url("/hooks/deploys")).await;
    desk.browser.press("Add target").await;
    desk.browser.shows("Copy this signing secret now").await;
    wrong.extend(look(&desk, "target-made").await);
    desk.browser.press("Test it").await;
    desk.browser.shows("It arrived.").await;
    let page = desk.browser.driver.current_url().await.unwrap().path().to_owned();
    receiver.answer_next(&["500 Oops"]);
    desk.browser.press("Test").await;
    desk.browser.shows("It did not arrive.").await;
    wrong.extend(look(&desk, "target-tried").await);
    let slack =
        json!({ "kind": "slack", "url": "https://hooks.slack.com/services/T0/B0/X", "branches": ["main"] });
    let slack = add(&desk, slack).await;
    let github =
        json!({ "kind": "github", "url": "https://github.com/you/api", "secret": "t", "service": "api" });
    add(&desk, github).await;
    desk.server
        .api("PATCH", &format!("/api/v1/targets/{}", &slack[15..]), Some(json!({ "state": "off" })))
        .await;
    let id = desk.deploy(&hook).await;
    comes(&desk, &page, "Succeeded").await;

    for (name, path) in [
        ("notifications", "/notifications"),
        ("service-notifications", OWN),
        ("target", &page),
        ("target-off", &slack),
        ("target-rotate", &format!("{page}/rotate")),
        ("target-remove", &format!("{page}/remove")),
        ("deployment-told", &format!("/deploys/{id}")),
    ] {
        wrong.extend(look_at(&desk, path, name).await);
    }
    desk.open(&page).await;
    desk.browser.find("details > summary").await.click().await.unwrap();
    wrong.extend(look(&desk, "target-change").await);
    desk.open(OWN).await;
    desk.browser.fill("#url", "nowhere").await;
    desk.browser.fill("#branches", "a b").await;
    desk.browser.press("Add target").await;
    desk.browser.shows("2 things to fix").await;
    wrong.extend(look(&desk, "notifications-wrong").await);

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn long_addresses_and_answers_fit_too() {
    let (desk, receiver) = (desk(true).await, Receiver::start());
    let hook = desk.service("api", "true").await;
    receiver.answer_always("404 Not Found");
    let url = receiver.url(&format!("/{}", "long".repeat(400)));
    let branches: Vec<_> = (0..20).map(|number| format!("{}{number}", "release/".repeat(10))).collect();
    let page = add(&desk, json!({ "kind": "webhook", "url": url })).await;
    add(&desk, json!({ "kind": "webhook", "url": url, "service": "api", "branches": branches })).await;
    let id = desk.deploy(&hook).await;
    comes(&desk, &page, "Given up").await;
    let mut wrong = Vec::new();

    for (name, path) in [
        ("odd-notifications", "/notifications"),
        ("odd-service-notifications", OWN),
        ("odd-target", &page),
        ("odd-target-remove", &format!("{page}/remove")),
        ("odd-deployment-told", &format!("/deploys/{id}")),
    ] {
        desk.open(path).await;
        // The colours are those of the other pages.
        wrong.extend(look_in(&desk, name, &[Theme::Light]).await);
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Makes a target, tries it, rotates its secret and removes it.
async fn walk(scripts: bool) {
    let (desk, receiver) = (desk(scripts).await, Receiver::start());
    desk.service("api", "true").await;
    desk.open("/services/api").await;

    desk.browser.follow("Notifications").await;
    desk.open(OWN).await;
    desk.browser.fill("#url", &receiver.url("/hook")).await;
    desk.browser.find("[name='event.deployment.failed']").await.click().await.unwrap();
    desk.browser.press("Add target").await;
    desk.browser.shows("Copy this signing secret now").await;
    let secret = desk.browser.find("#secret").await.prop("value").await.unwrap().unwrap();
    desk.browser.follow("I have stored the secret").await;
    desk.browser.press("Test").await;
    desk.browser.shows("It arrived.").await;
    desk.browser.press("Redeliver").await;
    desk.browser.shows("It arrived.").await;
    desk.browser.follow("Rotate secret").await;
    desk.browser.press("Rotate and show the new secret").await;
    desk.browser.shows("has a new secret").await;
    assert_ne!(desk.browser.find("#secret").await.prop("value").await.unwrap().unwrap(), secret);
    desk.browser.follow("I have stored the secret").await;
    desk.browser.find("details > summary").await.click().await.unwrap();
    desk.browser.fill("#branches", "main").await;
    desk.browser.press("Save changes").await;
    desk.browser.shows("Saved.").await;
    desk.browser.press("Switch off").await;
    desk.browser.shows("Switched off.").await;
    desk.browser.press("Switch on").await;
    desk.browser.shows("Switched on.").await;
    desk.browser.follow("Remove").await;
    desk.browser.press("Remove Webhook").await;
    desk.browser.shows("No targets yet").await;

    let sent = receiver.received();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].header("webhook-id"), sent[1].header("webhook-id"));
    assert_eq!(desk.browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_target_is_made_tried_changed_and_removed_with_scripts() {
    walk(true).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_target_is_made_tried_changed_and_removed_without_scripts() {
    walk(false).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn only_the_fields_of_the_chosen_kind_are_shown() {
    let desk = desk(false).await;
    desk.open("/notifications").await;

    for (kind, shown) in [
        ("webhook", ["false", "false", "true"]),
        ("github", ["true", "true", "false"]),
        ("gitea", ["true", "false", "false"]),
        ("slack", ["false", "false", "true"]),
    ] {
        desk.browser.find(&format!("#kind option[value={kind}]")).await.click().await.unwrap();

        let mut found = Vec::new();
        for field in ["#secret", "#requiredContexts", "[name=withLines]"] {
            found.push(desk.browser.find(field).await.is_displayed().await.unwrap().to_string());
        }
        assert_eq!(found, shown, "{kind}");
    }
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_log_that_is_open_goes_on_by_itself_and_leaves_alone_what_somebody_types() {
    let (desk, receiver) = (desk(true).await, Receiver::start());
    let hook = desk.service("api", "true").await;
    let page = add(&desk, json!({ "kind": "webhook", "url": receiver.url("/hook") })).await;
    desk.open(&page).await;
    desk.browser.shows("Nothing was told yet.").await;
    run(&desk, "window.same = true").await;
    desk.browser.find("details > summary").await.click().await.unwrap();
    desk.browser.fill("#branches", "half a w").await;

    desk.deploy(&hook).await;

    desk.browser.shows("Succeeded").await;
    assert_eq!(desk.browser.find("#branches").await.prop("value").await.unwrap().unwrap(), "half a w");
    assert_eq!(run(&desk, "return window.same === true").await, true, "the page was not loaded anew");
    assert_eq!(desk.browser.complaints().await, Vec::<String>::new());
}
