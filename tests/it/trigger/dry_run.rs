//! What a call would do, without doing it.

use serde_json::json;

use crate::harness::TestServer;

#[tokio::test]
async fn a_dry_run_says_what_would_be_deployed() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let answer = hook.post("dry_run=true&branch=dev&clear_cache").await;

    let expected = "{\"dryRun\":true,\"wouldDeploy\":true,\"service\":\"api\",\"branch\":\"dev\",\"commit\":null,\
                    \"clearCache\":true,\"joins\":null,\"failed\":[]}\n";
    assert_eq!((answer.status, answer.text().as_str()), (200, expected));
}

#[tokio::test]
async fn a_dry_run_names_the_deployment_that_it_would_join() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let id = hook.post("").await.id();

    assert_eq!(hook.post("dry_run").await.json()["joins"], json!(id));
    assert_eq!(hook.post("dry_run&branch=dev").await.json()["joins"], json!(null));
}

#[tokio::test]
async fn a_dry_run_lists_every_refusal_in_their_order() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").branches(&["main"]).paused("not now").await;
    service.freeze("migration").await;

    let answer = hook.post("dry_run&branch=dev").await.json();

    assert_eq!(answer["wouldDeploy"], false);
    let failed: Vec<_> =
        answer["failed"].as_array().unwrap().iter().map(|f| (&f["status"], &f["code"])).collect();
    let expected = [
        (json!(403), json!("branch_not_allowed")),
        (json!(423), json!("service_frozen")),
        (json!(423), json!("hook_paused")),
    ];
    assert_eq!(failed, expected.each_ref().map(|(status, code)| (status, code)));
    assert!(answer["failed"][1]["detail"].as_str().unwrap().contains("migration"));
}

#[tokio::test]
async fn a_dry_run_stores_and_starts_nothing() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").branches(&["main"]).await;

    hook.post_with_key("dry_run", "job-1").await;
    hook.post("dry_run&branch=dev").await;
    server.run_all().await;

    for table in ["deployments", "hook_calls", "idempotency_keys"] {
        assert_eq!(server.rows(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert!(server.executor.runs().is_empty());
}

#[tokio::test]
async fn dry_run_takes_the_words_of_clear_cache_and_no_means_a_real_call() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    for (query, status) in
        [("dry_run=Yes", 200), ("dry_run=1", 200), ("dry_run=maybe", 400), ("dry_run=no", 202)]
    {
        assert_eq!(hook.post(query).await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_dry_run_refuses_bad_tokens_parameters_and_bodies_as_a_call_does() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let large = hook.call(reqwest::Method::POST, "dry_run").body(vec![0; 1024 * 1024 + 1]);

    assert_eq!(hook.post("dry_run&branch=a%20b").await.status, 400);
    assert_eq!(crate::harness::http::Send::answer(large).await.status, 413);
    hook.revoke().await;
    assert_eq!(hook.post("dry_run").await.status, 401);
}

#[tokio::test]
async fn a_dry_run_names_what_means_nothing() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let answer = hook.post("dry_run&brach=x&utm=1").await;

    assert_eq!(answer.header("ignored-parameters"), Some("brach, utm"));
    assert_eq!(answer.json()["ignoredParameters"], json!(["brach", "utm"]));
}

#[tokio::test]
async fn every_parameter_at_fault_is_told_at_once() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let answer = hook.post_with_key("branch=a..b&commit=123&clear_cache=maybe&dry_run=", " ").await;

    let told = answer.json();
    let named: Vec<_> =
        told["errors"].as_array().unwrap().iter().map(|error| error["parameter"].as_str().unwrap()).collect();
    assert_eq!((answer.status, &told["parameter"]), (400, &json!("branch")));
    assert_eq!(named, ["branch", "commit", "clear_cache", "Idempotency-Key", "dry_run"]);
}
