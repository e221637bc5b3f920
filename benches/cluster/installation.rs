//! A namespace of the test cluster, a data directory with services that deploy there, and when each run appeared.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::probe;
use crate::stage::{CHECKED, Target, call, copy, open, program};

pub const SERVICES: usize = 50;
const IMAGES: &str = "clone=r.example.com/b:1,build=r.example.com/b:1,deploy=r.example.com/s:1";

/// When something was seen, by the name of a run.
pub type Seen = Arc<Mutex<HashMap<String, Instant>>>;

/// One of the variables that `tests/cluster/cluster exec` sets.
#[expect(clippy::disallowed_methods, reason = "where the cluster lies is no setting of the product")]
fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name}: run by `tests/cluster/cluster exec`"))
}

/// Part of a cluster, and a data directory.
pub struct Installation {
    client: Client,
    pub namespace: String,
    pub runs: Api<DynamicObject>,
    folder: PathBuf,
    /// A kubeconfig, and the context in it.
    cluster: (String, String),
    /// Paths of the hooks' URLs, one of each service.
    pub hooks: Vec<String>,
    /// When each run appeared.
    pub appeared: Seen,
    watch: JoinHandle<Result<()>>,
}

impl Installation {
    pub async fn new(folder: &Path) -> Result<Self> {
        drop(std::fs::remove_dir_all(folder));
        std::fs::create_dir_all(folder)?;
        let file = variable("KUBECONFIG")?;
        let kubeconfig = Kubeconfig::read_from(&file)?;
        let context = kubeconfig.current_context.clone().context("the kubeconfig has no current context")?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let namespace = namespace(&client).await?;
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("tekton.dev", "v1", "PipelineRun"));
        let runs = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &kind);
        let appeared = Seen::default();
        let watch = tokio::spawn(watch(runs.clone(), Arc::clone(&appeared)));
        let folder = folder.to_owned();
        let mut new = Self {
            client,
            namespace,
            runs,
            folder,
            cluster: (file, context),
            hooks: Vec::new(),
            appeared,
            watch,
        };
        new.hooks = new.services()?;
        new.clear().await?;
        Ok(new)
    }

    /// Makes the services; the paths of their hooks.
    fn services(&self) -> Result<Vec<String>> {
        let data = self.folder.join("empty");
        let server = self.server(&data, &self.cluster)?;
        let command = ["token", "create", "bench", "--scope", "admin", "--data-dir"];
        let made = Command::new(program()).args(command).arg(&data).output()?;
        let token =
            String::from_utf8_lossy(&made.stdout).trim().lines().last().unwrap_or_default().to_owned();
        let bearer = format!("Authorization: Bearer {token}");
        let post = |path: &str, body: Value| -> Result<Value> {
            let body = body.to_string();
            let body = Some(("application/json", body.as_str()));
            let (status, _, text) = call(server.address, "POST", path, Some(&bearer), body)?;
            ensure!(status == 201, "{path}: {status} {text}");
            Ok(serde_json::from_str(&text)?)
        };
        let mut hooks = Vec::new();
        for number in 0..SERVICES {
            let name = format!("service-{number:03}");
            let service = json!({ "name": name, "repository": "https://git.example.com/team/api.git",
                "executor": "tekton", "image": format!("registry.example.com/{name}"),
                "workloads": ["apps/api"] });
            post("/api/v1/services", service)?;
            let hook = post(&format!("/api/v1/services/{name}/hooks"), json!({ "name": "hook" }))?;
            let url = hook["url"].as_str().context("a hook has no URL")?;
            hooks.push(url.split_at(url.find("/deploy-hooks").context("another URL")?).1.to_owned());
        }
        drop(server);
        // Looked at a moment ago, so that no run for that stands beside what is measured.
        let core = open(data.join("core.db"))?;
        core.execute_batch("DELETE FROM checks")?;
        core.execute(CHECKED, [])?;
        for file in [core, open(data.join("logs.db"))?] {
            file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        Ok(hooks)
    }

    fn server(&self, data: &Path, (file, context): &(String, String)) -> Result<Target> {
        let concurrency = SERVICES.to_string();
        let flags = [
            ["--kubeconfig", file],
            ["--kube-context", context],
            ["--build-namespace", &self.namespace],
            ["--step-image", IMAGES],
            ["--concurrency", &concurrency],
        ];
        Target::product(data, &flags.concat(), probe::processors()?.0)
    }

    /// A server on a fresh copy of the data directory, with nothing to do, and no runs in the cluster.
    pub async fn fresh(&self, cluster: Option<&(String, String)>) -> Result<Target> {
        self.clear().await?;
        let run = self.folder.join("run");
        drop(std::fs::remove_dir_all(&run));
        copy(&self.folder.join("empty"), &run)?;
        let server = self.server(&run, cluster.unwrap_or(&self.cluster))?;
        let began = Instant::now();
        while call(server.address, "GET", "/readyz", None, None)?.0 != 200 {
            ensure!(began.elapsed() < Duration::from_secs(30), "the server does not become ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.settle();
        // Tekton goes on for a while after what was before.
        probe::settle()?;
        Ok(server)
    }

    /// Deletes all runs, and waits until nothing of them is left.
    async fn clear(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            self.runs.delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
            if self.runs.list_metadata(&ListParams::default()).await?.items.is_empty() {
                return Ok(());
            }
            ensure!(began.elapsed() < Duration::from_mins(2), "runs are not deleted");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// When a run appeared.
    pub async fn appearance(&self, name: &str) -> Result<Instant> {
        let began = Instant::now();
        loop {
            if let Some(at) = lock(&self.appeared).get(name) {
                return Ok(*at);
            }
            ensure!(!self.watch.is_finished(), "the watch of the runs has ended");
            ensure!(began.elapsed() < Duration::from_mins(1), "{name} does not appear");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The run of this name as anybody could create it once more, and no server takes it for its own.
    pub async fn template(&self, name: &str) -> Result<DynamicObject> {
        let mut object = self.runs.get(name).await?;
        let labels = object.metadata.labels.take().into_iter().flatten();
        let labels = labels.filter(|(name, _)| !name.starts_with("tekton.dev/")).map(|(name, value)| {
            let value = if name.ends_with("/instance") { "x".repeat(value.len()) } else { value };
            (name, value)
        });
        object.metadata = kube::api::ObjectMeta {
            labels: Some(labels.collect()),
            annotations: object.metadata.annotations.take(),
            namespace: object.metadata.namespace.take(),
            ..Default::default()
        };
        if let Some(data) = object.data.as_object_mut() {
            data.remove("status");
        }
        Ok(object)
    }

    /// Deletes what was made in the cluster.
    pub async fn leave(&self) -> Result<()> {
        self.watch.abort();
        let namespaces = Api::<Namespace>::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::background()).await?;
        Ok(())
    }
}

pub fn lock(seen: &Seen) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a namespace with the accounts that runs name.
async fn namespace(client: &Client) -> Result<String> {
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "generateName": "bench-" } });
    let namespaces = Api::<Namespace>::all(client.clone());
    let made = namespaces.create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &made.name_any());
    for name in ["builder", "deployer"] {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
        accounts.create(&PostParams::default(), &serde_json::from_value(account)?).await?;
    }
    Ok(made.name_any())
}

/// Notes when each run appears.
async fn watch(runs: Api<DynamicObject>, appeared: Seen) -> Result<()> {
    let all = runs.list_metadata(&ListParams::default()).await?;
    let mut version = all.metadata.resource_version.unwrap_or_default();
    loop {
        let mut events = runs.watch_metadata(&WatchParams::default(), &version).await?.boxed();
        while let Some(event) = events.try_next().await? {
            let now = Instant::now();
            match event {
                WatchEvent::Added(run) => {
                    version = run.resource_version().unwrap_or_default();
                    lock(&appeared).insert(run.name_any(), now);
                }
                WatchEvent::Modified(run) | WatchEvent::Deleted(run) => {
                    version = run.resource_version().unwrap_or_default();
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Error(error) => bail!("the watch of the runs: {error:?}"),
            }
        }
    }
}
