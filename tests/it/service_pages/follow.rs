//! How pages that follow by themselves are asked again.

use reqwest::Method;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_sent_again_and_each_viewer_has_an_own() {
    let server = TestServer::start().await;
    let api = server.service("api").create().await;
    let (mira, theo) = (Browser::of(&server, "mira").await, Browser::of(&server, "theo").await);
    let ask = async |browser: &Browser, path: &str, tag: Option<&str>| {
        let mut request = browser.request(Method::GET, path).header("x-follows", "1");
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        request.answer().await
    };
    for path in ["/services", "/services/api"] {
        let first = ask(&mira, path, None).await;
        let tag = first.header("etag").unwrap().to_owned();

        assert_eq!(ask(&mira, path, Some(&tag)).await.status, 304);
        assert_eq!(ask(&theo, path, Some(&tag)).await.status, 200, "another viewer");
        api.deploy(json!({ "branch": format!("b{}", path.len()) })).await;
        let changed = ask(&mira, path, Some(&tag)).await;
        assert!(changed.status == 200 && changed.header("etag") != Some(&tag), "{path}");
    }
}

#[tokio::test]
async fn a_page_that_is_left_open_does_not_keep_its_session_alive() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    for _ in 0..13 {
        server.clock.advance(std::time::Duration::from_hours(1));
        mira.request(Method::GET, "/services").header("x-follows", "1").answer().await;
    }

    assert!(!mira.is_signed_in().await);
}
