//! Records what a run tells: steps, status, log.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, Error as DbError, Tx, deployments, logs, runs, steps};
use crate::dispatch::Inner;
use crate::domain::{
    BuiltImage, Clock, DeploymentId, ImageDigest, ImageRepository, LogLines, Redactor, Service, Step,
    Timestamp,
};
use crate::executor::Event;

/// Text is stored at the latest after this.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Text is stored at once from this many bytes on.
const FLUSH_BYTES: usize = 32 * 1024;
/// Pause before a status is written again that the database did not take.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Longest message about what is waited for, in characters.
const MAX_MESSAGE: usize = 500;

/// What is being recorded of one run.
pub(super) struct Record<'a> {
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
    /// Where the log stands once what is pending is stored.
    mark: Option<String>,
    /// Where it stands within the line that has not ended; of use only if that never does.
    mark_within_line: Option<String>,
    /// Where images of the service are pushed.
    image: Option<ImageRepository>,
}

impl<'a> Record<'a> {
    pub(super) fn new<E>(inner: &'a Inner<E>, id: &'a DeploymentId, service: &Service) -> Self {
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
            mark: None,
            mark_within_line: None,
            image: service.tekton.as_ref().map(|tekton| tekton.image.clone()),
        }
    }

    /// Records until the executor has told everything.
    pub(super) async fn events(&mut self, mut inbox: mpsc::Receiver<Event>) {
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
            Event::LogMark(mark) if self.lines.is_within_line() => self.mark_within_line = Some(mark),
            Event::LogMark(mark) => (self.mark, self.mark_within_line) = (Some(mark), None),
            Event::Created { uid } => {
                let write = move |tx: &Tx<'_>, id: &DeploymentId| runs::set_uid(tx, id, &uid);
                persist(self.db, self.is_draining, write, self.id).await;
            }
            Event::Image(digest) => self.image(digest).await,
            Event::Waiting(text) => {
                let text = text.map(|text| text.chars().take(MAX_MESSAGE).collect::<String>());
                let write = move |tx: &Tx<'_>, id: &DeploymentId| runs::set_waiting(tx, id, text.as_deref());
                persist(self.db, self.is_draining, write, self.id).await;
            }
            Event::Commit { commit, subject } => {
                let write =
                    move |tx: &Tx<'_>, id: &DeploymentId| deployments::set_commit(tx, id, &commit, &subject);
                persist(self.db, self.is_draining, write, self.id).await;
            }
        }
    }

    async fn image(&self, digest: ImageDigest) {
        let Some(repository) = self.image.clone() else { return };
        let image = BuiltImage { repository, built_by: self.id.clone(), digest };
        let write = move |tx: &Tx<'_>, id: &DeploymentId| runs::set_image(tx, id, &image);
        persist(self.db, self.is_draining, write, self.id).await;
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
        self.mark = self.mark_within_line.take().or_else(|| self.mark.take());
        self.flush().await;
    }

    async fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let (own, id) = (std::mem::take(&mut self.pending), self.id.clone());
        let (step, kept, length) = (self.step, self.kept, own.len());
        let text = if self.lost == 0 { own } else { format!("… {} bytes were lost …\n{own}", self.lost) };
        let (now, mark) = (self.clock.now(), self.mark.take());
        let stored = self.db.logs().write(move |tx| {
            if tx.is_short_of_space() {
                return Err(DbError::Unavailable("the disk is nearly full"));
            }
            logs::append(tx, &id, step, &text, kept, now)?;
            mark.map_or(Ok(()), |mark| logs::set_mark(tx, &id, &mark))
        });
        match stored.await {
            Ok(()) => self.lost = 0,
            Err(error) => {
                self.lost += length;
                tracing::warn!(deployment.id = %self.id, error = %error, "some lines of a log were not stored");
            }
        }
    }

    /// Stores the lines that have ended. The next process takes the last one again, so that no secret is cut in two.
    pub(super) async fn detach(&mut self) {
        self.flush().await;
    }

    /// Stores the last bytes and says that no more will come, before the status becomes final.
    pub(super) async fn end(&mut self) {
        self.end_lines().await;
        complete_log(self.db, self.id, self.clock.now()).await;
    }
}

/// Writes until the database takes it: a status must not get lost because the disk was full for a while. A server that
/// goes down tries once; the next start settles what is left.
pub(super) async fn persist<F>(db: &Db, is_draining: &CancellationToken, write: F, id: &DeploymentId)
where
    F: Fn(&Tx<'_>, &DeploymentId) -> Result<(), DbError> + Clone + Send + 'static,
{
    loop {
        let (write, own_id) = (write.clone(), id.clone());
        match db.core().write(move |tx| write(tx, &own_id)).await {
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
    if let Err(error) = db.logs().write(move |tx| logs::complete(tx, &own_id, now)).await {
        tracing::warn!(deployment.id = %id, error = %error, "the end of a log could not be stored");
    }
}
