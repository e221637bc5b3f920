//! How a run ended and why. Pure.

use crate::domain::{Reason, Step};
use crate::executor::Outcome;
use crate::executor::exit_codes;
use crate::executor::tekton::names::{
    BUILD_TASK, DEPLOY_TASK, DETAIL_RESULT, MESSAGE_RESULT, PUT_BACK_RESULT, PUT_BACK_TASK, task_of,
};
use crate::executor::tekton::put_back::PutBack;
use crate::executor::tekton::types::{
    Condition, StepState, TaskRun, condition_of, find_result, find_result_of, has_release, own_end, state_of,
    succeeded,
};

use super::snapshot::RunSnapshot;

/// Longest message about a failure, in characters; Tekton's own can be pages.
const MAX_MESSAGE: usize = 500;
/// Longest text of Tekton's that is kept beside it, in characters.
const MAX_SAID: usize = 1_000;
/// What Tekton puts before what the author of a pipeline did wrong.
const USER_ERROR: &str = "[User error]";
/// Reasons of a PipelineRun that refuse the run itself.
const INVALID: &[&str] = &[
    "CouldntGetPipeline",
    "CouldntGetTask",
    "PipelineValidationFailed",
    "ParameterMissing",
    "ParameterTypeMismatch",
    "InvalidWorkspaceBindings",
    "InvalidTaskRunSpecs",
    "InvalidParamValue",
    "PipelineInvalidGraph",
    "InvalidTaskResultReference",
    "CreateRunFailed",
    "CouldntGetPipelineResult",
    "ResourceVerificationFailed",
    "CELEvaluationFailed",
];
/// Reasons of a TaskRun whose pod the cluster would not have: a quota, Pod Security, an admission webhook.
const REFUSED_POD: &[&str] = &["PodCreationFailed", "PodAdmissionFailed"];
/// Reasons of a TaskRun that refuse it, so that no step ever ran.
const INVALID_TASK: &[&str] = &[
    "TaskRunValidationFailed",
    "TaskValidationFailed",
    "TaskRunResolutionFailed",
    "ResourceVerificationFailed",
];
/// Reasons of a TaskRun whose pod existed but never came to run a step.
const NEVER_RAN: &[&str] =
    &["TaskRunImagePullFailed", "CreateContainerConfigError", "InitContainerFailed", "InitContainerOOM"];

/// The end of a run; none while it goes on.
pub(in crate::executor::tekton) fn of_run(snapshot: &RunSnapshot) -> Option<Outcome> {
    let status = snapshot.run.as_ref()?.status.as_ref()?;
    let condition = succeeded(&status.conditions)?;
    match condition.status.as_str() {
        "True" => Some(good_end(snapshot, condition)),
        "False" => Some(with_put_back(snapshot, bad_end(snapshot, condition))),
        _ => None,
    }
}

/// `Completed` says that a task was skipped: the one that puts back, after a good deploy task, and nothing else.
fn good_end(snapshot: &RunSnapshot, condition: &Condition) -> Outcome {
    let status = snapshot.run.as_ref().and_then(|run| run.status.as_ref());
    let is_skipped =
        status.is_some_and(|status| status.skipped_tasks.iter().any(|task| task.name == DEPLOY_TASK));
    let is_deployed = snapshot.deploy.as_ref().and_then(condition_of).is_some_and(|c| c.status == "True");
    if is_skipped || (condition.reason == "Completed" && !is_deployed) {
        return failed(Reason::DeployFailed, "Tekton left the deploy task out");
    }
    Outcome::Succeeded
}

