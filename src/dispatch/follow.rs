//! Follows one run: events become steps, log and status.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, Error as DbError, Tx, deployments, logs, steps};
use crate::domain::{Clock, Deployment, DeploymentId, LogLines, Reason, Redactor, Service, Step, Timestamp};
use crate::executor::{Event, Executor, Outcome, Run};

use super::{Inner, Stop, asked_to_stop};

/// Events that wait for the record; a full channel slows the run down.
const EVENTS: usize = 64;
/// Text is stored at the latest after this.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Text is stored at once from this many bytes on.
const FLUSH_BYTES: usize = 32 * 1024;
/// Pause before a status is written again that the database did not take.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Runs a claimed deployment to its end and records everything about it.
pub(super) async fn follow<L: Executor>(
    inner: &Inner<L>,
    deployment: Deployment,
    service: Service,
    stop: Stop,
) {
    let id = deployment.id.clone();
    let mut record = Record::new(inner, &id, &service);
    let (events, inbox) = mpsc::channel(EVENTS);
    let run = Run {
        commit: deployment.commit_requested.then_some(deployment.commit).flatten(),
        deployment: deployment.id,
        service,
        branch: deployment.branch,
        clear_cache: deployment.clear_cache,
        cluster: None,
    };
    let running = async {
        let outcome = match &inner.local {
            Some(local) => AssertUnwindSafe(local.run(&run, &events, &stop.token)).catch_unwind().await,
            None => Ok(Err(crate::executor::Error("this server has no executor local".to_owned()))),
        };
        drop(events);
        outcome
    };
    let (outcome, ()) = tokio::join!(running, record.events(inbox));
    stop.has_ended.cancel();
    record.end().await;
    let outcome = match outcome {
        Ok(Ok(outcome)) => settle(outcome, stop.cause()),
        Ok(Err(error)) => Outcome::Failed { reason: Reason::Internal, message: error.0 },
        Err(_) => Outcome::Failed { reason: Reason::Internal, message: "the executor panicked".to_owned() },
    };
    conclude(inner, &id, outcome).await;
    inner.running().remove(&id);
    inner.db.wake_queue();
}

/// Who stopped a run knows why it failed better than the executor does; a run that made it all the same has succeeded.
fn settle(outcome: Outcome, cause: Option<(Reason, String)>) -> Outcome {
    match (outcome, cause) {
        (Outcome::Failed { .. }, Some((reason, message))) => Outcome::Failed { reason, message },
        (outcome, _) => outcome,
    }
}

async fn conclude<L>(inner: &Inner<L>, id: &DeploymentId, outcome: Outcome) {
    let now = inner.clock.now();
    match &outcome {
        Outcome::Succeeded => tracing::info!(deployment.id = %id, "deployment succeeded"),
        Outcome::Failed { reason, message } => {
            tracing::info!(deployment.id = %id, reason = reason.as_str(), message, "deployment failed");
        }
    }
    let write = move |tx: &Tx<'_>, id: &DeploymentId| match &outcome {
        Outcome::Succeeded if deployments::succeed(tx, id, now)? => Ok(()),
        Outcome::Succeeded => {
            let message = "the executor reported success before it deployed";
            deployments::fail(tx, id, Reason::Internal, message, now).map(drop)
        }
        Outcome::Failed { reason, message } => {
            let asked = deployments::find(tx, id)?.as_ref().and_then(asked_to_stop);
            let (reason, message) = asked.unwrap_or((*reason, message.clone()));
            deployments::fail(tx, id, reason, &message, now).map(drop)
        }
    };
    persist(&inner.db, &inner.is_draining, write, id).await;
}

