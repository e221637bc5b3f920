//! What only a caller with a credential reads.

use serde_json::Value;
use serde_json::json;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;

use crate::harness::Script;
use crate::harness::TestServer;
use crate::harness::scripted::SUBJECT;

/// Keys that the minimal object does not have.
const DETAILS: [&str; 13] = [
    "commitSubject",
    "note",
    "failure",
    "detail",
    "imageDigest",
    "promotedFrom",
    "runName",
    "workloads",
    "trigger",
    "origin",
    "hook",
    "caller",
    "ignoredParameters",
];

fn details(shown: &Value) -> Vec<&str> {
    shown.as_object().unwrap().keys().map(String::as_str).skip(16).collect()
}

#[tokio::test]
async fn an_api_token_that_may_read_sees_the_details() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let id = hook.post("").await.id();
    server.run_all().await;
    let reader = server.holder(&server.token("reader", "read", None).await);

    let shown = reader.get(&format!("/deployments/{id}")).await.json();

    assert_eq!(details(&shown), DETAILS);
    assert_eq!((&shown["commitSubject"], &shown["runName"]), (&json!(SUBJECT), &json!(id.replace('_', "-"))));
    assert_eq!(
        (&shown["hook"], &shown["trigger"], &shown["failure"]),
        (&json!("ci"), &json!("hook"), &Value::Null)
    );
}

#[tokio::test]
async fn the_hook_token_that_started_it_sees_the_details() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let script = Script::default()
        .step(Step::Clone, b"")
        .begins(Step::Build)
        .says(Step::Build, b"no rule to make x\n");
    server.executor.next(script.ends(Step::Build, 2).fails(Reason::BuildFailed));
    let id = hook.post("").await.id();
    server.run_all().await;

    let shown = server.holder(&hook.token).get(&format!("/deployments/{id}")).await.json();

    assert_eq!(shown["failure"], json!({ "step": "build", "exitCode": 2, "logTail": ["no rule to make x"] }));
    let listed = server.admin.get("/api/v1/services/api/deployments").await.items();
    assert_eq!(listed[0]["failure"], json!({ "step": "build", "exitCode": 2 }), "without its lines");
    assert_eq!(shown["detail"], "the tool's own words");
}

#[tokio::test]
async fn everybody_else_sees_the_minimal_object() {
    let server = TestServer::start().await;
    let (api, web) = (server.service("api").create().await, server.service("web").create().await);
    let (hook, sibling) = (api.hook("ci").await, api.hook("other").await);
    let id = hook.post("").await.id();
    let foreign = server.token("foreign", "admin", Some(&web.name)).await;
    let revoked = server.token("revoked", "read", None).await;
    server.admin.delete("/api/v1/tokens/revoked").await;

    for token in [sibling.token.as_str(), &foreign, &revoked, "sbapi_nonsense", "x"] {
        let answer = server.holder(token).get(&format!("/deployments/{id}")).await;

        assert_eq!(answer.status, 200, "{token}");
        assert!(details(&answer.json()).is_empty(), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_token_for_the_service_sees_its_deployments() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    let own = server.token("own", "read", Some("api")).await;

    let shown = server.holder(&own).get(&format!("/deployments/{id}")).await.json();

    assert_eq!(details(&shown), DETAILS);
}

#[tokio::test]
async fn a_revoked_hook_token_sees_no_details_any_more() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let id = hook.post("").await.id();

    hook.revoke().await;
    let shown = server.holder(&hook.token).get(&format!("/deployments/{id}")).await.json();

    assert!(details(&shown).is_empty(), "{shown}");
}

#[tokio::test]
async fn a_hook_token_sees_nothing_of_what_an_operator_deployed() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").await;
    let id = service.deploy(json!({})).await;

    let shown = server.holder(&hook.token).get(&format!("/deployments/{id}")).await.json();

    assert!(details(&shown).is_empty(), "{shown}");
}

/// npm writes the cause, and then a hundred lines of its usage.
#[tokio::test]
async fn the_lines_of_a_failure_have_the_cause_wherever_it_stands() {
    let server = TestServer::start().await;
    let usage = (0..100).map(|line| format!("usage {line}\n\n")).collect::<Vec<_>>().concat();
    let said = format!(
        "ok\n\u{1b}[31mnpm error\u{1b}[0m Missing: is-odd@3.0.1\nnpm notice\n{usage}npm notice end\n"
    );
    let script = Script::default().step(Step::Clone, b"").begins(Step::Build);
    server
        .executor
        .next(script.says(Step::Build, said.as_bytes()).ends(Step::Build, 1).fails(Reason::BuildFailed));
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;

    let shown = server.admin.get(&format!("/deployments/{id}")).await.json();

    let mut expected = vec![json!("npm error Missing: is-odd@3.0.1"), json!("…")];
    expected.extend((88..100).map(|line| json!(format!("usage {line}"))));
    assert_eq!(shown["failure"]["logTail"], Value::Array(expected));
    server.idle().await;
}
