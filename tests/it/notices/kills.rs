//! The server is killed between commit, delivery and record: each notice arrives at least once, under one id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::process::{Server, wait_until};
use crate::harness::receiver::Receiver;

const FLAGS: &[&str] = &["--allow-target", "127.0.0.1"];

struct Scene {
    data: TempDir,
    repo: GitRepo,
    receiver: Receiver,
}

impl Scene {
    fn new() -> Self {
        let repo = GitRepo::new();
        repo.commit("hello", "one\n", "Say hello");
        Self { data: TempDir::new().unwrap(), repo, receiver: Receiver::start() }
    }

    fn serve(&self) -> Server {
        Server::start(self.data.path(), FLAGS)
    }
}

/// Of each deployment the types that arrived, in the order of their first arrival, each with its id.
fn arrived(scene: &Scene) -> BTreeMap<String, Vec<(String, String)>> {
    let mut of: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for one in scene.receiver.received() {
        let told = one.json();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let (deployment, kind) = (word(&told["data"]["deploymentId"]), word(&told["type"]));
        let (known, id) = (of.entry(deployment).or_default(), one.header("webhook-id").to_owned());
        if !known.contains(&(kind.clone(), id.clone())) {
            known.push((kind, id));
        }
    }
    of
}

fn is_whole(types: &[(String, String)]) -> bool {
    types.iter().any(|(kind, _)| kind == "deployment.succeeded" || kind == "deployment.failed")
}

#[tokio::test]
async fn each_notice_arrives_whenever_the_server_is_killed_and_under_one_id() {
    let scene = Scene::new();
    let mut server = scene.serve();
    let service = json!({ "name": "api", "repository": scene.repo.url(), "queuePolicy": "every" });
    server.hook(service).await;
    let events =
        json!(["deployment.queued", "deployment.started", "deployment.succeeded", "deployment.failed"]);
    let target = json!({ "kind": "webhook", "url": scene.receiver.url("/"), "events": events });
    server.api("POST", "/api/v1/targets", Some(target)).await;

    // Killed at once, and with the first, second and third request in the hands of the receiver.
    for in_hand in 0..=3 {
        let before = scene.receiver.received().len();
        scene.receiver.hold(in_hand == 1);
        server.api("POST", "/api/v1/services/api/deployments", Some(json!({}))).await;
        if in_hand > 0 {
            scene.receiver.wait_for(before + in_hand);
        }
        server.kill();
        scene.receiver.hold(false);
        server = scene.serve();
        wait_until("the end of each deployment to be told", || {
            let arrived = arrived(&scene);
            arrived.len() == in_hand + 1 && arrived.values().all(|types| is_whole(types))
        });
    }

    for (deployment, types) in arrived(&scene) {
        let kinds: Vec<_> = types.iter().map(|(kind, _)| kind.as_str()).collect();
        let is_in_order = kinds.len() == 3 && kinds[..2] == ["deployment.queued", "deployment.started"];
        assert!(is_in_order, "{deployment}: {kinds:?}");
    }
    // What was in hand at a kill came once more.
    let ids: Vec<_> =
        scene.receiver.received().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert!(ids.len() > distinct.len(), "{ids:?}");
}