/// Writes until the database takes it: a status must not get lost because the disk was full for a while. A server that
/// goes down tries once; the next start settles what is left.
async fn persist<F>(db: &Db, is_draining: &CancellationToken, write: F, id: &DeploymentId)
where
    F: Fn(&Tx<'_>, &DeploymentId) -> Result<(), DbError> + Clone + Send + 'static,
{
    loop {
        let (write, own_id) = (write.clone(), id.clone());
        match db.write(move |tx| write(tx, &own_id)).await {
            Ok(()) => return,
            Err(DbError::Unavailable(why)) if !is_draining.is_cancelled() => {
                tracing::warn!(deployment.id = %id, why, "a status could not be stored; trying again");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            Err(error) => {
                tracing::error!(deployment.id = %id, error = %error, "a status could not be stored");
                return;
            }
        }
    }
}

/// Says in the log file that no more text will come.
pub(super) async fn complete_log(db: &Db, id: &DeploymentId, now: Timestamp) {
    let own_id = id.clone();
    if let Err(error) = db.write_logs(move |tx| logs::complete(tx, &own_id, now)).await {
        tracing::warn!(deployment.id = %id, error = %error, "the end of a log could not be stored");
    }
}

/// What is being recorded of one run.
struct Record<'a> {
    db: &'a Db,
    clock: &'a Clock,
    is_draining: &'a CancellationToken,
    id: &'a DeploymentId,
    kept: logs::Kept,
    lines: LogLines,
    step: Step,
    pending: String,
    /// Bytes that could not be stored and are told of in the text that follows.
    lost: usize,
}

impl<'a> Record<'a> {
    fn new<L>(inner: &'a Inner<L>, id: &'a DeploymentId, service: &Service) -> Self {
        let secrets = service.local.env.values().cloned().collect::<Vec<_>>();
        Self {
            db: &inner.db,
            clock: &inner.clock,
            is_draining: &inner.is_draining,
            id,
            kept: inner.settings.logs,
            lines: LogLines::new(Redactor::new(secrets)),
            step: Step::Clone,
            pending: String::new(),
            lost: 0,
        }
    }

    async fn events(&mut self, mut inbox: mpsc::Receiver<Event>) {
        let mut flush_at = Instant::now();
        loop {
            if self.pending.is_empty() {
                flush_at = Instant::now() + FLUSH_INTERVAL;
                let Some(event) = inbox.recv().await else { return };
                self.event(event).await;
            } else {
                match tokio::time::timeout_at(flush_at, inbox.recv()).await {
                    Ok(Some(event)) => self.event(event).await,
                    Ok(None) => return,
                    Err(_) => self.flush().await,
                }
            }
        }
    }

    async fn event(&mut self, event: Event) {
        let now = self.clock.now();
        match event {
            Event::Log { step, bytes } => self.log(step, &bytes).await,
            Event::StepStarted(step) => {
                self.turn_to(step).await;
                let write = move |tx: &Tx<'_>, id: &DeploymentId| {
                    if step == Step::Deploy {
                        deployments::begin_deploying(tx, id)?;
                    }
                    steps::start(tx, id, step, now)
                };
                persist(self.db, self.is_draining, write, self.id).await;
            }
            Event::StepFinished { step, succeeded, exit_code } => {
                self.end_lines().await;
                let write = move |tx: &Tx<'_>, id: &DeploymentId| {
                    steps::finish(tx, id, step, succeeded, exit_code, now)
                };
                persist(self.db, self.is_draining, write, self.id).await;
            }
            // Said by runs in a cluster only, which come with their columns.
            Event::Created { .. } | Event::Image(_) | Event::LogMark(_) | Event::Waiting(_) => {}
            Event::Commit { commit, subject } => {
                let write =
                    move |tx: &Tx<'_>, id: &DeploymentId| deployments::set_commit(tx, id, &commit, &subject);
                persist(self.db, self.is_draining, write, self.id).await;
            }
        }
    }

    async fn log(&mut self, step: Step, bytes: &[u8]) {
        self.turn_to(step).await;
        let text = self.lines.push(bytes);
        self.pending.push_str(&text);
        if self.pending.len() >= FLUSH_BYTES {
            self.flush().await;
        }
    }

    async fn turn_to(&mut self, step: Step) {
        if step != self.step {
            self.end_lines().await;
            self.step = step;
        }
    }

    async fn end_lines(&mut self) {
        let text = self.lines.finish();
        self.pending.push_str(&text);
        self.flush().await;
    }

    async fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let (own, id) = (std::mem::take(&mut self.pending), self.id.clone());
        let (step, kept, length) = (self.step, self.kept, own.len());
        let text = if self.lost == 0 { own } else { format!("… {} bytes were lost …\n{own}", self.lost) };
        let now = self.clock.now();
        let stored = self.db.write_logs(move |tx| {
            if tx.is_short_of_space() {
                return Err(DbError::Unavailable("the disk is nearly full"));
            }
            logs::append(tx, &id, step, &text, kept, now)
        });
        match stored.await {
            Ok(()) => self.lost = 0,
            Err(error) => {
                self.lost += length;
                tracing::warn!(deployment.id = %self.id, error = %error, "some lines of a log were not stored");
            }
        }
    }

    /// Stores the last bytes and says that no more will come, before the status becomes final.
    async fn end(&mut self) {
        self.end_lines().await;
        complete_log(self.db, self.id, self.clock.now()).await;
    }
}
