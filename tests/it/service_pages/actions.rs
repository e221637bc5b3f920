//! What can be done from a service's head.

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::harness::Options;

#[tokio::test]
async fn deploy_leads_to_the_new_deployment() {
    let server = TestServer::start().await;
    server.service("api").branch("trunk").create().await;
    let browser = Browser::of(&server, "mira").await;

    let plain = place(&browser.post("/services/api/deploy", &[]).await);
    let commit = "4f2c1d7e8b9a0c1d2e3f4a5b6c7d8e9f0a1b2c3d";
    let fields = [("branch", "feat/x"), ("commit", commit), ("clear_cache", "true")];
    let exact = place(&browser.post("/services/api/deploy", &fields).await);

    let shown = server.admin.get(&plain.replace("/deploys/", "/deployments/")).await.json();
    assert_eq!((&shown["branch"], &shown["caller"]), (&json!("trunk"), &json!("operator mira")));
    let shown = server.admin.get(&exact.replace("/deploys/", "/deployments/")).await.json();
    assert_eq!(
        (&shown["branch"], &shown["commit"], &shown["clearCache"]),
        (&json!("feat/x"), &json!(commit), &json!(true))
    );
    let audit = server.audit().await;
    assert!(
        audit[0].starts_with("operator mira | service.deploy | service api | feat/x at 4f2c1d7"),
        "{audit:?}"
    );
    expect(&browser.page("/services/api").await, &["mira<span class=\"sub\">dashboard</span>"]);
}

#[tokio::test]
async fn a_wrong_branch_or_commit_comes_back_with_what_was_typed() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;

    let answer = browser
        .post("/services/api/deploy", &[("branch", HOSTILE), ("commit", ""), ("clear_cache", "true")])
        .await;

    assert_eq!(answer.status, 400);
    expect(
        &answer.text(),
        &[
            "<title>Not done: api",
            "<a href=\"#b\">Branch: Has a character that is not allowed",
            "name=\"svc\" open><summary class=\"btn\">Deploy another…",
            &format!(
                "name=\"branch\" value=\"{}\" maxlength=\"200\" aria-invalid=\"true\" aria-describedby=\"b-e\"",
                escaped()
            ),
            "value=\"true\" checked>",
        ],
    );
    let answer = browser.post("/services/api/deploy", &[("branch", "main"), ("commit", "4f2c1d7")]).await;
    expect(&answer.text(), &["<a href=\"#c\">Commit: ", "name=\"commit\" value=\"4f2c1d7\"", "id=\"c-e\""]);
    assert_eq!(server.count("queued").await, 0);
}

#[tokio::test]
async fn a_freeze_is_set_and_lifted_and_stops_deploys() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;

    assert_eq!(
        place(&browser.post("/services/api/freeze", &[("reason", "Black Friday")]).await),
        "/services/api"
    );
    expect(&browser.page("/services/api").await, &["“Black Friday”", "action=\"/services/api/unfreeze\""]);
    let refused = browser.post("/services/api/deploy", &[]).await;
    assert_eq!(refused.status, 423);
    expect(&refused.text(), &["<strong>Nothing was done.</strong> The service is frozen: Black Friday."]);

    assert_eq!(place(&browser.post("/services/api/unfreeze", &[]).await), "/services/api");
    let audit = server.audit().await;
    assert_eq!(audit[0], "operator mira | service.unfreeze | service api | ");
    assert_eq!(audit[1], "operator mira | service.freeze | service api | Black Friday");
    place(&browser.post("/services/api/deploy", &[]).await);
}

#[tokio::test]
async fn a_freeze_needs_a_reason() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;

    for reason in [" ".to_owned(), "x".repeat(501)] {
        let answer = browser.post("/services/api/freeze", &[("reason", &reason)]).await;

        assert_eq!(answer.status, 400);
        expect(
            &answer.text(),
            &["<a href=\"#why\">Reason: Is needed", "name=\"svc\" open><summary class=\"btn\">Freeze…"],
        );
    }
    assert_eq!(server.admin.get("/api/v1/services/api").await.json()["frozen"], json!(null));
}

#[tokio::test]
async fn a_full_queue_and_a_missing_executor_are_said_on_the_page() {
    let server = TestServer::with(Options { queue_limit: 1, ..Options::default() }).await;
    server.service("api").policy("every").create().await;
    let browser = Browser::of(&server, "mira").await;
    place(&browser.post("/services/api/deploy", &[]).await);

    let full = browser.post("/services/api/deploy", &[]).await;

    assert_eq!(full.status, 429);
    expect(&full.text(), &["Api has as many queued deployments as it may.", "1st in queue"]);
}

#[tokio::test]
async fn the_cache_is_emptied_by_a_button_and_said_in_the_audit() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;

    let to = place(&browser.post("/services/api/cache", &[]).await);

    expect(&browser.page(&to).await, &["The cache is emptied."]);
    assert!(server.audit().await[0].starts_with("operator mira | service.empty_cache | service api"));
    assert_eq!(server.admin.get("/api/v1/services/api/cache").await.json(), json!({ "bytes": null }));
    assert_eq!(server.admin.request(Method::DELETE, "/api/v1/services/api/cache").answer().await.status, 204);
    server.empty_caches().await;
    assert_eq!(server.admin.get("/api/v1/services/api/cache").await.json(), json!({ "bytes": 0 }));
}
