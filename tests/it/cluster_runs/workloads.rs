//! Several workloads of several kinds: all get the new image, or all keep what they had.

use serde_json::Value;
use serde_json::json;
use stackblaze::domain::ImageDigest;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use stackblaze::domain::Workload;
use stackblaze::domain::WorkloadStatus;
use stackblaze::executor::Event;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;

use super::failure;
use super::image_of;
use crate::executor_contract::log_of;
use crate::harness::cluster::APPS;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::Poll;
use crate::harness::cluster::get;
use crate::harness::cluster::kubectl;
use crate::harness::cluster::variable;

/// Serves what it holds, but only where that is the cluster's first page; says so and ends with 3 where it is another.
const ONLY_V0: &str =
    "grep -q v0 /www/index.html || { echo this is not v0; exit 3; }; exec httpd -f -p 8080 -h /www";

pub(super) fn v0() -> String {
    format!("{}/api:latest", variable("CLUSTER_REGISTRY"))
}

fn pod(name: &str, command: Option<&str>) -> Value {
    let mut container = json!({"name": name, "image": v0(),
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}});
    if let Some(command) = command {
        container["command"] = json!(["sh", "-c", command]);
    }
    json!({"metadata": {"labels": {"app": name}}, "spec": {
        "automountServiceAccountToken": false, "enableServiceLinks": false, "terminationGracePeriodSeconds": 1,
        "imagePullSecrets": [{"name": "registry-private"}], "containers": [container]}})
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let group = if kind == "CronJob" { "batch/v1" } else { "apps/v1" };
    json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": APPS}, "spec": spec})
}

pub(super) fn serving(kind: &str, name: &str, command: Option<&str>) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": name}}, "template": pod(name, command)});
    if kind == "StatefulSet" {
        (spec["replicas"], spec["serviceName"]) = (2.into(), name.into());
    }
    object(kind, name, &spec)
}

/// A job that never runs by itself.
fn cronjob(name: &str) -> Value {
    let mut template = pod(name, Some("true"));
    template["spec"]["restartPolicy"] = "Never".into();
    object(
        "CronJob",
        name,
        &json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}),
    )
}

/// A Deployment of the harness, and what else belongs to the service.
pub(super) struct Many {
    app: App,
    others: Vec<Value>,
}

impl Many {
    pub(super) async fn start(name: &'static str, others: Vec<Value>) -> Self {
        let many = Self { app: App::start(name).await, others };
        many.remove_others().await;
        let list = json!({"apiVersion": "v1", "kind": "List", "items": many.others});
        kubectl(&["apply", "-f", "-"], &list.to_string()).await.unwrap();
        many.until_complete().await;
        many
    }

    fn names(&self) -> Vec<String> {
        let name = |own: &Value| {
            format!(
                "{}/{}",
                own["kind"].as_str().unwrap().to_lowercase(),
                own["metadata"]["name"].as_str().unwrap()
            )
        };
        self.others.iter().map(name).collect()
    }

    async fn until_complete(&self) {
        self.app.until_complete().await;
        for name in self.names().iter().filter(|name| !name.starts_with("cronjob")) {
            kubectl(&["-n", APPS, "rollout", "status", name, "--timeout=3m"], "").await.unwrap();
        }
    }

    async fn remove_others(&self) {
        for name in self.names() {
            kubectl(&["-n", APPS, "delete", &name, "--ignore-not-found", "--cascade=foreground"], "")
                .await
                .unwrap();
        }
    }

    pub(super) async fn remove(&self) {
        self.remove_others().await;
        self.app.remove().await;
    }

    pub(super) fn deploys(&self, branch: &str) -> Run {
        let mut run = self.app.deploys(branch);
        let others = self.names().into_iter().map(|name| {
            let (kind, name) = name.split_once('/').unwrap();
            Workload::parse(&format!("{kind}:{APPS}/{name}")).unwrap()
        });
        let settings = &mut run.plan.cluster_mut().unwrap().settings;
        settings.workloads.extend(others);
        run
    }

    /// Each pod template's first image, and our annotations of it.
    pub(super) async fn templates(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for name in [vec![format!("deployment/{}", self.app.name)], self.names()].concat() {
            let found = get(APPS, &name).await;
            let job = found.pointer("/spec/jobTemplate/spec/template");
            let template = job.or(found.pointer("/spec/template")).unwrap();
            let image = template.pointer("/spec/containers/0/image").unwrap().as_str().unwrap().to_owned();
            let annotations = template.pointer("/metadata/annotations").cloned().unwrap_or(json!({}));
            all.push((image, annotations));
        }
        all
    }

    /// Nothing of the deployment is left anywhere, and what there was serves.
    pub(super) async fn assert_is_as_before(&self, before: &[(String, Value)]) {
        self.until_complete().await;
        let now = self.templates().await;
        for ((image, annotations), (old, _)) in now.iter().zip(before) {
            assert_eq!(image, old);
            assert!(annotations.as_object().is_none_or(serde_json::Map::is_empty), "{annotations}");
        }
    }
}

/// How the workloads were left, as it was told last.
fn left(events: &[Event]) -> Vec<WorkloadStatus> {
    let told = events.iter().rev().find_map(|event| match event {
        Event::Workloads(states) => Some(states.iter().map(|state| state.status).collect()),
        _ => None,
    });
    told.unwrap_or_default()
}

