//! What the steps tell as results of their tasks.

use std::path::{Path, PathBuf};

use crate::domain::WorkloadState;
use crate::executor::step_failure::write_result;

/// Most bytes of the result about workloads: Tekton keeps 4096 of all results of a task.
const MAX_WORKLOADS: usize = 1_500;
/// Most bytes of the sentence and of the detail.
const MAX_MESSAGE: usize = 400;
const MAX_DETAIL: usize = 1_000;

/// Files that become results of the task; what has none is not told.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// How the workloads were left.
    pub workloads: Option<PathBuf>,
    /// The sentence about a failure.
    pub message: Option<PathBuf>,
    /// What the cluster says of it.
    pub detail: Option<PathBuf>,
}

impl Results {
    pub(super) fn tell(&self, states: &[WorkloadState], message: &str, detail: Option<&str>) {
        tell(self.workloads.as_deref(), &WorkloadState::lines(states, MAX_WORKLOADS));
        tell(self.message.as_deref(), cut(message, MAX_MESSAGE));
        tell(self.detail.as_deref(), cut(detail.unwrap_or_default(), MAX_DETAIL));
    }
}

/// A result for Tekton. A lost one costs a sentence, no more.
pub(super) fn tell(file: Option<&Path>, text: &str) {
    if let Some(file) = file
        && !text.is_empty()
        && let Err(error) = write_result(file, text)
    {
        eprintln!("{error}");
    }
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
