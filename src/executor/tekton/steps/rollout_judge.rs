//! What a moment of a rollout means. Pure.

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;

use crate::executor::tekton::names::DEPLOYMENT;
use crate::executor::tekton::workload_target::{Target, annotation, containers};

/// A container that waits for one of these never comes up by waiting.
const HOPELESS: &[&str] =
    &["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"];
/// A container that crashes again and again; hopeless after this many restarts.
const CRASHES: &str = "CrashLoopBackOff";
const MAX_RESTARTS: i32 = 3;

/// What a moment of a rollout means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on; how far, for people.
    Wait(String),
    /// Every replica is new and available; so many.
    Done(i32),
    /// It will not come up, and why.
    Broken(String),
    /// Somebody else has changed the workload since.
    Superseded(String),
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
        return Next::Done(desired);
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::executor::tekton::names::COMMIT;
    use crate::executor::tekton::workload_target::target;

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
    fn a_rollout_is_done_only_when_all_replicas_are_new_and_available() {
        assert_eq!(judge(&workload(|_| {}), &[], &wanted()), Next::Done(2));
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
}
