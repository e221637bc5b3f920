//! The hidden parent of a step of a local run.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// See `executor/local/supervise.rs`.
#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl StepArgs {
    pub(super) fn run(self) -> ExitCode {
        crate::executor::local::supervise(self.command)
    }
}
