//! The log of a deployment: times, ranges, and a very long one.

use serde_json::{Value, json};

use super::Desk;

pub(super) async fn run(desk: &Desk, script: &str) -> Value {
    desk.browser.driver.execute(script, Vec::new()).await.unwrap().json().clone()
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_range_of_lines_is_marked_by_its_link_and_times_are_shown_when_asked_for() {
    let desk = Desk::new(true).await;
    let hook = desk.service("api", "seq 1 40").await;
    let id = desk.deploy(&hook).await;

    desk.open(&format!("/deploys/{id}#L10-L20")).await;
    let marked = "return [...document.querySelectorAll('.l.is-picked')].map(line => line.id)";
    let marked_lines = run(&desk, marked).await;
    desk.browser.follow("Show times").await;
    desk.browser.shows("Hide times").await;

    assert_eq!(marked_lines.as_array().unwrap().len(), 11);
    assert_eq!((&marked_lines[0], &marked_lines[10]), (&json!("L10"), &json!("L20")));
    let times =
        run(&desk, "return [...document.querySelectorAll('.l > time')].map(t => t.textContent)").await;
    let times = times.as_array().unwrap();
    assert!(times.len() >= 40 && times.iter().all(|time| time.as_str().unwrap().len() == 8), "{times:?}");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn two_hundred_thousand_lines_stay_usable_and_the_browser_finds_in_them() {
    let desk = Desk::new(true).await;
    let hook = desk.service("api", "seq 1 200000 | sed 's/$/ line/'").await;
    let id = desk.deploy(&hook).await;

    desk.open(&format!("/deploys/{id}")).await;
    let window = run(&desk, "return document.querySelectorAll('.l').length").await;
    // A link to a line that is not among the last ones shows them all.
    desk.open(&format!("/deploys/{id}#L150003")).await;
    desk.browser.find("#L150003").await;
    let is_seen = "const box = document.getElementById('L150003').getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight";
    let jumped = run(&desk, is_seen).await;
    let found = run(&desk, "getSelection().removeAllRanges(); return window.find('199998 line')").await;

    assert_eq!(window, 2_000);
    assert_eq!((jumped, found), (json!(true), json!(true)));
    assert!(run(&desk, "return document.querySelectorAll('.l').length").await.as_u64().unwrap() >= 200_000);
}
