//! The dashboard's pages of services, as an operator's browser meets them: without a script, by forms and links.

mod actions;
mod badge;
mod follow;
mod list;
mod make;
mod settings;
mod show;

use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::forms::form;
use crate::harness::http::Send as _;

/// A whole element; the one for names has no slash, since no name may have one.
pub const HOSTILE: &str = "\"><script>alert(1)</script>";

/// Where an answer sends the browser.
pub fn place(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

pub fn expect(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "missing: {part}\n{html}");
    }
}

pub fn refuse(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(!html.contains(part), "present: {part}\n{html}");
    }
}

/// The text of a hostile value as a page shows it.
pub fn escaped() -> String {
    HOSTILE.replace('"', "&#34;").replace('<', "&#60;").replace('>', "&#62;")
}

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    for path in
        ["/services", "/services/new", "/services/api", "/services/api/settings", "/services/api/delete"]
    {
        let answer = server.anyone().get(path).await;

        assert_eq!(answer.status, 401, "{path}");
        expect(&answer.text(), &["href=\"/login"]);
        refuse(&answer.text(), &[">api", "srv/git"]);
    }
    assert_eq!(place(&server.anyone().get("/").await), "/login");
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;

    for (path, fields) in [
        ("/services", vec![("name", "evil"), ("repository", "/srv/evil"), ("deployCommand", "true")]),
        ("/services/api/deploy", vec![]),
        ("/services/api/freeze", vec![("reason", "x")]),
        ("/services/api/unfreeze", vec![]),
        ("/services/api/settings", vec![("repository", "/srv/evil"), ("defaultBranch", "main")]),
        ("/services/api/delete", vec![("confirm", "api")]),
    ] {
        let answer = browser.post_from(("sec-fetch-site", "cross-site"), path, &fields).await;

        assert_eq!(answer.status, 403, "{path}");
    }
    let shown = server.admin.get("/api/v1/services").await.items();
    assert_eq!((shown.len(), shown[0]["repository"].as_str()), (1, Some("/srv/git/api.git")));
    assert_eq!(server.count("queued").await, 0);
}

#[tokio::test]
async fn a_token_does_by_forms_what_it_may_and_no_more() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let reader = server.holder(&server.token("ci", "read", None).await);
    let post = async |path: &str| form(&reader, path, &[("reason", "x")]).answer().await.status;

    assert_eq!(reader.get("/services/api").await.status, 200);
    for path in ["deploy", "freeze", "unfreeze", "settings", "delete"] {
        assert_eq!(post(&format!("/services/api/{path}")).await, 403, "{path}");
    }
    assert_eq!((post("/services").await, reader.get("/services/new").await.status), (403, 403));
}
