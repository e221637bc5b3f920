//! What was found out about something that deployments need, before one needs it.

use super::Timestamp;

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, and could work better; or is not known.
    Advice,
    /// Deployments will fail.
    Bad,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Good, Self::Advice, Self::Bad];

    /// The word for it in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Advice => "advice",
            Self::Bad => "bad",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What to do, where something is to be done.
    pub fix: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn good(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, detail: detail.into(), fix: None }
    }

    /// Something to be bettered, or that is not known.
    pub fn advice(detail: impl Into<String>, fix: Option<&str>) -> Self {
        Self { verdict: Verdict::Advice, detail: detail.into(), fix: fix.map(str::to_owned) }
    }

    /// What keeps deployments from succeeding.
    pub fn bad(detail: impl Into<String>, fix: Option<&str>) -> Self {
        Self { verdict: Verdict::Bad, detail: detail.into(), fix: fix.map(str::to_owned) }
    }
}

/// What was found about a service when it was looked at last.
#[derive(Debug, Clone)]
pub struct Checks {
    /// When.
    pub at: Timestamp,
    /// What, in the order in which it was looked at.
    pub findings: Vec<Finding>,
}
