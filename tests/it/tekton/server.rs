//! The real server before a real API server: killed at each point between the commit, the create and the record, and
//! stopped, and cut off from the cluster. Each accepted call leads to exactly one run.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::harness::fault_proxy::{Calls, Fault};
use crate::harness::process::{Server, client};
use crate::harness::soon;

/// A server whose cluster is this test's part of the real one.
struct Installation {
    stage: Stage,
    data: TempDir,
    server: Option<Server>,
    hook: String,
}

impl Installation {
    async fn new() -> Self {
        let (stage, data) = (Stage::new().await, TempDir::new().unwrap());
        stage.proxy.write_kubeconfig(&data.path().join("kubeconfig"), None);
        let mut new = Self { stage, data, server: None, hook: String::new() };
        new.start();
        let service = json!({
            "name": "api", "repository": "https://git.example.com/team/api.git", "executor": "tekton",
            "image": "registry.example.com/api", "workloads": ["apps/api"],
            // Nothing is really patched here.
            "settle": "0s",
        });
        new.hook = new.server().hook(service).await;
        new
    }

    fn start(&mut self) {
        let kubeconfig = self.data.path().join("kubeconfig");
        let images = "clone=r.example.com/b:1,build=r.example.com/b:1,deploy=r.example.com/s:1";
        let flags = [
            ("--kubeconfig", kubeconfig.to_str().unwrap()),
            ("--kube-context", "proxy"),
            ("--build-namespace", &self.stage.namespace),
            ("--step-image", images),
        ];
        let flags: Vec<_> = flags.iter().flat_map(|(flag, value)| [*flag, *value]).collect();
        self.server = Some(Server::start(&self.data.path().join("data"), &flags));
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    /// POSTs to the hook; the id of the answer.
    async fn post(&self) -> String {
        let url = format!("{}{}", self.server().url, self.hook);
        let answer = client().post(url).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        let body: Value = answer.json().await.unwrap();
        body["deploymentId"].as_str().unwrap().to_owned()
    }

    /// The runs of deployments that were created; those that look at the repository come and go by themselves.
    fn created(&self) -> Vec<String> {
        let all = self.stage.proxy.created("pipelineruns").into_iter();
        all.filter(|name| name.starts_with("dep-")).collect()
    }

    fn kubelet(&self, id: &str) -> Kubelet {
        Kubelet::new(self.stage.admin.clone(), &self.stage.namespace, &id.replace('_', "-"))
    }

    /// The deployment's object once it fits; each question is held until the status changes or a second is over.
    async fn until(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let url = format!("{}/deployments/{id}?wait=1", self.server().url);
        soon(async {
            loop {
                let found: Value = client().get(&url).send().await.unwrap().json().await.unwrap();
                if fits(&found) {
                    return found;
                }
            }
        })
        .await
    }

    async fn end_of(&self, id: &str) -> Value {
        self.until(id, |found| !found["finishedAt"].is_null()).await
    }
}

/// Calls that create the run of a deployment: nothing else asks for strict validation.
fn creations() -> Calls {
    Calls::to("POST", "fieldValidation=Strict")
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_server_that_is_killed_around_the_creation_makes_exactly_one_run() {
    for fault in [Fault::Hang, Fault::HangReply, Fault::LoseReply] {
        let mut own = Installation::new().await;
        own.stage.proxy.inject(creations().first(1), fault.clone());
        let id = own.post().await;
        soon(own.stage.proxy.has_seen(creations())).await;

        own.kill();
        own.start();
        succeeds(&own.kubelet(&id)).await;

        let end = own.end_of(&id).await;
        assert_eq!(
            (&end["status"], &end["commit"]),
            (&json!("succeeded"), &json!(COMMIT)),
            "{fault:?} {end:#}"
        );
        assert_eq!(own.created(), [id.replace('_', "-")], "{fault:?}");
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_server_that_is_killed_or_stopped_later_leaves_its_run_to_the_next_one() {
    for signal in ["KILL", "TERM"] {
        let mut own = Installation::new().await;
        let id = own.post().await;
        clones(&own.kubelet(&id)).await;
        own.until(&id, |found| found["steps"][1]["status"] == "running").await;

        own.server().signal(signal);
        own.server.take().unwrap().wait();
        own.start();
        own.kubelet(&id).ends("build", 0, &[("digest", DIGEST)]).await;
        own.kubelet(&id).starts("rollout").await;
        own.kubelet(&id).ends("rollout", 0, &[]).await;

        assert_eq!(own.end_of(&id).await["status"], "succeeded", "{signal}");
        assert_eq!(own.created(), [id.replace('_', "-")], "{signal}");
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn calls_are_kept_while_the_cluster_is_away_and_run_once_it_is_back() {
    let mut own = Installation::new().await;
    own.kill();
    own.stage.proxy.inject(Calls::to("*", ""), Fault::Cut);
    own.start();
    soon(own.stage.proxy.has_seen(Calls::to("GET", "/pipelineruns"))).await;

    let id = own.post().await;
    let before = own.until(&id, |_| true).await;
    own.stage.proxy.heal();
    succeeds(&own.kubelet(&id)).await;

    assert_eq!(before["status"], "queued");
    assert_eq!(own.end_of(&id).await["status"], "succeeded");
    assert_eq!(own.created(), [id.replace('_', "-")]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_cancel_reaches_the_cluster_and_the_next_deployment_is_begun() {
    let own = Installation::new().await;
    let first = own.post().await;
    clones(&own.kubelet(&first)).await;
    own.until(&first, |found| found["steps"][1]["status"] == "running").await;
    let second = own.post().await;

    own.server().api("POST", &format!("/deployments/{first}/cancel"), None).await;
    succeeds(&own.kubelet(&second)).await;

    assert_eq!(own.end_of(&first).await["reason"], "cancelled");
    assert_eq!(own.end_of(&second).await["status"], "succeeded");
    let names = [&first, &second].map(|id| id.replace('_', "-"));
    assert_eq!(own.created(), names);
}
