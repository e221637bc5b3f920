//! How a command fails: one line, what to do about it, and an exit code.

use std::process::ExitCode;

use serde_json::json;

use super::stderr::say;
use super::words;

/// Something went wrong that no other code tells.
pub(super) const FAILED: u8 = 1;
/// A wait ended without knowing how the deployment ends.
pub(super) const UNKNOWN: u8 = 2;
/// There is nothing by that name.
pub(super) const NOT_FOUND: u8 = 3;
/// No credential, or one that may not do this.
pub(super) const AUTH: u8 = 4;
/// The present state or a limit forbids it.
pub(super) const CONFLICT: u8 = 5;
/// Wrong usage, as BSD's sysexits has it.
pub(super) const USAGE: u8 = 64;
/// Ended by Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

/// A command that did not do what it should.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    /// The field at fault as the API spells it, for example `queuePolicy`, or as the caller does, once it is
    /// [`spelled`](Self::spelled).
    pub(super) parameter: Option<String>,
    /// What failed and for what input, without a full stop.
    pub(super) text: String,
    /// What to do, a line each.
    pub(super) hints: Vec<String>,
    /// Whether the same may work a little later: the server is away or overloaded.
    pub(super) is_temporary: bool,
}

impl Failure {
    pub(super) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, parameter: None, text: text.into(), hints: Vec::new(), is_temporary: false }
    }

    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::new(USAGE, text)
    }

    #[must_use]
    pub(super) fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    /// The same with the field at fault as this command line spells it.
    pub(super) fn spelled(mut self, command: &clap::Command) -> Self {
        self.parameter = self.parameter.map(|field| words::spelling(&field, command));
        self
    }

    /// Says it on stderr as one line of JSON and gives the exit code.
    pub(super) fn report_as_json(self) -> ExitCode {
        let Self { code, parameter, text, hints, .. } = self;
        let error = json!({ "error": text, "parameter": parameter, "hints": hints, "exitCode": code });
        say(&error.to_string());
        ExitCode::from(code)
    }

    /// Says it on stderr and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        match self.parameter {
            Some(parameter) => say(&format!("stackblaze: {parameter}: {}", self.text)),
            None => say(&format!("stackblaze: {}", self.text)),
        }
        for hint in &self.hints {
            say(&format!("  {hint}"));
        }
        ExitCode::from(self.code)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(FAILED, format!("{error:#}"))
    }
}
