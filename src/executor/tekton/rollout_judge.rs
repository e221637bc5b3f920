//! What the deploy step decides: which container, what to patch, and what a moment of the rollout means. Pure.

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Map, Value, json};

use super::names::{COMMIT, DEPLOYMENT};

/// A container that waits for one of these never comes up by waiting.
const HOPELESS: &[&str] =
    &["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"];
/// A container that crashes again and again; hopeless after this many restarts.
const CRASHES: &str = "CrashLoopBackOff";
const MAX_RESTARTS: i32 = 3;
/// Annotations on the pod template that a deployment sets and a return puts back.
const OWN_ANNOTATIONS: [&str; 2] = [DEPLOYMENT, COMMIT];

/// The container to patch, and how it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) container: String,
    pub(super) image: String,
    /// Our annotations on the pod template, in the order of [`OWN_ANNOTATIONS`].
    annotations: [Option<String>; 2],
}

impl Target {
    /// The same container with another image, as this deployment leaves it.
    pub(super) fn served_by(&self, image: &str, deployment: &str, commit: &str) -> Self {
        let annotations = [Some(deployment.to_owned()), Some(commit.to_owned())];
        Self { container: self.container.clone(), image: image.to_owned(), annotations }
    }

    /// A strategic merge patch to this state. With a version it applies to exactly that version of the object.
    ///
    /// The annotations make the pods new even where the image is the same one, and tell later who took over.
    pub(super) fn patch(&self, version: Option<&str>) -> Value {
        let annotations: Map<_, _> =
            OWN_ANNOTATIONS.iter().map(|name| (*name).to_owned()).zip(self.values()).collect();
        let mut patch = json!({"spec": {"template": {
            "metadata": {"annotations": annotations},
            "spec": {"containers": [{"name": self.container, "image": self.image}]},
        }}});
        if let Some(version) = version {
            patch["metadata"] = json!({"resourceVersion": version});
        }
        patch
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        self.annotations.iter().map(|value| value.clone().map_or(Value::Null, Value::from))
    }

    fn deployment(&self) -> Option<&str> {
        self.annotations[0].as_deref()
    }
}

/// What a moment of a rollout means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on; how far, for people.
    Wait(String),
    /// Every replica is new and available.
    Done,
    /// It will not come up, and why.
    Broken(String),
    /// Somebody else has changed the workload since.
    Superseded(String),
}

/// Finds the container and refuses what could not serve. Without a name there has to be exactly one container.
pub(super) fn target(workload: &apps::Deployment, wanted: Option<&str>) -> Result<Target, String> {
    let name = name_of(workload);
    let Some(spec) = &workload.spec else { return Err(format!("Deployment {name} has no spec")) };
    if spec.paused == Some(true) {
        return Err(format!("Deployment {name} is paused; resume it with kubectl rollout resume"));
    }
    if spec.replicas == Some(0) {
        return Err(format!("Deployment {name} is scaled to 0 replicas, so nothing would serve"));
    }
    let containers = containers(workload);
    let names = || containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ");
    let container = match wanted {
        // A merge by a name that does not exist would add a container.
        Some(wanted) => containers
            .iter()
            .find(|container| container.name == wanted)
            .ok_or_else(|| format!("Deployment {name} has no container {wanted}; it has {}", names()))?,
        None => match containers {
            [only] => only,
            _ => return Err(format!("Deployment {name} has several containers, name one of {}", names())),
        },
    };
    Ok(Target {
        container: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        annotations: OWN_ANNOTATIONS.map(|own| annotation(workload, own)),
    })
}

