//! A namespace of the real test cluster with an executor that works in it, and the proxy between the two.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::authentication::v1 as authentication;
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use stackblaze::domain::Source;
use stackblaze::domain::{
    Branch, CloneSettings, DeploymentId, ExecutorKind, GitRef, ImageRepository, LocalSettings, QueuePolicy,
    Repository, Service, ServiceId, ServiceName, Span, TektonSettings, Timestamp, Workload,
};
use stackblaze::executor::Executor as _;
use stackblaze::executor::Settled;
use stackblaze::executor::tekton::{BuilderSettings, Common, StepImages, TektonExecutor, client};
use stackblaze::executor::{ClusterRun, Plan, Run};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::fault_proxy::{FaultProxy, Upstream};
use super::following::Following;
use super::kubelet::Kubelet;
use super::soon;

/// Who breaks the cluster itself has it alone.
static CLUSTER: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

enum Share {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// One test's part of the cluster.
pub struct Stage {
    /// Speaks to the API server as admin, past the proxy.
    pub admin: Client,
    pub proxy: FaultProxy,
    pub executor: TektonExecutor,
    pub namespace: String,
    /// What [`Self::begin`] runs. A test may change it before.
    pub run: Run,
    _share: Share,
}

impl Stage {
    /// Beside other tests.
    pub async fn new() -> Self {
        let guard = Arc::clone(&CLUSTER).read_owned().await;
        Self::build(Share::Shared { _guard: guard }, "privileged").await
    }

    /// Beside other tests, in a namespace that takes only pods of this Pod Security level.
    pub async fn at_level(level: &str) -> Self {
        let guard = Arc::clone(&CLUSTER).read_owned().await;
        Self::build(Share::Shared { _guard: guard }, level).await
    }

    /// With no other test beside, since this one kills the cluster's processes.
    pub async fn alone() -> Self {
        let guard = Arc::clone(&CLUSTER).write_owned().await;
        Self::build(Share::Alone { _guard: guard }, "privileged").await
    }

    async fn build(share: Share, level: &str) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let level_here = variable("CLUSTER_LEVEL");
        assert_eq!(level_here, "L1", "a real kubelet would speak against the one of the tests");
        let admin = Client::try_default().await.expect("run by `tests/cluster/cluster exec`");
        let namespace = namespace(&admin, level).await;
        let proxy = FaultProxy::start(Upstream::cluster()).await;
        let executor = TektonExecutor::new(through(&proxy, None).await, common(&namespace));
        Self { admin, proxy, executor, namespace, run: run(), _share: share }
    }

    /// Runs the deployment, or attaches to its run.
    pub fn begin(&self) -> Following {
        Following::begin(self.executor.clone(), self.run.clone())
    }

    /// Takes a new deployment.
    pub fn another(&mut self) {
        self.run.deployment = run().deployment;
    }

    /// As a server after this one, which has stored what this one told it.
    pub fn begin_with_uid(&self, uid: &str) -> Following {
        let mut run = self.run.clone();
        let Plan::Tekton(cluster) = &mut run.plan else { panic!("a run on the host") };
        cluster.uid = Some(uid.to_owned());
        Following::begin(self.executor.clone(), run)
    }

    /// The executor with the rights of another account.
    pub async fn as_account(&self, token: &str) -> TektonExecutor {
        TektonExecutor::new(through(&self.proxy, Some(token)).await, common(&self.namespace))
    }

