//! Pages that go on by themselves while somebody looks at them.

use super::Desk;
use super::log::run;

#[tokio::test]
#[ignore = "needs Chromium"]
async fn lists_go_on_by_themselves_and_leave_alone_what_somebody_types() {
    let desk = Desk::new(true).await;
    let (begun, go_on) = (desk.data.path().join("begun"), desk.data.path().join("go-on"));
    let build = format!("touch {}; while ! [ -e {} ]; do sleep 0.05; done", begun.display(), go_on.display());
    let hook = desk.service("api", &build).await;
    desk.open("/services/api").await;
    desk.browser.shows("No deployments yet").await;
    run(&desk, "window.same = true").await;

    desk.start(&hook).await;
    desk.browser.shows("Building").await;
    desk.browser.fill("#q", "half a w").await;
    std::fs::write(&go_on, "").unwrap();
    desk.deploy(&hook).await;

    assert_eq!(desk.browser.find("#q").await.prop("value").await.unwrap().unwrap(), "half a w");
    desk.browser.find("#q").await.clear().await.unwrap();
    run(&desk, "document.activeElement.blur()").await;
    desk.browser.shows("Succeeded").await;
    desk.browser.shows("Serving").await;
    assert_eq!(run(&desk, "return window.same === true").await, true, "the page was not loaded anew");
    assert_eq!(desk.browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_list_of_services_goes_on_and_what_was_opened_stays_open() {
    let desk = Desk::new(true).await;
    let hook = desk.service("api", "true").await;
    desk.open("/services").await;
    desk.browser.shows("Never deployed").await;

    desk.deploy(&hook).await;

    desk.browser.shows("Succeeded").await;
    assert_eq!(desk.browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_of_a_deployment_tells_what_waits_behind_it_and_what_took_its_place() {
    let desk = Desk::new(true).await;
    let go_on = desk.data.path().join("go-on");
    let build = format!("echo first; while ! [ -e {} ]; do sleep 0.05; done", go_on.display());
    let hook = desk.service("api", &build).await;
    let first = desk.start(&hook).await;
    desk.open(&format!("/deploys/{first}")).await;
    desk.browser.shows("first").await;
    run(&desk, "window.same = true").await;

    let second = desk.start(&format!("{hook}?note=other")).await;
    desk.browser.shows("waits behind this one").await;
    assert_eq!(run(&desk, "return window.same === true").await, true, "the page was not loaded anew");
    assert!(tab(&desk).await.starts_with("● Building api at "));
    std::fs::write(&go_on, "").unwrap();
    desk.ends(&second).await;

    desk.browser.shows("Replaced by").await;
    assert!(tab(&desk).await.contains("✓ Succeeded: api at "));
    let icon = run(&desk, "return document.querySelector('link[rel=icon]').href").await;
    assert!(icon.as_str().unwrap().contains("favicon-succeeded."), "{icon}");
    run(&desk, "window.same = true; document.querySelector('[name=freeze]').click()").await;
    desk.deploy(&format!("{hook}?note=third")).await;
    assert_eq!(
        run(&desk, "return document.querySelector('[name=freeze]').checked && window.same").await,
        true,
        "a form in use is left alone"
    );
    desk.browser.press("Roll back").await;
    desk.browser.shows("back to").await;
    desk.open("/services/api").await;
    desk.browser.shows("rolled back to").await;
    assert_eq!(desk.browser.complaints().await, Vec::<String>::new());
}

async fn tab(desk: &Desk) -> String {
    desk.browser.driver.title().await.unwrap()
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn what_a_stranger_sees_goes_on_too() {
    let desk = Desk::new(true).await;
    let go_on = desk.data.path().join("go-on");
    let build = format!("while ! [ -e {} ]; do sleep 0.05; done", go_on.display());
    let hook = desk.service("api", &build).await;
    let id = desk.start(&hook).await;
    desk.open("/services").await;
    desk.browser.press("Sign out mira").await;
    desk.open(&format!("/deploys/{id}")).await;
    desk.browser.shows("Building").await;

    std::fs::write(&go_on, "").unwrap();

    desk.browser.shows("Succeeded").await;
    assert!(tab(&desk).await.starts_with("✓ Succeeded"));
    assert_eq!(desk.browser.complaints().await, Vec::<String>::new());
}

/// A browser has six connections to one server. Only the tab that is seen holds the log's stream, so that a list in the
/// eighth tab goes on.
#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_list_goes_on_beside_nine_tabs_with_live_logs() {
    let desk = Desk::new(true).await;
    let go_on = desk.data.path().join("go-on");
    let build = format!("echo first; while ! [ -e {} ]; do sleep 0.05; done", go_on.display());
    let hook = desk.service("api", &build).await;
    let id = desk.start(&hook).await;
    let page = format!("/deploys/{id}");
    for tabs in [2, 7] {
        for _ in 0..tabs {
            desk.open(&page).await;
            desk.browser.shows("first").await;
            let tab = desk.browser.driver.new_tab().await.unwrap();
            desk.browser.driver.switch_to_window(tab).await.unwrap();
        }
        let name = format!("docs-{tabs}");
        desk.open("/services").await;
        desk.browser.shows("Building").await;
        run(&desk, "window.same = true").await;

        let service = serde_json::json!({ "name": name, "repository": desk.repo.url() });
        desk.server.hook(service).await;
        desk.browser.shows(&name).await;

        assert_eq!(run(&desk, "return window.same === true").await, true);
    }
    std::fs::write(&go_on, "").unwrap();
    desk.ends(&id).await;
}
