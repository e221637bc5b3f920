//! Starts git and buildah inside a step's container. Whatever they leave behind ends with the container.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::paced_output::pass_on;

/// How long the rest of the output is waited for: what a program leaves behind may hold its output open for ever.
const LATE_OUTPUT_LIMIT: Duration = Duration::from_secs(2);

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
    /// Runs it; its output goes to the step's own, which is the log.
    pub(super) fn show(&self) -> io::Result<Option<i32>> {
        let (output, input) = io::pipe()?;
        // The command holds both ends that write; they have to be gone before the end of the output can be seen.
        let mut child = self.command().stdout(input.try_clone()?).stderr(input).spawn()?;
        let (open, shown) = mpsc::channel::<()>();
        let has_ended = Arc::new(AtomicBool::new(false));
        let is_rest = Arc::clone(&has_ended);
        thread::spawn(move || {
            drop(pass_on(output, io::stdout(), &is_rest));
            drop(open);
        });
        let status = child.wait()?;
        has_ended.store(true, Ordering::Relaxed);
        shown.recv_timeout(LATE_OUTPUT_LIMIT).ok();
        Ok(status.code())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_with_its_first_process_and_not_with_its_output() {
        let arguments = ["-c", "sleep 5 & exit 7"].map(Into::into).into();
        let program = Program { name: "sh", arguments, environment: Vec::new(), folder: None };

        assert_eq!(program.show().unwrap(), Some(7));
    }
}
