//! Deployments in a cluster: what a run is given, what is kept of what it tells, and what goes on without the server.
//! The cluster itself is a double here; `tekton` has the real one.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use stackblaze::db::logs;
use stackblaze::domain::DeploymentId;
use stackblaze::domain::Finding;
use stackblaze::domain::ImageDigest;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::Run;
use stackblaze::executor::Wait;

use crate::harness::Options;
use crate::harness::Script;
use crate::harness::Service;
use crate::harness::TestServer;
use crate::harness::scripted::HEAD;
use crate::harness::scripted::hanging;
use crate::harness::soon;

pub(super) const IMAGE: &str = "registry.example.com/api";

pub(super) async fn server() -> TestServer {
    TestServer::with(Options::with_cluster()).await
}

pub(super) async fn service(server: &TestServer, name: &str) -> Service {
    let workload = json!([format!("apps/{name}")]);
    let service = server.service(name).with("repository", json!("https://git.example.com/acme/api.git"));
    service.with("image", json!(IMAGE)).with("workloads", workload).create().await
}

pub(super) fn digest() -> ImageDigest {
    ImageDigest::parse(&format!("sha256:{}", "0a".repeat(32))).unwrap()
}

/// A run that pushes an image and serves it.
fn pushing() -> Script {
    Script::default()
        .tells(Event::Created { uid: "uid-1".to_owned() })
        .step(Step::Clone, b"")
        .step(Step::Build, b"")
        .tells(Event::Image(digest()))
        .step(Step::Deploy, b"")
}

/// What the last run was given.
fn last(server: &TestServer) -> Run {
    server.cluster.runs().pop().unwrap()
}

async fn details(server: &TestServer, id: &str) -> Value {
    server.admin.get(&format!("/deployments/{id}")).await.json()
}

#[tokio::test]
async fn a_run_is_given_everything_and_its_image_is_kept() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.next(pushing());

    let id = hook.post("").await.id();
    server.run_all().await;

    let cluster = last(&server).plan.cluster().unwrap().clone();
    assert_eq!(cluster.settings.workloads[0].to_string(), "apps/api");
    assert_eq!((cluster.hook.as_deref(), cluster.uid), (Some("ci"), None));
    assert_eq!(cluster.page, Some(format!("http://dashboard.test/deploys/{id}")));
    let shown = details(&server, &id).await;
    assert_eq!((&shown["status"], &shown["imageDigest"]), (&json!("succeeded"), &json!(digest().as_str())));
}

#[tokio::test]
async fn clear_cache_turns_to_a_cache_that_nothing_accepted_before_can_meet() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;

    hook.post("branch=one").await.id();
    hook.post("branch=two&clear_cache=true").await.id();
    hook.post("branch=three").await.id();
    server.run_all().await;

    let epochs: Vec<_> =
        server.cluster.runs().into_iter().map(|run| run.plan.cluster().unwrap().cache_epoch).collect();
    assert_eq!(epochs, [0, 1, 1]);
}

#[tokio::test]
async fn nothing_is_begun_while_the_cluster_does_not_answer() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.cluster().problem = Some("connection refused".to_owned());
    server.probe().await;

    let id = hook.post("").await.id();
    server.tick().await;

    let (ready, told) =
        (server.anyone().get("/readyz?verbose").await, server.admin.get("/readyz?verbose").await);
    assert!(ready.status == 200 && ready.text().contains("the cluster does not answer"), "{}", ready.text());
    assert!(!ready.text().contains("refused"));
    assert_eq!((told.status, &told.json()["clusterProblem"]), (200, &json!("connection refused")));
    assert_eq!((server.end_of(&id).await.as_str(), server.cluster.runs().len()), ("queued", 0));
    server.cluster.cluster().problem = None;
    server.probe().await;
    server.run_all().await;
    assert_eq!(server.end_of(&id).await, "succeeded");
    assert_eq!(server.anyone().get("/readyz?verbose").await.json()["clusterProblem"], Value::Null);
}

#[tokio::test]
async fn what_a_run_waits_for_is_said_until_it_waits_no_more() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let wait = |text: Option<&str>| Event::Waiting(text.map(Wait::of));
    let script = Script::default().tells(wait(Some("no node has room"))).hangs().tells(wait(None));
    server.cluster.next(script.begins(Step::Clone).hangs().fails(Reason::CloneFailed));
    let id = hook.post("").await.id();

    server.tick().await;
    server.cluster.hangs(1).await;
    server.until(&id, |found| found["message"] == "no node has room").await;
    server.cluster.go_on();

    server.until(&id, |found| found["message"].is_null()).await;
    server.cluster.go_on();
    server.idle().await;
}

