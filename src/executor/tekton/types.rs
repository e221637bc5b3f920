//! The fields of Tekton's objects that are read here, and no others.
//!
//! Everything in a status is optional and unknown fields are ignored, so that another version of Tekton is readable as
//! far as it goes. An object that cannot be read all the same is an error for that object only.

use kube::CustomResource;
use kube::core::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::Step;

use super::names::step_name;

/// What is read of a PipelineRun's spec; it is written as JSON by `run/pipeline_run.rs`.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "tekton.dev",
    version = "v1",
    kind = "PipelineRun",
    plural = "pipelineruns",
    namespaced,
    status = "PipelineRunStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRunSpec {
    /// `Cancelled` where the run was asked to end.
    pub status: Option<String>,
}

/// How far a PipelineRun is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineRunStatus {
    /// Holds one condition of type `Succeeded`.
    pub conditions: Vec<Condition>,
    /// Tasks that did not run.
    pub skipped_tasks: Vec<SkippedTask>,
}

/// A task that did not run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SkippedTask {
    /// Its name in the pipeline.
    pub name: String,
    /// Why, for people.
    pub reason: String,
}

/// What is read of a TaskRun's spec.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "tekton.dev",
    version = "v1",
    kind = "TaskRun",
    plural = "taskruns",
    namespaced,
    status = "TaskRunStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskRunSpec {
    /// What it runs.
    pub task_spec: TaskSpec,
}

/// What is read of a task.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct TaskSpec {
    /// Its steps, in order.
    pub steps: Vec<NamedStep>,
}

/// What is read of a step of a task.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct NamedStep {
    /// Its name.
    pub name: String,
}

/// How far a TaskRun is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskRunStatus {
    /// Holds one condition of type `Succeeded`.
    pub conditions: Vec<Condition>,
    /// The pod of the present try.
    pub pod_name: String,
    /// The steps in order, once the pod is known.
    pub steps: Vec<StepState>,
    /// What the steps left; there only when the TaskRun is done.
    pub results: Vec<TaskResult>,
    /// Earlier tries.
    pub retries_status: Vec<Value>,
}

/// One step of a TaskRun. A step may have none of the three states.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepState {
    /// The step's name.
    pub name: String,
    /// Its container in the pod.
    pub container: String,
    /// Set while the container has not begun.
    pub waiting: Option<Waiting>,
    /// Set while the container runs; all of a pod's do from its start, each waiting for its turn.
    pub running: Option<Value>,
    /// Set once the step has ended.
    pub terminated: Option<Terminated>,
    /// Tekton's word for how it ended: `Completed`, `Error`, `Skipped`, `Cancelled`, `TimeoutExceeded` …
    pub termination_reason: Option<String>,
}

/// Why a container has not begun.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Waiting {
    /// One word.
    pub reason: Option<String>,
    /// For people.
    pub message: Option<String>,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// 128 + n where signal n ended it.
    pub exit_code: i32,
    /// Missing where Tekton made the state up for a pod that it removed; exit code and message are then not the step's.
    #[serde(rename = "containerID")]
    pub container_id: Option<String>,
    /// One word, for example `OOMKilled`.
    pub reason: Option<String>,
    /// The results that the step wrote, as JSON of `[{"key","value","type"}]`.
    pub message: Option<String>,
}

/// A result of a TaskRun.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskResult {
    /// Its name.
    pub name: String,
    /// A string for ours.
    pub value: Value,
}

/// Kubernetes' way to tell a state.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// `Succeeded` is the one that counts.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// Reads a PipelineRun. Where only parts of it cannot be read, its conditions are read alone, since they tell its end.
///
/// # Errors
/// What cannot be read, for the log.
pub fn pipeline_run(object: &DynamicObject) -> Result<PipelineRun, String> {
    let whole = object.clone().try_parse::<PipelineRun>();
    whole.or_else(|error| {
        let conditions = object.data.pointer("/status/conditions").cloned().ok_or(error.to_string())?;
        let conditions = serde_json::from_value(conditions).map_err(|_| error.to_string())?;
        let status = PipelineRunStatus { conditions, ..PipelineRunStatus::default() };
        Ok(PipelineRun {
            metadata: object.metadata.clone(),
            spec: PipelineRunSpec::default(),
            status: Some(status),
        })
    })
}

