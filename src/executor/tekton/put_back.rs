//! What the task that comes after a failed deploy step found and did, as its result says it.

/// What became of a rollout whose deploy step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutBack {
    /// Nothing of this deployment is there, and nothing was put back: nothing was changed.
    Nothing,
    /// Every workload is new and complete; it was left so.
    Complete,
    /// Every workload has what it had before, and that serves.
    Returned,
    /// The same but for workloads that somebody else has changed since.
    TakenOver,
    /// Some could not be put back, or do not serve.
    Failed,
}

impl PutBack {
    const ALL: [Self; 5] = [Self::Nothing, Self::Complete, Self::Returned, Self::TakenOver, Self::Failed];

    /// The word of the result.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Complete => "complete",
            Self::Returned => "returned",
            Self::TakenOver => "taken-over",
            Self::Failed => "failed",
        }
    }

    /// The word's meaning.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}