#[tokio::test]
async fn why_it_was_cancelled_is_not_talked_over() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let script = Script::default().hangs().tells(Event::Waiting(Some(Wait::of("no node has room"))));
    server.cluster.next(script.begins(Step::Clone).hangs());
    let id = hook.post("").await.id();
    server.tick().await;
    server.cluster.hangs(1).await;

    server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await;
    let before = server.deployment(&id).await["message"].clone();
    server.cluster.go_on();
    server.until(&id, |found| found["steps"][0]["status"] == "running").await;

    assert!(before.is_string());
    assert_eq!(server.deployment(&id).await["message"], before);
    server.tick().await;
    server.idle().await;
}

#[tokio::test]
async fn a_run_outlives_the_server_and_the_next_one_attaches_to_it() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let mark = Event::LogMark("mark-1".to_owned());
    let begun = Script::default().tells(Event::Created { uid: "uid-1".to_owned() }).step(Step::Clone, b"");
    server.cluster.next(begun.begins(Step::Build).says(Step::Build, b"first\n").tells(mark).hangs());
    let id = hook.post("").await.id();
    server.tick().await;
    server.cluster.hangs(1).await;

    let attached = Script::default().begins(Step::Build).says(Step::Build, b"second\n");
    server.cluster.next(attached.ends(Step::Build, 0).step(Step::Deploy, b""));
    let server = server.restart_with(Options::with_cluster()).await;
    server.idle().await;

    assert_eq!(server.end_of(&id).await, "succeeded");
    assert_eq!(server.cluster.ids(), [id.clone(), id.clone()]);
    let cluster = last(&server).plan.cluster().unwrap().clone();
    assert_eq!((cluster.uid.as_deref(), cluster.log_mark.as_deref()), (Some("uid-1"), Some("mark-1")));
    let log = server.admin.get(&format!("/deployments/{id}/logs")).await.text();
    assert_eq!(log, "first\nsecond\n");
}

/// Where the stored log of a deployment stands, once there is anything.
async fn mark_of(server: &TestServer, id: &str) -> String {
    let (db, id) = (server.state.db(), DeploymentId::parse(id).unwrap());
    let mut changed = db.log_changed(&id);
    let mark = || {
        let id = id.clone();
        db.logs().read(move |reader| logs::mark(reader, &id))
    };
    soon(async {
        loop {
            if let Some(mark) = mark().await.unwrap() {
                return mark;
            }
            changed.changed().await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn a_line_that_has_not_ended_is_taken_again_by_the_next_server_unless_the_step_ended_with_it() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let mark = |text: &str| Event::LogMark(text.to_owned());
    let whole = Script::default().step(Step::Clone, b"").begins(Step::Build);
    let whole = whole.says(Step::Build, b"first\n").tells(mark("after first"));
    server.cluster.next(whole.says(Step::Build, b"sec").tells(mark("within second")).hangs());
    let id = hook.post("").await.id();
    server.tick().await;
    server.cluster.hangs(1).await;
    let before = mark_of(&server, &id).await;

    let attached = Script::default().begins(Step::Build).says(Step::Build, b"second\nthird");
    let attached = attached.tells(mark("within third")).ends(Step::Build, 0).step(Step::Deploy, b"");
    server.cluster.next(attached);
    let server = server.restart_with(Options::with_cluster()).await;
    server.idle().await;

    assert_eq!(before, "after first");
    assert_eq!(last(&server).plan.cluster().unwrap().log_mark.as_deref(), Some("after first"));
    assert_eq!(mark_of(&server, &id).await, "within third");
    let log = server.admin.get(&format!("/deployments/{id}/logs")).await.text();
    assert_eq!(log, "first\nsecond\nthird");
}

#[tokio::test]
async fn a_cancel_that_came_while_no_server_ran_reaches_the_run() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.otherwise(hanging());
    let id = hook.post("").await.id();
    server.tick().await;
    server.cluster.hangs(1).await;
    server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await;

    let server = server.restart_with(Options::with_cluster()).await;
    server.cluster.hangs(1).await;
    server.tick().await;
    server.idle().await;

    assert_eq!(server.end_of(&id).await, "failed/cancelled");
}

#[tokio::test]
async fn a_server_without_the_cluster_says_so_and_ends_what_it_cannot_follow() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.otherwise(hanging());
    let running = hook.post("branch=one").await.id();
    let queued = hook.post("branch=two").await.id();
    server.tick().await;
    server.cluster.hangs(1).await;

    let server = server.restart().await;
    server.tick().await;

    assert_eq!(server.end_of(&running).await, "failed/executor_unavailable");
    assert_eq!(server.end_of(&queued).await, "failed/executor_unavailable");
    assert_eq!(hook_status(&server, &hook.token).await, 503);
}

async fn hook_status(server: &TestServer, token: &str) -> u16 {
    server.anyone().post(&format!("/deploy-hooks/{token}"), json!({})).await.status
}

#[tokio::test]
async fn a_rollback_does_not_join_a_build_of_the_same_commit() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.next(pushing());
    let first = hook.post("").await.id();
    server.run_all().await;

    let rebuilt = hook.post(&format!("commit={HEAD}")).await.id();
    let back = server.admin.post(&format!("/deployments/{first}/rollback"), json!({})).await.id();
    let again = hook.post(&format!("commit={HEAD}")).await.id();

    assert!(rebuilt != back && back != again);
}