fn bad_end(snapshot: &RunSnapshot, condition: &Condition) -> Outcome {
    let tasks = [BUILD_TASK, DEPLOY_TASK].into_iter().filter_map(|name| snapshot.task(name));
    if tasks.filter_map(condition_of).any(is_cancelled_for_time) {
        return failed(Reason::Timeout, "it ran for longer than the service's timeout");
    }
    match condition.reason.as_str() {
        "Cancelled" | "CancelledRunningFinally" | "StoppedRunningFinally" | "PipelineRunStopping" => {
            failed(Reason::Cancelled, "the run was cancelled")
        }
        "PipelineRunTimeout" => failed(Reason::Timeout, "it ran for longer than the service's timeout"),
        reason if INVALID.contains(&reason) => invalid(condition),
        _ => match failed_task(snapshot) {
            Some((name, task)) => of_task(name, task),
            None => invalid(condition),
        },
    }
}

/// What the task after a failed deploy task found and did. Who stopped the run stays the reason.
fn with_put_back(snapshot: &RunSnapshot, outcome: Outcome) -> Outcome {
    let Some(task) = &snapshot.put_back else { return outcome };
    let result = |name| find_result_of(task, PUT_BACK_TASK, name).filter(|text| !text.is_empty());
    let word = result(PUT_BACK_RESULT);
    let has_failed = || condition_of(task).is_some_and(|condition| condition.status == "False");
    let became = match word.as_deref().and_then(PutBack::parse) {
        Some(became) => became,
        None if has_failed() => PutBack::Failed,
        None => return outcome,
    };
    let Outcome::Failed { reason, message, detail, .. } = outcome else { return outcome };
    if reason == Reason::ReleaseFailed {
        return failed(reason, &message).with_detail(detail);
    }
    let own = exit_code_of(snapshot).is_some_and(exit_codes::is_of_deploy);
    let (reason, done) = match became {
        // A step that was lost before its first patch.
        PutBack::Nothing if reason == Reason::RolloutFailed && !own => {
            (Reason::DeployFailed, Some("nothing was changed"))
        }
        PutBack::Nothing => (reason, None),
        PutBack::Complete => (reason, Some("the new version was complete before and serves")),
        PutBack::Returned if reason == Reason::RolloutFailed => {
            (Reason::RolledBack, Some("the old images were put back and serve"))
        }
        // It has said so itself.
        PutBack::Returned if own => (reason, None),
        PutBack::Returned => (reason, Some("the old images were put back and serve")),
        PutBack::TakenOver => {
            (reason, Some("the old images were put back where nobody else had changed them"))
        }
        PutBack::Failed => (reason, Some("the old images could not be put back")),
    };
    let detail = detail.or_else(|| result(DETAIL_RESULT));
    failed(reason, &message).with_detail(detail).with_aftermath(done.map(str::to_owned))
}

/// What the deploy step itself ended with.
fn exit_code_of(snapshot: &RunSnapshot) -> Option<i32> {
    let state = state_of(snapshot.deploy.as_ref()?, Step::Deploy)?;
    own_end(state).map(|ended| ended.exit_code)
}

/// Where a run goes on with its last task after its time is up, Tekton cancels the others, and says why in words alone.
fn is_cancelled_for_time(condition: &Condition) -> bool {
    condition.reason == "TaskRunCancelled" && condition.message.contains("has timed out")
}

fn failed_task(snapshot: &RunSnapshot) -> Option<(&'static str, &TaskRun)> {
    [BUILD_TASK, DEPLOY_TASK].into_iter().find_map(|name| {
        let task = snapshot.task(name)?;
        condition_of(task).is_some_and(|condition| condition.status == "False").then_some((name, task))
    })
}

