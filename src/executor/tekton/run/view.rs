//! From the cluster's objects to our words: how far each step is, what is waited for, and how it ended. Pure.
//!
//! The order of trust: the PipelineRun's condition decides whether it is over, the TaskRun that failed tells why, and a
//! step's exit code names the reason. A reason that is not known here changes the text only, never the verdict.

use crate::domain::{Commit, ImageDigest, Step, WorkloadState};
use crate::executor::tekton::names::{
    COMMIT_RESULT, DIGEST_RESULT, PUT_BACK_TASK, REVISION_RESULT, SUBJECT_RESULT, WORKLOADS_RESULT, task_of,
};
use crate::executor::tekton::types::{
    Condition, StepState, TaskRun, condition_of, find_result, find_result_of, has_release, own_end, state_of,
    succeeded,
};
use crate::executor::{Outcome, Wait};

use super::snapshot::RunSnapshot;
use super::verdict;

/// Reasons of a TaskRun that goes on and whose pod does not work yet. Any other reason counts as running.
const NOT_RUNNING: &[&str] = &[
    "Pending",
    "Started",
    "ToBeRetried",
    "ResolvingTaskRef",
    "ExceededNodeResources",
    "ExceededResourceQuota",
    "PullImageFailed",
];

/// What is known of one run at one moment, in our words.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// All that a run can have, in order.
    pub steps: [StepView; Step::ALL.len()],
    /// What is waited for, for people; none while a step works.
    pub waiting: Option<Wait>,
    /// What gets built and the first line of its message, known as soon as `clone` has ended.
    pub commit: Option<(Commit, String)>,
    /// The pushed image, known as soon as `build` has ended.
    pub digest: Option<ImageDigest>,
    /// Which commit the image says it was built from, where it was looked up and says so.
    pub revision: Option<String>,
    /// How the workloads were left, known as soon as `deploy` has ended, and anew where they were put back after it.
    pub workloads: Vec<WorkloadState>,
    /// How it ended, where it has.
    pub end: Option<Outcome>,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepView {
    /// Whether it works or has ended.
    pub has_begun: bool,
    /// How it ended, where it has.
    pub finished: Option<StepEnd>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepEnd {
    /// Whether well.
    pub succeeded: bool,
    /// What its process ended with; none where it never ran.
    pub exit_code: Option<i32>,
}

impl View {
    /// How far `step` is.
    pub fn step(&self, step: Step) -> StepView {
        self.steps[step as usize]
    }
}

/// Reads what is known.
pub fn view(snapshot: &RunSnapshot) -> View {
    let steps = Step::ALL.map(|step| step_view(snapshot.task(task_of(step)), step));
    let mut view = View {
        steps,
        waiting: None,
        commit: commit(snapshot),
        digest: None,
        revision: None,
        workloads: Vec::new(),
        end: None,
    };
    view.revision = result(snapshot, Step::Build, REVISION_RESULT).filter(|text| !text.is_empty());
    view.digest = result(snapshot, Step::Build, DIGEST_RESULT).and_then(|text| ImageDigest::parse(&text));
    view.workloads = workloads(snapshot);
    view.end = verdict::of_run(snapshot);
    let works = |step: Step| view.step(step).has_begun && view.step(step).finished.is_none();
    let deploy_waits = snapshot.deploy.as_ref().is_none_or(is_waiting);
    let is_working = works(Step::Clone)
        || works(Step::Build)
        || works(Step::Release)
        || (works(Step::Deploy) && !deploy_waits);
    if view.end.is_none() && !is_working {
        view.waiting = Some(waiting(snapshot));
    }
    view
}

/// All containers of a pod run from the start, so a step works only when the one before has ended well.
fn step_view(task: Option<&TaskRun>, step: Step) -> StepView {
    let Some(task) = task else { return StepView::default() };
    // A look for an image has no `clone`.
    let ended_well = |step| {
        state_of(task, step).is_none_or(|state| own_end(state).is_some_and(|ended| ended.exit_code == 0))
    };
    let has_its_turn = match step {
        Step::Clone | Step::Release => !is_waiting(task),
        Step::Build => !is_waiting(task) && ended_well(Step::Clone),
        Step::Deploy if has_release(task) && !has_released(task) => false,
        // The task exists only once the build is through, and from then on the product says `deploying`.
        Step::Deploy => return StepView { has_begun: true, finished: finished(task, state_of(task, step)) },
    };
    let Some(state) = state_of(task, step).filter(|_| has_its_turn) else { return StepView::default() };
    let finished = finished(task, Some(state));
    StepView { has_begun: state.running.is_some() || finished.is_some(), finished }
}

/// Whether the release step has ended well.
fn has_released(task: &TaskRun) -> bool {
    state_of(task, Step::Release).and_then(own_end).is_some_and(|ended| ended.exit_code == 0)
}

/// How a step ended: by itself, or with its TaskRun.
fn finished(task: &TaskRun, state: Option<&StepState>) -> Option<StepEnd> {
    if let Some(ended) = state.and_then(own_end) {
        return Some(StepEnd { succeeded: ended.exit_code == 0, exit_code: Some(ended.exit_code) });
    }
    match condition_of(task)?.status.as_str() {
        "True" => Some(StepEnd { succeeded: true, exit_code: None }),
        "False" => Some(StepEnd { succeeded: false, exit_code: None }),
        _ => None,
    }
}

/// Whether a TaskRun has no pod that works; what it shows of its steps is then of an earlier try.
fn is_waiting(task: &TaskRun) -> bool {
    condition_of(task).is_none_or(|c| c.status == "Unknown" && NOT_RUNNING.contains(&c.reason.as_str()))
}

fn result(snapshot: &RunSnapshot, step: Step, name: &str) -> Option<String> {
    find_result(snapshot.task(task_of(step))?, step, name)
}

fn commit(snapshot: &RunSnapshot) -> Option<(Commit, String)> {
    let commit = Commit::parse(&result(snapshot, Step::Clone, COMMIT_RESULT)?).ok()?;
    Some((commit, result(snapshot, Step::Clone, SUBJECT_RESULT).unwrap_or_default()))
}

/// What was put back last has the last word.
fn workloads(snapshot: &RunSnapshot) -> Vec<WorkloadState> {
    let put_back =
        snapshot.put_back.as_ref().and_then(|task| find_result_of(task, PUT_BACK_TASK, WORKLOADS_RESULT));
    let left = put_back.or_else(|| result(snapshot, Step::Deploy, WORKLOADS_RESULT));
    WorkloadState::parse_lines(&left.unwrap_or_default())
}

/// A sentence about what is waited for: the most telling thing that is known.
fn waiting(snapshot: &RunSnapshot) -> Wait {
    if snapshot.put_back.is_some() {
        return Wait::of("what there was before is put back");
    }
    let task = snapshot.deploy.as_ref().or(snapshot.build.as_ref());
    let condition = match task {
        Some(task) => condition_of(task),
        None => snapshot.run.as_ref().and_then(|run| succeeded(&run.status.as_ref()?.conditions)),
    };
    let mut wait = match (&snapshot.run, condition) {
        (None, _) => Wait::of("waiting until the cluster shows the run"),
        (Some(_), None) if task.is_some() => Wait::of("waiting for the pod"),
        (Some(_), None) => Wait::of("waiting until Tekton takes up the run"),
        (Some(_), Some(condition)) => waiting_for(condition),
    };
    let attempt = task.and_then(|task| task.status.as_ref()).map_or(0, |status| status.retries_status.len());
    if attempt > 0 {
        wait.message = format!("attempt {}: {}", attempt + 1, wait.message);
    }
    if let Some(warning) = &snapshot.warning {
        wait.message.push_str("; the cluster warns");
        wait.detail = Some(warning.clone());
    }
    wait
}

fn waiting_for(condition: &Condition) -> Wait {
    match condition.status.as_str() {
        "False" => return Wait::of("Tekton ends the run"),
        "True" => return Wait::of("Tekton goes on"),
        _ => {}
    }
    let what = match condition.reason.as_str() {
        "ExceededNodeResources" => "no node has room for the pod",
        "ExceededResourceQuota" => "the namespace's quota has no room for the pod",
        "PullImageFailed" => "the image of a step cannot be fetched",
        "ResolvingPipelineRef" | "ResolvingTaskRef" => "Tekton reads the pipeline",
        "PipelineRunPending" => "somebody set the run to wait",
        "ToBeRetried" => "Tekton tries again",
        "Started" => "Tekton has taken up the run",
        _ => "waiting for the pod",
    };
    let tells_more = !condition.message.is_empty() && condition.message != condition.reason;
    let wait = Wait::of(what);
    if tells_more { wait.with_detail(&condition.message) } else { wait }
}

#[cfg(test)]
mod tests;
