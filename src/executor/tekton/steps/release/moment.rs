//! What a Job and its pod show of a release command. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::domain::Span;
use crate::executor::exit_codes::{RELEASE_FAILED, meaning};
use crate::executor::step_failure::StepFailure;
use crate::executor::tekton::steps::rollout::pods::{cause, name};

/// Killed for want of memory.
const OOM: &str = "OOMKilled";
/// The Job was ended at its time limit.
const TOO_LATE: &str = "DeadlineExceeded";

/// The Job and its pod at one moment.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) job: DynamicObject,
    /// None before it is made, where it is gone, and where it may not be looked at.
    pub(super) pod: Option<core::Pod>,
}

impl Moment {
    /// The container that runs the command.
    pub(super) fn main(&self) -> &str {
        let name = self.job.data.pointer("/spec/template/spec/containers/0/name");
        name.and_then(Value::as_str).unwrap_or_default()
    }

    /// A condition of the Job that holds: its reason and its message.
    fn condition(&self, kind: &str) -> Option<(&str, &str)> {
        let mut all = self.job.data.pointer("/status/conditions")?.as_array()?.iter();
        let found = all.find(|condition| condition["type"] == kind && condition["status"] == "True")?;
        let text = |field: &str| found[field].as_str().unwrap_or_default();
        Some((text("reason"), text("message")))
    }

    /// Whether the Job has ended.
    pub(super) fn is_over(&self) -> bool {
        self.has_succeeded() || self.condition("Failed").is_some()
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.condition("Complete").is_some()
    }

    fn statuses(&self) -> impl Iterator<Item = &core::ContainerStatus> {
        let status = self.pod.iter().flat_map(|pod| pod.status.iter());
        status.flat_map(|status| status.container_statuses.iter()).flatten()
    }

    fn main_state(&self) -> Option<&core::ContainerState> {
        self.statuses().find(|status| status.name == self.main())?.state.as_ref()
    }

    /// Whether the command runs or has run.
    pub(super) fn has_begun(&self) -> bool {
        self.main_state().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    }