/// Judges a moment. `wanted` is the state that was patched; `pods` are those that the workload selects.
pub(super) fn judge(workload: &apps::Deployment, pods: &[core::Pod], wanted: &Target) -> Next {
    if let Some(by) = superseded(workload, wanted) {
        return Next::Superseded(by);
    }
    let (spec, status) =
        (workload.spec.clone().unwrap_or_default(), workload.status.clone().unwrap_or_default());
    if status.observed_generation.unwrap_or(0) < workload.metadata.generation.unwrap_or(0) {
        return Next::Wait("waiting until the cluster has seen the change".to_owned());
    }
    let desired = spec.replicas.unwrap_or(1);
    if desired == 0 {
        return Next::Broken("it was scaled to 0 replicas meanwhile".to_owned());
    }
    let count = |replicas: Option<i32>| replicas.unwrap_or(0);
    let (updated, total) = (count(status.updated_replicas), count(status.replicas));
    let available = count(status.available_replicas);
    if updated == desired && total == updated && available == updated {
        return Next::Done;
    }
    if let Some(trouble) = pods.iter().filter(|pod| is_new(pod, wanted)).find_map(trouble) {
        return Next::Broken(trouble);
    }
    let conditions = status.conditions.unwrap_or_default();
    let late = conditions.iter().find(|c| c.type_ == "Progressing" && c.status == "False");
    let refused = conditions.iter().find(|c| c.type_ == "ReplicaFailure" && c.status == "True");
    let why = refused.and_then(|condition| condition.message.clone());
    if late.is_some_and(|condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded")) {
        let why = why.unwrap_or_else(|| format!("{available} of {desired} replicas are available"));
        return Next::Broken(format!("it made no progress within its progressDeadlineSeconds: {why}"));
    }
    let paused = if spec.paused == Some(true) { ", but it is paused" } else { "" };
    let why = why.map(|why| format!("; the cluster says: {why}")).unwrap_or_default();
    Next::Wait(format!("{updated} of {desired} replicas are new, {available} available{paused}{why}"))
}

fn superseded(workload: &apps::Deployment, wanted: &Target) -> Option<String> {
    let by = annotation(workload, DEPLOYMENT);
    if by.as_deref() != wanted.deployment() {
        let by = by.unwrap_or_else(|| "somebody who is not StackBlaze".to_owned());
        return Some(format!("the workload was taken over by {by}"));
    }
    let container = containers(workload).iter().find(|container| container.name == wanted.container);
    match container.map(|container| container.image.as_deref().unwrap_or_default()) {
        Some(image) if image == wanted.image => None,
        Some(image) => Some(format!("somebody gave the workload the image {image}")),
        None => Some(format!("somebody removed the container {}", wanted.container)),
    }
}

/// Pods carry the template's annotations, so those of this change are known without reading ReplicaSets.
fn is_new(pod: &core::Pod, wanted: &Target) -> bool {
    let own = pod.metadata.annotations.as_ref().and_then(|all| all.get(DEPLOYMENT));
    pod.metadata.deletion_timestamp.is_none() && own.map(String::as_str) == wanted.deployment()
}

fn trouble(pod: &core::Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(status.container_statuses.iter()).flatten();
    containers.into_iter().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let crashes = reason == CRASHES && container.restart_count >= MAX_RESTARTS;
        if !crashes && !HOPELESS.contains(&reason) {
            return None;
        }
        let pod = pod.metadata.name.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        Some(format!("container {} of pod {pod} is in {reason}{message}", container.name))
    })
}

fn containers(workload: &apps::Deployment) -> &[core::Container] {
    let spec = workload.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    spec.map_or(&[], |spec| spec.containers.as_slice())
}

fn annotation(workload: &apps::Deployment, name: &str) -> Option<String> {
    let metadata = workload.spec.as_ref()?.template.metadata.as_ref()?;
    metadata.annotations.as_ref()?.get(name).cloned()
}

