//! The step `release` of services that have a release command: when it is there, and what a run is given.

use serde_json::{Value, json};
use stackblaze::domain::{Reason, ReleaseCommand, Step};
use stackblaze::executor::Event;

use super::cluster::{IMAGE, digest, server};
use crate::harness::{Script, Service, TestServer};

const SERVICE: &str = "/api/v1/services/api";

async fn service(server: &TestServer, command: Value) -> Service {
    let service = server.service("api").with("repository", json!("https://git.example.com/acme/api.git"));
    let service = service.with("image", json!(IMAGE)).with("workloads", json!(["apps/api"]));
    service.with("releaseCommand", command).create().await
}

fn built() -> Script {
    let built = Script::default().tells(Event::Created { uid: "uid-1".to_owned() });
    built.step(Step::Clone, b"").step(Step::Build, b"").tells(Event::Image(digest()))
}

/// Status, and the steps with theirs.
async fn shown(server: &TestServer, id: &str) -> (String, Vec<String>) {
    let shown = server.admin.get(&format!("/deployments/{id}")).await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = shown["steps"].as_array().unwrap().iter();
    let told = |step: &Value| format!("{} {}", text(&step["name"]), text(&step["status"]));
    (text(&shown["status"]), steps.map(told).collect())
}

/// The commands that the runs were given.
fn given(server: &TestServer) -> Vec<Option<ReleaseCommand>> {
    let runs = server.cluster.runs().into_iter();
    runs.map(|run| run.plan.cluster().unwrap().settings.release.command.clone()).collect()
}

#[tokio::test]
async fn it_stands_before_deploy_and_the_status_is_building_while_it_runs() {
    let server = server().await;
    let hook = service(&server, json!("./migrate")).await.hook("ci").await;
    server.cluster.next(built().begins(Step::Release).hangs());

    let id = hook.post("").await.id();
    server.tick().await;
    server.until(&id, |shown| shown["steps"][2]["status"] == "running").await;

    let (status, steps) = shown(&server, &id).await;
    assert_eq!(status, "building");
    assert_eq!(steps, ["clone succeeded", "build succeeded", "release running", "deploy pending"]);
    let page = server.admin.get(&format!("/deploys/{id}")).await.text();
    assert!(page.contains("Release"), "{page}");
}

#[tokio::test]
async fn where_it_fails_deploy_is_skipped_and_the_reason_is_its_own() {
    let server = server().await;
    let hook = service(&server, json!(["./migrate", "up"])).await.hook("ci").await;
    let failing =
        built().begins(Step::Release).says(Step::Release, b"no such table\n").ends(Step::Release, 98);
    server.cluster.next(failing.fails(Reason::ReleaseFailed));

    let id = hook.post("").await.id();
    server.run_all().await;

    let (status, steps) = shown(&server, &id).await;
    assert_eq!(status, "failed");
    assert_eq!(steps, ["clone succeeded", "build succeeded", "release failed", "deploy skipped"]);
    let object = server.admin.get(&format!("/deployments/{id}")).await.json();
    assert_eq!(object["reason"], "release_failed");
    assert_eq!(object["failure"]["step"], "release");
    assert_eq!(object["failure"]["logTail"], json!(["no such table"]));
    assert_eq!(given(&server), [Some(ReleaseCommand::Exec(vec!["./migrate".to_owned(), "up".to_owned()]))]);
}

#[tokio::test]
async fn an_old_image_comes_back_without_it() {
    let server = server().await;
    let hook = service(&server, json!("./migrate")).await.hook("ci").await;
    server.cluster.next(built().step(Step::Release, b"").step(Step::Deploy, b""));
    let first = hook.post("").await.id();
    server.run_all().await;
    server.cluster.next(Script::default().step(Step::Deploy, b""));

    let back = server.admin.post(&format!("/deployments/{first}/rollback"), json!({})).await.id();
    server.run_all().await;

    let (status, steps) = shown(&server, &back).await;
    assert_eq!(status, "succeeded");
    assert_eq!(steps, ["clone skipped", "build skipped", "release skipped", "deploy succeeded"]);
    assert_eq!(given(&server), [Some(ReleaseCommand::Shell("./migrate".to_owned())), None]);
}

#[tokio::test]
async fn a_deployment_keeps_the_steps_that_it_had_at_its_claim() {
    let server = server().await;
    let hook = service(&server, json!(null)).await.hook("ci").await;
    server.cluster.next(built().step(Step::Deploy, b""));
    let without = hook.post("").await.id();
    server.run_all().await;

    server.admin.patch(SERVICE, json!({ "releaseCommand": "./migrate" })).await;

    let (_, steps) = shown(&server, &without).await;
    assert_eq!(steps, ["clone succeeded", "build succeeded", "deploy succeeded"]);
}

#[tokio::test]
async fn the_command_is_a_text_or_a_list_and_null_takes_it_away() {
    let server = server().await;
    service(&server, json!("a\r\nb")).await;
    let now = async || {
        let shown = server.admin.get(SERVICE).await.json();
        (shown["releaseCommand"].clone(), shown["releaseTimeout"].clone())
    };
    assert_eq!(now().await, (json!("a\nb"), json!("10m")));

    let list = json!({ "releaseCommand": ["./migrate", "$(X)"], "releaseTimeout": "90s" });
    assert_eq!(server.admin.patch(SERVICE, list).await.status, 200);
    assert_eq!(now().await, (json!(["./migrate", "$(X)"]), json!("90s")));

    let nothing = json!({ "releaseCommand": null, "releaseTimeout": null });
    assert_eq!(server.admin.patch(SERVICE, nothing).await.status, 200);
    assert_eq!(now().await, (json!(null), json!("10m")));
    for (field, value) in [
        ("releaseCommand", json!(" ")),
        ("releaseCommand", json!([])),
        ("releaseCommand", json!({})),
        ("releaseCommand", json!(["a", 1])),
        ("releaseTimeout", json!("0s")),
        ("releaseTimeout", json!("soon")),
    ] {
        let answer = server.admin.patch(SERVICE, json!({ field: value.clone() })).await;
        assert_eq!(answer.refusal(), (400, "invalid_parameter".to_owned()), "{field} {value}");
        assert_eq!(answer.parameter(), field, "{}", answer.text());
    }
}
