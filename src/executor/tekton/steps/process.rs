//! Starts programs inside a step's container. Whatever they leave behind ends with the container.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program with its arguments; never a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Found by PATH.
    pub(super) name: &'static str,
    /// As they are.
    pub(super) arguments: Vec<OsString>,
    /// Added to the step's own environment.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub(super) folder: Option<PathBuf>,
}

/// How a program ended whose output was kept.
#[derive(Debug, Clone, Default)]
pub(super) struct ProgramEnd {
    /// None where a signal ended it.
    pub(super) code: Option<i32>,
    /// What it wrote to its output.
    pub(super) output: String,
    /// What it wrote to its error output.
    pub(super) errors: String,
}

impl Program {
    /// Runs it and keeps its output.
    pub(super) fn keep(&self) -> io::Result<ProgramEnd> {
        let ended = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
        Ok(ProgramEnd {
            code: ended.status.code(),
            output: String::from_utf8_lossy(&ended.stdout).into_owned(),
            errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        command.args(&self.arguments).stdin(Stdio::null()).envs(self.environment.iter().cloned());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// Writes a result of the task. A lost sentence does no harm; a lost commit or digest is an error of the step.
pub(super) fn write_result(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}
