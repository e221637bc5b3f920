//! Calls that are held: `?wait=` and the gate `/wait`.

use std::time::Instant;

use serde_json::json;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use tokio::task::JoinHandle;

use crate::harness::Answer;
use crate::harness::Script;
use crate::harness::TestServer;
use crate::harness::curl;
use crate::harness::scripted::hanging;
use crate::harness::soon;

async fn queued(server: &TestServer) -> String {
    server.service("api").create().await.deploy(json!({})).await
}

/// A held call. It has reached the server when this returns, or a call made after it could not have been answered.
async fn held(server: &TestServer, path: String) -> JoinHandle<Answer> {
    let anyone = server.anyone();
    let call = tokio::spawn(async move { anyone.get(&path).await });
    server.anyone().get("/healthz").await;
    call
}

#[tokio::test]
async fn wait_takes_one_to_fifty_seconds() {
    let server = TestServer::start().await;
    let id = queued(&server).await;

    for wrong in ["0", "51", "-1", "1.5", "", "x", "99999999999999999999"] {
        let answer = server.anyone().get(&format!("/deployments/{id}?wait={wrong}")).await;

        assert_eq!((answer.status, answer.parameter()), (400, "wait".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn wait_answers_as_it_stands_when_the_time_is_over() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    let start = Instant::now();

    let answer = server.anyone().get(&format!("/deployments/{id}?wait=1")).await;

    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("queued")));
    assert!(start.elapsed().as_millis() >= 1_000);
}

#[tokio::test]
async fn wait_answers_at_the_next_change_of_status() {
    let server = TestServer::start().await;
    server.executor.next(hanging());
    let id = queued(&server).await;
    let start = Instant::now();

    let call = held(&server, format!("/deployments/{id}?wait=50")).await;
    server.tick().await;
    server.executor.hangs(1).await;
    server.executor.go_on();
    let answer = soon(call).await.unwrap();

    assert_ne!(answer.json()["status"], "queued");
    assert!(start.elapsed().as_secs() < 40, "it did not wait for its time to be over");
    server.idle().await;
}

#[tokio::test]
async fn wait_on_a_final_deployment_answers_at_once() {
    let server = TestServer::start().await;
    let id = queued(&server).await;
    server.run_all().await;
    let start = Instant::now();

    let answer = server.anyone().get(&format!("/deployments/{id}?wait=50")).await;

    assert_eq!(answer.json()["status"], "succeeded");
    assert!(start.elapsed().as_secs() < 40);
}

#[tokio::test]
async fn the_gate_opens_with_200_for_success() {
    let server = TestServer::start().await;
    let id = queued(&server).await;

    let call = held(&server, format!("/deployments/{id}/wait")).await;
    server.run_all().await;
    let answer = soon(call).await.unwrap();

    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("succeeded")));
    assert_eq!(answer.json(), server.deployment(&id).await);
}

#[tokio::test]
async fn the_gate_answers_424_with_the_object_for_failure() {
    let server = TestServer::start().await;
    server
        .executor
        .next(Script::default().begins(Step::Build).ends(Step::Build, 1).fails(Reason::BuildFailed));
    let id = queued(&server).await;

    let call = held(&server, format!("/deployments/{id}/wait")).await;
    server.run_all().await;
    let answer = soon(call).await.unwrap();

    assert_eq!((answer.status, answer.json()["reason"].as_str()), (424, Some("build_failed")));
    assert_eq!(answer.json(), server.deployment(&id).await);
}

#[tokio::test]
async fn the_gate_says_not_yet_without_a_body_when_the_server_goes_down() {
    let server = TestServer::start().await;
    let id = queued(&server).await;

    let call = held(&server, format!("/deployments/{id}/wait")).await;
    server.begin_to_drain();
    let answer = soon(call).await.unwrap();

    assert_eq!((answer.status, answer.header("retry-after"), answer.text().as_str()), (503, Some("1"), ""));
}

#[tokio::test]
async fn a_held_wait_answers_as_it_stands_when_the_server_goes_down() {
    let server = TestServer::start().await;
    let id = queued(&server).await;

    let call = held(&server, format!("/deployments/{id}?wait=50")).await;
    server.begin_to_drain();
    let answer = soon(call).await.unwrap();

    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("queued")));
}

#[tokio::test]
async fn one_curl_is_the_whole_check() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    server.executor.next(Script::succeeds());
    server.executor.next(Script::default().breaks("on purpose"));
    let (good, bad) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    server.run_all().await;

    let gate = |id: &str| server.anyone().url(&format!("/deployments/{id}/wait"));
    let retry = ["--retry", "2000", "--retry-connrefused"];
    let (good, bad) = (gate(&good), gate(&bad));
    let good = curl(&[&retry[..], &[&good]].concat()).await;
    let bad = curl(&[&retry[..], &[&bad]].concat()).await;

    assert_eq!((good.exit_code, good.json()["status"].as_str()), (0, Some("succeeded")));
    assert_eq!((bad.exit_code, bad.json()["reason"].as_str()), (22, Some("internal")));
}