#[tokio::test]
async fn a_rollback_serves_the_kept_image_without_a_build() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.next(pushing());
    let first = hook.post("").await.id();
    server.run_all().await;
    server.reconcile().await;

    server.cluster.next(Script::default().step(Step::Deploy, b""));
    let back = server.admin.post(&format!("/deployments/{first}/rollback"), json!({})).await.id();
    server.run_all().await;

    let kept = last(&server).given.unwrap();
    assert_eq!(kept.image.to_string(), format!("{IMAGE}:{}@{}", first.replace('_', "-"), digest()));
    assert_eq!(kept.commit.unwrap().as_str(), HEAD);
    let shown = details(&server, &back).await;
    let steps: Vec<_> = shown["steps"].as_array().unwrap().iter().map(|step| &step["status"]).collect();
    assert_eq!(steps, ["skipped", "skipped", "succeeded"]);
    assert_eq!(shown["imageDigest"], digest().as_str());
}

#[tokio::test]
async fn without_an_image_there_is_nothing_to_roll_back_to() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let first = hook.post("").await.id();
    server.run_all().await;

    let answer = server.admin.post(&format!("/deployments/{first}/rollback"), json!({})).await;

    assert_eq!((answer.status, answer.code().as_str()), (409, "nothing_to_roll_back_to"));
}

#[tokio::test]
async fn a_look_that_is_asked_for_is_taken_at_once_and_its_answer_is_what_it_found() {
    let server = server().await;
    let service = service(&server, "api").await;
    let checks = format!("{}/checks", service.path());
    server.cluster.cluster().findings = vec![Finding::bad("no Secret git", None)];
    server.check().await;
    server.clock.advance(Duration::from_secs(1));
    server.cluster.cluster().findings = vec![Finding::good("Secret git is there")];
    server.check().await;
    assert_eq!(server.admin.get(&checks).await.json()["checks"][0]["verdict"], "bad", "it is not due");
    server.clock.advance(Duration::from_secs(1));

    let look = async {
        while server.admin.get(&checks).await.json()["looking"] != true {
            tokio::task::yield_now().await;
        }
        server.check().await;
    };
    let (answer, ()) = tokio::join!(server.admin.post(&checks, json!({})), look);

    let found = answer.json();
    assert_eq!((&found["looking"], &found["checks"][0]["verdict"]), (&json!(false), &json!("good")));
    assert_eq!(found["checkedAt"], "2026-11-24T14:30:51.120Z");
}

#[tokio::test]
async fn what_was_found_about_a_service_is_shown_and_told_by_a_dry_run() {
    let server = server().await;
    let service = service(&server, "api").await;
    let hook = service.hook("ci").await;
    let checks = format!("{}/checks", service.path());
    server.cluster.cluster().findings =
        vec![Finding::good("the workload is there"), Finding::bad("no Secret git", Some("make it"))];
    assert_eq!(
        server.admin.get(&checks).await.json(),
        json!({ "checkedAt": null, "looking": true, "checks": [] })
    );

    server.check().await;
    server.clock.advance(Duration::from_secs(40));

    let shown = server.admin.get(&checks).await.json();
    assert_eq!(shown["checks"][1], json!({ "verdict": "bad", "detail": "no Secret git", "fix": "make it" }));
    let dry = hook.post("dry_run=1").await.json();
    let failed = json!([{ "status": 424, "code": "check_failed", "detail": "no Secret git, as of 40s ago" }]);
    assert_eq!((&dry["wouldDeploy"], &dry["failed"]), (&json!(false), &failed));
    assert_eq!(hook.post("").await.status, 202, "it is told, and does not refuse");
    server.admin.patch(&service.path(), json!({ "timeout": "10m" })).await;
    assert_eq!(server.admin.get(&checks).await.json()["checkedAt"], Value::Null);
}

#[tokio::test]
async fn a_token_of_one_service_cannot_reach_the_workload_of_another() {
    let server = server().await;
    let service = service(&server, "api").await;
    let token = server.token("own", "admin", Some("api")).await;
    let change = |body: Value| {
        let own = server.holder(&token);
        let path = service.path();
        async move { own.patch(&path, body).await.status }
    };

    assert_eq!(change(json!({ "dockerfile": "deploy/Dockerfile" })).await, 200);
    for body in [
        json!({ "workloads": ["apps/shop"] }),
        json!({ "gitSecret": "shop-git" }),
        json!({ "registrySecret": "shop-registry" }),
        json!({ "image": "registry.example.com/shop" }),
        json!({ "cacheRepository": "registry.example.com/shop-cache" }),
    ] {
        assert_eq!(change(body.clone()).await, 403, "{body}");
    }
}
