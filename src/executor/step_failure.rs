//! How a step that is a process of ours fails: the exit code of the table, a sentence of ours, and the words of who knows.

use std::path::Path;

/// Most of a detail that is handed on, in bytes: Tekton keeps 4096 bytes of all results of a task.
const MAX_DETAIL: usize = 1_000;

/// A step that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepFailure {
    /// Of the table of exit codes, or the user's own.
    pub(super) code: u8,
    /// For everybody, without a full stop.
    pub(super) message: String,
    /// The original line: git's, the builder's, the registry's.
    pub(super) detail: Option<String>,
}

impl StepFailure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None }
    }

    #[must_use]
    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
        self.detail = Some(detail).filter(|detail| !detail.is_empty());
        self
    }

    /// Tells it as results of the task and gives the exit code. What cannot be told does no harm.
    pub(super) fn tell(&self, message_file: &Path, detail_file: &Path) -> u8 {
        println!("{}", self.message);
        write_result(message_file, &self.message).ok();
        if let Some(detail) = &self.detail {
            write_result(detail_file, detail).ok();
        }
        self.code
    }
}

/// Writes a result of the step. A lost sentence does no harm; a lost commit or digest is an error of the step.
pub(super) fn write_result(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}
