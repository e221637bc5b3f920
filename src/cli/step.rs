//! The hidden parent of a step of a local run.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use rustix::fs::Mode;

/// See `executor/local/supervise.rs`.
#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl StepArgs {
    pub(super) fn run(self) -> ExitCode {
        // Whoever deploys files by a copy wants others to read them, however closed the server's own files are.
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
        crate::executor::local::supervise(self.command)
    }
}
