//! Our record of one deployment.

use super::{
    Commit, DeploymentId, Event, ExactImage, ExecutorKind, GitRef, HookId, ImageReference, ImageTag, Note,
    Reason, Service, ServiceId, Source, Status, Step, Timestamp, Who, WorkloadState,
};

/// What brought a deployment about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A POST to a hook URL.
    Hook(HookId),
    /// Deploy now, by an operator or an API token.
    Deploy,
    /// The same commit as that deployment once more.
    Redeploy(DeploymentId),
    /// Back to what that deployment served.
    Rollback(DeploymentId),
}

impl Trigger {
    /// The word for it in the database and the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Hook(_) => "hook",
            Self::Deploy => "deploy",
            Self::Redeploy(_) => "redeploy",
            Self::Rollback(_) => "rollback",
        }
    }

    /// The hook that was called.
    pub const fn hook(&self) -> Option<&HookId> {
        match self {
            Self::Hook(hook) => Some(hook),
            _ => None,
        }
    }

    /// The deployment that is used again.
    pub const fn origin(&self) -> Option<&DeploymentId> {
        match self {
            Self::Redeploy(origin) | Self::Rollback(origin) => Some(origin),
            _ => None,
        }
    }
}

/// What is known of the commit that a caller says an image was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The image was not looked at, or does not say.
    Unproven,
    /// The image says the same.
    Matches,
    /// The image says another one.
    Differs,
}

/// Our record of one deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Place in the order of acceptance; pages and queue go by it.
    pub sequence: i64,
    /// The public id.
    pub id: DeploymentId,
    /// The service it belongs to.
    pub service_id: ServiceId,
    /// The service's name when it was read.
    pub service: String,
    /// What brought it about.
    pub trigger: Trigger,
    /// The hook's name, where a hook brought it about.
    pub hook: Option<String>,
    /// Who called.
    pub who: Who,
    /// The branch or tag to deploy, resolved when it was accepted.
    pub branch: GitRef,
    /// The commit: asked for, or found by `clone`.
    pub commit: Option<Commit>,
    /// Whether the caller asked for exactly this commit.
    pub commit_requested: bool,
    /// First line of the commit's message, at most 200 bytes. Shown only with a credential.
    pub commit_subject: Option<String>,
    /// Whether to build without what was kept from earlier builds.
    pub clear_cache: bool,
    /// Why, in the caller's words. Shown only with a credential.
    pub note: Option<Note>,
    /// Which cache it reads and fills, in a cluster: a number that `clear_cache` raises for its service.
    pub cache_epoch: u32,
    /// The image that the caller named, in full; with a digest where that is what was named, or what was promoted.
    pub asked_image: Option<ImageReference>,
    /// The deployment whose image it was asked to serve.
    pub promoted_from: Option<DeploymentId>,
    /// Which commit the image says it was built from, where it was looked at and says so.
    pub image_revision: Option<String>,
    /// The image that it serves, once that is known exactly. None for what is built on the server's own host.
    pub image: Option<ExactImage>,
    /// How it left the workloads, in a cluster, once its deploy step has ended.
    pub workloads: Vec<WorkloadState>,
    /// The uid of its run's object in the cluster, once that is known to exist.
    pub run_uid: Option<String>,
    /// The W3C trace context that its caller sent.
    pub traceparent: Option<String>,
    /// Query parameters that mean nothing here, as the caller spelled them.
    pub ignored_parameters: Vec<String>,
    /// Whether its run has ended well, and what serves is watched before it counts.
    pub is_settling: bool,
    /// The executor named by the service when it was accepted.
    pub executor: ExecutorKind,
    /// How far it is.
    pub status: Status,
    /// Why it failed; set with `failed` and never otherwise.
    pub reason: Option<Reason>,
    /// A sentence for people about what it waits for or why it ended.
    pub message: Option<String>,
    /// The line of who knows why it failed: git's, the builder's, the cluster's. Shown only with a credential.
    pub detail: Option<String>,
    /// The deployment that took its place.
    pub superseded_by: Option<DeploymentId>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the dispatcher claimed it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its run is stopped as too slow.
    pub stop_at: Option<Timestamp>,
    /// Why a stop was asked for, where it was.
    pub cancel_reason: Option<Reason>,
    /// Counts the changes of this row; the `ETag`.
    pub version: i64,
}

