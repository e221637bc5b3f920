//! DELETE on a hook URL: whoever finds a leaked URL can kill it, and can do nothing else.

use reqwest::Method;
use serde_json::json;

use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

#[tokio::test]
async fn delete_revokes_the_hook_and_answers_401_from_then_on() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let (hook, other) = (service.hook("ci").await, service.hook("other").await);

    let answer = hook.revoke_by_url().await;

    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    assert_eq!(hook.revoke_by_url().await.refusal(), (401, "unknown_hook".to_owned()));
    assert_eq!((hook.post("").await.status, other.post("").await.status), (401, 202));
}

#[tokio::test]
async fn the_revocation_is_in_the_audit_with_the_address() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    hook.revoke_by_url().await;

    let entry = server.admin.get("/api/v1/audit?limit=1").await.items().remove(0);
    assert_eq!(entry["action"], "hook.revoke");
    assert_eq!((&entry["subject"], &entry["address"]), (&json!("hook api/ci"), &json!("127.0.0.1")));
}

#[tokio::test]
async fn the_header_form_revokes_too() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let answer = server.holder(&hook.token).delete("/deploy-hooks").await;

    assert_eq!((answer.status, hook.post("").await.status), (204, 401));
}

#[tokio::test]
async fn an_old_secret_in_grace_revokes_the_hook_as_well() {
    let server = TestServer::start().await;
    let old = server.service("api").create().await.hook("ci").await;
    let new = old.rotate("1h").await;

    assert_eq!(old.revoke_by_url().await.status, 204);

    assert_eq!((old.post("").await.status, new.post("").await.status), (401, 401));
}

#[tokio::test]
async fn an_old_secret_past_its_grace_revokes_nothing() {
    let server = TestServer::start().await;
    let old = server.service("api").create().await.hook("ci").await;
    let new = old.rotate("0").await;

    assert_eq!(old.revoke_by_url().await.status, 401);

    assert_eq!(new.post("").await.status, 202);
}

#[tokio::test]
async fn pause_freeze_and_addresses_do_not_stop_it() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").addresses(&["203.0.113.0/24"]).paused("not now").await;
    service.freeze("migration").await;

    assert_eq!(hook.revoke_by_url().await.status, 204);
}

#[tokio::test]
async fn a_spent_budget_does_not_stop_it() {
    let server = TestServer::with(Options { hook_rate: 1, hook_burst: 1, ..Options::default() }).await;
    let hook = server.service("api").create().await.hook("ci").await;
    hook.post("").await;
    assert_eq!(hook.post("").await.status, 429);

    assert_eq!(hook.revoke_by_url().await.status, 204);
}

#[tokio::test]
async fn delete_gives_no_other_power() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").await;
    let id = hook.post("").await.id();

    let holder = server.holder(&hook.token);
    for (method, path) in [
        (Method::DELETE, "/api/v1/services/api".to_owned()),
        (Method::DELETE, hook.path()),
        (Method::GET, "/api/v1/services/api".to_owned()),
        (Method::POST, format!("/deployments/{id}/cancel")),
    ] {
        let answer = holder.request(method.clone(), &path).answer().await;

        assert_eq!(answer.status, 403, "{method} {path}");
    }
    hook.revoke_by_url().await;
    assert_eq!(server.deployment(&id).await["status"], "queued");
}
