//! Runs the three steps as process groups on the server's own host. No isolation: trusted code only.

mod caches;
mod clone;
mod command;
mod folder;
mod group;
mod handed;
mod host;
mod output;
mod process;
mod supervise;
mod trash;
mod workspace;

pub use caches::sizes as cache_sizes;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Error, Event, Events, Executor, Outcome, Plan, Run, exit_codes};
use crate::domain::{Clock, Commit, DeploymentId, Finding, Reason, Service, ServiceId, Step};

use clone::Cloned;
use command::CommandLine;
use host::{Environment, HostEnvironment};
use output::{Output, StepLog};
use process::{Ended, Supervisor};
use workspace::{Folders, Workspace};

pub use super::Variables;
pub use supervise::supervise;

/// Most output of one step that is passed on, in bytes: 256 MiB.
const MAX_OUTPUT: u64 = 256 * 1_024 * 1_024;
/// Longest time that a look at a repository may take.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// Time between asking a step to end and ending it.
const TIME_TO_END: Duration = Duration::from_secs(10);

/// Runs deployments on this host.
pub struct LocalExecutor {
    folders: Folders,
    host: HostEnvironment,
    supervisor: Supervisor,
}

/// A step that did not end well: what the run ends with.
type Stopped = Outcome;

impl LocalExecutor {
    /// Makes the folders for runs in the data directory and sets aside what a former process left in them. `program` is
    /// this program's own file, whose hidden subcommand `step` leads each step; of the server's `variables` steps are
    /// given what they need to work as its user's programs do. All caches together are kept within `cache_limit`, in
    /// bytes.
    ///
    /// # Errors
    /// Where the folders cannot be made.
    pub fn open(
        data_dir: &Path,
        program: PathBuf,
        variables: &Variables,
        cache_limit: u64,
    ) -> io::Result<Self> {
        Self::with_grace(data_dir, program, variables, cache_limit, TIME_TO_END)
    }

    /// The same with another time between asking a step to end and ending it.
    ///
    /// # Errors
    /// Where the folders cannot be made.
    pub fn with_grace(
        data_dir: &Path,
        program: PathBuf,
        variables: &Variables,
        cache_limit: u64,
        grace: Duration,
    ) -> io::Result<Self> {
        // Steps begin in another folder than the server.
        let data_dir = std::path::absolute(data_dir)?;
        let folders = Folders::open(&data_dir, cache_limit)?;
        let host = HostEnvironment::pick(variables, &data_dir)?;
        Ok(Self { folders, host, supervisor: Supervisor { program, grace } })
    }

    /// Looks at a service's repository in a workspace of its own.
    async fn look(&self, service: &Service) -> Result<Finding, Error> {
        let run = Run {
            deployment: DeploymentId::generate(Clock::System.now()),
            branch: service.default_branch.clone().into(),
            service: service.clone(),
            commit: None,
            given: None,
            clear_cache: false,
            plan: Plan::Local,
        };
        let folders = self.folders.clone();
        let workspace = on_disk(move || folders.workspace_to_look()).await?;
        let (events, stop) = (tokio::sync::mpsc::channel(1).0, CancellationToken::new());
        let running =
            Running { run: &run, host: &self.host, workspace: &workspace, events: &events, stop: &stop };
        let found = {
            let looked = clone::check(&self.supervisor, &self.folders, &running);
            tokio::pin!(looked);
            tokio::select! {
                found = &mut looked => found,
                () = tokio::time::sleep(LOOK_LIMIT) => {
                    stop.cancel();
                    looked.await
                }
            }
        };
        on_disk(move || {
            drop(workspace);
            Ok(())
        })
        .await?;
        found
    }

    async fn steps(&self, running: &Running<'_>) -> Result<Outcome, Error> {
        let run = running.run;
        let cloned = match &run.service.repository {
            Some(_) => match self.clone_step(running).await? {
                Ok(commit) => Some(commit),
                Err(stopped) => return Ok(stopped),
            },
            None => None,
        };
        // Of an image that somebody built the commit is what they say; the files beside it are those of the branch.
        let commit = run.given.as_ref().and_then(|given| given.commit.clone()).or(cloned);
        let (folders, service, clear) = (self.folders.clone(), run.service.id.clone(), run.clear_cache);
        let cache = on_disk(move || folders.cache(&service, clear)).await?;
        let mut environment = running.base();
        environment.extend(command::for_commands(&self.host, commit.as_ref(), &cache, run));
        let local = &run.service.local;
        let build = (Step::Build, &local.build_command);
        let build = Some(build).filter(|_| run.given.is_none());
        for (step, text) in build.into_iter().chain([(Step::Deploy, &local.deploy_command)]) {
            if let Err(stopped) = self.command_step(running, step, text, &environment).await? {
                return Ok(stopped);
            }
        }
        Ok(Outcome::Succeeded)
    }

