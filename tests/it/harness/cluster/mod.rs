//! The full test cluster with StackBlaze's own manifests applied. Runs are created by the token of the server's account,
//! under its rights and its admission policy; what a test looks at, it reads as admin.

mod app;
mod poll;
mod server;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use stackblaze::domain::Commit;
use stackblaze::domain::Step;
use stackblaze::domain::Workload;
use stackblaze::executor::Event;
use stackblaze::executor::Executor;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;
use stackblaze::executor::tekton::install::manifests::{ManifestSettings, render};
use stackblaze::executor::tekton::{BuilderSettings, Common, StepImages, TektonExecutor, client};
use tokio::sync::OnceCell;
use tokio::sync::RwLock;
use tokio::sync::RwLockReadGuard;
use tokio::sync::RwLockWriteGuard;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use app::App;
pub use poll::Poll;
pub use server::InCluster;
pub use server::stackblaze;
pub use server::stackblaze_in;
pub use server::until_ready;
pub use server::until_ready_in;

use super::guest::output_of;

/// Nothing in the cluster takes this long, also when the machine is busy.
pub const LONG: Duration = Duration::from_mins(15);
/// Where the server and the runs are.
pub const SERVER: &str = "stackblaze";
pub const BUILDS: &str = "stackblaze-builds";
pub const APPS: &str = "apps";
/// Every Deployment that a test deploys to; the manifests grant rights on exactly these.
const WORKLOADS: &[&str] = &[
    "hook-good",
    "hook-fails",
    "hook-stops",
    "hook-killed",
    "hook-cache",
    "quick",
    "burst-0",
    "burst-1",
    "burst-2",
    "burst-3",
    "burst-4",
    "burst-5",
    "burst-6",
    "burst-7",
    "burst-8",
    "burst-9",
    "api",
    "attached",
    "away",
    "broken",
    "cache",
    "cancel",
    "chatty",
    "deadline",
    "kept",
    "late",
    "nested",
    "public",
    "rolls",
    "stays",
    "told",
    "unseen",
    "greedy",
    "half",
    "kinds",
    "lost",
    "killed",
    "many",
    "mirrored",
    "named",
    "healed",
    "released",
    "unreleased",
    "halted",
    "halfway",
    "bereft",
    "charted",
];
/// What some of these tests deploy to beside, of other kinds.
const OTHER_WORKLOADS: &[&str] = &[
    "statefulset:apps/many-set",
    "daemonset:apps/many-agent",
    "statefulset:apps/kinds-set",
    "daemonset:apps/kinds-agent",
    "cronjob:apps/kinds-job",
    "statefulset:apps/half-set",
    "statefulset:apps/lost-set",
    "statefulset:apps/killed-set",
];
/// A Secret with credentials that the private registry does not know.
pub const WRONG_REGISTRY_SECRET: &str = "registry-wrong";

static INSTALLED: OnceCell<Installed> = OnceCell::const_new();

/// Who may have runs now.
static TURNS: RwLock<()> = RwLock::const_new(());

