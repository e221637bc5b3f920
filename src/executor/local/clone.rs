//! The `clone` step: fetches the branch and resolves it, once, to the commit that is built.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::domain::{Commit, Finding, Reason};
use crate::executor::Error;
use crate::executor::git::{self, Git, HostKeys, MAX_SUBJECT, NO_SUCH_BRANCH, clip};
use crate::executor::local::Running;
use crate::executor::local::command::{self, CommandLine};
use crate::executor::local::host::Environment;
use crate::executor::local::output::{Output, StepLog};
use crate::executor::local::process::{Ended, Supervisor};
use crate::executor::local::workspace::Folders;

/// How the step ended.
pub(super) enum Cloned {
    /// The files of this commit are there.
    At { commit: Commit, subject: String },
    /// Not, and why.
    Failed { reason: Reason, message: String, exit_code: Option<i32> },
    /// The run was told to stop.
    Stopped(Option<i32>),
}

/// What a git command came to.
enum Step {
    Ended { code: i32, said: String },
    Stopped(Option<i32>),
}

impl Step {
    fn has_failed(&self) -> bool {
        matches!(self, Self::Ended { code, .. } if *code != 0)
    }
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
    let run = running.run;
    log.line(&format!("Cloning {}, branch {}", run.service.repository, run.branch)).await;
    let access = match access(folders, running)? {
        Ok(access) => access,
        Err(message) => return Ok(Cloned::Failed { reason: Reason::CloneFailed, message, exit_code: None }),
    };
    Cloning::new(supervisor, running, &access).run(log).await
}

/// Asks the repository for the branch, as a run's clone step would.
///
/// # Errors
/// Where our own program cannot be started or a folder cannot be written.
pub(super) async fn check(
    supervisor: &Supervisor,
    folders: &Folders,
    running: &Running<'_>,
) -> Result<Finding, Error> {
    let access = match access(folders, running)? {
        Ok(access) => access,
        Err(message) => return Ok(Finding::bad(message, None)),
    };
    let (service, branch) = (&running.run.service, &running.run.branch);
    let cloning = Cloning::new(supervisor, running, &access);
    Ok(match cloning.git(cloning.git.look_for_branch()).await? {
        Step::Ended { code: 0, .. } => {
            Finding::good(format!("{} answers and has branch {branch}", service.repository))
        }
        Step::Ended { code: NO_SUCH_BRANCH, .. } => {
            let detail = format!("{} has no branch {branch}", service.repository);
            Finding::bad(detail, Some("push the branch, or name another default branch"))
        }
        Step::Ended { said, .. } => Finding::bad(command::why_unreachable(&said, service), None),
        Step::Stopped(_) => Finding::advice(format!("{} did not answer in time", service.repository), None),
    })
}

/// How git reaches the repository, or what is wrong with a file that the operator named.
fn access(folders: &Folders, running: &Running<'_>) -> Result<Result<Access, String>, Error> {
    let local = &running.run.service.local;
    for (field, file) in [("gitTokenFile", &local.git_token_file), ("gitSshKeyFile", &local.git_ssh_key_file)]
    {
        if let Some(file) = file
            && let Err(error) = std::fs::File::open(file)
        {
            tracing::warn!(field, file, error = %error, "a git credential cannot be read");
            return Ok(Err(format!("the file named by {field} cannot be read; the server's log says why")));
        }
    }
    let repository = &running.run.service.repository;
    let write = |name: &str, text: &str| {
        let written = running.workspace.write(name, text);
        written.map_err(|error| Error(format!("{name} could not be written: {error}")))
    };
    let settings = write("gitconfig", &git::settings(repository))?;
    let key = local.git_ssh_key_file.as_ref().map(std::fs::read_to_string).and_then(Result::ok);
    let key = key.map(|text| write("ssh-key", &git::private_key(&text))).transpose()?.map(Credential);
    let ssh =
        git::ssh_command(key.as_ref().map(|key| key.0.as_path()), folders.known_hosts(), HostKeys::FirstMet);
    let mut variables = running.base();
    variables.extend(git::variables(repository, &running.workspace.home(), Some(&settings), Some(&ssh)));
    let text = local.git_token_file.as_ref().map(std::fs::read);
    let text = text.and_then(Result::ok).unwrap_or_default();
    let line = git::read_token(&String::from_utf8_lossy(&text))
        .and_then(|(user, password)| git::credential_line(repository, user, password));
    let credential = line.map(|line| write("git-credentials", &line)).transpose()?.map(Credential);
    Ok(Ok(Access { variables, credential, _key: key }))
}

