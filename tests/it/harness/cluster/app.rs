//! A workload of its own for one test, and the runs that deploy to it.

use serde_json::Value;
use serde_json::json;
use stackblaze::domain::Branch;
use stackblaze::domain::Clock;
use stackblaze::domain::CloneSettings;
use stackblaze::domain::DeploymentId;
use stackblaze::domain::ExecutorKind;
use stackblaze::domain::GitRef;
use stackblaze::domain::ImageRepository;
use stackblaze::domain::LocalSettings;
use stackblaze::domain::QueuePolicy;
use stackblaze::domain::Repository;
use stackblaze::domain::Service;
use stackblaze::domain::ServiceId;
use stackblaze::domain::ServiceName;
use stackblaze::domain::Source;
use stackblaze::domain::Span;
use stackblaze::domain::TektonSettings;
use stackblaze::domain::Timestamp;
use stackblaze::domain::Workload;
use stackblaze::executor::Run;
use stackblaze::executor::{ClusterRun, Plan};

use super::APPS;
use super::WORKLOADS;
use super::get;
use super::in_time;
use super::kubectl;
use super::page;
use super::variable;

/// A workload of its own for one test, with two replicas.
pub struct App {
    pub name: &'static str,
}

impl App {
    /// A fresh one that serves the cluster's first image; no machine is so busy that it takes a new version for failed.
    pub async fn start(name: &'static str) -> Self {
        assert!(WORKLOADS.contains(&name), "{name} has to be in WORKLOADS");
        let app = Self { name };
        app.remove().await;
        let items = [workload(name), service(name)];
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": items});
        kubectl(&["apply", "-f", "-"], &objects.to_string()).await.unwrap();
        app.until_complete().await;
        app
    }

    /// Takes it away again; the machine is small.
    pub async fn remove(&self) {
        let name = format!("deployment/{}", self.name);
        kubectl(&["-n", APPS, "delete", &name, "--ignore-not-found", "--cascade=foreground"], "")
            .await
            .unwrap();
    }

    /// A deployment of `branch` of the private repository, by way of the private registry.
    pub fn deploys(&self, branch: &str) -> Run {
        let registry = variable("CLUSTER_PRIVATE_REGISTRY");
        let image = ImageRepository::parse("image", &format!("{registry}/{}", self.name)).unwrap();
        let mut settings =
            TektonSettings::new(image, vec![Workload::parse(&format!("{APPS}/{}", self.name)).unwrap()]);
        settings.git_secret = Some("git-private".to_owned());
        settings.registry_secret = Some("registry-private".to_owned());
        run(self.name, branch, settings)
    }

    /// Waits until all replicas are of the present version and available.
    pub async fn until_complete(&self) {
        let name = format!("deployment/{}", self.name);
        kubectl(&["-n", APPS, "rollout", "status", &name, "--timeout=5m"], "").await.unwrap();
    }

    /// Waits until the Deployment is told to serve `image`.
    pub async fn until_told(&self, image: &str) {
        let (name, condition) = (
            format!("deployment/{}", self.name),
            format!("--for=jsonpath={{.spec.template.spec.containers[0].image}}={image}"),
        );
        kubectl(&["-n", APPS, "wait", &name, &condition, "--timeout=5m"], "").await.unwrap();
    }

    /// Waits until kubelet has told that the readiness probe of a pod that is not ready has failed.
    pub async fn until_probe_has_failed(&self) {
        in_time(async {
            loop {
                for pod in self.pods().await.iter().filter(|pod| has(pod, "Ready", "False")) {
                    let uid = pod["metadata"]["uid"].as_str().unwrap();
                    let about = format!("involvedObject.uid={uid},reason=Unhealthy");
                    let events = ["-n", APPS, "get", "events", "--field-selector", &about, "-o", "name"];
                    if !kubectl(&events, "").await.unwrap().is_empty() {
                        return;
                    }
                }
            }
        })
        .await;
    }

    /// Waits until the scheduler has said that no node takes one of its pods.
    pub async fn until_no_node_takes_it(&self) {
        let is_refused = |pod: &Value| has(pod, "PodScheduled", "False");
        in_time(async { while !self.pods().await.iter().any(is_refused) {} }).await;
    }

