//! What a success put into service, where it came from, and how one goes back.

use crate::domain::{Claim, Deployment, DeploymentId, ExactImage, Timestamp, WorkloadState, WorkloadStatus};
use crate::web::pages::deployments::around::Around;
use crate::web::pages::deployments::outlook::Served;
use crate::web::pages::format::{self, Moment};

/// What went into service.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) is_serving: bool,
    pub(super) commit: Option<String>,
    /// Repository and tag.
    pub(super) image: Option<String>,
    /// Of what deployed an image of another: that one.
    pub(super) built_by: Option<DeploymentId>,
    pub(super) digest: Option<String>,
    /// As the caller named it, where that is not its full name.
    pub(super) asked: Option<String>,
    pub(super) promoted_from: Option<DeploymentId>,
    /// Whose word the commit is, where none was built.
    pub(super) claim: Option<String>,
    /// Services that would take this image too.
    pub(super) takers: Vec<String>,
    /// One a line.
    pub(super) workloads: Vec<String>,
    pub(super) caller: String,
    pub(super) before: Option<Before>,
}

/// What served before, and for how long.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) served: Served,
    pub(super) span: Option<String>,
}

/// The question before something is put back.
#[derive(Debug)]
pub(super) struct RollBack {
    /// What can be chosen; the page's own deployment where that is what goes back.
    pub(super) targets: Vec<RollBackTarget>,
    /// What would be replaced.
    pub(super) serving: Option<Served>,
    pub(super) is_frozen: bool,
    /// Whether nothing is built for it.
    pub(super) is_kept: bool,
}

/// One that may serve again.
#[derive(Debug)]
pub(super) struct RollBackTarget {
    pub(super) id: DeploymentId,
    pub(super) label: String,
}

impl Receipt {
    /// Of a success.
    pub(super) fn of(deployment: &Deployment, around: &Around) -> Self {
        let image = deployment.image.as_ref();
        let of_service = || around.workloads.iter().map(ToString::to_string).collect();
        let left: Vec<_> = deployment.workloads.iter().map(workload_line).collect();
        let workloads = if left.is_empty() { of_service() } else { left };
        let before = around.before.as_ref().map(|before| Before {
            served: Served::of(before),
            span: served_for(before, deployment).map(format::length),
        });
        Self {
            is_serving: around.serves(deployment),
            commit: deployment.commit.as_ref().map(ToString::to_string),
            image: image.map(|image| match &image.tag {
                Some(tag) => format!("{}:{tag}", image.repository),
                None => image.repository.to_string(),
            }),
            built_by: image.and_then(ExactImage::built_by).filter(|by| *by != deployment.id),
            digest: image.map(|image| image.digest.to_string()),
            asked: deployment
                .asked_image
                .as_ref()
                .filter(|asked| asked.digest.is_none())
                .map(ToString::to_string),
            promoted_from: deployment.promoted_from.clone(),
            claim: claim(deployment),
            takers: around.takers.clone(),
            workloads: Some(workloads).filter(|_| image.is_some()).unwrap_or_default(),
            caller: deployment.who.as_caller(),
            before,
        }
    }
}

/// Whose word the commit is.
fn claim(deployment: &Deployment) -> Option<String> {
    let revision = deployment.image_revision.as_deref().unwrap_or_default();
    Some(match deployment.claim()? {
        Claim::Unproven => "as the caller says".to_owned(),
        Claim::Matches => "as the image says too".to_owned(),
        Claim::Differs => format!("as the caller says; the image says {revision}"),
    })
}

/// `apps/api/web, 3 of 3 ready`; how it was left where that is not as it should be.
pub(super) fn workload_line(state: &WorkloadState) -> String {
    let WorkloadState { workload, status, ready, desired } = state;
    let ready = if *desired == 0 { String::new() } else { format!(", {ready} of {desired} ready") };
    match status {
        WorkloadStatus::Complete => format!("{workload}{ready}"),
        other => format!("{workload}, {}{ready}", other.as_str().replace('_', " ")),
    }
}

/// How long one success served until the next one did.
pub(super) fn served_for(one: &Deployment, next: &Deployment) -> Option<std::time::Duration> {
    Some(next.finished_at?.since(one.finished_at?))
}

impl RollBack {
    /// On the page of what serves one chooses among those before; on that of an earlier success it is that one. None where
    /// nothing can go back.
    pub(super) fn of(deployment: &Deployment, around: &Around, now: Timestamp) -> Option<Self> {
        let target = |one: &&Deployment| RollBackTarget { id: one.id.clone(), label: label(one, now) };
        let offered: Vec<_> = if around.serves(deployment) {
            around.targets.iter().collect()
        } else {
            Some(deployment).filter(|_| around.can_serve_again).into_iter().collect()
        };
        (!offered.is_empty()).then(|| Self {
            targets: offered.iter().map(target).collect(),
            serving: around.serving.as_ref().map(Served::of),
            is_frozen: around.is_frozen,
            is_kept: !around.workloads.is_empty() || offered.iter().all(|one| one.asked_image.is_some()),
        })
    }
}

/// `51b20ce, 23 Nov, 03:02:11 UTC, Price import`.
fn label(deployment: &Deployment, now: Timestamp) -> String {
    let at = deployment.finished_at.unwrap_or(deployment.created_at);
    let subject = deployment.commit_subject.as_deref().map(str::trim).filter(|subject| !subject.is_empty());
    let subject: Option<String> = subject.map(|subject| subject.chars().take(40).collect());
    let subject = subject.map(|subject| format!(", {subject}")).unwrap_or_default();
    format!("{}, {}{subject}", Served::of(deployment).commit, Moment::new(at, now).text)
}
