//! What pods show of why they do not come up. Pure.

use k8s_openapi::api::core::v1 as core;

use crate::executor::tekton::names::DEPLOYMENT;
use crate::executor::tekton::workload_target::Target;

/// A container in back-off after crashes is given up after this many restarts.
const CRASHES: &str = "CrashLoopBackOff";
const MAX_RESTARTS: i32 = 3;
/// A container that waits for one of these cannot be pulled.
const PULL: &[&str] = &["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"];
/// A container that waits for one of these cannot be made as it is now; what it needs may come.
const CONFIG: &[&str] = &["CreateContainerConfigError", "CreateContainerError", "RunContainerError"];
/// What a registry says of an image that waiting does not bring.
const DEFINITE: &[&str] = &[
    "not found",
    "notfound",
    "manifest unknown",
    "unauthorized",
    "denied",
    "forbidden",
    "authorization failed",
];
/// Killed for want of memory.
const OOM: &str = "OOMKilled";
/// Longest text of the cluster's, in characters.
const MAX_TEXT: usize = 300;

/// How sure it is that a pod does not come up by waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::executor::tekton::steps) enum Grade {
    /// It may pass: a registry that does not answer, a `ConfigMap` that is on its way.
    Passing,
    /// It will not pass, if it is seen once more.
    Definite,
    /// It was tried often enough.
    Certain,
}

/// Why a pod does not come up: ours for everybody, and the cluster's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::executor::tekton::steps) struct Cause {
    /// Continues `the new version does not come up: `.
    pub(in crate::executor::tekton::steps) message: String,
    /// What matters first; names pod and container.
    pub(in crate::executor::tekton::steps) detail: String,
    /// A pod and its container whose last lines tell more.
    pub(in crate::executor::tekton::steps) log_of: Option<(String, String)>,
}

/// A container that waits for something it may never get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::executor::tekton::steps) struct Trouble {
    pub(in crate::executor::tekton::steps) container: String,
    pub(in crate::executor::tekton::steps) grade: Grade,
    pub(in crate::executor::tekton::steps) cause: Cause,
}

/// Pods carry the template's annotations, so those of a change are known without reading what lies between.
pub(super) fn is_new(pod: &core::Pod, wanted: &Target) -> bool {
    is_pod_of(pod, wanted.deployment())
}

/// Whether a pod is of this deployment, or of none, and not about to go.
pub(super) fn is_pod_of(pod: &core::Pod, deployment: Option<&str>) -> bool {
    let own = pod.metadata.annotations.as_ref().and_then(|all| all.get(DEPLOYMENT));
    pod.metadata.deletion_timestamp.is_none() && own.map(String::as_str) == deployment
}

/// Whether a pod counts as serving.
pub(super) fn is_ready(pod: &core::Pod) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
}

pub(in crate::executor::tekton::steps) fn name(pod: &core::Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn condition<'a>(pod: &'a core::Pod, kind: &str) -> Option<&'a core::PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

fn containers(pod: &core::Pod) -> impl Iterator<Item = &core::ContainerStatus> {
    let status = pod.status.iter();
    status
        .flat_map(|status| status.init_container_statuses.iter().chain(status.container_statuses.iter()))
        .flatten()
}

/// The troubles of a pod.
pub(in crate::executor::tekton::steps) fn troubles(pod: &core::Pod) -> impl Iterator<Item = Trouble> {
    containers(pod).filter_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let text = waiting.message.as_deref().unwrap_or_default();
        let (grade, cause) = if PULL.contains(&reason) {
            let lower = text.to_lowercase();
            let is_definite =
                reason == "InvalidImageName" || DEFINITE.iter().any(|word| lower.contains(word));
            (if is_definite { Grade::Definite } else { Grade::Passing }, pull(pod, container, reason, text))
        } else if CONFIG.contains(&reason) {
            (Grade::Passing, config(pod, container, reason, text))
        } else if reason == CRASHES && container.restart_count >= MAX_RESTARTS {
            (Grade::Certain, crash(pod, container)?)
        } else {
            return None;
        };
        Some(Trouble { container: container.name.clone(), grade, cause })
    })
}

