//! The status badge, and the picture on a service's page.

use serde_json::json;

use super::*;
use crate::harness::http::Send as _;

#[tokio::test]
async fn a_badge_is_off_until_somebody_makes_one_and_shows_how_the_service_stands() {
    let server = TestServer::start().await;
    let api = server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;
    let settings = "/services/api/settings";
    assert!(browser.page(settings).await.contains("Make a badge"));

    assert_eq!(browser.post("/services/api/badge", &[]).await.status, 303);
    let html = browser.page(settings).await;
    let url = html.split_once("<img src=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let path = url[url.find("/badges/").unwrap()..].to_owned();
    let picture = async |path: &str| server.anyone().request(reqwest::Method::GET, path).answer().await;

    let never = picture(&path).await;
    assert_eq!((never.status, never.header("content-type")), (200, Some("image/svg+xml; charset=utf-8")));
    assert!(never.text().contains("aria-label=\"api: never deployed\""), "{}", never.text());
    assert_eq!(never.header("cache-control"), Some("no-cache, max-age=0"));
    api.deploy(json!({})).await;
    server.run_all().await;
    assert!(picture(&path).await.text().contains("api: succeeded"));

    let made = server.admin.put("/api/v1/services/api/badge", json!({})).await;
    let other = made.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(made.status, 201);
    assert_ne!(other, url);
    assert_eq!(picture(&path).await.status, 404, "the earlier address shows nothing any more");
    let other = &other[other.find("/badges/").unwrap()..];
    assert_eq!((picture(other).await.status, picture("/badges/x.svg").await.status), (200, 404));
    assert_eq!(server.admin.delete("/api/v1/services/api/badge").await.status, 204);
    assert_eq!(picture(other).await.status, 404);
    let made = "operator mira | badge.create | service api";
    assert!(server.audit().await.iter().any(|line| line.starts_with(made)), "{:?}", server.audit().await);
}

#[tokio::test]
async fn the_last_ends_are_drawn_and_told_in_words_and_as_a_table() {
    let server = TestServer::start().await;
    let api = server.service("api").policy("every").create().await;
    let browser = Browser::of(&server, "mira").await;
    for _ in 0..2 {
        api.deploy(json!({})).await;
    }
    server.run_all().await;
    assert!(!browser.page("/services/api").await.contains("class=\"bars\""), "too few to tell anything");

    api.deploy(json!({})).await;
    server.run_all().await;

    let html = browser.page("/services/api").await;
    expect(
        &html,
        &[
            "The last 3 ends: 3 succeeded, 0 failed, 0 stopped on purpose",
            "100 % of the last 3 succeeded; half of them took less than ",
            "<summary>The bars as a table</summary>",
        ],
    );
    assert_eq!(html.matches("<rect class=\"p-ok\"").count(), 3);
}
