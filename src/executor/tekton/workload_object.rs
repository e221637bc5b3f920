//! A workload as the cluster has it, of whatever kind. Pure but for the address.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::Selector;
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::domain::{Workload, WorkloadKind};

/// Where objects of a kind are.
pub(super) fn objects(client: &Client, workload: &Workload) -> Api<DynamicObject> {
    let (group, plural) = resource(workload.kind);
    let resource = ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: format!("{group}/v1"),
        kind: workload.kind.title().to_owned(),
        plural: plural.to_owned(),
    };
    Api::namespaced_with(client.clone(), &workload.namespace, &resource)
}

/// Group and plural of a kind, as rights name them.
pub(super) const fn resource(kind: WorkloadKind) -> (&'static str, &'static str) {
    match kind {
        WorkloadKind::Deployment => ("apps", "deployments"),
        WorkloadKind::StatefulSet => ("apps", "statefulsets"),
        WorkloadKind::DaemonSet => ("apps", "daemonsets"),
        WorkloadKind::CronJob => ("batch", "cronjobs"),
    }
}

/// Where the pod template of a kind is.
const fn template(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::CronJob => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    }
}

/// A patch of the pod template as a patch of the whole object.
pub(super) fn around_template(kind: WorkloadKind, change: Value) -> Value {
    template(kind).split('/').skip(1).collect::<Vec<_>>().into_iter().rfold(change, |inner, name| {
        let mut outer = serde_json::Map::new();
        outer.insert(name.to_owned(), inner);
        Value::Object(outer)
    })
}

/// A workload as the cluster has it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) kind: WorkloadKind,
    pub(super) object: DynamicObject,
}

impl Found {
    pub(super) const fn new(kind: WorkloadKind, object: DynamicObject) -> Self {
        Self { kind, object }
    }

    /// `Deployment apps/api`.
    pub(super) fn title(&self) -> String {
        let namespace = self.object.namespace().unwrap_or_default();
        format!("{} {namespace}/{}", self.kind.title(), self.object.name_any())
    }

    fn at(&self, pointer: &str) -> Option<&Value> {
        self.object.data.pointer(pointer)
    }

    /// A number of its spec or status.
    pub(super) fn number(&self, pointer: &str) -> Option<i64> {
        self.at(pointer)?.as_i64()
    }

    /// A text of its spec or status.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    /// Whether a field of its spec is set to true.
    pub(super) fn is_set(&self, pointer: &str) -> bool {
        self.at(pointer).and_then(Value::as_bool) == Some(true)
    }

    /// The fields on the way to its pod template.
    pub(super) fn template_fields(&self) -> impl Iterator<Item = &'static str> {
        template(self.kind).split('/').skip(1)
    }

    /// Names and images of the containers of its pods, or of those that run before them.
    pub(super) fn containers(&self, list: ContainerList) -> Vec<(&str, &str)> {
        let list = self.at(&format!("{}/spec/{}", template(self.kind), list.as_str()));
        let all = list.and_then(Value::as_array).into_iter().flatten();
        all.map(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("name"), text("image"))
        })
        .collect()
    }

    /// What its pods are made from.
    pub(super) fn pod_spec(&self) -> Option<&Value> {
        self.at(&format!("{}/spec", template(self.kind)))
    }

    /// Whether a container of its pods has a readiness probe.
    pub(super) fn has_readiness_probe(&self, container: &str) -> bool {
        let list = self.at(&format!("{}/spec/containers", template(self.kind))).and_then(Value::as_array);
        let mut all = list.into_iter().flatten();
        all.any(|one| one["name"] == container && one.get("readinessProbe").is_some())
    }

    /// An annotation of its pod template.
    pub(super) fn pod_annotation(&self, name: &str) -> Option<&str> {
        self.at(&format!("{}/metadata/annotations", template(self.kind)))?.get(name)?.as_str()
    }

    /// An annotation of its own.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.object.annotations().get(name).map(String::as_str)
    }

    /// What selects its pods; none where the client cannot read it, or where it has none.
    pub(super) fn selector(&self) -> Option<Selector> {
        let selector = serde_json::from_value::<LabelSelector>(self.at("/spec/selector")?.clone()).ok()?;
        Selector::try_from(selector).ok()
    }

    /// Whether its controller has seen its present generation.
    pub(super) fn is_observed(&self) -> bool {
        let observed = self.number("/status/observedGeneration").unwrap_or(0);
        observed >= self.object.metadata.generation.unwrap_or(0)
    }

    /// Status, reason and message of a condition.
    pub(super) fn condition(&self, kind: &str) -> Option<(&str, &str, &str)> {
        let mut all = self.at("/status/conditions")?.as_array()?.iter();
        let found = all.find(|condition| condition["type"] == kind)?;
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
        Some((text("status"), text("reason"), text("message")))
    }

    /// How many pods there should be; 0 of what does not run all the time.
    pub(super) fn desired(&self) -> i64 {
        match self.kind {
            WorkloadKind::Deployment | WorkloadKind::StatefulSet => {
                self.number("/spec/replicas").unwrap_or(1)
            }
            WorkloadKind::DaemonSet => self.number("/status/desiredNumberScheduled").unwrap_or(0),
            WorkloadKind::CronJob => 0,
        }
    }

    /// Why it can serve no new image, where that is so.
    pub(super) fn refusal(&self) -> Option<String> {
        let title = self.title();
        let strategy = self.text("/spec/updateStrategy/type");
        let partition = self.number("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
        let manual = || Some(format!("{title} replaces no pod by itself: its update strategy is OnDelete"));
        let nothing = || Some(format!("{title} is scaled to 0 replicas, so nothing would serve"));
        match self.kind {
            WorkloadKind::Deployment if self.is_set("/spec/paused") => {
                Some(format!("{title} is paused; resume it with kubectl rollout resume"))
            }
            WorkloadKind::Deployment | WorkloadKind::StatefulSet if self.desired() == 0 => nothing(),
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet if strategy == Some("OnDelete") => manual(),
            WorkloadKind::StatefulSet if partition > 0 => {
                Some(format!("{title} keeps its old version in pods below its partition of {partition}"))
            }
            WorkloadKind::DaemonSet if self.is_observed() && self.desired() == 0 => {
                Some(format!("{title} is taken by no node, so nothing would serve"))
            }
            _ => None,
        }
    }
}

/// One of the two lists of containers of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContainerList {
    /// Those that serve.
    Serving,
    /// Those that run before them.
    Init,
}

impl ContainerList {
    /// Its name in a pod.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "containers",
            Self::Init => "initContainers",
        }
    }
}
