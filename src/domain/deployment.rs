//! Our record of one deployment.

use super::{
    BuiltImage, Commit, DeploymentId, ExecutorKind, GitRef, HookId, Note, Reason, ServiceId, Status,
    Timestamp, Who, WorkloadState,
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
    /// The image that it pushed or, as a rollback, serves again. None for local runs.
    pub image: Option<BuiltImage>,
    /// How it left the workloads, in a cluster, once its deploy step has ended.
    pub workloads: Vec<WorkloadState>,
    /// The uid of its run's object in the cluster, once that is known to exist.
    pub run_uid: Option<String>,
    /// Query parameters that mean nothing here, as the caller spelled them.
    pub ignored_parameters: Vec<String>,
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
    /// Whether it has served what this executor can serve again: in a cluster an image, else a commit.
    pub fn can_serve_again(&self, executor: ExecutorKind) -> bool {
        let is_kept = match executor {
            ExecutorKind::Tekton => self.image.is_some(),
            ExecutorKind::Local => true,
        };
        self.status == Status::Succeeded && self.commit.is_some() && is_kept
    }

    /// The commit that the caller asked for.
    pub fn requested_commit(&self) -> Option<&Commit> {
        self.commit.as_ref().filter(|_| self.commit_requested)
    }
}
