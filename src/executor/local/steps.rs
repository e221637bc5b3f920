//! The steps of one run, one after another.

use tokio_util::sync::CancellationToken;

use super::clone::{self, Cloned};
use super::command::{self, CommandLine};
use super::host::{Environment, HostEnvironment};
use super::output::{Output, StepLog};
use super::process::Ended;
use super::workspace::Workspace;
use super::{LocalExecutor, on_disk};
use crate::domain::{Commit, Reason, Step};
use crate::executor::{Error, Event, Events, Outcome, Run, exit_codes};

/// Most output of one step that is passed on, in bytes: 256 MiB.
const MAX_OUTPUT: u64 = 256 * 1_024 * 1_024;

/// A step that did not end well: what the run ends with.
type Stopped = Outcome;

/// What all steps of one run share.
pub(super) struct Running<'a> {
    pub(super) run: &'a Run,
    pub(super) host: &'a HostEnvironment,
    pub(super) workspace: &'a Workspace,
    pub(super) events: &'a Events,
    pub(super) stop: &'a CancellationToken,
}

impl<'a> Running<'a> {
    /// Says that a step begins and opens its log.
    pub(super) async fn begin(&self, step: Step) -> StepLog<'a> {
        let mut log = StepLog::new(step, self.events, self.stop, MAX_OUTPUT);
        log.tell(Event::StepStarted(step)).await;
        log
    }

    /// The variables that `clone` begins with.
    pub(super) fn base(&self) -> Environment {
        command::base(self.host, self.workspace, self.run)
    }
}

impl LocalExecutor {
    pub(super) async fn steps(&self, running: &Running<'_>) -> Result<Outcome, Error> {
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
