//! A deployment, its id, and the only two words that it may end with.

use std::fmt;

use super::entropy::{BASE36, random_digits};
use super::token::is_base36;
use super::{Branch, Commit, ExecutorKind, HookId, ServiceId, Timestamp};

/// Characters of the id that hold the milliseconds since 1970; enough until 2059.
const TIME_DIGITS: usize = 8;
/// Characters drawn anew for each id: 62 bits, since knowing an id is the right to read its status.
const RANDOM_DIGITS: usize = 12;

/// `dep_` and 20 of `[0-9a-z]`: 8 for the millisecond, so that names sort by age, and 12 random.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeploymentId(String);

/// The name of a deployment's run: the id with `-` for `_`, a legal Kubernetes name of 24 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunName(String);

impl DeploymentId {
    /// Draws a new id for this moment.
    pub fn generate(now: Timestamp) -> Self {
        let mut time = [b'0'; TIME_DIGITS];
        let mut rest = u64::try_from(now.as_millis()).unwrap_or(0);
        for digit in time.iter_mut().rev() {
            *digit = BASE36[usize::try_from(rest % 36).unwrap_or(0)];
            rest /= 36;
        }
        let time: String = time.into_iter().map(char::from).collect();
        Self(format!("dep_{time}{}", random_digits(BASE36, RANDOM_DIGITS)))
    }

