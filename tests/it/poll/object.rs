//! The minimal object, for whoever knows the id.

use reqwest::Method;
use serde_json::Value;
use serde_json::json;

use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

async fn queued(server: &TestServer) -> String {
    server.service("api").create().await.deploy(json!({ "branch": "dev" })).await
}

async fn get_with(server: &TestServer, id: &str, header: &str, value: &str) -> Answer {
    server.anyone().request(Method::GET, &format!("/deployments/{id}")).header(header, value).answer().await
}

#[tokio::test]
async fn a_queued_deployment_has_exactly_these_keys() {
    let server = TestServer::start().await;
    let id = queued(&server).await;

    let answer = server.anyone().get(&format!("/deployments/{id}")).await;

    let step = |name: &str| {
        format!(
            "{{\"name\":\"{name}\",\"status\":\"pending\",\"startedAt\":null,\"finishedAt\":null,\"exitCode\":null}}"
        )
    };
    let expected = format!(
        "{{\"deploymentId\":\"{id}\",\"service\":\"api\",\"status\":\"queued\",\"branch\":\"dev\",\
         \"dashboardUrl\":\"http://dashboard.test/deploys/{id}\",\"reason\":null,\"message\":null,\"commit\":null,\
         \"clearCache\":false,\"source\":\"build\",\"createdAt\":\"2026-11-24T14:30:49.120Z\",\"startedAt\":null,\"finishedAt\":null,\
         \"queuePosition\":1,\"supersededBy\":null,\"steps\":[{},{},{}]}}\n",
        step("clone"),
        step("build"),
        step("deploy")
    );
    assert_eq!((answer.status, answer.text()), (200, expected));
}

#[tokio::test]
async fn the_keys_are_the_same_at_the_end() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let before = server.deployment(&id).await;

    server.run_all().await;
    let after = server.deployment(&id).await;

    let keys = |shown: &Value| shown.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&before), keys(&after));
    assert_eq!((&after["status"], &after["queuePosition"]), (&json!("succeeded"), &Value::Null));
    assert_eq!(after["finishedAt"], "2026-11-24T14:30:49.120Z");
}

#[tokio::test]
async fn both_spellings_of_an_id_are_taken() {
    let server = TestServer::start().await;
    let id = queued(&server).await;

    let shown = server.deployment(&id.replace('_', "-")).await;

    assert_eq!(shown["deploymentId"], id);
}

#[tokio::test]
async fn unknown_and_malformed_ids_get_the_same_404() {
    let server = TestServer::start().await;
    queued(&server).await;

    let mut answers = Vec::new();
    for id in [
        "dep_aaaaaaaaaaaaaaaaaaaa",
        "dep-aaaaaaaaaaaaaaaaaaaa",
        "dep_",
        "x",
        "DEP_aaaaaaaaaaaaaaaaaaaa",
        "%C3%B6",
    ] {
        answers.push(server.anyone().get(&format!("/deployments/{id}")).await.without_request_id());
        answers.push(server.anyone().get(&format!("/deployments/{id}/wait")).await.without_request_id());
    }

    assert_eq!(answers[0].0, 404);
    assert!(answers[0].2.contains("\"code\":\"not_found\""));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn an_etag_saves_the_body_until_something_changes() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let first = server.anyone().get(&format!("/deployments/{id}")).await;
    let tag = first.header("etag").unwrap();

    let same = get_with(&server, &id, "if-none-match", tag).await;
    let listed = get_with(&server, &id, "if-none-match", &format!("\"other\", {tag}")).await;
    server.run_all().await;
    let changed = get_with(&server, &id, "if-none-match", tag).await;

    assert_eq!((same.status, same.text().as_str(), same.header("etag")), (304, "", Some(tag)));
    assert_eq!((listed.status, changed.status), (304, 200));
    assert_ne!(changed.header("etag"), Some(tag));
}

#[tokio::test]
async fn an_etag_changes_with_the_place_in_the_queue() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let (first, second) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    let before = server.anyone().get(&format!("/deployments/{second}")).await;

    server.admin.post(&format!("/deployments/{first}/cancel"), json!({})).await;
    let after = get_with(&server, &second, "if-none-match", before.header("etag").unwrap()).await;

    assert_eq!((after.status, &after.json()["queuePosition"]), (200, &json!(1)));
}

#[tokio::test]
async fn an_etag_of_the_minimal_object_does_not_stand_for_the_details() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let path = format!("/deployments/{id}");
    let public = server.anyone().get(&path).await;

    let request = server.admin.request(Method::GET, &path);
    let detailed = request.header("if-none-match", public.header("etag").unwrap()).answer().await;

    assert_eq!(detailed.status, 200);
    assert!(public.header("vary").unwrap().contains("authorization"));
    assert_eq!(public.header("cache-control"), Some("private, no-cache"));
}

#[tokio::test]
async fn text_plain_is_the_bare_word() {
    let server = TestServer::start().await;
    let id = queued(&server).await;

    let before = get_with(&server, &id, "accept", "text/plain").await;
    server.run_all().await;
    let after = get_with(&server, &id, "accept", "text/plain").await;

    assert_eq!((before.text().as_str(), after.text().as_str()), ("queued\n", "succeeded\n"));
    assert_eq!(before.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn asking_changes_nothing() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let before = server.anyone().get(&format!("/deployments/{id}")).await;

    for _ in 0..5 {
        server.anyone().get(&format!("/deployments/{id}?wait=1x")).await;
        server.anyone().request(Method::HEAD, &format!("/deployments/{id}")).answer().await;
    }

    let after = server.anyone().get(&format!("/deployments/{id}")).await;
    assert_eq!((before.text(), before.header("etag")), (after.text(), after.header("etag")));
}
