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