enum Turn {
    Shared(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

/// What is done once for all tests.
struct Installed {
    image: String,
    builder: String,
    token: String,
}

/// A variable that `tests/cluster/cluster exec` sets.
#[expect(clippy::disallowed_methods, reason = "where the cluster lies is no setting of the product")]
pub fn variable(name: &str) -> String {
    std::env::var(name).expect("run by `tests/cluster/cluster exec`")
}

/// Waits for something in the cluster that is sure to come.
pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("it happens in time")
}

/// Runs kubectl as admin with `input`; what it printed, or what it complained about.
pub async fn kubectl(words: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("kubectl");
    command.args(words);
    let output = in_time(output_of(command, input)).await;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// An object as it is now.
pub async fn get(namespace: &str, what: &str) -> Value {
    let text = kubectl(&["-n", namespace, "get", what, "-o", "json"], "").await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Whether the server's account may create this; nothing is created.
pub async fn admitted(run: &Value) -> Result<String, String> {
    let account = format!("--as=system:serviceaccount:{SERVER}:stackblaze");
    kubectl(&["create", "--dry-run=server", "-f", "-", &account], &run.to_string()).await
}

/// The run's object as it is now.
pub async fn object_of(run: &Run) -> Value {
    get(BUILDS, &format!("pipelinerun/{}", run.deployment.run_name())).await
}

/// The answer of a web server in the cluster; None where there is no good one.
pub async fn page(address: &str) -> Option<String> {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(LONG);
    let answer = http.build().unwrap().get(address).send().await.ok()?;
    if answer.status() == 200 { answer.text().await.ok() } else { None }
}

/// The commit at the head of a branch of the sample repository.
pub async fn head(branch: &str) -> Commit {
    let (daemon, name) = (variable("CLUSTER_GIT_DAEMON"), format!("refs/heads/{branch}"));
    let mut command = Command::new("git");
    command.args(["ls-remote", &daemon, &name]);
    let output = in_time(output_of(command, "")).await;
    Commit::parse(String::from_utf8(output.stdout).unwrap().get(..40).unwrap()).unwrap()
}

/// The cluster, and an executor that speaks as the server.
pub struct Cluster {
    pub client: client::Client,
    pub executor: TektonExecutor,
    pub common: Common,
    _turn: Turn,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Applies the manifests once, and connects.
    pub async fn connect() -> Self {
        Self::connect_with(Turn::Shared(TURNS.read().await)).await
    }

    /// The same, while no other test has runs.
    pub async fn alone() -> Self {
        Self::connect_with(Turn::Alone(TURNS.write().await)).await
    }

    async fn connect_with(turn: Turn) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let installed = INSTALLED.get_or_init(install).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        write_kubeconfig(&file, &installed.token);
        let client = client::by_context(Some(&file), "server").await.unwrap();
        let images = StepImages {
            clone: installed.builder.clone(),
            build: installed.builder.clone(),
            deploy: installed.image.clone(),
        };
        let (namespace, instance) = (BUILDS.to_owned(), "test".to_owned());
        let common = Common { namespace, instance, images, builder: builder() };
        let executor = TektonExecutor::new(client.clone(), common.clone());
        Self { client, executor, common, _turn: turn, _folder: folder }
    }

    /// Applies the manifests again, after a test that applied others.
    pub async fn apply_again(&self) {
        apply(&self.common.images.deploy, &self.common.images.build).await;
    }

    /// Starts a run, or attaches to it.
    pub fn start(&self, run: Run) -> Running {
        self.start_with(self.executor.clone(), run)
    }

    /// The same by another executor.
    #[expect(clippy::unused_self, reason = "who holds it has its turn")]
    pub fn start_with(&self, executor: TektonExecutor, run: Run) -> Running {
        let (events, inbox) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let task = tokio::spawn(async move { executor.run(&run, &events, &asked).await.unwrap() });
        Running { inbox, events: Vec::new(), stop, task }
    }

    /// Runs to the end.
    pub async fn run(&self, run: &Run) -> (Vec<Event>, Outcome) {
        self.start(run.clone()).end().await
    }
}

/// A run that goes on.
pub struct Running {
    inbox: mpsc::Receiver<Event>,
    pub events: Vec<Event>,
    stop: CancellationToken,
    task: JoinHandle<Outcome>,
}

impl Running {
    /// Takes events until one fits.
    pub async fn until(&mut self, fits: impl Fn(&Event) -> bool) {
        in_time(async {
            loop {
                let event = self.inbox.recv().await.expect("the event comes before the run's end");
                let is_it = fits(&event);
                self.events.push(event);
                if is_it {
                    return;
                }
            }
        })
        .await;
    }

    /// Waits until the run says that it waits for `what`.
    pub async fn waits_for(&mut self, what: &str) {
        self.until(|event| matches!(event, Event::Waiting(Some(text)) if text.to_string().contains(what)))
            .await;
    }

    /// Waits until a step's log has this line, or the beginning of one.
    pub async fn says(&mut self, step: Step, line: &str) {
        let mut log = String::from("\n");
        while !log.contains(&format!("\n{line}")) {
            self.until(|event| matches!(event, Event::Log { step: of, .. } if *of == step)).await;
            if let Some(Event::Log { bytes, .. }) = self.events.last() {
                log.push_str(&String::from_utf8_lossy(bytes));
            }
        }
    }

    /// Asks the run to end, as the dispatcher does.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The server dies; the run goes on in the cluster.
    pub fn abandon(self) -> Vec<Event> {
        self.task.abort();
        self.events
    }

    /// All events and the outcome.
    pub async fn end(mut self) -> (Vec<Event>, Outcome) {
        in_time(async {
            while let Some(event) = self.inbox.recv().await {
                self.events.push(event);
            }
        })
        .await;
        (self.events, in_time(self.task).await.unwrap())
    }
}

async fn install() -> Installed {
    let [image, builder] = [pushed("stackblaze").await, pushed("stackblaze-builder").await];
    apply(&image, &builder).await;
    for secret in ["git-private", "registry-private"] {
        let mut found = get("builds", &format!("secret/{secret}")).await;
        found["metadata"] = json!({"name": secret, "namespace": BUILDS});
        kubectl(&["apply", "-f", "-"], &found.to_string()).await.unwrap();
    }
    let (registry, auth) = (variable("CLUSTER_PRIVATE_REGISTRY"), "bm9ib2R5Om5vdGhpbmc=");
    let wrong = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": WRONG_REGISTRY_SECRET, "namespace": BUILDS},
        "stringData": {".dockerconfigjson": json!({"auths": {registry: {"auth": auth}}}).to_string()}});
    kubectl(&["apply", "-f", "-"], &wrong.to_string()).await.unwrap();
    until_policed(&image).await;
    let token = kubectl(&["-n", SERVER, "create", "token", "stackblaze"], "").await.unwrap();
    Installed { image, builder, token: token.trim().to_owned() }
}

