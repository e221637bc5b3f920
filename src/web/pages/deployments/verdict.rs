//! What a deployment's page says first: how it stands and what that means for users, in words.

use crate::domain::{
    Deployment, DeploymentId, ExecutorKind, Reason, Status, Step, StepRecord, StepStatus, Timestamp,
    WorkloadState,
};
use crate::web::pages::deployments::around::Around;
use crate::web::pages::deployments::outlook::Served;
use crate::web::pages::deployments::receipt::served_for;
use crate::web::pages::format::{self, Moment};

/// The opening sentences.
#[derive(Debug, Default)]
pub(in crate::web::pages) struct Lede {
    /// The sentence that matters most.
    pub first: Option<First>,
    /// What follows from it.
    pub rest: String,
    /// Another deployment that the last sentence is about.
    pub other: Option<OtherOne>,
}

/// A sentence about another deployment, with its name within.
#[derive(Debug, Default)]
pub(in crate::web::pages) struct OtherOne {
    /// What stands before its name.
    pub lead: &'static str,
    /// Its page.
    pub id: Option<DeploymentId>,
    /// Its name: a commit, or a word.
    pub name: String,
    /// Whether that is a machine's word.
    pub is_code: bool,
    /// What stands behind it.
    pub tail: String,
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
pub(in crate::web::pages) fn title(deployment: &Deployment, serves: bool) -> String {
    let sign = match deployment.status {
        Status::Succeeded => "✓",
        Status::Failed => "✕",
        _ => "●",
    };
    let word = if serves { "Serving" } else { word(deployment.status) };
    let joint = if deployment.status.is_running() { "" } else { ":" };
    format!("{sign} {word}{joint} {}", target(deployment))
}

/// The icon of the window's tab, by the same states.
pub(in crate::web::pages) fn favicon(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "favicon-succeeded.svg",
        Status::Failed => "favicon-failed.svg",
        _ => "favicon-running.svg",
    }
}

/// `api-service at 4f2c1d7`, or with the branch where no commit is known yet.
pub(in crate::web::pages) fn target(deployment: &Deployment) -> String {
    match &deployment.commit {
        Some(commit) => format!("{} at {}", deployment.service, commit.short()),
        None => format!("{}, branch {}", deployment.service, deployment.branch),
    }
}

/// The opening sentences for each status. Without what stands around the deployment, which only an operator sees, they name
/// no other one.
pub(in crate::web::pages) fn lede(
    deployment: &Deployment,
    steps: &[StepRecord],
    position: Option<u64>,
    around: Option<&Around>,
    now: Timestamp,
) -> Lede {
    let rest = match deployment.status {
        Status::Queued => waiting(deployment, position),
        Status::Building => {
            let waits = deployment.message.as_deref().map(format::sentence).unwrap_or_default();
            let serves = "What serves now keeps serving until this one is ready.";
            // An operator is told below what serves.
            if around.is_none() { format!("{waits} {serves}").trim().to_owned() } else { waits }
        }
        Status::Deploying => "The new version is being put into service.".to_owned(),
        Status::Succeeded => return succeeded(deployment, around, now),
        Status::Failed => return failed(deployment, steps, around),
    };
    Lede { rest, ..Lede::default() }
}

/// What became of a success: it serves, or something came after it.
fn succeeded(deployment: &Deployment, around: Option<&Around>, now: Timestamp) -> Lede {
    let Some(finished) = deployment.finished_at else { return Lede::default() };
    let at = Moment::new(finished, now).text;
    let on = replicas(deployment);
    let replaced = around.and_then(|around| around.after.as_ref());
    match (around, replaced) {
        (Some(_), Some(after)) => {
            let span = served_for(deployment, after).map(format::length).unwrap_or_default();
            let other = OtherOne {
                lead: "Replaced by ",
                tail: format!(" after {span}; it went into service {at}{on}."),
                ..OtherOne::named(after)
            };
            Lede { other: Some(other), ..Lede::default() }
        }
        (Some(around), None) => match &around.unsettled {
            Some(later) => Lede {
                rest: format!("It went into service {at}{on}."),
                other: Some(OtherOne {
                    lead: "A later deployment began to deploy and failed: look at ",
                    id: Some(later.clone()),
                    name: "what it did".to_owned(),
                    is_code: false,
                    tail: ".".to_owned(),
                }),
                ..Lede::default()
            },
            None => Lede { rest: format!("Serving since {at}{on}."), ..Lede::default() },
        },
        (None, _) => Lede { rest: format!("It went into service {at}."), ..Lede::default() },
    }
}