impl Deployment {
    /// The same deployment as it was when something happened to it. What has changed since is as before; its commit stays
    /// known.
    #[must_use]
    pub fn as_of(self, event: Event) -> Self {
        let Some(status) = event.status().filter(|status| !status.is_final()) else { return self };
        let started_at = self.started_at.filter(|_| status.is_running());
        let image = self.image.clone().filter(|_| self.asked_image.is_some());
        let base = Self { image, started_at, status, workloads: Vec::new(), is_settling: false, ..self };
        Self { reason: None, message: None, detail: None, superseded_by: None, finished_at: None, ..base }
    }

    /// Whether it has served what this executor can serve again: in a cluster an image, else an image that was named or a
    /// commit.
    pub fn can_serve_again(&self, executor: ExecutorKind) -> bool {
        let is_kept = match executor {
            ExecutorKind::Tekton => self.image.is_some(),
            ExecutorKind::Local => self.asked_image.is_some() || self.commit.is_some(),
        };
        self.status == Status::Succeeded && is_kept
    }

    /// Where its image comes from. A rollback on this host builds its commit again.
    pub fn source(&self) -> Source {
        match &self.trigger {
            Trigger::Rollback(_) if self.image.is_some() || self.asked_image.is_some() => Source::Kept,
            _ if self.promoted_from.is_some() => Source::Promoted,
            _ if self.asked_image.is_some() => Source::Image,
            _ => Source::Build,
        }
    }

    /// Exactly the image that is asked for, or the name that it is looked up by; none where one is built.
    pub fn given_image(&self) -> Option<ImageReference> {
        let is_built = self.source() == Source::Build;
        let exact = self.image.as_ref().filter(|_| matches!(self.trigger, Trigger::Rollback(_)));
        let kept = exact.map(ExactImage::reference).or_else(|| self.asked_image.clone());
        kept.filter(|_| !is_built)
    }

    /// What its image is called: as it was named, or as one is called that it builds, whose tag is the run's name.
    pub fn image_name(&self, service: &Service) -> Option<ImageReference> {
        self.given_image().or_else(|| {
            let repository = service.tekton.as_ref()?.image.clone();
            Some(ImageReference {
                repository,
                tag: ImageTag::parse(self.id.run_name().as_str()),
                digest: None,
            })
        })
    }

    /// What is known of the commit that a caller claims an image was built from; none where nobody claims one.
    pub fn claim(&self) -> Option<Claim> {
        let commit = self.commit.as_ref().filter(|_| self.asked_image.is_some())?;
        Some(match &self.image_revision {
            None => Claim::Unproven,
            Some(revision) if revision.eq_ignore_ascii_case(commit.as_str()) => Claim::Matches,
            Some(_) => Claim::Differs,
        })
    }

    /// The steps that have nothing to do, known before it begins. On this host a repository is fetched for the files that
    /// deploy is done with, where the service `has_repository`.
    pub fn idle_steps(&self, has_repository: bool) -> Vec<Step> {
        let Some(image) = self.given_image() else { return Vec::new() };
        let is_in_cluster = self.executor == ExecutorKind::Tekton;
        let looks_up = is_in_cluster && image.digest.is_none();
        let idle = [
            (Step::Clone, is_in_cluster || !has_repository),
            (Step::Build, !looks_up),
            (Step::Release, self.is_rollback()),
        ];
        idle.into_iter().filter_map(|(step, is_idle)| is_idle.then_some(step)).collect()
    }

    /// Whether an old image comes back: its release command ran when it was new.
    pub const fn is_rollback(&self) -> bool {
        matches!(self.trigger, Trigger::Rollback(_))
    }

    /// Whether it has a step `release`, going by what its service has.
    pub fn has_release(&self, service: &Service) -> bool {
        let settings = service.tekton.as_ref().filter(|_| self.executor == ExecutorKind::Tekton);
        settings.is_some_and(|settings| settings.release.command.is_some())
    }

    /// The commit that the caller asked for.
    pub fn requested_commit(&self) -> Option<&Commit> {
        self.commit.as_ref().filter(|_| self.commit_requested)
    }
}
