//! The step `clone`, the same for every executor: resolves the branch or tag to a commit, once, and fetches it. It runs as
//! a process of its own, and tells what it found and why it failed by files.

mod access;
mod cause;
mod extras;
mod fetch;
mod git;
pub(in crate::executor) mod look;
mod program;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use crate::domain::{CloneSettings, Commit, GitRef, Repository};
use crate::executor::exit_codes::{CLONE_FAILED, SUCCEEDED};
use crate::executor::step_failure::{StepFailure, write_result};

use access::Access;
use cause::{Credential, Failed, Place};
use git::Git;
use program::{Program, ProgramEnd};

pub use access::{HostKeys, read_token};

/// What to fetch and where to.
#[derive(Debug, Clone)]
pub struct CloneStep {
    /// From where.
    pub repository: Repository,
    /// Which branch or tag.
    pub what: GitRef,
    /// The commit that was asked for; it has to be on the branch.
    pub commit: Option<Commit>,
    /// What is fetched beside it.
    pub settings: CloneSettings,
    /// Look only whether all of it could be fetched.
    pub is_look: bool,
    /// The folder that is made.
    pub source: PathBuf,
    /// A folder that only this step sees, for what git has to find as a file.
    pub scratch: PathBuf,
    /// A folder with the keys of a git Secret.
    pub secret: Option<PathBuf>,
    /// Which hosts of ssh are believed.
    pub host_keys: HostKeys,
    /// Whether a program `git-lfs` is where programs are looked for. Where it is not, git itself is asked.
    pub has_git_lfs: bool,
    /// Where the commit is told.
    pub commit_file: PathBuf,
    /// Where the first line of its message is told.
    pub subject_file: PathBuf,
    /// Where a failure is told and, by a look that succeeds, what will not be fetched.
    pub message_file: PathBuf,
    /// Where git's own words are told.
    pub detail_file: PathBuf,
}

impl CloneStep {
    /// Fetches and gives the exit code of the table.
    pub fn run(&self) -> u8 {
        // Copies of the source may be there for others, whatever the server's own files are.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        match self.clone_or_look() {
            Ok(()) => SUCCEEDED,
            Err(failure) => failure.tell(&self.message_file, &self.detail_file),
        }
    }

    fn clone_or_look(&self) -> Result<(), StepFailure> {
        let access = Access::read(&self.repository, self.secret.as_deref(), &self.scratch, &self.host_keys);
        let access = access.map_err(|message| StepFailure::new(CLONE_FAILED, message))?;
        let steps = Steps::new(self, &access)?;
        if self.is_look { steps.look() } else { steps.clone() }
    }

    fn place(&self) -> Place {
        if self.host_keys == HostKeys::Listed { Place::Cluster } else { Place::Host }
    }
}

/// git's commands, one after another.
struct Steps<'a> {
    git: Git<'a>,
    access: &'a Access,
    step: &'a CloneStep,
    /// Of every command.
    environment: Vec<(OsString, OsString)>,
}

impl<'a> Steps<'a> {
    fn new(step: &'a CloneStep, access: &'a Access) -> Result<Self, StepFailure> {
        let settings = step.scratch.join("gitconfig");
        let text = git::settings(&step.repository, step.settings.submodules);
        write_result(&settings, &text).map_err(failed)?;
        let mut environment = git::variables(&step.scratch, &settings);
        if let Some(ssh) = &access.ssh {
            environment.push(("GIT_SSH_COMMAND".into(), ssh.into()));
        }
        if let Some(file) = &access.certificates {
            environment.push(("GIT_SSL_CAINFO".into(), file.into()));
        }
        let credential_file = access.credential_file.as_deref();
        let git = Git { repository: &step.repository, what: &step.what, credential_file, lfs: false };
        let mut steps = Self { git, access, step, environment };
        steps.git.lfs = step.settings.lfs && steps.has_lfs();
        Ok(steps)
    }

