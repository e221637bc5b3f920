//! The `clone` step: runs the step that all executors share as a command of its own, and reads what it tells.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::{Commit, Finding, Reason, Step};
use crate::executor::Error;
use crate::executor::clone::look::{Looked, judge};
use crate::executor::clone::read_token;
use crate::executor::exit_codes;
use crate::executor::local::Running;
use crate::executor::local::command::CommandLine;
use crate::executor::local::output::{Output, StepLog};
use crate::executor::local::process::{Ended, Supervisor};
use crate::executor::local::workspace::{Folders, Workspace};

/// How the step ended.
pub(super) enum Cloned {
    /// The files of this commit are there.
    At { commit: Commit, subject: String },
    /// Not, and why.
    Failed { reason: Reason, message: String, detail: Option<String>, exit_code: Option<i32> },
    /// The run was told to stop.
    Stopped(Option<i32>),
}

/// Clones for a run.
///
/// # Errors
/// Where our own program cannot be started or a folder cannot be written.
pub(super) async fn clone(
    supervisor: &Supervisor,
    folders: &Folders,
    running: &Running<'_>,
    log: &mut StepLog<'_>,
) -> Result<Cloned, Error> {
    let secret = match secret(running)? {
        Ok(secret) => secret,
        Err(message) => {
            log.line(&message).await;
            return Ok(Cloned::Failed {
                reason: Reason::CloneFailed,
                message,
                detail: None,
                exit_code: None,
            });
        }
    };
    let line = command(supervisor, folders, running, &secret, false);
    let ended = supervisor.run(&line, &mut Output::Log(log), running.stop).await;
    let workspace = running.workspace;
    Ok(match ended.map_err(|error| not_started(&error))? {
        Ended::Stopped(code) => Cloned::Stopped(code),
        Ended::Exited(0) => {
            let commit = Commit::parse(&told(workspace, COMMIT).unwrap_or_default());
            let commit =
                commit.map_err(|error| Error(format!("the clone step named a commit that {error}")))?;
            Cloned::At { commit, subject: told(workspace, SUBJECT).unwrap_or_default() }
        }
        Ended::Exited(code) => Cloned::Failed {
            reason: exit_codes::reason(Step::Clone, code),
            message: told(workspace, MESSAGE)
                .unwrap_or_else(|| format!("the clone step ended with exit code {code}")),
            detail: told(workspace, DETAIL),
            exit_code: Some(code),
        },
    })
}

/// Looks whether a run could clone.
///
/// # Errors
/// Where our own program cannot be started or a folder cannot be written.
pub(super) async fn check(
    supervisor: &Supervisor,
    folders: &Folders,
    running: &Running<'_>,
) -> Result<Finding, Error> {
    let secret = match secret(running)? {
        Ok(secret) => secret,
        Err(message) => return Ok(Finding::bad(message, None)),
    };
    let line = command(supervisor, folders, running, &secret, true);
    let ended = supervisor
        .run(&line, &mut Output::answer(), running.stop)
        .await
        .map_err(|error| not_started(&error))?;
    let (service, message) = (&running.run.service, told(running.workspace, MESSAGE));
    let looked = match ended {
        Ended::Stopped(_) => {
            return Ok(Finding::advice(format!("{} did not answer in time", service.source_text()), None));
        }
        Ended::Exited(0) => Looked::Well(message),
        Ended::Exited(code) => {
            let no_message = || format!("a look at {} ended with exit code {code}", service.source_text());
            Looked::Badly {
                reason: exit_codes::reason(Step::Clone, code),
                message: message.unwrap_or_else(no_message),
                detail: told(running.workspace, DETAIL),
            }
        }
    };
    Ok(judge(service, looked))
}

/// Names of the files by which the step tells, beside the source.
const COMMIT: &str = "commit";
const SUBJECT: &str = "subject";
const MESSAGE: &str = "message";
const DETAIL: &str = "detail";

fn told(workspace: &Workspace, name: &str) -> Option<String> {
    std::fs::read_to_string(workspace.beside(name)).ok().filter(|text| !text.is_empty())
}

/// Our own program's clone step, with its values in the environment.
fn command(
    supervisor: &Supervisor,
    folders: &Folders,
    running: &Running<'_>,
    secret: &Secret,
    is_look: bool,
) -> CommandLine {
    let (run, workspace) = (running.run, running.workspace);
    let settings = serde_json::to_string(&run.service.fetch).unwrap_or_default();
    let mut own: Vec<(&str, OsString)> = vec![
        ("REPOSITORY", run.service.source_text().into()),
        ("CLONE_SETTINGS", settings.into()),
        ("SOURCE", workspace.source().into()),
        ("SCRATCH", workspace.home().into()),
        ("KNOWN_HOSTS", folders.known_hosts().into()),
        ("COMMIT_FILE", workspace.beside(COMMIT).into()),
        ("SUBJECT_FILE", workspace.beside(SUBJECT).into()),
        ("MESSAGE_FILE", workspace.beside(MESSAGE).into()),
        ("DETAIL_FILE", workspace.beside(DETAIL).into()),
    ];
    own.extend(run.commit.as_ref().map(|commit| ("COMMIT", commit.as_str().into())));
    own.extend(secret.0.as_ref().map(|folder| ("GIT_SECRET", folder.into())));
    own.extend(is_look.then(|| ("LOOK", "true".into())));
    let mut environment = running.base();
    environment.extend(own.into_iter().map(|(name, value)| (format!("STACKBLAZE_{name}").into(), value)));
    let words = vec![supervisor.program.clone().into(), "run-step".into(), "clone".into()];
    CommandLine { words, environment, directory: workspace.source() }
}

/// A folder like a mounted git Secret, which is gone before the commands of the service run.
struct Secret(Option<PathBuf>);

impl Drop for Secret {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

/// The files that the operator named as a git Secret, or what is wrong with one of them.
fn secret(running: &Running<'_>) -> Result<Result<Secret, String>, Error> {
    let local = &running.run.service.local;
    let read = |field: &str, file: &str| {
        std::fs::read(file).map_err(|error| {
            tracing::warn!(field, file, error = %error, "a git credential cannot be read");
            format!("the file named by {field} cannot be read; the server's log says why")
        })
    };
    let mut keys = Vec::new();
    if let Some(file) = &local.git_token_file {
        let text = match read("gitTokenFile", file) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(message) => return Ok(Err(message)),
        };
        let Some((user, password)) = read_token(&text) else {
            return Ok(Err("the file named by gitTokenFile is empty".to_owned()));
        };
        keys = vec![("username", user.as_bytes().to_vec()), ("password", password.as_bytes().to_vec())];
    }
    if let Some(file) = &local.git_ssh_key_file {
        match read("gitSshKeyFile", file) {
            Ok(text) => keys.push(("ssh-privatekey", text)),
            Err(message) => return Ok(Err(message)),
        }
    }
    if keys.is_empty() {
        return Ok(Ok(Secret(None)));
    }
    let folder = running.workspace.beside("git-secret");
    let secret = Secret(Some(folder.clone()));
    write(&folder, &keys)
        .map_err(|error| Error(format!("the git credential could not be written: {error}")))?;
    Ok(Ok(secret))
}

fn write(folder: &Path, keys: &[(&str, Vec<u8>)]) -> io::Result<()> {
    std::fs::create_dir(folder)?;
    keys.iter().try_for_each(|(name, value)| std::fs::write(folder.join(name), value))
}

fn not_started(error: &io::Error) -> Error {
    Error(format!("the clone step could not be started: {error}"))
}