    /// Whether the command has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.main_state().is_some_and(|state| state.terminated.is_some())
    }

    /// What is waited for, for the log.
    pub(super) fn waits_for(&self) -> String {
        match &self.pod {
            None => "waiting for a pod".to_owned(),
            Some(_) if self.has_begun() => String::new(),
            Some(pod) => {
                let cause = cause(&[pod]);
                let told = cause.filter(|cause| cause.message != "it does not get ready");
                told.map_or_else(
                    || format!("waiting for pod {}", name(pod)),
                    |cause| format!("waiting: {}: {}", cause.message, cause.detail),
                )
            }
        }
    }

    /// Why it did not succeed. `last_line` is what the command wrote last, `warning` what the cluster says of the Job.
    pub(super) fn failure(&self, limit: Duration, last_line: &str, warning: &str) -> StepFailure {
        let (reason, said) = self.condition("Failed").unwrap_or_default();
        let detail = [last_line, warning, said].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let limit = Span::from_secs(limit.as_secs());
        let message = if reason == TOO_LATE && self.pod.is_none() && last_line.is_empty() {
            format!("the release command did not end within {limit}, or never began")
        } else if reason == TOO_LATE {
            format!("the release command took longer than {limit} and was ended")
        } else {
            self.end_of_main().or_else(|| self.end_of_init()).unwrap_or_else(|| self.end_of_pod())
        };
        StepFailure::new(RELEASE_FAILED, message).with_detail(detail)
    }

    fn end_of_main(&self) -> Option<String> {
        let ended = self.main_state()?.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
        if ended.reason.as_deref() == Some(OOM) {
            return Some("the release command needed more memory than its limit and was killed".to_owned());
        }
        let code = ended.exit_code;
        Some(format!("the release command ended with exit code {code}{}", meaning(code)))
    }

    fn end_of_init(&self) -> Option<String> {
        let status = self.pod.as_ref()?.status.as_ref()?;
        status.init_container_statuses.iter().flatten().find_map(|own| {
            let ended = own.state.as_ref()?.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
            let (name, code) = (&own.name, ended.exit_code);
            Some(format!(
                "container {name}, which runs before the release command, ended with exit code {code}"
            ))
        })
    }

    fn end_of_pod(&self) -> String {
        let reason = self.pod.as_ref().and_then(|pod| pod.status.as_ref()?.reason.clone());
        match reason {
            Some(reason) => format!("the pod of the release command was lost: {reason}"),
            None => "the pod of the release command was lost".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn moment(job: &Value, pod: &Value) -> Moment {
        let template = json!({"template": {"spec": {"containers": [{"name": "web"}]}}});
        let job = json!({"metadata": {"name": "x"}, "spec": template, "status": {"conditions": [job]}});
        Moment {
            job: serde_json::from_value(job).unwrap(),
            pod: serde_json::from_value(pod.clone()).unwrap(),
        }
    }

    fn failed(reason: &str) -> Value {
        json!({"type": "Failed", "status": "True", "reason": reason, "message": "the Job says so"})
    }

    fn pod(container: &Value, list: &str) -> Value {
        json!({"metadata": {"name": "x-1"}, "status": {list: [container]}})
    }

    fn container(name: &str, state: &Value) -> Value {
        json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state})
    }

    fn told(job: &Value, pod: &Value, last_line: &str) -> (String, String) {
        let failure = moment(job, pod).failure(Duration::from_mins(10), last_line, "");
        assert_eq!(failure.code, RELEASE_FAILED);
        (failure.message, failure.detail.unwrap_or_default())
    }

    #[test]
    fn a_failure_tells_the_exit_code_and_the_last_line() {
        let ended = |terminated: Value| {
            pod(&container("web", &json!({"terminated": terminated})), "containerStatuses")
        };
        let backoff = failed("BackoffLimitExceeded");

        let (message, detail) = told(&backoff, &ended(json!({"exitCode": 3})), "no such table");
        assert_eq!(message, "the release command ended with exit code 3");
        assert_eq!(detail, "no such table");
        let (message, detail) = told(&backoff, &ended(json!({"exitCode": 127})), "");
        assert_eq!(message, "the release command ended with exit code 127: a program was not found on PATH");
        assert_eq!(detail, "the Job says so");
        let (message, _) = told(&backoff, &ended(json!({"exitCode": 137, "reason": "OOMKilled"})), "");
        assert_eq!(message, "the release command needed more memory than its limit and was killed");
    }

    #[test]
    fn what_comes_before_the_command_and_a_pod_that_is_lost_are_told_apart() {
        let backoff = failed("BackoffLimitExceeded");
        let init = container("first", &json!({"terminated": {"exitCode": 2}}));

        let (message, _) = told(&backoff, &pod(&init, "initContainerStatuses"), "");
        assert_eq!(message, "container first, which runs before the release command, ended with exit code 2");
        let evicted = json!({"metadata": {"name": "x-1"}, "status": {"reason": "Evicted"}});
        assert_eq!(told(&backoff, &evicted, "").0, "the pod of the release command was lost: Evicted");
        assert_eq!(told(&backoff, &Value::Null, "").0, "the pod of the release command was lost");
    }

    #[test]
    fn a_command_that_takes_too_long_says_how_long_it_may() {
        let (message, _) = told(&failed(TOO_LATE), &Value::Null, "half of it");
        assert_eq!(message, "the release command took longer than 10m and was ended");
        let (message, _) = told(&failed(TOO_LATE), &Value::Null, "");
        assert_eq!(message, "the release command did not end within 10m, or never began");
    }

    #[test]
    fn a_job_is_over_only_by_its_own_word() {
        let of = |kind: &str, status: &str| {
            let moment = moment(&json!({"type": kind, "status": status}), &Value::Null);
            (moment.is_over(), moment.has_succeeded())
        };

        assert_eq!(of("Complete", "True"), (true, true));
        assert_eq!(of("Failed", "True"), (true, false));
        for (kind, status) in [("Complete", "False"), ("FailureTarget", "True"), ("Suspended", "True")] {
            assert_eq!(of(kind, status), (false, false), "{kind}");
        }
    }

    #[test]
    fn what_is_waited_for_is_told_until_the_command_runs() {
        let of = |state: Value| {
            let pod = pod(&container("web", &state), "containerStatuses");
            moment(&Value::Null, &pod).waits_for()
        };

        assert_eq!(of(json!({"running": {}})), "");
        assert_eq!(of(json!({"waiting": {"reason": "ContainerCreating"}})), "waiting for pod x-1");
        let pull = json!({"waiting": {"reason": "ErrImagePull", "message": "x: not found"}});
        assert!(of(pull).starts_with("waiting: its image cannot be pulled: not found: image i"));
        assert_eq!(moment(&Value::Null, &Value::Null).waits_for(), "waiting for a pod");
    }
}
