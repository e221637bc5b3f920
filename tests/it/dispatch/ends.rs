//! How a run ends in the record.

use serde_json::Value;
use serde_json::json;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;

use crate::harness::Options;
use crate::harness::Script;
use crate::harness::TestServer;
use crate::harness::scripted::HEAD;
use crate::harness::scripted::SUBJECT;

/// Runs one deployment by a script; its object with details.
async fn run(server: &TestServer, script: Script) -> Value {
    server.executor.next(script);
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;
    server.admin.get(&format!("/deployments/{id}")).await.json()
}

fn steps(shown: &Value) -> Vec<(&str, &str, Option<i64>)> {
    let all = shown["steps"].as_array().unwrap();
    all.iter()
        .map(|step| {
            (step["name"].as_str().unwrap(), step["status"].as_str().unwrap(), step["exitCode"].as_i64())
        })
        .collect()
}

#[tokio::test]
async fn three_steps_that_end_well_are_a_success() {
    let server = TestServer::start().await;

    let shown = run(&server, Script::succeeds()).await;

    assert_eq!(
        (&shown["status"], &shown["reason"], &shown["message"]),
        (&json!("succeeded"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        steps(&shown),
        [("clone", "succeeded", Some(0)), ("build", "succeeded", Some(0)), ("deploy", "succeeded", Some(0))]
    );
    assert_eq!((&shown["commit"], &shown["commitSubject"]), (&json!(HEAD), &json!(SUBJECT)));
    assert!(shown["startedAt"].is_string() && shown["finishedAt"].is_string());
}

#[tokio::test]
async fn a_failing_build_is_a_failure_with_its_step_exit_code_and_last_lines() {
    let server = TestServer::start().await;
    let lines: String = (1..=30).map(|number| format!("line {number}\n")).collect();

    let script = Script::default().step(Step::Clone, b"cloned\n").begins(Step::Build);
    let script = script.says(Step::Build, lines.as_bytes()).ends(Step::Build, 2).fails(Reason::BuildFailed);
    let shown = run(&server, script).await;

    assert_eq!((&shown["status"], &shown["reason"]), (&json!("failed"), &json!("build_failed")));
    assert_eq!(
        steps(&shown),
        [("clone", "succeeded", Some(0)), ("build", "failed", Some(2)), ("deploy", "skipped", None)]
    );
    let failure = &shown["failure"];
    assert_eq!((&failure["step"], &failure["exitCode"]), (&json!("build"), &json!(2)));
    let tail: Vec<_> =
        failure["logTail"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!((tail.len(), tail[0], tail[19]), (20, "line 11", "line 30"));
}

#[tokio::test]
async fn an_executor_that_panics_is_an_internal_failure() {
    let server = TestServer::start().await;

    let shown = run(&server, Script::default().step(Step::Clone, b"").begins(Step::Build).panics()).await;

    assert_eq!((&shown["status"], &shown["reason"]), (&json!("failed"), &json!("internal")));
    assert_eq!(steps(&shown)[1..], [("build", "failed", None), ("deploy", "skipped", None)]);
}

#[tokio::test]
async fn an_executor_that_fails_itself_is_an_internal_failure_with_its_text() {
    let server = TestServer::start().await;

    let shown = run(&server, Script::default().breaks("no room for a folder")).await;

    assert_eq!((&shown["reason"], &shown["message"]), (&json!("internal"), &json!("no room for a folder")));
}

#[tokio::test]
async fn a_success_that_never_deployed_is_none() {
    let server = TestServer::start().await;

    let shown = run(&server, Script::default().step(Step::Clone, b"").step(Step::Build, b"")).await;

    assert_eq!((&shown["status"], &shown["reason"]), (&json!("failed"), &json!("internal")));
}

#[tokio::test]
async fn the_last_log_bytes_are_there_when_the_status_is_final() {
    let server = TestServer::start().await;
    let script = Script::default().step(Step::Clone, b"").step(Step::Build, b"built\n");
    server
        .executor
        .next(script.begins(Step::Deploy).says(Step::Deploy, b"no end of line").ends(Step::Deploy, 0));
    let id = server.service("api").create().await.deploy(json!({})).await;
    let gate = server.anyone();
    let path = format!("/deployments/{id}/wait");
    let waiting = tokio::spawn(async move { gate.get(&path).await });

    server.tick().await;
    let answer = crate::harness::soon(waiting).await.unwrap();
    let log = server.admin.get(&format!("/deployments/{id}/logs")).await.text();

    assert_eq!((answer.status, log.as_str()), (200, "built\nno end of line"));
    server.idle().await;
}

#[tokio::test]
async fn a_run_that_ends_while_another_waits_lets_that_one_begin() {
    let server = TestServer::start().await;
    server.executor.next(Script::default().breaks("once"));
    let service = server.service("api").policy("every").create().await;
    let (one, two) = (service.deploy(json!({})).await, service.deploy(json!({})).await);

    server.run_all().await;

    assert_eq!(
        (server.end_of(&one).await, server.end_of(&two).await),
        ("failed/internal".into(), "succeeded".into())
    );
}

#[tokio::test]
async fn every_reason_that_an_executor_gives_is_kept_as_it_is() {
    let server = TestServer::with(Options { queue_limit: 100, ..Options::default() }).await;
    let service = server.service("api").policy("every").create().await;

    for reason in Reason::ALL {
        server.executor.next(Script::default().begins(Step::Clone).ends(Step::Clone, 1).fails(reason));
        let id = service.deploy(json!({})).await;
        server.run_all().await;

        assert_eq!(server.end_of(&id).await, format!("failed/{}", reason.as_str()));
    }
}
