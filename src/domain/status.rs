//! How far a deployment is, and why it failed.

/// How far a deployment is. The final words are `succeeded` and `failed` and no others, so that a loop which knows
/// only these two always ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Accepted and durable; no run exists.
    Queued,
    /// Claimed by the dispatcher; from before anything is created until `deploy` begins.
    Building,
    /// The `deploy` step runs.
    Deploying,
    /// It serves.
    Succeeded,
    /// It ended without serving; the [`Reason`] says why.
    Failed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Building, Self::Deploying, Self::Succeeded, Self::Failed];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Building => "building",
            Self::Deploying => "deploying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Tells whether it never changes again.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Tells whether a run may exist.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Building | Self::Deploying)
    }
}

/// Why a deployment failed. The words are part of the public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// An operator or an API token stopped it.
    Cancelled,
    /// A newer deployment took its place.
    Superseded,
    /// It took longer than it may.
    Timeout,
    /// The repository could not be fetched.
    CloneFailed,
    /// The repository has no such branch.
    BranchNotFound,
    /// The repository has no such tag.
    TagNotFound,
    /// The commit is not on the branch.
    CommitNotFound,
    /// The build ended with an error.
    BuildFailed,
    /// The image could not be pushed.
    PushFailed,
    /// The registry has no image of that name.
    ImageNotFound,
    /// The registry does not let this service see the image.
    ImageRefused,
    /// The registry did not answer.
    ImageUnavailable,
    /// The release command did not succeed; nothing was changed.
    ReleaseFailed,
    /// Nothing was changed: the deploy step failed before it could.
    DeployFailed,
    /// The new version did not come up and the old one was not put back.
    RolloutFailed,
    /// The new version did not come up; the old one serves again.
    RolledBack,
    /// It served, and then somebody put another image in its place.
    Reverted,
    /// The run was deleted from outside.
    RunDeleted,
    /// The cluster refused the run as invalid.
    InvalidPipeline,
    /// This server has no such executor any more.
    ExecutorUnavailable,
    /// The cluster did not answer.
    ClusterUnreachable,
    /// The cluster refuses this server a right that it needs.
    ClusterRefused,
    /// The server stopped while it ran.
    Interrupted,
    /// Its service was deleted.
    ServiceDeleted,
    /// An error of this server.
    Internal,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Cancelled,
        Self::Superseded,
        Self::Timeout,
        Self::CloneFailed,
        Self::BranchNotFound,
        Self::TagNotFound,
        Self::CommitNotFound,
        Self::BuildFailed,
        Self::PushFailed,
        Self::ImageNotFound,
        Self::ImageRefused,
        Self::ImageUnavailable,
        Self::ReleaseFailed,
        Self::DeployFailed,
        Self::RolloutFailed,
        Self::RolledBack,
        Self::Reverted,
        Self::RunDeleted,
        Self::InvalidPipeline,
        Self::ExecutorUnavailable,
        Self::ClusterUnreachable,
        Self::ClusterRefused,
        Self::Interrupted,
        Self::ServiceDeleted,
        Self::Internal,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Timeout => "timeout",
            Self::CloneFailed => "clone_failed",
            Self::BranchNotFound => "branch_not_found",
            Self::TagNotFound => "tag_not_found",
            Self::CommitNotFound => "commit_not_found",
            Self::BuildFailed => "build_failed",
            Self::PushFailed => "push_failed",
            Self::ImageNotFound => "image_not_found",
            Self::ImageRefused => "image_refused",
            Self::ImageUnavailable => "image_unavailable",
            Self::ReleaseFailed => "release_failed",
            Self::DeployFailed => "deploy_failed",
            Self::RolloutFailed => "rollout_failed",
            Self::RolledBack => "rolled_back",
            Self::Reverted => "reverted",
            Self::RunDeleted => "run_deleted",
            Self::InvalidPipeline => "invalid_pipeline",
            Self::ExecutorUnavailable => "executor_unavailable",
            Self::ClusterUnreachable => "cluster_unreachable",
            Self::ClusterRefused => "cluster_refused",
            Self::Interrupted => "interrupted",
            Self::ServiceDeleted => "service_deleted",
            Self::Internal => "internal",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// One sentence for people, without a full stop.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Cancelled => "An operator or an API token stopped it",
            Self::Superseded => "A newer deployment took its place",
            Self::Timeout => "It took longer than it may",
            Self::CloneFailed => "The repository could not be fetched",
            Self::BranchNotFound => "The repository has no such branch",
            Self::TagNotFound => "The repository has no such tag",
            Self::CommitNotFound => "The commit is not on the branch",
            Self::BuildFailed => "The build ended with an error",
            Self::PushFailed => "The image could not be pushed",
            Self::ImageNotFound => "The registry has no image of that name",
            Self::ImageRefused => "The registry does not let this service see the image",
            Self::ImageUnavailable => "The registry did not answer",
            Self::ReleaseFailed => "The release command did not succeed; nothing was changed",
            Self::DeployFailed => "Nothing was changed: the deploy step failed before it could",
            Self::RolloutFailed => "The new version did not come up and the old one was not put back",
            Self::RolledBack => "The new version did not come up; the old one serves again",
            Self::Reverted => "It served, and then somebody put another image in its place",
            Self::RunDeleted => "The run was deleted from outside",
            Self::InvalidPipeline => "The cluster refused the run as invalid",
            Self::ExecutorUnavailable => "This server has no such executor any more",
            Self::ClusterUnreachable => "The cluster did not answer",
            Self::ClusterRefused => "The cluster refuses this server a right that it needs",
            Self::Interrupted => "The server stopped while it ran",
            Self::ServiceDeleted => "Its service was deleted",
            Self::Internal => "An error of this server",
        }
    }

    /// Tells whether somebody ended it on purpose, so that nobody has to act.
    pub const fn is_intended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Superseded | Self::ServiceDeleted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        assert!(Reason::ALL.into_iter().all(|reason| Reason::parse(reason.as_str()) == Some(reason)));
        assert!(Status::ALL.into_iter().all(|status| Status::parse(status.as_str()) == Some(status)));
    }
}
