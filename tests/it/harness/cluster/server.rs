//! The server as its own manifests install it: a pod of the cluster, reached by its address.

use serde_json::Value;
use serde_json::json;
use tokio::sync::OnceCell;

use super::APPS;
use super::App;
use super::BUILDS;
use super::Cluster;
use super::SERVER;
use super::get;
use super::in_time;
use super::kubectl;
use super::variable;
use crate::harness::Hook;
use crate::harness::build::ServiceBuilder;
use crate::harness::http::Api;

/// The pod's name: the first of its stateful set.
const POD: &str = "stackblaze-0";

/// A token that may do everything; made once for all tests.
static TOKEN: OnceCell<String> = OnceCell::const_new();

/// The installed server, and whoever may do everything.
pub struct InCluster {
    pub admin: Api,
    cluster: Cluster,
}

impl InCluster {
    /// Installs the server where that was not done yet, and waits until it is ready.
    pub async fn connect() -> Self {
        Self::reached(Cluster::connect().await).await
    }

    /// The same, while no other test has runs.
    pub async fn alone() -> Self {
        Self::reached(Cluster::alone().await).await
    }

    async fn reached(cluster: Cluster) -> Self {
        until_ready().await;
        let token = TOKEN.get_or_init(|| token(SERVER)).await.clone();
        Self { admin: api(SERVER, token).await, cluster }
    }

    /// Another installation, once it is ready.
    pub async fn installed_in(namespace: &str, cluster: Cluster) -> Self {
        until_ready_in(namespace).await;
        let token = token(namespace).await;
        Self { admin: api(namespace, token).await, cluster }
    }

    /// What is left when the server is not asked any more.
    pub fn into_cluster(self) -> Cluster {
        self.cluster
    }

    /// The pod dies and another takes its place, with the same disk.
    pub async fn killed(self) -> Self {
        let pod = format!("pod/{POD}");
        kubectl(&["-n", SERVER, "delete", &pod, "--grace-period=0", "--force", "--wait"], "").await.unwrap();
        in_time(async { while kubectl(&["-n", SERVER, "get", &pod], "").await.is_err() {} }).await;
        Self::reached(self.cluster).await
    }

    /// A service that is built from the private repository and deployed to this workload, and a hook of it.
    pub async fn hook(&self, app: &App) -> Hook {
        let name = app.name;
        self.forget(name).await;
        let service = ServiceBuilder::new(self.admin.clone(), name)
            .with("repository", json!(variable("CLUSTER_GIT_PRIVATE")))
            .with("image", json!(format!("{}/{name}", variable("CLUSTER_PRIVATE_REGISTRY"))))
            .with("workloads", json!([format!("{APPS}/{name}")]))
            .with("gitSecret", json!("git-private"))
            .with("registrySecret", json!("registry-private"));
        service.create().await.hook("ci").await
    }

    /// Removes what an earlier run of the tests left.
    async fn forget(&self, name: &str) {
        self.admin.delete(&format!("/api/v1/services/{name}")).await;
        let label = format!("stackblaze.dev/service={name}");
        kubectl(&["-n", BUILDS, "delete", "pipelineruns", "-l", &label], "").await.unwrap();
    }

    /// Waits for the end of a deployment; its object with all details.
    pub async fn end_of(&self, id: &str) -> Value {
        in_time(async {
            loop {
                let found = self.admin.get(&format!("/deployments/{id}?wait=20")).await.json();
                if ["succeeded", "failed"].contains(&found["status"].as_str().unwrap()) {
                    return found;
                }
            }
        })
        .await
    }

    /// Waits until a step of a deployment runs.
    pub async fn runs(&self, id: &str, step: &str) {
        in_time(async {
            loop {
                let found = self.admin.get(&format!("/deployments/{id}")).await.json();
                let steps = found["steps"].as_array().unwrap();
                if steps.iter().any(|own| own["name"] == step && own["status"] == "running") {
                    return;
                }
            }
        })
        .await;
    }

    pub async fn log_of(&self, id: &str) -> String {
        self.admin.get(&format!("/deployments/{id}/logs")).await.text()
    }
}

/// Waits until the server's pod is ready.
pub async fn until_ready() {
    until_ready_in(SERVER).await;
}

/// The same of an installation in this namespace.
pub async fn until_ready_in(namespace: &str) {
    let words = ["-n", namespace, "rollout", "status", "statefulset/stackblaze", "--timeout=5m"];
    kubectl(&words, "").await.unwrap();
}

/// Runs the command line in the server's pod.
pub async fn stackblaze(words: &[&str]) -> Result<String, String> {
    stackblaze_in(SERVER, words).await
}

/// The same of an installation in this namespace.
pub async fn stackblaze_in(namespace: &str, words: &[&str]) -> Result<String, String> {
    let exec = ["-n", namespace, "exec", POD, "--", "stackblaze"];
    kubectl(&[exec.as_slice(), words].concat(), "").await
}

async fn api(namespace: &str, token: String) -> Api {
    let address = get(namespace, &format!("pod/{POD}")).await;
    let address = format!("{}:8080", address["status"]["podIP"].as_str().unwrap());
    Api::new(address.parse().unwrap(), Some(token))
}

async fn token(namespace: &str) -> String {
    // An earlier run of the tests may have left one.
    drop(stackblaze_in(namespace, &["token", "revoke", "tests", "--yes"]).await);
    let made = stackblaze_in(namespace, &["token", "create", "tests", "--scope", "admin"]).await;
    made.unwrap().trim().to_owned()
}
