//! What a run tells of itself to a server that has lost its row.

use crate::domain::{
    Commit, DeploymentId, GitRef, ImageDigest, ImageReference, Step, Timestamp, WorkloadState,
};

use super::Outcome;

/// A run that is there, as its object tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRun {
    /// The deployment that it was made for.
    pub deployment: DeploymentId,
    /// The object's uid.
    pub uid: String,
    /// The name that the service had.
    pub service: String,
    /// The name that the hook had, where a hook brought the deployment about.
    pub hook: Option<String>,
    /// The branch or tag that was asked for.
    pub branch: GitRef,
    /// The commit that was asked for or claimed.
    pub commit: Option<Commit>,
    /// The image that was given, where none was built.
    pub image: Option<ImageReference>,
    /// Where the caller's trace goes on.
    pub traceparent: Option<String>,
    /// When it was made.
    pub began_at: Timestamp,
    /// How it ended, where it has.
    pub end: Option<FoundEnd>,
}

/// How a run ended that nobody followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// The steps that have ended, each with whether it succeeded and its exit code.
    pub steps: Vec<(Step, bool, Option<i32>)>,
    /// What was built, and the first line of its message.
    pub commit: Option<(Commit, String)>,
    /// The image that was pushed or found.
    pub digest: Option<ImageDigest>,
    /// How the workloads were left.
    pub workloads: Vec<WorkloadState>,
}