    /// A token of an account, by which the executor can speak as it.
    pub async fn token_of(&self, namespace: &str, account: &str) -> String {
        let accounts = Api::<core::ServiceAccount>::namespaced(self.admin.clone(), namespace);
        let request: authentication::TokenRequest = read(json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": [] },
        }));
        let made = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
        made.status.unwrap().token
    }

    pub async fn settle(&self) -> Settled {
        self.executor.settle(&self.run.deployment).await.unwrap()
    }

    pub fn name(&self) -> String {
        self.run.deployment.run_name().as_str().to_owned()
    }

    pub fn kubelet(&self) -> Kubelet {
        Kubelet::new(self.admin.clone(), &self.namespace, &self.name())
    }

    /// PipelineRuns of the namespace, past the proxy.
    pub fn pipeline_runs(&self) -> Api<DynamicObject> {
        runs_of(self.admin.clone(), &self.namespace)
    }

    /// TaskRuns of the namespace, past the proxy.
    pub fn task_runs(&self) -> Api<DynamicObject> {
        tekton("TaskRun", self.admin.clone(), &self.namespace)
    }

    /// The uids of all PipelineRuns that are there.
    pub async fn uids(&self) -> Vec<String> {
        let all = self.pipeline_runs().list(&ListParams::default()).await.unwrap();
        all.items.into_iter().map(|run| run.uid().unwrap()).collect()
    }

    /// Waits until Tekton has ended the run; the reason of its condition.
    pub async fn is_over(&self) -> String {
        let condition = |run: Option<&DynamicObject>| {
            let condition = run?.data.pointer("/status/conditions/0")?.clone();
            (condition["status"] != "Unknown").then(|| condition["reason"].as_str().unwrap().to_owned())
        };
        let is_over = |run: Option<&DynamicObject>| condition(run).is_some();
        let run = soon(Box::pin(await_condition(self.pipeline_runs(), &self.name(), is_over))).await.unwrap();
        condition(run.as_ref()).unwrap()
    }
}

/// PipelineRuns of a namespace.
pub fn runs_of(client: Client, namespace: &str) -> Api<DynamicObject> {
    tekton("PipelineRun", client, namespace)
}

fn tekton(kind: &str, client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("tekton.dev", "v1", kind);
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

/// One of the variables that `tests/cluster/cluster exec` sets.
#[expect(clippy::disallowed_methods, reason = "where the cluster lies is no setting of the product")]
pub fn variable(name: &str) -> String {
    std::env::var(name).expect("run by `tests/cluster/cluster exec`")
}

/// A client as the product makes one, through the proxy.
pub async fn through(proxy: &FaultProxy, token: Option<&str>) -> Client {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    proxy.write_kubeconfig(&file, token);
    client::by_context(Some(&file), "proxy").await.unwrap()
}

async fn namespace(admin: &Client, level: &str) -> String {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "generateName": "l1-", "labels": { "pod-security.kubernetes.io/enforce": level } },
    });
    let namespaces = Api::<core::Namespace>::all(admin.clone());
    let made = namespaces.create(&PostParams::default(), &read(namespace)).await.unwrap();
    let accounts = Api::<core::ServiceAccount>::namespaced(admin.clone(), &made.name_any());
    for name in ["builder", "deployer"] {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
        accounts.create(&PostParams::default(), &read(account)).await.unwrap();
    }
    made.name_any()
}

pub fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// What all runs in this namespace have in common.
pub fn common(namespace: &str) -> Common {
    let image = |name: &str| format!("registry.example.com/{name}:1");
    let images = StepImages {
        clone: image("stackblaze-builder"),
        build: image("stackblaze-builder"),
        deploy: image("stackblaze"),
    };
    Common {
        namespace: namespace.to_owned(),
        instance: "k3x9".to_owned(),
        images,
        builder: BuilderSettings::default(),
    }
}

/// A deployment of a service in the cluster.
pub fn run() -> Run {
    let image = ImageRepository::parse("image", "registry.example.com/team/api").unwrap();
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    Run {
        deployment: DeploymentId::generate(now),
        service: Service {
            id: ServiceId::generate(),
            name: ServiceName::parse("api-service").unwrap(),
            repository: Repository::parse("https://git.example.com/team/api.git").ok(),
            default_branch: Branch::parse("main").unwrap(),
            fetch: CloneSettings::default(),
            executor: ExecutorKind::Tekton,
            queue_policy: QueuePolicy::Coalesce,
            timeout: Span::from_hours(1),
            settle: Span::from_secs(0),
            url: None,
            local: LocalSettings { env: BTreeMap::new(), ..LocalSettings::default() },
            tekton: None,
            allowed_images: Vec::new(),
            frozen: None,
            created_at: now,
        },
        branch: GitRef::parse("feat/new-ui").unwrap(),
        commit: None,
        given: None,
        clear_cache: false,
        plan: Plan::Tekton(Box::new(ClusterRun {
            settings: TektonSettings::new(image, vec![Workload::parse("apps/api").unwrap()]),
            cache_epoch: 0,
            uid: None,
            hook: None,
            source: Source::Build,
            caller: "140.82.112.0/24, curl/8.5.0".to_owned(),
            page: None,
            traceparent: None,
            log_mark: None,
        })),
    }
}