/// Reads a TaskRun.
///
/// # Errors
/// What cannot be read, for the log.
pub fn task_run(object: &DynamicObject) -> Result<TaskRun, String> {
    object.clone().try_parse::<TaskRun>().map_err(|error| error.to_string())
}

/// The condition that counts.
pub(super) fn succeeded(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.kind == "Succeeded")
}

/// The condition of a TaskRun.
pub(super) fn condition_of(task: &TaskRun) -> Option<&Condition> {
    succeeded(&task.status.as_ref()?.conditions)
}

/// A step's state in its TaskRun.
pub(super) fn state_of(task: &TaskRun, step: Step) -> Option<&StepState> {
    task.status.as_ref()?.steps.iter().find(|state| state.name == step_name(step))
}

/// Whether a TaskRun has a step that runs a release command; known before its pod is.
pub(super) fn has_release(task: &TaskRun) -> bool {
    let name = step_name(Step::Release);
    task.spec.task_spec.steps.iter().any(|step| step.name == name) || state_of(task, Step::Release).is_some()
}

/// How a step's own process ended.
///
/// Not its end: a step that was left out since one before it failed, which Tekton shows with exit code 1, and a state
/// that Tekton made up when it removed the pod (cancel, timeout, image pull), which has no container.
pub(super) fn own_end(state: &StepState) -> Option<&Terminated> {
    let is_skipped = state.termination_reason.as_deref() == Some("Skipped");
    state.terminated.as_ref().filter(|ended| !is_skipped && ended.container_id.is_some())
}

/// A result that a step wrote.
///
/// Tekton shows it in the step's last message as soon as the step has ended, and as a result of the TaskRun when that is
/// done.
pub(super) fn find_result(task: &TaskRun, step: Step, name: &str) -> Option<String> {
    find_result_of(task, step_name(step), name)
}

/// The same of a step by its name in its task.
pub(super) fn find_result_of(task: &TaskRun, step: &str, name: &str) -> Option<String> {
    let state = task.status.as_ref()?.steps.iter().find(|state| state.name == step);
    let ended = state.and_then(|state| state.terminated.as_ref());
    let early = ended.and_then(|ended| in_message(ended.message.as_deref()?, name));
    early.or_else(|| {
        let results = &task.status.as_ref()?.results;
        let result = results.iter().find(|result| result.name == name)?;
        Some(result.value.as_str()?.trim().to_owned())
    })
}

/// An entry of a step's last message.
#[derive(Deserialize)]
struct Entry {
    key: String,
    value: Value,
}

fn in_message(message: &str, name: &str) -> Option<String> {
    let entries = serde_json::from_str::<Vec<Value>>(message).ok()?;
    let entries = entries.into_iter().filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
    let entry = entries.into_iter().find(|entry| entry.key == name)?;
    Some(entry.value.as_str()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_run_without_status_and_with_unknown_fields_is_read() {
        let run = pipeline_run(&object(json!({
            "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "dep-x"},
            "spec": {"pipelineSpec": {"tasks": []}, "later": 1}
        })));

        assert_eq!(run.unwrap().status, None);
    }

    #[test]
    fn a_run_that_is_partly_unreadable_still_tells_its_end() {
        let run = pipeline_run(&object(json!({
            "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "dep-x"}, "spec": {},
            "status": {"skippedTasks": 7, "conditions": [{"type": "Succeeded", "status": "False", "reason": "Failed"}]}
        })));

        assert_eq!(run.unwrap().status.unwrap().conditions[0].reason, "Failed");
    }

    #[test]
    fn a_poison_object_is_an_error_and_no_more() {
        let poison = json!({
            "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": "x"}, "spec": {},
            "status": {"steps": "none", "conditions": "none"}
        });

        assert!(task_run(&object(poison.clone())).is_err());
        assert!(pipeline_run(&object(poison)).is_err());
    }

    #[test]
    fn a_message_is_read_entry_by_entry_and_nonsense_is_nothing() {
        let message = r#"[{"key":7},{"key":"commit","value":"abc\n","type":1},{"key":"StartedAt","value":"x","type":3}]"#;

        assert_eq!(in_message(message, "commit").as_deref(), Some("abc"));
        assert_eq!(in_message(message, "digest"), None);
        assert_eq!(in_message("no JSON", "commit"), None);
    }
}