pub(super) fn aftermath(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { aftermath, .. } => aftermath.as_deref().unwrap_or_default(),
        Outcome::Succeeded => panic!("it succeeded"),
    }
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn where_the_second_of_three_does_not_come_up_all_three_keep_what_they_had() {
    let cluster = Cluster::connect().await;
    let others =
        vec![serving("StatefulSet", "many-set", Some(ONLY_V0)), serving("DaemonSet", "many-agent", None)];
    let many = Many::start("many", others).await;
    let before = many.templates().await;
    let mut poll = Poll::start(&many.app).await;
    poll.after(10).await;

    let (events, outcome) = cluster.run(&many.deploys("feat/new-ui")).await;
    let answers = poll.after(10).await;

    let log = log_of(&events, Step::Deploy);
    let detail = match &outcome {
        Outcome::Failed { detail, .. } => detail.clone().unwrap_or_default(),
        Outcome::Succeeded => String::new(),
    };
    let (reason, message) = failure(outcome);
    assert_eq!(reason, Reason::RolledBack, "{message}: {detail}\n{log}");
    let told = "the new version did not come up: its process ends with exit code 3; the old one serves again";
    assert_eq!(message, told, "{log}");
    assert!(detail.starts_with("statefulset:apps/many-set: exit code 3, "), "{detail}");
    assert!(log.contains("\n  this is not v0\n"), "{log}");
    assert_eq!(left(&events), [WorkloadStatus::Returned; 3], "{log}");
    many.assert_is_as_before(&before).await;
    assert!(answers.failed.is_empty(), "{:?} of {}", answers.failed, answers.count);
    many.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn every_kind_and_every_container_of_the_same_image_gets_the_new_one() {
    let cluster = Cluster::connect().await;
    let mut set = serving("StatefulSet", "kinds-set", None);
    let spec = set.pointer_mut("/spec/template/spec").unwrap();
    spec["initContainers"] = json!([{"name": "first", "image": v0(), "command": ["true"]}]);
    let helper = json!({"name": "helper", "image": v0(), "command": ["sleep", "10000000"]});
    spec["containers"].as_array_mut().unwrap().push(helper);
    let others = vec![set, serving("DaemonSet", "kinds-agent", None), cronjob("kinds-job")];
    let many = Many::start("kinds", others).await;
    let mut run = many.deploys("main");
    run.plan.cluster_mut().unwrap().settings.workloads[1].container = Some("kinds-set".to_owned());

    let (events, outcome) = cluster.run(&run).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Deploy));
    assert_eq!(left(&events), [WorkloadStatus::Complete; 4]);
    let image = many.app.image().await;
    let digest: ImageDigest = image_of(&events);
    assert!(image.ends_with(digest.as_str()));
    assert!(many.templates().await.iter().all(|(own, _)| *own == image));
    let set = get(APPS, "statefulset/kinds-set").await;
    let images: Vec<_> = ["initContainers/0", "containers/0", "containers/1"]
        .map(|path| set.pointer(&format!("/spec/template/spec/{path}/image")).unwrap().as_str().unwrap())
        .to_vec();
    assert_eq!(images, [image.as_str(); 3]);
    many.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_policy_that_rewrites_the_image_is_no_stranger() {
    let (cluster, app) = (Cluster::connect().await, App::start("mirrored").await);
    let image = "object.spec.template.spec.containers[0].image";
    let mutation = format!(
        "[JSONPatch{{op: 'replace', path: '/spec/template/spec/containers/0/image', value: {image}.split('@')[0]}}]"
    );
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "mirrored"}, "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"],
                "operations": ["UPDATE"], "resources": ["deployments"]}]},
            "matchConditions": [{"name": "own", "expression": "object.metadata.name == 'mirrored'"}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": mutation}}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": "mirrored"}, "spec": {"policyName": "mirrored"}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]}).to_string();
    kubectl(&["apply", "-f", "-"], &list).await.unwrap();

    let (events, outcome) = cluster.run(&app.deploys("main")).await;

    kubectl(&["delete", "-f", "-"], &list).await.unwrap();
    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Deploy));
    assert!(!app.image().await.contains('@'), "{}", app.image().await);
    assert_eq!(app.digests().await, [image_of(&events).to_string(), image_of(&events).to_string()]);
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn what_no_node_takes_is_told_in_the_schedulers_words_and_the_old_pods_serve_on() {
    let (cluster, app) = (Cluster::connect().await, App::start("greedy").await);
    let greedy = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "greedy", "resources": {"requests": {"cpu": "64"}}}]}}}});
    // The Deployment wants it from now on; its own pods are from before, and no new one comes up.
    let pause = json!({"spec": {"paused": true}}).to_string();
    let resume = json!({"spec": {"paused": false}}).to_string();
    let patch = async |patch: &str| {
        kubectl(&["-n", APPS, "patch", "deployment", "greedy", "-p", patch], "").await.unwrap();
    };
    patch(&pause).await;
    patch(&greedy.to_string()).await;
    let mut run = app.deploys("main");
    run.plan.cluster_mut().unwrap().settings.rollback = true;

    let (_, refused) = cluster.run(&run).await;
    patch(&resume).await;
    let meanwhile = async {
        app.until_no_node_takes_it().await;
        app.gives_up_after(10).await;
    };
    let run = app.deploys("main");
    let ((events, outcome), ()) = tokio::join!(cluster.run(&run), meanwhile);

    let Outcome::Failed { reason, message, detail, .. } = refused else { panic!("it succeeded") };
    assert_eq!(
        (reason, message.as_str()),
        (Reason::DeployFailed, "a workload cannot be deployed to, so nothing was built")
    );
    assert!(detail.unwrap().contains("is paused"));
    let Outcome::Failed { message, detail, .. } = outcome else { panic!("it succeeded") };
    assert!(message.contains("no node takes its pod"), "{message}\n{}", log_of(&events, Step::Deploy));
    assert!(detail.unwrap().contains("Insufficient cpu"));
    app.remove().await;
}
