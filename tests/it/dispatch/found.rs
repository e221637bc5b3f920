//! After a restore: what the cluster knows of deployments and the restored file does not.

use std::time::Duration;

use serde_json::json;
use stackblaze::db;
use stackblaze::domain::{Commit, DeploymentId, GitRef, Reason, Step, Timestamp};
use stackblaze::executor::{Event, FoundEnd, FoundRun, Outcome};

use super::cluster::{digest, server, service};
use crate::harness::scripted::HEAD;
use crate::harness::server::BEGINNING;
use crate::harness::{Script, TestServer};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn minutes_ago(minutes: u64) -> Timestamp {
    BEGINNING.minus(Duration::from_mins(minutes))
}

fn run(accepted: Timestamp) -> FoundRun {
    FoundRun {
        deployment: DeploymentId::generate(accepted),
        uid: "uid-7".to_owned(),
        service: "api".to_owned(),
        hook: Some("ci".to_owned()),
        branch: GitRef::parse("feat/lost").unwrap(),
        commit: None,
        image: None,
        traceparent: Some(PARENT.to_owned()),
        began_at: accepted.plus(Duration::from_secs(2)),
        end: None,
    }
}

fn ended(run: FoundRun, outcome: Outcome, at: Timestamp) -> FoundRun {
    let commit = Some((Commit::parse(HEAD).unwrap(), "Say hello".to_owned()));
    let has_pushed = outcome == Outcome::Succeeded;
    let steps = vec![(Step::Clone, true, Some(0)), (Step::Build, has_pushed, Some(i32::from(!has_pushed)))];
    let digest = has_pushed.then(digest);
    FoundRun { end: Some(FoundEnd { at, outcome, steps, commit, digest, workloads: Vec::new() }), ..run }
}

/// The database is one that was put back from a copy, and the cluster has these runs.
async fn restored(server: &TestServer, runs: Vec<FoundRun>) {
    server.state.db().core().write(|tx| db::set_restored(tx, true)).await.unwrap();
    server.cluster.cluster().found = Ok(runs);
}

#[tokio::test]
async fn a_run_that_goes_on_is_gone_on_with() {
    let server = server().await;
    service(&server, "api").await.hook("ci").await;
    let lost = run(minutes_ago(5));
    let id = lost.deployment.to_string();
    restored(&server, vec![lost]).await;
    let script = Script::default().step(Step::Clone, b"").begins(Step::Build).hangs().ends(Step::Build, 0);
    server.cluster.next(script.tells(Event::Image(digest())).step(Step::Deploy, b""));

    server.probe().await;
    server.cluster.hangs(1).await;
    server.tick().await;
    let during = server.admin.get(&format!("/deployments/{id}")).await.json();
    server.cluster.go_on();
    server.idle().await;

    assert_eq!((&during["status"], &during["branch"]), (&json!("building"), &json!("feat/lost")));
    assert_eq!(
        (&during["hook"], &during["note"]),
        (&json!("ci"), &json!("found in the cluster after a restore"))
    );
    assert_eq!(during["createdAt"], minutes_ago(5).to_string());
    assert_eq!(server.end_of(&id).await, "succeeded");
    let given = server.cluster.runs().pop().unwrap();
    let given = given.plan.cluster().unwrap();
    assert_eq!((given.uid.as_deref(), given.traceparent.as_deref()), (Some("uid-7"), Some(PARENT)));
}

#[tokio::test]
async fn runs_that_have_ended_are_entered_with_their_end_and_that_is_told() {
    let server = server().await;
    service(&server, "api").await;
    let target = json!({ "kind": "webhook", "url": "http://127.0.0.1:9/notices" });
    assert_eq!(server.admin.post("/api/v1/targets", target).await.status, 201);
    let (good, bad) = (run(minutes_ago(30)), run(minutes_ago(20)));
    let (good_id, bad_id) = (good.deployment.to_string(), bad.deployment.to_string());
    let failed =
        Outcome::failed(Reason::BuildFailed, "step build failed").with_detail(Some("make: no".to_owned()));
    let runs = vec![ended(bad, failed, minutes_ago(19)), ended(good, Outcome::Succeeded, minutes_ago(28))];
    restored(&server, runs).await;

    server.probe().await;
    server.probe().await;

    let shown = async |id: &str| server.admin.get(&format!("/deployments/{id}")).await.json();
    let (good, bad) = (shown(&good_id).await, shown(&bad_id).await);
    assert_eq!((&good["status"], &good["commit"]), (&json!("succeeded"), &json!(HEAD)));
    assert_eq!((&good["finishedAt"], &good["hook"]), (&json!(minutes_ago(28).to_string()), &json!(null)));
    assert_eq!(
        (&good["imageDigest"], &good["commitSubject"]),
        (&json!(digest().as_str()), &json!("Say hello"))
    );
    assert_eq!((&bad["reason"], &bad["detail"]), (&json!("build_failed"), &json!("make: no")));
    let steps: Vec<_> = bad["steps"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(steps, [json!("succeeded"), json!("failed"), json!("skipped")]);
    assert_eq!(server.cluster.running(), 0);
    // Whether somebody heard of it in the lost hour nobody knows; the second look tells nothing.
    assert_eq!(server.rows("SELECT count(*) FROM notices").await, 2);
    assert_eq!(server.count("succeeded").await + server.count("failed").await, 2);
    // In the order in which they were accepted.
    let listed = server.admin.get("/api/v1/services/api/deployments").await.items();
    assert_eq!(listed[0]["deploymentId"], bad_id);
    // It can be served again.
    let again = server.admin.post(&format!("/deployments/{good_id}/rollback"), json!({})).await;
    assert_eq!(again.status, 202, "{}", again.text());
}

#[tokio::test]
async fn nothing_is_claimed_before_somebody_has_looked() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    restored(&server, Vec::new()).await;
    server.cluster.cluster().found = Err("overloaded (503)".to_owned());
    let id = hook.post("").await.id();

    server.probe().await;
    server.tick().await;
    let told = server.admin.get("/readyz?verbose").await.json();
    let before = server.end_of(&id).await;
    server.cluster.cluster().found = Ok(Vec::new());
    server.probe().await;
    server.run_all().await;

    assert_eq!(before, "queued");
    assert!(told["clusterProblem"].as_str().unwrap().contains("overloaded (503)"), "{told}");
    assert_eq!(server.end_of(&id).await, "succeeded");
}

#[tokio::test]
async fn what_is_known_stays_as_it_is_and_a_service_that_is_not_is_left_alone() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let known = hook.post("").await.id();
    server.run_all().await;
    let own = FoundRun { deployment: DeploymentId::parse(&known).unwrap(), ..run(minutes_ago(1)) };
    let stranger = FoundRun { service: "new-since-the-copy".to_owned(), ..run(minutes_ago(2)) };
    let unknown = stranger.deployment.to_string();
    let begun = server.cluster.runs().len();
    restored(&server, vec![own, stranger]).await;

    server.probe().await;
    server.tick().await;

    assert_eq!((server.end_of(&known).await.as_str(), server.cluster.runs().len()), ("succeeded", begun));
    assert_eq!(server.anyone().get(&format!("/deployments/{unknown}")).await.status, 404);
}

#[tokio::test]
async fn without_a_restore_nobody_looks() {
    let server = server().await;
    service(&server, "api").await;
    let lost = run(minutes_ago(5));
    let id = lost.deployment.to_string();
    server.cluster.cluster().found = Ok(vec![lost]);

    server.probe().await;

    assert_eq!(server.anyone().get(&format!("/deployments/{id}")).await.status, 404);
}