/// The most telling thing that is known of why these pods are not ready; nothing where all are.
pub(in crate::executor::tekton::steps) fn cause(pods: &[&core::Pod]) -> Option<Cause> {
    let waiting = || pods.iter().copied().filter(|pod| !is_ready(pod));
    let trouble = waiting().flat_map(troubles).max_by_key(|trouble| trouble.grade);
    trouble
        .map(|trouble| trouble.cause)
        .or_else(|| waiting().flat_map(|pod| containers(pod).filter_map(|one| crash(pod, one))).next())
        .or_else(|| waiting().find_map(unscheduled))
        .or_else(|| waiting().next().map(not_ready))
}

/// No node takes the pod.
fn unscheduled(pod: &core::Pod) -> Option<Cause> {
    let condition = condition(pod, "PodScheduled").filter(|condition| condition.status == "False")?;
    let said = condition.message.as_deref().or(condition.reason.as_deref()).unwrap_or_default();
    Some(Cause {
        message: "no node takes its pod".to_owned(),
        detail: format!("{} (pod {})", cut(said), name(pod)),
        log_of: None,
    })
}

fn not_ready(pod: &core::Pod) -> Cause {
    let unready = containers(pod).find(|container| !container.ready);
    let what = unready.map_or_else(
        || format!("pod {} has not begun", name(pod)),
        |container| {
            let waits = container.state.as_ref().and_then(|state| state.waiting.as_ref()?.reason.as_deref());
            let waits = waits.map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("container {} of pod {} is not ready{waits}", container.name, name(pod))
        },
    );
    let runs =
        unready.filter(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()));
    Cause {
        message: "it does not get ready".to_owned(),
        detail: what,
        log_of: runs.map(|container| (name(pod).to_owned(), container.name.clone())),
    }
}

/// A container whose process has ended badly, now or the last time.
fn crash(pod: &core::Pod, container: &core::ContainerStatus) -> Option<Cause> {
    let ended = |state: &Option<core::ContainerState>| state.as_ref()?.terminated.clone();
    let ended = ended(&container.state).or_else(|| ended(&container.last_state))?;
    if ended.exit_code == 0 && container.restart_count == 0 {
        return None;
    }
    let (code, restarts) = (ended.exit_code, container.restart_count);
    let is_oom = ended.reason.as_deref() == Some(OOM);
    let message = match code {
        _ if is_oom => "it needs more memory than its limit and is killed".to_owned(),
        code => format!("its process ends with exit code {code}"),
    };
    let reason = ended.reason.as_deref().filter(|reason| *reason != "Error" && *reason != "Completed");
    let reason = reason.map(|reason| format!("{reason}, ")).unwrap_or_default();
    let detail = format!(
        "{reason}exit code {code}, {restarts} restarts: container {} of pod {}",
        container.name,
        name(pod)
    );
    Some(Cause { message, detail, log_of: Some((name(pod).to_owned(), container.name.clone())) })
}

/// The registry's own words come last in a sentence that names the image again and again.
fn pull(pod: &core::Pod, container: &core::ContainerStatus, reason: &str, text: &str) -> Cause {
    let last = text.rsplit(": ").find(|part| part.trim().len() > 3).unwrap_or(reason);
    let said = if text.starts_with("Back-off") && !text.contains(": ") { reason } else { last };
    let image = container.image.split('@').next().unwrap_or_default();
    Cause {
        message: "its image cannot be pulled".to_owned(),
        detail: format!(
            "{}: image {image} of container {} of pod {}",
            cut(said.trim().trim_matches('"')),
            container.name,
            name(pod)
        ),
        log_of: None,
    }
}

fn config(pod: &core::Pod, container: &core::ContainerStatus, reason: &str, text: &str) -> Cause {
    let said = if text.is_empty() { reason } else { text };
    Cause {
        message: "its container cannot be made".to_owned(),
        detail: format!("{}: container {} of pod {}", cut(said), container.name, name(pod)),
        log_of: None,
    }
}

