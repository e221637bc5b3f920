//! The parts of a run.

use super::Timestamp;

/// One part of a run, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Fetches the repository and resolves the branch to a commit.
    Clone,
    /// Builds; with Tekton also pushes the image.
    Build,
    /// Runs the service's release command with the new image, in a cluster; only where the service has one.
    Release,
    /// Puts what was built into service and waits until it serves.
    Deploy,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Clone, Self::Build, Self::Release, Self::Deploy];
    /// Those that every deployment has, in order.
    pub const ALWAYS: [Self; 3] = [Self::Clone, Self::Build, Self::Deploy];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Build => "build",
            Self::Release => "release",
            Self::Deploy => "deploy",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// Has not begun.
    Pending,
    /// Runs.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly, or was stopped.
    Failed,
    /// Will not run, since the deployment has ended before it.
    Skipped,
}

impl StepStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Skipped];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What is known of one step of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Which step.
    pub step: Step,
    /// How far it is.
    pub status: StepStatus,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What its process ended with; none where a signal ended it or it never ran.
    pub exit_code: Option<i32>,
}

impl StepRecord {
    /// A step that has not begun.
    pub const fn pending(step: Step) -> Self {
        Self { step, status: StepStatus::Pending, started_at: None, finished_at: None, exit_code: None }
    }
}