    async fn clone_step(&self, running: &Running<'_>) -> Result<Result<Commit, Stopped>, Error> {
        let mut log = running.begin(Step::Clone).await;
        let cloned = clone::clone(&self.supervisor, &self.folders, running, &mut log).await?;
        let (succeeded, exit_code) = match &cloned {
            Cloned::At { .. } => (true, Some(0)),
            Cloned::Failed { exit_code, .. } | Cloned::Stopped(exit_code) => (false, *exit_code),
        };
        if let (Cloned::At { commit, subject }, None) = (&cloned, &running.run.given) {
            log.tell(Event::Commit { commit: commit.clone(), subject: subject.clone() }).await;
        }
        log.tell(Event::StepFinished { step: Step::Clone, succeeded, exit_code }).await;
        Ok(match cloned {
            Cloned::At { commit, .. } => Ok(commit),
            Cloned::Failed { reason, message, detail, .. } => {
                Err(Outcome::failed(reason, message).with_detail(detail))
            }
            Cloned::Stopped(_) => Err(stopped()),
        })
    }

    async fn command_step(
        &self,
        running: &Running<'_>,
        step: Step,
        text: &str,
        environment: &Environment,
    ) -> Result<Result<(), Stopped>, Error> {
        if running.stop.is_cancelled() {
            return Ok(Err(stopped()));
        }
        let mut log = running.begin(step).await;
        if text.trim().is_empty() {
            log.line(&format!("The service has no {} command", step.as_str())).await;
            log.tell(Event::StepFinished { step, succeeded: true, exit_code: Some(0) }).await;
            return Ok(Ok(()));
        }
        for line in text.lines() {
            log.line(&format!("$ {line}")).await;
        }
        let words = command::shell(text);
        let directory = running.workspace.source();
        let line = CommandLine { words, environment: environment.clone(), directory };
        let ended = self.supervisor.run(&line, &mut Output::Log(&mut log), running.stop).await;
        let ended = ended
            .map_err(|error| Error(format!("the {} step could not be started: {error}", step.as_str())))?;
        let (succeeded, exit_code) = match ended {
            Ended::Exited(code) => (code == 0, Some(code)),
            Ended::Stopped(code) => (false, code),
        };
        let result = match ended {
            Ended::Exited(0) => Ok(()),
            Ended::Exited(code) => Err(format!(
                "the {} command ended with exit code {code}{}",
                step.as_str(),
                exit_codes::meaning(code)
            )),
            Ended::Stopped(_) => Err(format!("the {} command was stopped", step.as_str())),
        };
        if let Err(sentence) = &result {
            log.own_line(sentence).await;
        }
        log.tell(Event::StepFinished { step, succeeded, exit_code }).await;
        Ok(result.map_err(|sentence| match ended {
            Ended::Exited(_) if step == Step::Build => Outcome::failed(Reason::BuildFailed, sentence),
            Ended::Exited(_) => Outcome::failed(Reason::DeployFailed, sentence),
            Ended::Stopped(_) => stopped(),
        }))
    }
}

fn stopped() -> Outcome {
    Outcome::failed(Reason::Cancelled, "the run was stopped")
}

/// Makes folders, or sets them aside, on a thread that may block.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| Error(format!("the folders of the run could not be made: {error}")))
}

/// Says in the log what went wrong.
fn told<T>(done: Result<T, Error>, what: &str) -> Option<T> {
    done.inspect_err(|error| tracing::warn!(error = %error, what, "trying again later")).ok()
}

/// What all steps of one run share.
struct Running<'a> {
    run: &'a Run,
    host: &'a HostEnvironment,
    workspace: &'a Workspace,
    events: &'a Events,
    stop: &'a CancellationToken,
}

impl<'a> Running<'a> {
    /// Says that a step begins and opens its log.
    async fn begin(&self, step: Step) -> StepLog<'a> {
        let mut log = StepLog::new(step, self.events, self.stop, MAX_OUTPUT);
        log.tell(Event::StepStarted(step)).await;
        log
    }

    /// The variables that `clone` begins with.
    fn base(&self) -> Environment {
        command::base(self.host, self.workspace, self.run)
    }
}

impl Executor for LocalExecutor {
    async fn check(&self, service: &Service) -> Vec<Finding> {
        if service.repository.is_none() {
            return vec![Finding::good(
                "it deploys images that are built elsewhere, so there is no repository to look at",
            )];
        }
        let unknown =
            |error: Error| Finding::advice(format!("the repository was not looked at: {error}"), None);
        vec![self.look(service).await.unwrap_or_else(unknown)]
    }

    async fn run(&self, run: &Run, events: &Events, stop: &CancellationToken) -> Result<Outcome, Error> {
        let (folders, service) = (self.folders.clone(), run.service.id.clone());
        let workspace = on_disk(move || folders.workspace(&service)).await?;
        let running = Running { run, host: &self.host, workspace: &workspace, events, stop };
        let outcome = self.steps(&running).await;
        on_disk(move || {
            drop(workspace);
            Ok(())
        })
        .await?;
        outcome
    }

    async fn forget(&self, service: &ServiceId) {
        if let Err(error) = self.folders.forget(service) {
            tracing::warn!(error = %error, "what is kept for a deleted service could not be set aside");
        }
    }

    async fn empty_cache(&self, service: &ServiceId) -> bool {
        let (folders, service) = (self.folders.clone(), service.clone());
        told(on_disk(move || folders.empty_cache(&service)).await, "a cache could not be emptied")
            .unwrap_or(false)
    }

    async fn sweep(&self) -> Vec<(ServiceId, u64)> {
        let folders = self.folders.clone();
        told(on_disk(move || folders.sweep()).await, "the folders of runs could not be swept")
            .unwrap_or_default()
    }

    async fn tidy(&self, stop: &CancellationToken) {
        self.folders.trash().empty_until(stop).await;
    }
}