    /// Reads either spelling, `dep_…` or the run name `dep-…`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("dep_").or_else(|| text.strip_prefix("dep-"))?;
        (digits.len() == TIME_DIGITS + RANDOM_DIGITS && is_base36(digits))
            .then(|| Self(format!("dep_{digits}")))
    }

    /// The id as shown, `dep_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its run.
    pub fn run_name(&self) -> RunName {
        RunName(self.0.replace('_', "-"))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for DeploymentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl RunName {
    /// The name, `dep-…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The deployment that the run belongs to.
    pub fn deployment_id(&self) -> DeploymentId {
        DeploymentId(self.0.replace('-', "_"))
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
    const ALL: [Self; 5] = [Self::Queued, Self::Building, Self::Deploying, Self::Succeeded, Self::Failed];

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

    /// Tells whether a deployment may go from this status to `next`: forward only, success only through `deploying`,
    /// failure from everywhere, and never out of a final status.
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Queued, Self::Building)
            | (Self::Building, Self::Deploying)
            | (Self::Deploying, Self::Succeeded) => true,
            (_, Self::Failed) => !self.is_final(),
            _ => false,
        }
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
    /// The commit is not on the branch.
    CommitNotFound,
    /// The build ended with an error.
    BuildFailed,
    /// The image could not be pushed.
    PushFailed,
    /// Nothing was changed: the deploy step failed before it could.
    DeployFailed,
    /// The new version did not come up and the old one was not put back.
    RolloutFailed,
    /// The new version did not come up; the old one serves again.
    RolledBack,
    /// The run was deleted from outside.
    RunDeleted,
    /// The cluster refused the run as invalid.
    InvalidPipeline,
    /// Nothing here can run it: its executor did not answer or is not configured.
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
    pub const ALL: [Self; 18] = [
        Self::Cancelled,
        Self::Superseded,
        Self::Timeout,
        Self::CloneFailed,
        Self::BranchNotFound,
        Self::CommitNotFound,
        Self::BuildFailed,
        Self::PushFailed,
        Self::DeployFailed,
        Self::RolloutFailed,
        Self::RolledBack,
        Self::RunDeleted,
        Self::InvalidPipeline,
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
            Self::CommitNotFound => "commit_not_found",
            Self::BuildFailed => "build_failed",
            Self::PushFailed => "push_failed",
            Self::DeployFailed => "deploy_failed",
            Self::RolloutFailed => "rollout_failed",
            Self::RolledBack => "rolled_back",
            Self::RunDeleted => "run_deleted",
            Self::InvalidPipeline => "invalid_pipeline",
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
            Self::CommitNotFound => "The commit is not on the branch",
            Self::BuildFailed => "The build ended with an error",
            Self::PushFailed => "The image could not be pushed",
            Self::DeployFailed => "Nothing was changed: the deploy step failed before it could",
            Self::RolloutFailed => "The new version did not come up and the old one was not put back",
            Self::RolledBack => "The new version did not come up; the old one serves again",
            Self::RunDeleted => "The run was deleted from outside",
            Self::InvalidPipeline => "The cluster refused the run as invalid",
            Self::ClusterUnreachable => {
                "Nothing here can run it: its executor did not answer or is not configured"
            }
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
    /// Who called: `operator mira`, `token ci`, or the caller's address prefix and user agent for a hook.
    pub caller: String,
    /// The branch to deploy, resolved when it was accepted.
    pub branch: Branch,
    /// The commit: asked for, or found by `clone`.
    pub commit: Option<Commit>,
    /// Whether the caller asked for exactly this commit.
    pub commit_requested: bool,
    /// First line of the commit's message, at most 200 bytes. Shown only with a credential.
    pub commit_subject: Option<String>,
    /// Whether to build without what was kept from earlier builds.
    pub clear_cache: bool,
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
    /// Tells whether a later call asks for exactly the same: branch, commit and cache.
    pub fn equals_request(&self, branch: &Branch, commit: Option<&Commit>, clear_cache: bool) -> bool {
        let requested = if self.commit_requested { self.commit.as_ref() } else { None };
        self.branch == *branch && requested == commit && self.clear_cache == clear_cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_24_characters_sorts_by_age_and_is_drawn_anew_each_time() {
        let earlier = DeploymentId::generate(Timestamp::from_millis(1_795_530_649_120));
        let later = DeploymentId::generate(Timestamp::from_millis(1_795_530_649_121));
        let again = DeploymentId::generate(Timestamp::from_millis(1_795_530_649_121));

        assert!(earlier.as_str() < later.as_str() && earlier.as_str().len() == 24);
        assert_ne!(later, again);
    }

    #[test]
    fn both_spellings_are_read_and_anything_else_is_not() {
        let id = DeploymentId::generate(Timestamp::from_millis(1));

        assert_eq!(DeploymentId::parse(id.run_name().as_str()), Some(id.clone()));
        assert_eq!(DeploymentId::parse(id.as_str()), Some(id));
        for wrong in [
            "",
            "dep_",
            "dep_mwuangvh9xk2mq7rz4t",
            "dep_MWUANGVH9XK2MQ7RZ4TB",
            "dep:mwuangvh9xk2mq7rz4tb",
            "dep_mwuangvh9xk2mq7rz4tbb",
        ] {
            assert_eq!(DeploymentId::parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn id_and_run_name_are_a_bijection_and_the_name_is_a_dns_label(ms in 0_i64..2_800_000_000_000) {
            let id = DeploymentId::generate(Timestamp::from_millis(ms));
            let name = id.run_name();

            proptest::prop_assert_eq!(name.deployment_id(), id);
            proptest::prop_assert!(name.as_str().len() == 24);
            proptest::prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
    }

    #[test]
    fn status_only_moves_forward_and_final_never_changes() {
        use Status::{Building, Deploying, Failed, Queued, Succeeded};
        let allowed = [
            (Queued, Building),
            (Queued, Failed),
            (Building, Deploying),
            (Building, Failed),
            (Deploying, Succeeded),
            (Deploying, Failed),
        ];

        for from in Status::ALL {
            for to in Status::ALL {
                assert_eq!(from.may_become(to), allowed.contains(&(from, to)), "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn every_word_is_read_back() {
        assert!(Reason::ALL.into_iter().all(|reason| Reason::parse(reason.as_str()) == Some(reason)));
        assert!(Status::ALL.into_iter().all(|status| Status::parse(status.as_str()) == Some(status)));
    }
}
