//! Text that somebody else chose, on every page that shows it: none of it runs, and the policy has nothing to report.

use serde_json::json;

use super::Desk;

/// Where it ran, it would leave a mark, or be an element.
const PAYLOAD: &str =
    "\"'><img src=x class=forged onerror=\"window.forged=1\"><script>window.forged=1</script>";

#[tokio::test]
#[ignore = "needs Chromium"]
async fn what_others_wrote_is_text_on_every_page_and_the_policy_has_nothing_to_report() {
    let desk = Desk::new(true).await;
    desk.repo.commit("hostile", "x\n", PAYLOAD);
    let build = format!("printf '%s\\n' '{}'; exit 3", PAYLOAD.replace('\'', "'\\''"));
    let hook = desk.service("api", &build).await;
    let id = desk.deploy(&hook).await;
    desk.server.api("POST", "/api/v1/tokens", Some(json!({ "name": "<b>token", "scope": "read" }))).await;
    desk.server
        .api("PATCH", "/api/v1/services/api/hooks/ci", Some(json!({ "name": "<i>ci", "paused": PAYLOAD })))
        .await;
    desk.server.api("PUT", "/api/v1/services/api/freeze", Some(json!({ "reason": PAYLOAD }))).await;
    let target =
        json!({ "kind": "webhook", "url": format!("https://example.com/?{PAYLOAD}"), "service": "api" });
    let target = desk.server.api("POST", "/api/v1/targets", Some(target)).await;
    let target = format!("/notifications/{}", target["id"].as_str().unwrap());
    let hooks = "/services/api/settings/deploy-hooks";

    for path in [
        "/services",
        "/services/api",
        "/services/api?q=%22%3E%3Cimg%20src%3Dx%20class%3Dforged%3E",
        "/services/api/settings",
        hooks,
        "/services/api/settings/notifications",
        &target,
        &format!("{target}?tried=%3Cimg%20src%3Dx%20class%3Dforged%3E"),
        &format!("{target}/remove"),
        &format!("/deploys/{id}"),
        &format!("/deploys/{id}?all=1"),
        "/audit",
        "/tokens",
        "/account",
        "/%3Cimg%20src=x%20class=forged%3E",
    ] {
        desk.open(path).await;

        let script = "return [window.forged ?? null, document.querySelectorAll('.forged').length]";
        let found = desk.browser.driver.execute(script, Vec::new()).await.unwrap().json().clone();
        assert_eq!(found, json!([null, 0]), "{path}");
        let complaints = desk.browser.complaints().await;
        assert!(complaints.is_empty(), "{path}: {complaints:#?}");
    }
    desk.open(&format!("/deploys/{id}")).await;
    desk.browser.shows("class=forged onerror").await;
}
