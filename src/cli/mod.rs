//! The command line: one tree, one file a noun. A client of the server but for `serve`, `demo`, `restore`, `doctor`.

mod admin;
mod answer;
mod apply;
mod apply_file;
mod backup;
mod client;
mod completions;
mod demo;
mod deploy;
mod deployment;
mod deployment_list;
#[cfg(test)]
mod docs_tests;
mod doctor;
mod failure;
mod hook;
mod hook_view;
mod internal;
mod log_text;
mod logs;
mod manifests;
mod output;
mod release_step;
mod remote;
mod restore;
mod rollout;
mod run_step;
mod serve;
mod server_log;
mod service;
mod service_checks;
mod service_fields;
mod service_unset;
mod service_view;
mod status;
mod stderr;
mod step;
mod target;
mod target_edit;
mod target_log;
mod target_secret;
mod target_view;
mod token;
mod wait;
mod words;
mod wrong_values;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::CompleteEnv;

use crate::config::DataDir;

use failure::{Failure, USAGE};

/// Deploy hooks: one secret URL, one POST, one id, one truthful end state.
#[derive(Debug, Parser)]
#[command(
    name = "stackblaze",
    version,
    propagate_version = true,
    // As wide as the terminal is.
    max_term_width = 0,
    after_long_help = "Examples:
  stackblaze demo
  stackblaze serve
  stackblaze service add api --repo https://git.example/you/api.git \\
      --branch main --build 'make' --deploy './deploy.sh'
  stackblaze hook create api --name github-actions
  stackblaze deploy api --wait

Exit codes: 0 done, 1 failed, 2 unknown (waits only), 3 not found,
4 not allowed, 5 conflict or limit, 64 wrong usage."
)]
struct Cli {
    #[command(flatten)]
    data_dir: DataDir,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    Demo(demo::Demo),
    Status(status::StatusArgs),
    Service(service::ServiceCommand),
    Hook(hook::HookCommand),
    Deploy(deploy::Deploy),
    Deployment(deployment::DeploymentCommand),
    Target(target::TargetCommand),
    Token(token::TokenCommand),
    Admin(admin::AdminCommand),
    Apply(apply::Apply),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    /// Print what to apply to a Kubernetes cluster
    Manifests(Box<manifests::ManifestsArgs>),
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = internal::main(&arguments) {
        return code;
    }
    CompleteEnv::with_factory(Cli::command).complete();
    let arguments = noun_first(arguments);
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && wants_json() {
                let text = error.render().to_string();
                return Failure::usage(text.trim().trim_start_matches("error: ")).report_as_json();
            }
            let is_help = !error.use_stderr();
            match wrong_values::all(Cli::command(), &arguments, &error) {
                // Each is told in a line, as all that is wrong is told elsewhere.
                Some(all) => all.iter().for_each(|line| stderr::say(&format!("stackblaze: {line}"))),
                None => drop(error.print()),
            }
            return if is_help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    // Each test and each tool that builds a command line does it here, so that flags cannot clash unseen.
    debug_assert!({
        Cli::command().debug_assert();
        true
    });
    run(cli).unwrap_or_else(|failure| {
        // A program knows fields as the API spells them.
        if wants_json() { failure.report_as_json() } else { failure.spelled(&Cli::command()).report() }
    })
}

/// Flags that a noun knows may stand before it too.
fn noun_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let (mut at, mut moved) = (1, Vec::new());
    while let Some(argument) = arguments.get(at).and_then(|argument| argument.to_str()) {
        let (name, has_value) = argument.split_once('=').map_or((argument, false), |(name, _)| (name, true));
        match name {
            "--server" | "--token-file" => {
                let end = arguments.len().min(at + if has_value { 1 } else { 2 });
                moved.extend(arguments.drain(at..end));
            }
            "--json" | "--quiet" | "-q" => moved.push(arguments.remove(at)),
            "--data-dir" => at += if has_value { 1 } else { 2 },
            _ => break,
        }
    }
    let noun = arguments.len().min(at + 1);
    arguments.splice(noun..noun, moved);
    arguments
}

/// Whether a program reads what is printed, the reason of a failure too.
fn wants_json() -> bool {
    std::env::args_os().any(|argument| argument == "--json")
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let dir = &cli.data_dir;
    match cli.command {
        Command::Serve(serve) => return Ok(serve.run(dir)),
        Command::Manifests(manifests) => return Ok(manifests.run()),
        Command::Demo(demo) => return demo.run(dir),
        Command::Deploy(deploy) => return block_on(deploy.run(dir)),
        Command::Deployment(deployment) => return block_on(deployment.run(dir)),
        Command::Doctor(doctor) => return block_on(doctor.run(dir)),
        Command::Service(service) => return block_on(service.run(dir)),
        Command::Target(target) => return block_on(target.run(dir)),
        Command::Completions(completions) => return completions.run(Cli::command()),
        Command::Hook(hook) => block_on(hook.run(dir))?,
        Command::Status(status) => block_on(status.run(dir))?,
        Command::Token(token) => block_on(token.run(dir))?,
        Command::Admin(admin) => block_on(admin.run(dir))?,
        Command::Apply(apply) => block_on(apply.run(dir))?,
        Command::Backup(backup) => block_on(backup.run(dir))?,
        Command::Restore(restore) => restore.run(dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One thread is enough for a client.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_noun_may_stand_before_it() {
        let moved = |line: &str| {
            let words = noun_first(line.split(' ').map(OsString::from).collect());
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };

        assert_eq!(moved("s --server URL --json status"), "s status --server URL --json");
        assert_eq!(
            moved("s --data-dir D --token-file=F -q deploy api --wait"),
            "s --data-dir D deploy --token-file=F -q api --wait"
        );
        for same in ["s", "s status --json", "s --help", "s --version status --server URL"] {
            assert_eq!(moved(same), same);
        }
        assert_eq!(moved("s --server"), "s --server");
    }

    /// A line that a terminal breaks does not survive a copy.
    #[test]
    fn examples_fit_into_eighty_columns() {
        fn walk(command: &clap::Command, wide: &mut Vec<String>) {
            let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            wide.extend(text.lines().filter(|line| line.chars().count() > 79).map(str::to_owned));
            command.get_subcommands().for_each(|inner| walk(inner, wide));
        }
        let mut wide = Vec::new();
        walk(&Cli::command(), &mut wide);
        assert!(wide.is_empty(), "{wide:#?}");
    }
}
