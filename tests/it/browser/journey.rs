//! From nothing to a deployment and to a dead URL, as somebody new walks it: by mouse with scripts, and without them.

use std::process::Command;

use tempfile::TempDir;
use thirtyfour::TypingData;
use thirtyfour::prelude::*;

use crate::harness::browser::Browser;
use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::{PATIENCE, Server, client};

const PASSWORD: &str = "seven grey herons at noon";
const HOOKS: &str = "/services/api/settings/deploy-hooks";

/// Status of a POST to a hook.
async fn status(url: &str) -> u16 {
    client().post(url).send().await.unwrap().status().as_u16()
}

/// What the field with the new URL holds.
async fn secret(browser: &Browser) -> String {
    browser.find("#secret").await.prop("value").await.unwrap().unwrap()
}

/// The setup link that a new server prints.
pub fn setup_link(server: &Server) -> String {
    loop {
        let line = server.lines.recv_timeout(PATIENCE).unwrap();
        if let Some(link) = line.strip_prefix("setup      ") {
            return link.split_whitespace().next().unwrap().to_owned();
        }
    }
}

async fn set_up(browser: &Browser, server: &Server) {
    browser.open(&setup_link(server)).await;
    browser.fill("#name", "mira").await;
    browser.fill("#pw", PASSWORD).await;
    browser.find("main form button").await.click().await.unwrap();
    browser.shows("Sign out mira").await;
}

async fn add_service(browser: &Browser, server: &Server, repo: &GitRepo) {
    browser.open(&format!("{}/services", server.url)).await;
    browser.follow("New service").await;
    browser.fill("[name=name]", "api").await;
    browser.fill("[name=repository]", &repo.url()).await;
    browser.fill("[name=buildCommand], [name=build_command]", "echo built; sleep 1; echo done").await;
    browser.fill("[name=deployCommand], [name=deploy_command]", "echo live").await;
    browser.press("Create service").await;
    browser.shows("Deploy Hooks").await;
}

/// The whole way; `watches` tells whether the page of the deployment is looked at while it runs.
async fn walk(browser: Browser, watches: bool) {
    let (data, repo) = (TempDir::new().unwrap(), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    let server = Server::start(data.path(), &[]);
    set_up(&browser, &server).await;
    add_service(&browser, &server, &repo).await;

    browser.follow("Deploy Hooks").await;
    browser.fill("#name", "github-actions").await;
    browser.press("Generate Hook URL").await;
    browser.shows("github-actions").await;
    let old = secret(&browser).await;
    let line = format!("curl --fail-with-body -sS -X POST '{old}'");
    let called = output(Command::new("sh").args(["-e", "-c", &line]));
    let answer: serde_json::Value = serde_json::from_slice(&called.stdout).unwrap();
    assert!(called.status.success() && answer["status"] == "queued", "{answer}");

    browser.open(answer["dashboardUrl"].as_str().unwrap()).await;
    if watches {
        browser.shows("built").await;
        browser.shows("Succeeded").await;
    } else {
        let id = answer["deploymentId"].as_str().unwrap();
        let wait = format!("{}/deployments/{id}/wait", server.url);
        while client().get(&wait).send().await.unwrap().status() == 503 {}
        browser.open(answer["dashboardUrl"].as_str().unwrap()).await;
        browser.shows("Succeeded").await;
    }

    browser.open(&format!("{}{HOOKS}", server.url)).await;
    browser.follow("Rotate").await;
    browser.press("Rotate and show the new URL").await;
    let new = secret(&browser).await;
    assert_ne!(old, new);
    assert_eq!((status(&old).await, status(&new).await), (202, 202));
    browser.open(&format!("{}{HOOKS}", server.url)).await;
    browser.shows("Rotating").await;
    assert!(!browser.text().await.contains("sbhook_0"), "no secret is shown again");

    browser.follow("Revoke").await;
    browser.press("Revoke github-actions").await;
    browser.shows("Revoked").await;
    assert_eq!((status(&old).await, status(&new).await), (401, 401));
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn from_setup_to_a_revoked_hook_with_scripts() {
    walk(Browser::start().await, true).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn from_setup_to_a_revoked_hook_without_scripts() {
    walk(Browser::without_scripts().await, false).await;
}

/// Types into what is in focus.
async fn type_keys(browser: &Browser, keys: impl Into<TypingData>) {
    browser.driver.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

/// Moves on with Tab until the element in focus fits.
async fn tab_to(browser: &Browser, words: &str) {
    for _ in 0..60 {
        let focus = browser.driver.active_element().await.unwrap();
        let (text, name) = (focus.text().await.unwrap(), focus.attr("name").await.unwrap());
        if text.trim() == words || name.as_deref() == Some(words) {
            return;
        }
        focus.send_keys(Key::Tab + "").await.unwrap();
    }
    panic!("no Tab leads to {words}");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_hook_is_made_by_the_keyboard_alone() {
    let desk = super::Desk::new(true).await;
    desk.service("api", "true").await;
    desk.open(HOOKS).await;

    tab_to(&desk.browser, "name").await;
    type_keys(&desk.browser, "keyboard").await;
    tab_to(&desk.browser, "Generate Hook URL").await;
    type_keys(&desk.browser, Key::Enter + "").await;
    desk.browser.shows("keyboard").await;

    let url = secret(&desk.browser).await;
    tab_to(&desk.browser, "Copy URL").await;
    type_keys(&desk.browser, Key::Enter + "").await;
    desk.browser.shows("Copied").await;
    assert_eq!(status(&url).await, 202);

    desk.open("/services/new").await;
    let field = desk.browser.find("[name=repository]").await;
    field.send_keys(Key::Control + "v").await.unwrap();
    assert_eq!(field.prop("value").await.unwrap().unwrap(), url);
}
