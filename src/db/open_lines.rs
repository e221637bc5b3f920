//! The last line of each log that is being written, as it stands before it is kept. In memory: it is shown to those who
//! follow, and never stored.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::{DeploymentId, Step};

/// A line that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLine {
    /// Whose output it is.
    pub step: Step,
    /// All of it, redacted.
    pub text: String,
}

/// Those of all logs.
#[derive(Debug, Default)]
pub(super) struct OpenLines(Mutex<HashMap<DeploymentId, OpenLine>>);

impl OpenLines {
    pub(super) fn set(&self, id: &DeploymentId, line: Option<OpenLine>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match line {
            Some(line) => drop(lines.insert(id.clone(), line)),
            None => drop(lines.remove(id)),
        }
    }

    pub(super) fn get(&self, id: &DeploymentId) -> Option<OpenLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