    /// Has its Deployment take no progress for so many seconds for a failure.
    pub async fn gives_up_after(&self, progress_deadline_seconds: u32) {
        let patch = json!({"spec": {"progressDeadlineSeconds": progress_deadline_seconds}}).to_string();
        let name = format!("deployment/{}", self.name);
        kubectl(&["-n", APPS, "patch", &name, "--patch", &patch], "").await.unwrap();
    }

    /// Waits until no pod is left that is about to go.
    pub async fn until_alone(&self) {
        in_time(async { while self.all_pods().await.len() > self.pods().await.len() {} }).await;
    }

    /// The Deployment as it is now.
    pub async fn workload(&self) -> Value {
        get(APPS, &format!("deployment/{}", self.name)).await
    }

    /// What the Deployment is told to serve.
    pub async fn image(&self) -> String {
        let image = self.workload().await.pointer("/spec/template/spec/containers/0/image").cloned().unwrap();
        image.as_str().unwrap().to_owned()
    }

    /// Its pods, without those that are about to go.
    pub async fn pods(&self) -> Vec<Value> {
        let stays = |pod: &Value| pod.pointer("/metadata/deletionTimestamp").is_none();
        self.all_pods().await.into_iter().filter(stays).collect()
    }

    async fn all_pods(&self) -> Vec<Value> {
        let label = format!("app={}", self.name);
        let text = kubectl(&["-n", APPS, "get", "pods", "-l", &label, "-o", "json"], "").await.unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The digests that its pods run.
    pub async fn digests(&self) -> Vec<String> {
        let pods = self.pods().await;
        let ids = pods
            .iter()
            .map(|pod| pod.pointer("/status/containerStatuses/0/imageID").unwrap().as_str().unwrap());
        ids.map(|id| id.rsplit('@').next().unwrap().to_owned()).collect()
    }

    /// What each of its pods answers.
    pub async fn pages(&self, path: &str) -> Vec<String> {
        let mut pages = Vec::new();
        for pod in self.pods().await {
            let address = pod["status"]["podIP"].as_str().unwrap().to_owned();
            let answer = page(&format!("http://{address}:8080{path}")).await.unwrap_or_default();
            pages.push(answer.trim().to_owned());
        }
        pages
    }
}

/// Whether a condition of a pod has that status.
fn has(pod: &Value, condition: &str, status: &str) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == condition && one["status"] == status))
}

fn run(service: &str, branch: &str, settings: TektonSettings) -> Run {
    Run {
        deployment: DeploymentId::generate(Clock::System.now()),
        service: Service {
            id: ServiceId::generate(),
            name: ServiceName::parse(service).unwrap(),
            repository: Repository::parse(&variable("CLUSTER_GIT_PRIVATE")).ok(),
            default_branch: Branch::parse("main").unwrap(),
            fetch: CloneSettings::default(),
            executor: ExecutorKind::Tekton,
            queue_policy: QueuePolicy::Coalesce,
            timeout: Span::from_secs(600),
            settle: Span::from_secs(0),
            url: None,
            local: LocalSettings::default(),
            tekton: None,
            allowed_images: Vec::new(),
            frozen: None,
            created_at: Timestamp::from_millis(0),
        },
        branch: GitRef::parse(branch).unwrap(),
        commit: None,
        given: None,
        clear_cache: false,
        plan: Plan::Tekton(Box::new(ClusterRun {
            settings,
            cache_epoch: 0,
            uid: None,
            hook: Some("ci".to_owned()),
            source: Source::Build,
            caller: "140.82.112.0/24, curl/8.5.0".to_owned(),
            page: None,
            log_mark: None,
            traceparent: None,
        })),
    }
}

fn workload(name: &str) -> Value {
    let image = format!("{}/api:latest", variable("CLUSTER_REGISTRY"));
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": APPS}, "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": name}},
        "progressDeadlineSeconds": 600,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 3,
            "imagePullSecrets": [{"name": "registry-private"}],
            "containers": [{
                "name": name,
                "image": image,
                "ports": [{"containerPort": 8080}],
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "2"]}}},
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
            }],
        }},
    }})
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": APPS},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}})
}
