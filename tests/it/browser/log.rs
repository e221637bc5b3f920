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

#[tokio::test]
#[ignore = "needs Chromium"]
async fn addresses_in_a_log_are_links_and_its_lines_wrap() {
    let desk = Desk::new(true).await;
    let go_on = desk.data.path().join("go-on");
    let wide = "wide ".repeat(200);
    let build = format!(
        "echo 'see https://docs.example/a?b=1.'; while ! [ -e {} ]; do sleep 0.05; done; echo 'and https://late.example/x, {wide}'",
        go_on.display()
    );
    let hook = desk.service("api", &build).await;
    let id = desk.start(&hook).await;
    desk.open(&format!("/deploys/{id}")).await;
    desk.browser.shows("docs.example").await;
    run(&desk, "window.same = true").await;
    std::fs::write(&go_on, "").unwrap();
    let links = "return [...document.querySelectorAll('.log .l span a')].map(link => link.href)";

    desk.browser.shows("late.example").await;
    desk.ends(&id).await;
    desk.open(&format!("/deploys/{id}")).await;
    let found = run(&desk, links).await;
    let style = "return getComputedStyle(document.querySelector('.l')).whiteSpace";
    let before = run(&desk, style).await;
    run(&desk, "document.getElementById('wrap').click()").await;

    assert!(found.as_array().unwrap().contains(&json!("https://docs.example/a?b=1")), "{found}");
    assert!(found.as_array().unwrap().contains(&json!("https://late.example/x")), "{found}");
    assert_eq!((before, run(&desk, style).await), (json!("pre"), json!("pre-wrap")));
    let overhang = "const lines = document.querySelector('#step-build .lines'); return lines.scrollWidth - lines.clientWidth";
    assert_eq!(run(&desk, overhang).await, json!(0));
    assert_eq!(desk.browser.complaints().await, Vec::<String>::new());
}