/// The cluster's registries speak http.
fn builder() -> BuilderSettings {
    let insecure_registries = ["CLUSTER_REGISTRY", "CLUSTER_PRIVATE_REGISTRY"].map(variable).to_vec();
    BuilderSettings { insecure_registries, ..BuilderSettings::default() }
}

fn workloads() -> Vec<Workload> {
    let own = WORKLOADS.iter().map(|name| format!("{APPS}/{name}"));
    let all = own.chain(OTHER_WORKLOADS.iter().map(|text| (*text).to_owned()));
    all.map(|text| Workload::parse(&text).unwrap()).collect()
}

/// Applies our own manifests with rights on the workload of every test.
async fn apply(image: &str, builder_image: &str) {
    let settings = ManifestSettings {
        image: image.to_owned(),
        builder_image: builder_image.to_owned(),
        public_url: None,
        namespace: SERVER.to_owned(),
        build_namespace: BUILDS.to_owned(),
        builder: builder(),
        workloads: workloads(),
        image_pull_secret: None,
        release_jobs: vec![APPS.to_owned()],
        api_servers: Vec::new(),
        has_metrics: false,
        copies: None,
    };
    kubectl(&["apply", "-f", "-"], &render(&settings).unwrap()).await.unwrap();
    // It refuses every container that has no limits, Tekton's own among them.
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all", "namespace": BUILDS},
        "spec": {"hard": {"limits.cpu": "1k", "limits.memory": "1Ti", "requests.cpu": "1k"}}});
    kubectl(&["apply", "-f", "-"], &quota.to_string()).await.unwrap();
}

/// The API server takes up a policy a moment after it was applied.
async fn until_policed(image: &str) {
    let run = |image: &str| {
        let step = json!({"name": "rollout", "image": image, "command": ["stackblaze", "rollout"],
            "securityContext": {"runAsUser": 65_532, "allowPrivilegeEscalation": false}});
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "probe", "namespace": BUILDS},
            "spec": {"taskRunTemplate": {"serviceAccountName": "builder"},
                "pipelineSpec": {"tasks": [{"name": "deploy", "taskSpec": {"steps": [step]}}]}}})
    };
    in_time(async {
        while admitted(&run("x")).await.is_ok() {}
        while admitted(&run(image)).await.is_err() {}
    })
    .await;
}

/// One of the project's own images by its digest, since a node keeps what a tag named before.
async fn pushed(name: &str) -> String {
    let registry = variable("CLUSTER_REGISTRY");
    let address = format!("http://{registry}/v2/{name}/manifests/test");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let accept = "application/vnd.oci.image.manifest.v1+json";
    let answer = http.head(address).header("Accept", accept).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{name}:test is in no registry; see tests/cluster/README.md, Images");
    format!("{registry}/{name}@{}", answer.headers()["docker-content-digest"].to_str().unwrap())
}

fn write_kubeconfig(file: &Path, token: &str) {
    let cluster = json!({"server": variable("CLUSTER_API"), "certificate-authority": variable("CLUSTER_CA")});
    let config = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "server", "cluster": cluster}],
        "users": [{"name": "server", "user": {"token": token}}],
        "contexts": [{"name": "server", "context": {"cluster": "server", "user": "server"}}],
    });
    std::fs::write(file, config.to_string()).unwrap();
}