fn cut(text: &str) -> String {
    text.trim().trim_end_matches('.').chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::executor::tekton::steps::rollout) fn pod(deployment: &str, container: &Value) -> core::Pod {
        let mut own = json!({"name": "web", "image": "r/api:dep-b@sha256:5", "imageID": "", "ready": false,
            "restartCount": 0});
        own.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let ready = if own["ready"] == true { "True" } else { "False" };
        serde_json::from_value(json!({
            "metadata": {"name": "api-1", "annotations": {DEPLOYMENT: deployment}},
            "status": {"containerStatuses": [own], "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    pub(in crate::executor::tekton::steps::rollout) fn waiting(
        reason: &str,
        message: &str,
        restarts: i32,
    ) -> core::Pod {
        let last = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
        let state = json!({"waiting": {"reason": reason, "message": message}});
        pod("dep_b", &json!({"restartCount": restarts, "state": state, "lastState": last}))
    }

    const NOT_FOUND: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"r/api@sha256:5\": \
                             failed to resolve reference \"r/api@sha256:5\": r/api@sha256:5: not found";
    const BUSY: &str = "rpc error: code = Unknown desc = failed to resolve reference \"r/api@sha256:5\": unexpected \
                        status from HEAD request to https://r/v2/api/manifests/sha256:5: 503 Service Unavailable";

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        let grade = |reason, message, restarts| {
            troubles(&waiting(reason, message, restarts)).next().map(|trouble| trouble.grade)
        };

        assert_eq!(grade("ErrImagePull", BUSY, 0), Some(Grade::Passing));
        assert_eq!(grade("ImagePullBackOff", "Back-off pulling image \"r/api\"", 0), Some(Grade::Passing));
        assert_eq!(grade("ErrImagePull", NOT_FOUND, 0), Some(Grade::Definite));
        assert_eq!(grade("ErrImagePull", "failed to authorize: 401 Unauthorized", 0), Some(Grade::Definite));
        assert_eq!(grade("InvalidImageName", "", 0), Some(Grade::Definite));
        assert_eq!(grade("CreateContainerConfigError", "secret \"x\" not found", 0), Some(Grade::Passing));
        assert_eq!(grade(CRASHES, "", 3), Some(Grade::Certain));
        assert_eq!(grade(CRASHES, "", 2), None);
        assert_eq!(grade("ContainerCreating", "", 0), None);
    }

    #[test]
    fn the_registrys_words_come_first_and_the_image_once() {
        let of = |message| cause(&[&waiting("ErrImagePull", message, 0)]).unwrap().detail;

        assert_eq!(of(NOT_FOUND), "not found: image r/api:dep-b of container web of pod api-1");
        assert_eq!(of(BUSY), "503 Service Unavailable: image r/api:dep-b of container web of pod api-1");
        assert!(of("Back-off pulling image \"r/api\"").starts_with("ErrImagePull: image r/api:dep-b"));
    }

    #[test]
    fn a_crash_tells_its_exit_code_or_that_memory_was_short_and_whose_log_says_more() {
        let of = |terminated: Value| {
            let state = json!({"terminated": terminated});
            cause(&[&pod("dep_b", &json!({"restartCount": 1, "lastState": state}))]).unwrap()
        };

        let crash = of(json!({"exitCode": 3, "reason": "Error"}));
        assert_eq!(crash.message, "its process ends with exit code 3");
        assert_eq!(crash.detail, "exit code 3, 1 restarts: container web of pod api-1");
        assert_eq!(crash.log_of, Some(("api-1".to_owned(), "web".to_owned())));
        let oom = of(json!({"exitCode": 137, "reason": "OOMKilled"}));
        assert!(oom.message.contains("memory") && oom.detail.starts_with("OOMKilled, exit code 137"));
    }

    #[test]
    fn the_schedulers_sentence_is_told_and_a_ready_pod_is_no_cause() {
        let mut pending = pod("dep_b", &json!({}));
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu."});
        pending.status.as_mut().unwrap().conditions = serde_json::from_value(json!([condition])).unwrap();

        let cause_of = cause(&[&pending]).unwrap();
        assert_eq!(cause_of.message, "no node takes its pod");
        assert_eq!(cause_of.detail, "0/1 nodes are available: 1 Insufficient cpu (pod api-1)");
        assert_eq!(cause(&[&pod("dep_b", &json!({"ready": true}))]), None);
        assert_eq!(cause(&[&pod("dep_b", &json!({}))]).unwrap().message, "it does not get ready");
        let slow = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
        let slow = cause(&[&pod("dep_b", &slow)]).unwrap();
        assert_eq!(slow.message, "it does not get ready");
        assert_eq!(slow.detail, "container web of pod api-1 is not ready (ContainerCreating)");
    }
}
