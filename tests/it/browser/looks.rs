//! Every page at two widths and in both themes: nothing sticks out, nothing is wrong by axe-core's rules, and a picture is
//! kept of each.

use super::Desk;
use crate::harness::browser::Theme;

/// Widths in pixels: the narrowest that is promised, a phone, a desktop.
const WIDTHS: [u32; 3] = [320, 390, 1280];

#[tokio::test]
#[ignore = "needs Chromium"]
async fn every_page_fits_and_passes_the_rules_in_both_themes() {
    let desk = Desk::new(true).await;
    let good = desk.service("api", "echo fine").await;
    let bad = desk.service("worker", "printf '\\033[31mno\\033[0m\\n'; exit 3").await;
    let (succeeded, failed) = (desk.deploy(&good).await, desk.deploy(&bad).await);
    let pages = [
        ("deployment-succeeded", format!("/deploys/{succeeded}")),
        ("deployment-failed", format!("/deploys/{failed}")),
        ("error", "/nothing/here".to_owned()),
    ];
    let mut wrong = Vec::new();

    for (name, path) in &pages {
        for theme in Theme::BOTH {
            for width in WIDTHS {
                desk.browser.looks(theme, width).await;
                desk.open(path).await;
                let (overhang, found) = (desk.browser.overhang().await, desk.browser.axe().await);
                if overhang > 0 || !found.is_empty() {
                    wrong.push(format!("{name} {} {width}: {overhang} px too wide, {found}", theme.word()));
                }
                desk.browser.picture(&format!("{name}-{}-{width}", theme.word())).await;
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}