fn name_of(workload: &apps::Deployment) -> String {
    let metadata = &workload.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "r.example.com/api:dep-b@sha256:5";

    fn workload(change: impl FnOnce(&mut Value)) -> apps::Deployment {
        let mut value = json!({
            "metadata": {"namespace": "apps", "name": "api", "generation": 2},
            "spec": {"replicas": 2, "selector": {}, "template": {
                "metadata": {"annotations": {DEPLOYMENT: "dep_b", COMMIT: "4444"}},
                "spec": {"containers": [{"name": "web", "image": NEW}]}}},
            "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn wanted() -> Target {
        target(&workload(|_| {}), None).unwrap().served_by(NEW, "dep_b", "4444")
    }

    fn pod(deployment: &str, reason: &str, restarts: i32) -> core::Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "api-1", "annotations": {DEPLOYMENT: deployment}},
            "status": {"containerStatuses": [{"name": "web", "image": "x", "imageID": "", "ready": false,
                "restartCount": restarts, "state": {"waiting": {"reason": reason, "message": "why"}}}]},
        }))
        .unwrap()
    }

    fn rolling(value: &mut Value) {
        value["status"]["availableReplicas"] = 1.into();
    }

    #[test]
    fn what_cannot_serve_is_refused_before_anything_is_changed() {
        let refused =
            |change: fn(&mut Value), wanted: Option<&str>| target(&workload(change), wanted).unwrap_err();

        assert!(refused(|v| v["spec"]["paused"] = true.into(), None).contains("paused"));
        assert!(refused(|v| v["spec"]["replicas"] = 0.into(), None).contains("0 replicas"));
        assert!(refused(|_| {}, Some("db")).contains("no container db; it has web"));
        let second = |v: &mut Value| {
            let containers = v.pointer_mut("/spec/template/spec/containers").unwrap();
            containers.as_array_mut().unwrap().push(json!({"name": "db", "image": "x"}));
        };
        assert!(refused(second, None).contains("name one of web, db"));
        assert_eq!(target(&workload(second), Some("db")).unwrap().container, "db");
    }

    #[test]
    fn a_rollout_is_done_only_when_all_replicas_are_new_and_available() {
        assert_eq!(judge(&workload(|_| {}), &[], &wanted()), Next::Done);
        for (field, value) in
            [("observedGeneration", 1), ("updatedReplicas", 1), ("replicas", 3), ("availableReplicas", 1)]
        {
            let moment = workload(|v| v["status"][field] = value.into());
            assert!(matches!(judge(&moment, &[], &wanted()), Next::Wait(_)), "{field}");
        }
    }

    #[test]
    fn only_new_pods_can_break_it_and_a_crash_has_to_repeat() {
        let moment = workload(rolling);

        for reason in HOPELESS {
            assert!(
                matches!(judge(&moment, &[pod("dep_b", reason, 0)], &wanted()), Next::Broken(_)),
                "{reason}"
            );
            assert!(
                matches!(judge(&moment, &[pod("dep_a", reason, 0)], &wanted()), Next::Wait(_)),
                "{reason}"
            );
        }
        assert!(matches!(judge(&moment, &[pod("dep_b", CRASHES, 2)], &wanted()), Next::Wait(_)));
        assert!(matches!(judge(&moment, &[pod("dep_b", CRASHES, 3)], &wanted()), Next::Broken(_)));
        assert!(matches!(judge(&moment, &[pod("dep_b", "ContainerCreating", 0)], &wanted()), Next::Wait(_)));
    }

    #[test]
    fn an_exceeded_deadline_breaks_it_with_the_cause() {
        let moment = workload(|v| {
            rolling(v);
            v["status"]["conditions"] = json!([
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
                {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
            ]);
        });

        let Next::Broken(why) = judge(&moment, &[], &wanted()) else { panic!("goes on") };
        assert!(why.ends_with("exceeded quota"), "{why}");
    }

    #[test]
    fn another_deployment_or_image_or_a_missing_container_supersedes() {
        let template = |v: &mut Value, pointer: &str, to: Value| *v.pointer_mut(pointer).unwrap() = to;
        let annotations = "/spec/template/metadata/annotations";
        let containers = "/spec/template/spec/containers";
        for (pointer, to) in [
            (annotations, json!({DEPLOYMENT: "dep_c"})),
            (annotations, json!({})),
            (containers, json!([{"name": "web", "image": "other"}])),
            (containers, json!([])),
        ] {
            let moment = workload(|v| template(v, pointer, to.clone()));
            assert!(matches!(judge(&moment, &[], &wanted()), Next::Superseded(_)), "{to}");
        }
    }

    #[test]
    fn a_return_patches_back_exactly_what_was_there() {
        let before = workload(|v| {
            v["spec"]["template"] = json!({"spec": {"containers": [{"name": "web", "image": "old"}]}});
        });
        let before = target(&before, None).unwrap();

        let there = before.served_by(NEW, "dep_b", "4444").patch(None);
        let back = before.patch(Some("17"));

        assert_eq!(
            there["spec"]["template"]["metadata"]["annotations"],
            json!({DEPLOYMENT: "dep_b", COMMIT: "4444"})
        );
        assert_eq!(
            back["spec"]["template"]["metadata"]["annotations"],
            json!({DEPLOYMENT: null, COMMIT: null})
        );
        assert_eq!(back["spec"]["template"]["spec"]["containers"], json!([{"name": "web", "image": "old"}]));
        assert_eq!(back["metadata"]["resourceVersion"], "17");
    }
}
