//! What somebody sees who tries the demo. The README's pictures are made here; `docs/pictures` puts them in place.

use crate::cli::binary::{Running, program};
use crate::harness::browser::{Browser, Theme};

#[tokio::test]
#[ignore = "needs Chromium"]
async fn its_pages_show_a_hook_that_was_called_and_why_a_deployment_failed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = Running::spawn(program().args(["demo", "--port", "0"]).env("TMPDIR", temporary.path()));
    let said = demo.wait_for_output("Ctrl-C stops the demo.");
    let after = |head: &str| {
        let (_, rest) = said.split_once(head).unwrap_or_else(|| panic!("{head}: {said}"));
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let browser = Browser::start().await;
    browser.open(&after("Dashboard ")).await;
    browser.press("Sign in").await;
    browser.shows("Sign out demo").await;

    let page = after("its page, once signed in: ");
    browser.open(&page).await;
    browser.shows("index.html: line 16: </html> is missing").await;
    assert!(!browser.text().await.contains("means nothing here"));
    browser.looks(Theme::Dark, 1280).await;
    browser.picture("readme-deployment").await;
    let (base, _) = page.split_once("/deploys/").unwrap();
    browser.open(&format!("{base}/services/hello/settings/deploy-hooks")).await;
    browser.shows("fix/headline").await;
    browser.looks(Theme::Light, 1280).await;
    browser.picture("readme-deploy-hooks").await;

    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