fn of_task(name: &str, task: &TaskRun) -> Outcome {
    let Some(condition) = condition_of(task) else {
        return failed(Reason::Internal, "the task tells nothing");
    };
    match condition.reason.as_str() {
        "TaskRunTimeout" => return failed(Reason::Timeout, "it ran for longer than the service's timeout"),
        "TaskRunCancelled" => return failed(Reason::Cancelled, "the run was cancelled"),
        reason if REFUSED_POD.contains(&reason) => {
            let text =
                "the cluster refused the pod: a quota, Pod Security or a webhook; service check says more";
            return failed(Reason::ClusterRefused, text).with_detail(Some(said(condition)));
        }
        reason if INVALID_TASK.contains(&reason) => return invalid(condition),
        _ => {}
    }
    let (step, state) = failed_step(name, task);
    let exit_code = state.and_then(own_end).map(|ended| ended.exit_code);
    let reason = match exit_code {
        Some(code) => exit_codes::reason(step, code),
        None if name == DEPLOY_TASK && NEVER_RAN.contains(&condition.reason.as_str()) => Reason::DeployFailed,
        None => exit_codes::reason(step, -1),
    };
    let detail = find_result(task, step, DETAIL_RESULT).filter(|detail| !detail.is_empty());
    let (message, said) = message(task, step, state, condition);
    failed(reason, &message).with_detail(detail.or(said))
}

/// Tekton takes the run for a mistake of its author.
fn invalid(condition: &Condition) -> Outcome {
    failed(Reason::InvalidPipeline, "Tekton refused the run").with_detail(Some(said(condition)))
}

/// The step that ended badly, else the first one that has not ended well.
fn failed_step<'a>(task_name: &str, task: &'a TaskRun) -> (Step, Option<&'a StepState>) {
    let is_own = |step: &Step| task_of(*step) == task_name && (*step != Step::Release || has_release(task));
    let own = || Step::ALL.into_iter().filter(is_own);
    let ended_badly = own().find_map(|step| {
        let state = state_of(task, step)?;
        own_end(state).is_some_and(|ended| ended.exit_code != 0).then_some((step, Some(state)))
    });
    ended_badly.unwrap_or_else(|| {
        let ended_well = |step: &Step| state_of(task, *step).is_some_and(|state| own_end(state).is_some());
        // A look for an image has no `clone`.
        let is_there = |step: &Step| {
            state_of(task, *step).is_some()
                || task.status.as_ref().is_none_or(|status| status.steps.is_empty())
        };
        let step = own()
            .find(|step| is_there(step) && !ended_well(step))
            .or_else(|| own().next_back())
            .unwrap_or(Step::Deploy);
        (step, None)
    })
}

/// What our step said about itself, else what is known of how it ended; beside it what Tekton says.
fn message(
    task: &TaskRun,
    step: Step,
    state: Option<&StepState>,
    condition: &Condition,
) -> (String, Option<String>) {
    if let Some(own) = find_result(task, step, MESSAGE_RESULT).filter(|own| !own.is_empty()) {
        return (own, None);
    }
    let ended = state.and_then(own_end);
    let name = step.as_str();
    if ended.is_some_and(|ended| ended.reason.as_deref() == Some("OOMKilled"))
        || condition.reason == "StepOOM"
    {
        return (format!("{name} needed more memory than there was and was killed"), None);
    }
    let text = match condition.reason.as_str() {
        "TaskRunImagePullFailed" => format!("the image of {name} cannot be fetched"),
        "CreateContainerConfigError" => format!("the container of {name} cannot be made"),
        "InitContainerFailed" | "InitContainerOOM" => "Tekton could not prepare the pod".to_owned(),
        "PodEvicted" => format!("the pod was evicted during {name}"),
        "TaskRunResultLargerThanAllowedLimit" => format!("{name} left more than 4096 bytes of results"),
        _ => match ended {
            Some(ended) => return (format!("{name} ended with exit code {}", ended.exit_code), None),
            None => format!("{name} did not come to its end"),
        },
    };
    (text, Some(said(condition)))
}

fn said(condition: &Condition) -> String {
    let message: String = condition.message.trim().chars().take(MAX_SAID).collect();
    match message.strip_prefix(USER_ERROR) {
        Some(rest) => format!("configuration error: {}", rest.trim()),
        None if message.is_empty() => format!("Tekton says {}", condition.reason),
        None => message,
    }
}

fn failed(reason: Reason, message: &str) -> Outcome {
    let message: String = message.trim_end_matches('.').chars().take(MAX_MESSAGE).collect();
    Outcome::failed(reason, message)
}