/// How git reaches the repository.
struct Access {
    variables: Environment,
    credential: Option<Credential>,
    /// Held, so that it is there as long as git may ask for it.
    _key: Option<Credential>,
}

/// The file of the credential, which is gone before the commands of the service run.
struct Credential(PathBuf);

impl Drop for Credential {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

struct Cloning<'a> {
    supervisor: &'a Supervisor,
    running: &'a Running<'a>,
    git: Git<'a>,
    environment: &'a Environment,
    directory: PathBuf,
}

impl<'a> Cloning<'a> {
    fn new(supervisor: &'a Supervisor, running: &'a Running<'_>, access: &'a Access) -> Self {
        let credential_file = access.credential.as_ref().map(|file| file.0.as_path());
        let (repository, branch) = (&running.run.service.repository, &running.run.branch);
        let git = Git { repository, branch, credential_file };
        Self {
            supervisor,
            running,
            git,
            environment: &access.variables,
            directory: running.workspace.source(),
        }
    }

    async fn run(&self, log: &mut StepLog<'_>) -> Result<Cloned, Error> {
        let wanted = self.running.run.commit.as_ref();
        match self.git(self.git.init()).await? {
            Step::Ended { code: 0, .. } => {}
            Step::Ended { code, said } => return Err(Error(format!("git init ended with {code}: {said}"))),
            Step::Stopped(code) => return Ok(Cloned::Stopped(code)),
        }
        if let Some(ended) = self.fetch(self.git.fetch_head(), log).await? {
            return Ok(ended);
        }
        if let Some(commit) = wanted
            && let Some(ended) = self.find(commit, log).await?
        {
            return Ok(ended);
        }
        self.check_out(wanted, log).await
    }

    /// Fetches from the branch. How the step ends, where that fails.
    async fn fetch(&self, words: Vec<OsString>, log: &mut StepLog<'_>) -> Result<Option<Cloned>, Error> {
        Ok(match self.git(words).await? {
            Step::Ended { code: 0, .. } => None,
            Step::Ended { code, said } => Some(self.why_not_fetched(code, &said, log).await?),
            Step::Stopped(code) => Some(Cloned::Stopped(code)),
        })
    }

    /// Gets the commit that was asked for, where the head of the branch is there. How the step ends, where it is not on
    /// the branch.
    async fn find(&self, commit: &Commit, log: &mut StepLog<'_>) -> Result<Option<Cloned>, Error> {
        let found = match self.find_alone(commit).await? {
            Some(found) => found,
            None => match self.fetch(self.git.fetch_branch(), log).await? {
                None => self.git(self.git.contains(commit)).await?,
                ended => return Ok(ended),
            },
        };
        Ok(match found {
            Step::Ended { code: 0, .. } => None,
            Step::Ended { code, .. } => Some(self.no_commit(commit, code)),
            Step::Stopped(code) => Some(Cloned::Stopped(code)),
        })
    }

