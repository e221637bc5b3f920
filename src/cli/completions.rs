//! `stackblaze completions SHELL`: completion in shells, and the manual from the same tree.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCompleter, CompletionCandidate};

use super::client::{Client, path};
use super::failure::Failure;
use super::output::{text, write_out};
use crate::config::DataDir;
use crate::domain::TargetKind;

/// The variable by which a shell's script asks this program; its value is the shell's name.
const VARIABLE: &str = "COMPLETE";
/// How long a shell waits for names at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// Print the completion script of a shell, or write the manual
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze completions bash \\
      > ~/.local/share/bash-completion/completions/stackblaze
  stackblaze completions zsh > \"${fpath[1]}/_stackblaze\"
  stackblaze completions fish > ~/.config/fish/completions/stackblaze.fish
  stackblaze completions man --dir ~/.local/share/man/man1

Names of services, hooks, deployments and targets are asked of the server on
this machine.")]
pub(super) struct Completions {
    /// Which shell, or man
    what: What,
    /// Folder for the pages of the manual
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
    Man,
}

impl Completions {
    pub(super) fn run(&self, command: clap::Command) -> Result<ExitCode, Failure> {
        let name = match self.what {
            What::Bash => "bash",
            What::Zsh => "zsh",
            What::Fish => "fish",
            What::Elvish => "elvish",
            What::Powershell => "powershell",
            What::Man => {
                std::fs::create_dir_all(&self.dir).context("cannot make the folder")?;
                clap_mangen::generate_to(command, &self.dir).context("cannot write the manual")?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let shells = Shells::builtins();
        let shell = shells.completer(name).context("no such shell")?;
        let mut script = Vec::new();
        let name = "stackblaze";
        shell.write_registration(VARIABLE, name, name, name, &mut script).context("cannot write it")?;
        write_out(&script);
        Ok(ExitCode::SUCCESS)
    }
}

/// Completes by [`services`].
pub(super) fn of_services() -> ArgValueCompleter {
    ArgValueCompleter::new(services)
}

/// Completes by [`deployments`].
pub(super) fn of_deployments() -> ArgValueCompleter {
    ArgValueCompleter::new(deployments)
}

/// Completes by [`hooks`].
pub(super) fn of_hooks() -> ArgValueCompleter {
    ArgValueCompleter::new(hooks)
}

/// Completes by [`targets`].
pub(super) fn of_targets() -> ArgValueCompleter {
    ArgValueCompleter::new(targets)
}

/// Completes by [`notices`].
pub(super) fn of_notices() -> ArgValueCompleter {
    ArgValueCompleter::new(notices)
}

/// Completes by [`kinds`].
pub(super) fn of_kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(kinds)
}

/// Names of services that begin so.
fn services(begin: &OsStr) -> Vec<CompletionCandidate> {
    names("/api/v1/services?limit=100", "name", begin)
}

/// Ids of the newest deployments that begin so.
fn deployments(begin: &OsStr) -> Vec<CompletionCandidate> {
    names("/api/v1/deployments?limit=50", "deploymentId", begin)
}

/// Names of hooks that begin so, of the service before it on the line.
fn hooks(begin: &OsStr) -> Vec<CompletionCandidate> {
    let Some(service) = object_of("hook") else { return Vec::new() };
    names(&format!("{}?limit=100", path(&["api", "v1", "services", &service, "hooks"])), "name", begin)
}

/// Ids of targets that begin so.
fn targets(begin: &OsStr) -> Vec<CompletionCandidate> {
    names("/api/v1/targets", "id", begin)
}

/// Ids of the last notices that begin so, of the target before it on the line.
fn notices(begin: &OsStr) -> Vec<CompletionCandidate> {
    let Some(target) = object_of("target") else { return Vec::new() };
    names(&path(&["api", "v1", "targets", &target, "notices"]), "id", begin)
}

/// Kinds of targets that begin so.
fn kinds(begin: &OsStr) -> Vec<CompletionCandidate> {
    let begin = begin.to_string_lossy();
    let kinds = TargetKind::ALL.map(TargetKind::as_str).into_iter();
    kinds.filter(|kind| kind.starts_with(&*begin)).map(CompletionCandidate::new).collect()
}

/// The word behind the verb of a noun: what is dealt with.
fn object_of(noun: &str) -> Option<String> {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let noun = words.iter().position(|word| word == noun)?;
    words.get(noun + 2).cloned()
}

/// A shell that asks hears nothing where there is nothing to hear.
fn names(path: &str, field: &str, begin: &OsStr) -> Vec<CompletionCandidate> {
    let begin = begin.to_string_lossy();
    let asked = async {
        let client = Client::over_socket(&DataDir::usual().path()).ok()?;
        tokio::time::timeout(PATIENCE, client.get(path)).await.ok()?.ok()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Some(list) = runtime.ok().and_then(|runtime| runtime.block_on(asked)) else { return Vec::new() };
    let items = list["items"].as_array().into_iter().flatten().map(|item| text(item, field));
    items.filter(|name| name.starts_with(&*begin)).map(CompletionCandidate::new).collect()
}
