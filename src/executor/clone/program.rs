//! Starts programs inside of a step. Whatever they leave behind ends with the step's container or process group.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
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
