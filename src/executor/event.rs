//! What is told of a run while it goes on.

use std::fmt;

use crate::domain::{Commit, ImageDigest, Step, WorkloadState};

/// What happens while a run goes on, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step begins; `deploy` moves the deployment to `deploying`.
    StepStarted(Step),
    /// A step has ended; exit code as a shell gives it (128 + signal), none where its process never ran.
    StepFinished {
        /// Which one.
        step: Step,
        /// Whether it ended well.
        succeeded: bool,
        /// What its first process ended with.
        exit_code: Option<i32>,
    },
    /// Raw output of a step, cut anywhere.
    Log {
        /// Whose output.
        step: Step,
        /// The bytes as the process wrote them.
        bytes: Vec<u8>,
    },
    /// The branch is resolved; said once, before `build` begins.
    Commit {
        /// What gets built.
        commit: Commit,
        /// First line of its message, at most 200 bytes.
        subject: String,
    },
    /// The run's object exists in the cluster, under this uid. From here on it is never created again.
    Created {
        /// The cluster's id of the object.
        uid: String,
    },
    /// The image was pushed, or found by its tag.
    Image(ImageDigest),
    /// Which commit the image that was found says it was built from.
    ImageRevision(String),
    /// How the workloads were left; said when `deploy` has ended, and again where they were put back after it.
    Workloads(Vec<WorkloadState>),
    /// Where the log stands after what was sent. Stored together with what is before it, it lets the next server go on
    /// there.
    LogMark(String),
    /// The run has ended well, and what serves is watched before it counts.
    Settling,
    /// What the run waits for; none where it waits for nothing any more.
    Waiting(Option<Wait>),
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// A sentence for everybody, without a full stop.
    pub message: String,
    /// What the cluster says of it, for callers with a credential.
    pub detail: Option<String>,
}

impl Wait {
    /// What is waited for, and no more.
    pub fn of(message: impl Into<String>) -> Self {
        Self { message: message.into(), detail: None }
    }

    /// The same with what the cluster says.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.detail.iter().try_for_each(|detail| write!(f, ": {detail}"))
    }
}