/// ` on 3 of 3 replicas`, of all workloads together; nothing where none runs all the time.
fn replicas(deployment: &Deployment) -> String {
    let sum = |of: fn(&WorkloadState) -> u32| deployment.workloads.iter().map(of).sum::<u32>();
    match (sum(|one| one.ready), sum(|one| one.desired)) {
        (_, 0) => String::new(),
        (ready, desired) => format!(" on {ready} of {}", format::count(u64::from(desired), "replica")),
    }
}

impl Lede {
    /// Whether there is nothing to say beside the status.
    pub(in crate::web::pages) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_empty() && self.other.is_none()
    }
}

impl OtherOne {
    /// Named by its commit.
    fn named(deployment: &Deployment) -> Self {
        let Served { id, commit } = Served::of(deployment);
        Self { id: Some(id), name: commit, is_code: true, ..Self::default() }
    }
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

fn failed(deployment: &Deployment, steps: &[StepRecord], around: Option<&Around>) -> Lede {
    let reason = deployment.reason.unwrap_or(Reason::Internal);
    let (rest, said_of_other) = consequence(deployment, reason, steps);
    let before = around.and_then(|around| around.before.as_ref()).zip(said_of_other);
    let newer = deployment.superseded_by.clone().map(|id| OtherOne {
        lead: "",
        id: Some(id),
        name: "See the newer one".to_owned(),
        is_code: false,
        tail: ".".to_owned(),
    });
    let served = before.map(|(before, said)| OtherOne { tail: said.to_owned(), ..OtherOne::named(before) });
    Lede { first: Some(first(deployment, reason, steps)), rest: rest.to_owned(), other: newer.or(served) }
}

/// The executor's own words where it gave some; else the exit code of a command; else what the reason means.
fn first(deployment: &Deployment, reason: Reason, steps: &[StepRecord]) -> First {
    if let Some(message) = &deployment.message {
        return First::Words(format::sentence(message));
    }
    let exit = failing(steps).and_then(|record| Some((record.step.as_str(), record.exit_code?)));
    match (reason, exit) {
        (
            Reason::CloneFailed
            | Reason::BuildFailed
            | Reason::PushFailed
            | Reason::ReleaseFailed
            | Reason::DeployFailed,
            Some((step, code)),
        ) => First::Exit(step, code),
        (Reason::RolledBack, _) => First::Words("The new version did not come up.".to_owned()),
        _ => First::Words(format::sentence(reason.sentence())),
    }
}

/// The step that ended badly.
pub(in crate::web::pages) fn failing(steps: &[StepRecord]) -> Option<&StepRecord> {
    steps.iter().find(|record| record.status == StepStatus::Failed)
}

/// What users get now, and what can be said of the version before. Nothing is claimed that is not known: a local deploy
/// command may have done anything.
fn consequence(
    deployment: &Deployment,
    reason: Reason,
    steps: &[StepRecord],
) -> (&'static str, Option<&'static str>) {
    let begun = steps.iter().any(|record| record.step == Step::Deploy && record.started_at.is_some());
    let unchanged = !begun || reason == Reason::DeployFailed && deployment.executor == ExecutorKind::Tekton;
    match reason {
        Reason::RolledBack => ("The version before it serves again.", None),
        Reason::RolloutFailed => ("Look at what is serving now.", None),
        _ if unchanged => ("Nothing changed for your users.", Some(" kept serving.")),
        _ => ("The deploy step had begun: look at what is serving now.", None),
    }
}
