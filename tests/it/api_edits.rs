//! Changing over the API what others change too, and trying a change out.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::harness::http::Send as _;

/// A change that somebody else made since is not undone unseen.
#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let server = TestServer::start().await;
    server.service("api").create().await.hook("ci").await;
    let webhook = json!({ "kind": "webhook", "url": "https://example.com/hook" });
    let target = server.admin.post("/api/v1/targets", webhook).await.json();
    let target = format!("/api/v1/targets/{}", target["id"].as_str().unwrap());
    let url = |name: &str| json!({ "url": format!("https://{name}.example.com/") });
    for (path, body, other) in [
        ("/api/v1/services/api", json!({ "timeout": "30m" }), json!({ "timeout": "31m" })),
        ("/api/v1/services/api", url("one"), url("two")),
        ("/api/v1/services/api/hooks/ci", json!({ "branches": ["main"] }), json!({ "branches": ["x"] })),
        (&target, url("one"), url("two")),
        (&target, json!({ "state": "off" }), json!({ "state": "active" })),
    ] {
        let patch = async |tag: &str, body: &Value| {
            server.admin.request(Method::PATCH, path).header("if-match", tag).json(body).answer().await
        };
        let read = server.admin.get(path).await;
        let tag = read.header("etag").unwrap().to_owned();
        assert_eq!(
            server.admin.get(path).await.header("etag"),
            Some(&*tag),
            "{path}: reading changes nothing"
        );

        let changed = patch(&tag, &body).await;
        let late = patch(&tag, &other).await;
        let now = changed.header("etag").unwrap().to_owned();

        assert_eq!(changed.status, 200, "{path}");
        assert_eq!(late.refusal(), (412, "changed_meanwhile".to_owned()), "{path}");
        assert_ne!(now, tag);
        assert_eq!(server.admin.get(path).await.header("etag"), Some(&*now), "{path}: nothing was done");
        assert_eq!(patch(&format!("\"x\", {now}"), &other).await.status, 200, "{path}");
        assert_eq!(patch("*", &body).await.status, 200, "{path}");
        assert_eq!(server.admin.patch(path, other).await.status, 200, "{path}: whoever asks for nothing");
    }
}

#[tokio::test]
async fn what_is_only_tried_out_is_judged_and_not_done() {
    let server = TestServer::start().await;
    server.service("api").create().await.hook("ci").await;
    let audit = server.audit().await;
    let new = json!({ "name": "web", "repository": "/srv/web", "deployCommand": "true" });

    let would = server.admin.post("/api/v1/services?dry_run=true", new.clone()).await;
    let refused =
        server.admin.post("/api/v1/services?dry_run=true", json!({ "name": "A", "repository": "" })).await;
    let taken = json!({ "name": "api", "repository": "/srv/web", "deployCommand": "true" });
    let taken = server.admin.post("/api/v1/services?dry_run=true", taken).await;
    let changed = server.admin.patch("/api/v1/services/api?dry_run=true", json!({ "timeout": "7m" })).await;
    let hook = server.admin.post("/api/v1/services/api/hooks?dry_run=true", json!({ "name": "two" })).await;
    let rules = json!({ "branches": ["x"] });
    let rules = server.admin.patch("/api/v1/services/api/hooks/ci?dry_run=true", rules).await;

    assert_eq!((would.status, &would.json()["name"]), (200, &json!("web")));
    assert!(would.header("location").is_none());
    assert_eq!((refused.status, taken.refusal()), (400, (409, "name_taken".to_owned())));
    assert_eq!((changed.status, &changed.json()["timeout"]), (200, &json!("7m")));
    assert_eq!((hook.status, &hook.json()["url"]), (200, &Value::Null));
    assert_eq!((rules.status, &rules.json()["branches"]), (200, &json!(["x"])));
    assert_eq!(server.admin.get("/api/v1/services").await.items().len(), 1);
    assert_eq!(server.admin.get("/api/v1/services/api").await.json()["timeout"], "1h");
    let hooks = server.admin.get("/api/v1/services/api/hooks").await.items();
    assert_eq!((hooks.len(), &hooks[0]["branches"]), (1, &json!([])));
    assert_eq!(server.audit().await, audit, "nobody did anything");
}

/// Counts and times of calls are no setting: whoever edits a busy hook is not refused for them.
#[tokio::test]
async fn a_call_of_a_hook_is_no_change_of_it() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let path = "/api/v1/services/api/hooks/ci";
    let before = server.admin.get(path).await;

    hook.post("").await;

    let after = server.admin.get(path).await;
    assert_ne!(after.json()["callsLast30Days"], before.json()["callsLast30Days"]);
    assert_eq!(after.header("etag"), before.header("etag"));
}
