//! How runs end.

use crate::domain::Reason;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All three steps ended well: it serves.
    Succeeded,
    /// It does not serve, and why. A failing build is this, not an [`Error`](crate::executor::Error).
    Failed {
        /// The word.
        reason: Reason,
        /// A sentence for everybody, without a full stop.
        message: String,
        /// The line of who knows, for callers with a credential: git's, the builder's, the cluster's.
        detail: Option<String>,
        /// What was done after it, which is said whoever ended the run: continues the message.
        aftermath: Option<String>,
    },
}

impl Outcome {
    /// It does not serve, and why: the word, and a sentence for people without a full stop.
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::Failed { reason, message: message.into(), detail: None, aftermath: None }
    }

    /// The same with the line of who knows.
    #[must_use]
    pub fn with_detail(mut self, line: Option<String>) -> Self {
        if let Self::Failed { detail, .. } = &mut self {
            *detail = line;
        }
        self
    }

    /// The same with what was done after it.
    #[must_use]
    pub fn with_aftermath(mut self, done: Option<String>) -> Self {
        if let Self::Failed { aftermath, .. } = &mut self {
            *aftermath = done;
        }
        self
    }
}