    /// Gets the commit without the files of all others: 0 where it is there and on the branch. Nothing where the server
    /// does not give it, or the history, in this way.
    async fn find_alone(&self, commit: &Commit) -> Result<Option<Step>, Error> {
        // Nothing but the head is there so far.
        let is_head = self.git(self.git.contains(commit)).await?;
        if !is_head.has_failed() {
            return Ok(Some(is_head));
        }
        let found = self.look_in_history(commit).await?;
        match tokio::fs::remove_dir_all(self.directory.join(git::HISTORY)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error(format!("the history of the branch could not be removed: {error}")))
            }
            _ => Ok(found),
        }
    }

    async fn look_in_history(&self, commit: &Commit) -> Result<Option<Step>, Error> {
        for words in [self.git.fetch_commit(commit), self.git.init_history(), self.git.fetch_history()] {
            match self.git(words).await? {
                Step::Ended { code: 0, .. } => {}
                Step::Ended { .. } => return Ok(None),
                stopped @ Step::Stopped(_) => return Ok(Some(stopped)),
            }
        }
        self.git(self.git.history_contains(commit)).await.map(Some)
    }

    async fn check_out(&self, wanted: Option<&Commit>, log: &mut StepLog<'_>) -> Result<Cloned, Error> {
        let said = match self.git(self.git.describe(wanted)).await? {
            Step::Ended { code: 0, said } => said,
            Step::Ended { code, said } => return Ok(unreadable(code, &said)),
            Step::Stopped(code) => return Ok(Cloned::Stopped(code)),
        };
        let Ok((commit, subject)) = git::read_description(&said) else { return Ok(unreadable(0, &said)) };
        match self.git(self.git.checkout(&commit)).await? {
            Step::Ended { code: 0, .. } => {}
            Step::Ended { code, said } => return Ok(unreadable(code, &said)),
            Step::Stopped(code) => return Ok(Cloned::Stopped(code)),
        }
        log.line(&format!("{} is at {} {subject}", self.running.run.branch, commit.short())).await;
        Ok(Cloned::At { commit, subject: subject.to_owned() })
    }

    /// The fetch failed: because the branch is missing, or because nobody can fetch from there.
    async fn why_not_fetched(&self, code: i32, said: &str, log: &mut StepLog<'_>) -> Result<Cloned, Error> {
        let branch = &self.running.run.branch;
        match self.git(self.git.look_for_branch()).await? {
            Step::Ended { code: NO_SUCH_BRANCH, .. } => {
                let message = format!("the repository has no branch {branch}");
                return Ok(Cloned::Failed { reason: Reason::BranchNotFound, message, exit_code: Some(code) });
            }
            Step::Ended { .. } => {}
            Step::Stopped(code) => return Ok(Cloned::Stopped(code)),
        }
        for line in said.lines() {
            log.line(line).await;
        }
        let message = command::why_unreachable(said, &self.running.run.service);
        Ok(Cloned::Failed { reason: Reason::CloneFailed, message, exit_code: Some(code) })
    }

    fn no_commit(&self, commit: &Commit, code: i32) -> Cloned {
        let message = format!("{commit} is not on branch {}", self.running.run.branch);
        Cloned::Failed { reason: Reason::CommitNotFound, message, exit_code: Some(code) }
    }

    async fn git(&self, arguments: Vec<OsString>) -> Result<Step, Error> {
        let words = std::iter::once("git".into()).chain(arguments).collect();
        let (environment, directory) = (self.environment.clone(), self.directory.clone());
        let line = CommandLine { words, environment, directory };
        let mut answer = Output::answer();
        let ended = self.supervisor.run(&line, &mut answer, self.running.stop).await;
        let ended = ended.map_err(|error| Error(format!("git could not be started: {error}")))?;
        let said = match answer {
            Output::Answer(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Output::Log(_) => String::new(),
        };
        Ok(match ended {
            Ended::Exited(code) => Step::Ended { code, said },
            Ended::Stopped(code) => Step::Stopped(code),
        })
    }
}

fn unreadable(code: i32, said: &str) -> Cloned {
    let message = format!("the fetched commit cannot be read: {}", clip(said.trim(), MAX_SUBJECT));
    Cloned::Failed { reason: Reason::CloneFailed, message, exit_code: Some(code) }
}
