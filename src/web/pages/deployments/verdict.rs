//! What a deployment's page says first: how it stands and what that means for users, in words.

use crate::domain::{Deployment, DeploymentId, ExecutorKind, Reason, Status, Step, StepRecord, StepStatus};
use crate::web::pages::format;

/// The opening sentences.
#[derive(Debug, Default)]
pub(in crate::web::pages) struct Lede {
    /// The sentence that matters most.
    pub first: Option<First>,
    /// What follows from it.
    pub rest: String,
    /// A deployment that took this one's place.
    pub superseded_by: Option<DeploymentId>,
}

/// The first sentence of a failed deployment.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web::pages) enum First {
    /// A command of this step ended with this exit code.
    Exit(&'static str, i32),
    /// Any other cause, a whole sentence.
    Words(String),
}

/// Icon and class of a status; a stopped deployment has a shape of its own, since nobody has to act.
pub(in crate::web::pages) fn shape(deployment: &Deployment) -> &'static str {
    match deployment.status {
        Status::Queued => "st-queued",
        Status::Building => "st-building",
        Status::Deploying => "st-deploying",
        Status::Succeeded => "st-succeeded",
        Status::Failed if deployment.reason.is_some_and(Reason::is_intended) => "st-stopped",
        Status::Failed => "st-failed",
    }
}

/// The status as a word of a sentence's start.
pub(in crate::web::pages) fn word(status: Status) -> &'static str {
    match status {
        Status::Queued => "Queued",
        Status::Building => "Building",
        Status::Deploying => "Deploying",
        Status::Succeeded => "Succeeded",
        Status::Failed => "Failed",
    }
}

/// The window's title: a sign that is seen in a row of tabs, the status, and what is deployed.
pub(in crate::web::pages) fn title(deployment: &Deployment) -> String {
    let sign = match deployment.status {
        Status::Succeeded => "✓",
        Status::Failed => "✕",
        _ => "●",
    };
    let joint = if deployment.status.is_running() { "" } else { ":" };
    format!("{sign} {}{joint} {}", word(deployment.status), target(deployment))
}

/// `api-service at 4f2c1d7`, or with the branch where no commit is known yet.
pub(in crate::web::pages) fn target(deployment: &Deployment) -> String {
    match &deployment.commit {
        Some(commit) => format!("{} at {}", deployment.service, commit.short()),
        None => format!("{}, branch {}", deployment.service, deployment.branch),
    }
}

/// The opening sentences for each status.
pub(in crate::web::pages) fn lede(
    deployment: &Deployment,
    steps: &[StepRecord; 3],
    position: Option<u64>,
) -> Lede {
    let rest = match deployment.status {
        Status::Queued => waiting(deployment, position),
        Status::Building => {
            let waits = deployment.message.as_deref().map(|message| format::sentence(message) + " ");
            format!("{}What serves now keeps serving until this one is ready.", waits.unwrap_or_default())
        }
        Status::Deploying => "The new version is being put into service.".to_owned(),
        Status::Succeeded => deployment
            .finished_at
            .map(|at| format!("It went into service {} UTC.", at.day_and_time()))
            .unwrap_or_default(),
        Status::Failed => return failed(deployment, steps),
    };
    Lede { rest, ..Lede::default() }
}

fn waiting(deployment: &Deployment, position: Option<u64>) -> String {
    let place = match position {
        Some(0 | 1) => format!("It is the next of {}.", deployment.service),
        Some(place) => {
            let before = format::count(place - 1, "deployment");
            format!("{before} of {} wait{} before it.", deployment.service, if place == 2 { "s" } else { "" })
        }
        None => "It waits for its turn.".to_owned(),
    };
    match &deployment.message {
        Some(message) => format!("{} {place}", format::sentence(message)),
        None => place,
    }
}

fn failed(deployment: &Deployment, steps: &[StepRecord; 3]) -> Lede {
    let reason = deployment.reason.unwrap_or(Reason::Internal);
    Lede {
        first: Some(first(deployment, reason, steps)),
        rest: consequence(deployment, reason, steps).to_owned(),
        superseded_by: deployment.superseded_by.clone(),
    }
}

/// The executor's own words where it gave some; else the exit code of a command; else what the reason means.
fn first(deployment: &Deployment, reason: Reason, steps: &[StepRecord; 3]) -> First {
    if let Some(message) = &deployment.message {
        return First::Words(format::sentence(message));
    }
    let exit = failing(steps).and_then(|record| Some((record.step.as_str(), record.exit_code?)));
    match (reason, exit) {
        (
            Reason::CloneFailed | Reason::BuildFailed | Reason::PushFailed | Reason::DeployFailed,
            Some((step, code)),
        ) => First::Exit(step, code),
        (Reason::RolledBack, _) => First::Words("The new version did not come up.".to_owned()),
        _ => First::Words(format::sentence(reason.sentence())),
    }
}

/// The step that ended badly.
pub(in crate::web::pages) fn failing(steps: &[StepRecord; 3]) -> Option<&StepRecord> {
    steps.iter().find(|record| record.status == StepStatus::Failed)
}

/// What users get now. Nothing is claimed that is not known: a local deploy command may have done anything.
fn consequence(deployment: &Deployment, reason: Reason, steps: &[StepRecord; 3]) -> &'static str {
    let begun = steps.iter().any(|record| record.step == Step::Deploy && record.started_at.is_some());
    let unchanged = !begun || reason == Reason::DeployFailed && deployment.executor == ExecutorKind::Tekton;
    match reason {
        Reason::RolledBack => "The version before it serves again.",
        Reason::RolloutFailed => "Look at what is serving now.",
        _ if unchanged => "Nothing changed for your users.",
        _ => "The deploy step had begun: look at what is serving now.",
    }
}