    fn clone(&self) -> Result<(), StepFailure> {
        println!("Cloning {}, {}", self.step.repository, self.step.what.described());
        let head = self.find_head()?;
        self.prepare(&head.commit)?;
        self.fetch(&head)?;
        let said = self.run(&self.git.describe(self.step.commit.as_ref()))?;
        let (commit, subject) = git::read_description(&said)
            .map_err(|error| failed(format!("git named a commit that {error}")))?;
        self.run(&self.git.checkout(&commit))?;
        self.fetch_extras()?;
        write_result(&self.step.commit_file, commit.as_str()).map_err(failed)?;
        write_result(&self.step.subject_file, &subject).map_err(failed)?;
        println!("{} is at {commit} {subject}", self.step.what);
        Ok(())
    }

    /// Makes the source's folder and an empty repository in it.
    fn prepare(&self, like: &Commit) -> Result<(), StepFailure> {
        let source = &self.step.source;
        std::fs::create_dir_all(source)
            .map_err(|error| failed(format!("{} cannot be made: {error}", source.display())))?;
        self.run(&self.git.init(like))?;
        self.run(&self.git.add_origin()).map(drop)
    }

    /// Runs a command in the source's folder and gives what it says.
    fn run(&self, arguments: &[OsString]) -> Result<String, StepFailure> {
        let ended = self.ended(arguments)?;
        if ended.code == Some(0) { Ok(ended.output) } else { Err(self.why(&ended.errors)) }
    }

    /// Whether a command in the source's folder ends well; what it says is of no interest.
    fn holds(&self, arguments: &[OsString]) -> Result<bool, StepFailure> {
        Ok(self.ended(arguments)?.code == Some(0))
    }

    fn ended(&self, arguments: &[OsString]) -> Result<ProgramEnd, StepFailure> {
        let protocols = git::protocols(self.step.repository.transport());
        self.ended_in(Some(&self.step.source), protocols, arguments)
    }

    fn ended_in(
        &self,
        folder: Option<&Path>,
        protocols: &str,
        arguments: &[OsString],
    ) -> Result<ProgramEnd, StepFailure> {
        let mut environment = self.environment.clone();
        environment.push(("GIT_ALLOW_PROTOCOL".into(), protocols.into()));
        // Headers alone; git leaves credentials out of it.
        environment.extend([
            ("GIT_TRACE_CURL".into(), self.trace().into()),
            ("GIT_TRACE_CURL_NO_DATA".into(), "1".into()),
        ]);
        let (arguments, folder) = (arguments.to_vec(), folder.map(Path::to_owned));
        std::fs::remove_file(self.trace()).ok();
        let program = Program { name: "git", arguments, environment, folder };
        program.keep().map_err(|error| failed(format!("git could not be started: {error}")))
    }

    /// Where curl tells of git's first question.
    fn trace(&self) -> PathBuf {
        self.step.scratch.join("curl-trace")
    }

    /// Why a command failed; all that it wrote goes into the log.
    fn why(&self, said: &str) -> StepFailure {
        self.why_from(said, &self.step.repository)
    }

    fn why_from(&self, said: &str, repository: &Repository) -> StepFailure {
        print!("{said}");
        let credential = if self.access.credential_file.is_some() {
            Credential::Token
        } else if self.access.has_key {
            Credential::Key
        } else {
            Credential::None
        };
        let redirect = std::fs::read_to_string(self.trace()).ok().and_then(|trace| cause::led_to(&trace));
        let (place, redirect) = (self.step.place(), redirect.as_deref());
        let failed = Failed { repository, credential, place, said, redirect };
        let failure = StepFailure::new(CLONE_FAILED, failed.sentence());
        failure.with_detail(failed.line().unwrap_or_default())
    }
}

fn failed(message: impl Into<String>) -> StepFailure {
    StepFailure::new(CLONE_FAILED, message)
}
