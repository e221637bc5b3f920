//! Every page at three widths and in both themes: nothing sticks out, nothing is wrong by axe-core's rules, and a picture
//! is kept of each.

use serde_json::json;

use super::Desk;
use crate::harness::browser::Theme;

/// Widths in pixels: the narrowest that is promised, a phone, a desktop.
const WIDTHS: [u32; 3] = [320, 390, 1280];

/// Looks at what is open; what is wrong with it, a line each.
pub(super) async fn look(desk: &Desk, name: &str) -> Vec<String> {
    look_in(desk, name, &Theme::BOTH).await
}

/// Opens a page and looks at it.
pub(super) async fn look_at(desk: &Desk, path: &str, name: &str) -> Vec<String> {
    desk.open(path).await;
    look(desk, name).await
}

pub(super) async fn look_in(desk: &Desk, name: &str, themes: &[Theme]) -> Vec<String> {
    let mut wrong = Vec::new();
    for &theme in themes {
        for width in WIDTHS {
            desk.browser.looks(theme, width).await;
            let (overhang, found) = (desk.browser.overhang().await, desk.browser.axe().await);
            if overhang > 0 || !found.is_empty() {
                wrong.push(format!("{name} {} {width}: {overhang} px too wide, {found}", theme.word()));
            }
            if width > WIDTHS[0] {
                desk.browser.picture(&format!("{name}-{}-{width}", theme.word())).await;
            }
        }
    }
    wrong
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn every_page_fits_and_passes_the_rules_in_both_themes() {
    let desk = Desk::new(true).await;
    let mut wrong = Vec::new();
    wrong.extend(look_at(&desk, "/services", "services-empty").await);
    let good = desk.service("api", "echo fine").await;
    let bad = desk.service("worker", "printf '\\033[31mno\\033[0m\\n'; exit 3").await;
    let (succeeded, failed) = (desk.deploy(&good).await, desk.deploy(&bad).await);
    desk.server.api("PUT", "/api/v1/services/worker/freeze", Some(json!({ "reason": "release day" }))).await;
    desk.server.hook(json!({ "name": "docs", "repository": desk.repo.url() })).await;
    let hooks = "/services/api/settings/deploy-hooks";
    let pages = [
        ("services", "/services".to_owned()),
        ("new-service", "/services/new".to_owned()),
        ("service", "/services/api".to_owned()),
        ("service-frozen", "/services/worker".to_owned()),
        ("service-undeployed", "/services/docs".to_owned()),
        ("settings", "/services/api/settings".to_owned()),
        ("service-delete", "/services/api/delete".to_owned()),
        ("deploy-hooks", hooks.to_owned()),
        ("hook-rotate", format!("{hooks}/ci/rotate")),
        ("hook-revoke", format!("{hooks}/ci/revoke")),
        ("hook-rename", format!("{hooks}/ci/rename")),
        ("hook-edit", format!("{hooks}/ci/edit")),
        ("hook-pause", format!("{hooks}/ci/pause")),
        ("hook-test", format!("{hooks}/ci/test")),
        ("deployment-succeeded", format!("/deploys/{succeeded}")),
        ("deployment-failed", format!("/deploys/{failed}")),
        ("account", "/account".to_owned()),
        ("api-tokens", "/tokens".to_owned()),
        ("audit", "/audit".to_owned()),
        ("notifications-empty", "/notifications".to_owned()),
        ("api", "/docs/api".to_owned()),
        ("error", "/nothing/here".to_owned()),
    ];

    for (name, path) in &pages {
        wrong.extend(look_at(&desk, path, name).await);
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn what_is_shown_once_and_what_strangers_see_passes_the_rules_too() {
    let desk = Desk::new(true).await;
    desk.service("api", "echo fine").await;
    let mut wrong = Vec::new();

    desk.open("/services/api/settings/deploy-hooks").await;
    desk.browser.fill("#name", "github-actions").await;
    desk.browser.press("Generate Hook URL").await;
    desk.browser.shows("Copy").await;
    wrong.extend(look(&desk, "hook-created").await);
    desk.open("/tokens").await;
    desk.browser.fill("#tn", "ci").await;
    desk.browser.press("Create token").await;
    desk.browser.find("#secret, .secret").await;
    wrong.extend(look(&desk, "token-created").await);
    let hook = desk.service("web", "true").await;
    wrong.extend(look_at(&desk, &hook, "error-hook-get").await);
    let link = desk.server.api("POST", "/api/v1/operators", Some(json!({ "name": "noor" }))).await;
    desk.browser.open(link["signInUrl"].as_str().unwrap()).await;
    wrong.extend(look(&desk, "sign-in-link").await);
    wrong.extend(look_at(&desk, "/login", "sign-in").await);
    let data = tempfile::TempDir::new().unwrap();
    let server = crate::harness::process::Server::start(data.path(), &[]);
    desk.browser.open(&super::journey::setup_link(&server)).await;
    wrong.extend(look(&desk, "setup").await);

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn what_runs_and_what_asks_first_passes_the_rules_too() {
    let desk = Desk::new(true).await;
    let service = json!({
        "name": "api",
        "repository": desk.repo.url(),
        "buildCommand": "echo first; [ -e slow-build ] && sleep 600; true",
        "deployCommand": "echo second; [ -e slow-deploy ] && sleep 600; true",
    });
    let hook = desk.server.hook(service).await;
    let mut wrong = Vec::new();
    let replaced = desk.deploy(&hook).await;
    desk.deploy(&hook).await;
    wrong.extend(look_at(&desk, &format!("/deploys/{replaced}"), "deployment-replaced").await);
    desk.repo.commit("slow-deploy", "", "Deploy slowly");
    let deploying = desk.start(&hook).await;
    desk.open(&format!("/deploys/{deploying}")).await;
    desk.browser.shows("second").await;
    wrong.extend(look(&desk, "deployment-deploying").await);
    desk.server.api("POST", &format!("/deployments/{deploying}/cancel"), None).await;
    desk.repo.commit("slow-build", "", "Build slowly");
    let running = desk.start(&hook).await;
    desk.open(&format!("/deploys/{running}")).await;
    desk.browser.shows("first").await;
    let queued = desk.start(&format!("{hook}?note=once+more")).await;
    wrong.extend(look(&desk, "deployment-running").await);
    wrong.extend(look_at(&desk, &format!("/deploys/{queued}"), "deployment-queued").await);
    desk.open(&format!("/deploys/{running}")).await;
    desk.server.api("POST", &format!("/deployments/{running}/cancel"), None).await;
    desk.browser.shows("Failed").await;
    wrong.extend(look(&desk, "deployment-cancelled").await);
    desk.open("/account").await;
    desk.browser.fill("#on", "noor").await;
    desk.browser.press("Add operator").await;
    desk.browser.shows("Copy link").await;
    wrong.extend(look(&desk, "operator-link").await);
    let token = json!({ "name": "ci", "scope": "read" });
    let token = desk.server.api("POST", "/api/v1/tokens", Some(token)).await;
    let revoke = format!("/tokens/{}/revoke", token["id"].as_str().unwrap());
    for (name, path) in [
        ("operator-remove", "/account/operators/remove?name=noor"),
        ("token-revoke", &revoke),
        ("confirm", "/confirm?next=/tokens"),
        ("error-missing", "/services/nothing"),
    ] {
        wrong.extend(look_at(&desk, path, name).await);
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn huge_and_odd_data_fit_too() {
    let desk = Desk::new(true).await;
    let branch = "long-".repeat(40);
    desk.repo.commit(
        "odd",
        "x\n",
        &format!("{}\n\nsecond\nthird", "a subject that goes on and on ".repeat(6)),
    );
    desk.repo.git(&["branch", &branch]);
    let hook = desk.service("a-name-of-63-characters-which-is-the-longest-that-a-service-has", "false").await;
    let odd = desk.deploy(&format!("{hook}?branch={branch}")).await;
    let lost = desk.deploy(&format!("{hook}?commit={}", "4".repeat(40))).await;
    let service = "/api/v1/services/a-name-of-63-characters-which-is-the-longest-that-a-service-has";
    for number in 0..100 {
        let body = json!({ "name": format!("hook-{number}"), "branches": [&branch] });
        desk.server.api("POST", &format!("{service}/hooks"), Some(body)).await;
    }
    let long = "h".repeat(58);
    desk.server.api("POST", &format!("{service}/hooks"), Some(json!({ "name": long }))).await;
    let page = service.strip_prefix("/api/v1").unwrap();
    let mut wrong = Vec::new();

    for (name, path) in [
        ("odd-services", "/services".to_owned()),
        ("odd-service", page.to_owned()),
        ("odd-hooks", format!("{page}/settings/deploy-hooks")),
        ("odd-revoke", format!("{page}/settings/deploy-hooks/{long}/revoke")),
        ("odd-deployment", format!("/deploys/{odd}")),
        ("odd-commit", format!("/deploys/{lost}")),
        ("odd-audit", "/audit".to_owned()),
    ] {
        desk.open(&path).await;
        // The colours are those of the other pages.
        wrong.extend(look_in(&desk, name, &[Theme::Light]).await);
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}
