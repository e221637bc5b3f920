//! Who is told of what: notices, from the transaction that writes a status to the answer of a target.

mod chats;
mod kills;
mod retries;
mod targets;

use serde_json::{Value, json};
use stackblaze::db;
use stackblaze::db::deployments;
use stackblaze::domain::{DeploymentId, Reason, Step};

use crate::harness::TestServer;
use crate::harness::build::Service;
use crate::harness::receiver::{Received, Receiver};
use crate::harness::scripted::{Script, hanging};

const ALL: &str = "/api/v1/targets";

/// A new target; its object as it was made.
async fn add(server: &TestServer, body: Value) -> Value {
    let made = server.admin.post(ALL, body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

/// A webhook of the installation.
async fn webhook(server: &TestServer, receiver: &Receiver) -> Value {
    add(server, json!({ "kind": "webhook", "url": receiver.url("/hook") })).await
}

fn path_of(target: &Value) -> String {
    format!("{ALL}/{}", target["id"].as_str().unwrap())
}

/// Deploys a service to its end, whatever that is.
async fn deploy(server: &TestServer, service: &Service, body: Value) -> String {
    let id = service.deploy(body).await;
    server.run_all().await;
    id
}

/// What a target was told so far: `deployment.failed build_failed`, oldest first.
async fn told(server: &TestServer, target: &Value) -> Vec<String> {
    let mut told: Vec<_> = log(server, target).await.iter().map(line).collect();
    told.reverse();
    told
}

fn line(notice: &Value) -> String {
    let word = |name: &str| notice[name].as_str().unwrap_or_default().to_owned();
    [word("event"), word("reason"), word("state")].join(" ").replace("  ", " ")
}

async fn log(server: &TestServer, target: &Value) -> Vec<Value> {
    server.admin.get(&format!("{}/notices", path_of(target))).await.items()
}

fn types(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| one.json()["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_webhook_is_told_of_each_status_in_order_with_the_deployment_as_it_was() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    webhook(&server, &receiver).await;

    let id = deploy(&server, &service, json!({ "note": "why not" })).await;
    server.deliver().await;

    let requests = receiver.received();
    assert_eq!(types(&requests), ["deployment.queued", "deployment.started", "deployment.succeeded"]);
    let told: Vec<Value> = requests.iter().map(Received::json).collect();
    let statuses: Vec<_> = told.iter().map(|one| one["data"]["status"].clone()).collect();
    assert_eq!(statuses, ["queued", "building", "succeeded"]);
    for one in &told {
        assert_eq!(one["data"]["deploymentId"], json!(id));
        assert_eq!((&one["data"]["service"], &one["data"]["note"]), (&json!("api"), &json!("why not")));
    }
    assert_eq!((&told[0]["data"]["startedAt"], &told[0]["data"]["finishedAt"]), (&Value::Null, &Value::Null));
    assert!(told[2]["data"]["finishedAt"].is_string());
    let steps = |one: &Value| one["data"]["steps"][0]["status"].clone();
    assert_eq!((steps(&told[0]), steps(&told[2])), (json!("pending"), json!("succeeded")));
    let whole = server.admin.get(&format!("/deployments/{id}")).await.json();
    for (name, value) in whole.as_object().unwrap() {
        assert_eq!(&told[2]["data"][name], value, "{name}");
    }
}

#[tokio::test]
async fn each_request_has_an_id_of_its_own_and_a_signature() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = webhook(&server, &receiver).await;

    deploy(&server, &service, json!({})).await;
    server.deliver().await;

    let requests = receiver.received();
    let mut ids: Vec<_> = requests.iter().map(|one| one.header("webhook-id").to_owned()).collect();
    let mut logged: Vec<_> =
        log(&server, &target).await.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    logged.reverse();
    assert_eq!(ids, logged);
    ids.dedup();
    assert_eq!(ids.len(), 3);
    for one in &requests {
        assert_eq!(one.line, "POST /hook");
        assert!(one.header("webhook-signature").starts_with("v1,"), "{:?}", one.headers);
        assert!(!one.header("webhook-signature").contains(' '));
        let seconds: i64 = one.header("webhook-timestamp").parse().unwrap();
        assert_eq!(seconds, server.clock.now().as_seconds());
    }
}

#[tokio::test]
async fn while_a_secret_is_rotated_notices_are_signed_with_both() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let target = webhook(&server, &receiver).await;
    let test = async || {
        let path = format!("{}/test", path_of(&target));
        let (_, ()) = tokio::join!(server.admin.post(&path, json!({})), delivered(&server, &receiver));
    };

    let rotated =
        server.admin.post(&format!("{}/rotate", path_of(&target)), json!({ "overlap": "1h" })).await;
    let again = server.admin.post(&format!("{}/rotate", path_of(&target)), json!({})).await;
    test().await;
    server.clock.advance(std::time::Duration::from_hours(1));
    test().await;

    assert_ne!(rotated.json()["secret"], target["secret"]);
    assert_eq!(again.refusal(), (409, "old_secret_good".to_owned()));
    let signatures: Vec<usize> =
        receiver.received().iter().map(|one| one.header("webhook-signature").split(' ').count()).collect();
    assert_eq!(signatures, [2, 1]);
}

/// Delivers until one more request has come.
async fn delivered(server: &TestServer, receiver: &Receiver) {
    let before = receiver.received().len();
    let mut changed = server.state.db().notices_changed();
    while receiver.received().len() == before {
        server.deliver().await;
        if receiver.received().len() == before {
            crate::harness::soon(changed.changed()).await.unwrap();
        }
    }
}

/// Every reason there is, also those that only a cluster gives.
#[tokio::test]
async fn a_failure_is_told_whatever_its_reason() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").policy("every").create().await;
    add(&server, json!({ "kind": "webhook", "url": receiver.url("/"), "events": ["deployment.failed"] }))
        .await;

    for reason in Reason::ALL {
        let id = DeploymentId::parse(&service.deploy(json!({})).await).unwrap();
        let now = server.clock.now();
        let fail = move |tx: &db::Tx<'_>| deployments::fail(tx, &id, reason, "it failed", None, now);
        assert!(server.state.db().core().write(fail).await.unwrap());
    }
    server.deliver().await;

    let mut reasons: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| one.json()["data"]["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort_unstable();
    let mut wanted = Reason::ALL.map(Reason::as_str);
    wanted.sort_unstable();
    assert_eq!(reasons, wanted);
}

#[tokio::test]
async fn the_end_is_told_also_where_the_service_is_deleted_or_the_run_superseded() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").policy("latest").create().await;
    let own = json!({ "kind": "webhook", "url": receiver.url("/"), "service": "api", "events": ["deployment.failed"] });
    let target = add(&server, own).await;
    server.executor.next(hanging());
    service.deploy(json!({})).await;
    server.tick().await;
    service.deploy(json!({ "branch": "a" })).await;
    service.deploy(json!({ "branch": "b" })).await;

    service.delete().await;
    server.run_all().await;
    server.deliver().await;

    let mut reasons: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| one.json()["data"]["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["service_deleted", "service_deleted", "superseded"]);
    assert_eq!(server.admin.get(&path_of(&target)).await.status, 200);
}

#[tokio::test]
async fn only_what_a_target_asks_for_is_told() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let (api, shop) = (server.service("api").create().await, server.service("shop").create().await);
    let of = |path: &str, more: Value| {
        let mut body =
            json!({ "kind": "webhook", "url": receiver.url(path), "events": ["deployment.queued"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    add(&server, of("/all", json!({}))).await;
    add(&server, of("/shop", json!({ "service": "shop" }))).await;
    add(&server, of("/release", json!({ "branches": ["release/*"] }))).await;
    let off = add(&server, of("/off", json!({}))).await;
    assert_eq!(server.admin.patch(&path_of(&off), json!({ "state": "off" })).await.status, 200);

    deploy(&server, &api, json!({ "branch": "release/1" })).await;
    deploy(&server, &shop, json!({})).await;
    server.deliver().await;

    let mut lines: Vec<_> = receiver.received().iter().map(|one| one.line.clone()).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["POST /all", "POST /all", "POST /release", "POST /shop"]);
}

#[tokio::test]
async fn the_last_lines_are_told_where_they_are_asked_for() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let events = json!(["deployment.failed"]);
    add(&server, json!({ "kind": "webhook", "url": receiver.url("/without"), "events": events })).await;
    let with =
        json!({ "kind": "webhook", "url": receiver.url("/with"), "events": events, "withLines": true });
    add(&server, with).await;
    let script =
        Script::default().step(Step::Clone, b"").begins(Step::Build).says(Step::Build, b"no such file\n");
    server.executor.next(script.ends(Step::Build, 2).fails(Reason::BuildFailed));

    deploy(&server, &service, json!({})).await;
    server.deliver().await;

    for one in receiver.received() {
        let failure = &one.json()["data"]["failure"];
        assert_eq!((&failure["step"], &failure["exitCode"]), (&json!("build"), &json!(2)));
        let lines = if one.line == "POST /with" { json!(["no such file"]) } else { Value::Null };
        assert_eq!(failure["logTail"], lines, "{}", one.line);
    }
}

#[tokio::test]
async fn the_first_call_by_an_old_url_is_told_and_no_other() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let hook = server.service("api").policy("every").create().await.hook("ci").await;
    let events = json!(["hook.rotated_secret_used"]);
    add(&server, json!({ "kind": "webhook", "url": receiver.url("/"), "events": events })).await;

    let new = hook.rotate("24h").await;
    new.post("").await;
    hook.post("").await;
    hook.post("").await;
    server.deliver().await;
    let once = receiver.received().len();
    new.rotate("0").await.post("").await;
    server.deliver().await;

    let requests = receiver.received();
    assert_eq!((once, requests.len()), (1, 1));
    let text = requests[0].json()["data"]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("hook ci of service api was called by 127.0.0.0/24"), "{text}");
    server.run_all().await;
}
