//! The command line: one tree, one file a noun. A client of the server but for `serve`, `demo`, `restore`, `doctor`.

mod serve;
mod step;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::DataDir;

/// Wrong usage, as BSD's sysexits has it.
const USAGE: u8 = 64;

/// Deploy hooks: one secret URL, one POST, one id, one truthful end state.
#[derive(Debug, Parser)]
#[command(name = "stackblaze", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    data_dir: DataDir,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<serve::Serve>),
    /// The parent of a step of a local run; not for people
    #[command(hide = true)]
    Step(step::StepArgs),
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            drop(error.print());
            return if is_help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    // Each test and each tool that builds a command line does it here, so that flags cannot clash unseen.
    debug_assert!({
        Cli::command().debug_assert();
        true
    });
    match cli.command {
        Command::Serve(serve) => serve.run(&cli.data_dir),
        Command::Step(step) => step.run(),
    }
}
